# Names that begin with __syslua are its own. Works in Windows PowerShell 5.1 and later.
function __syslua_get([string]$Name) { [Environment]::GetEnvironmentVariable($Name) }

function __syslua_set([string]$Name, [string]$Value) { [Environment]::SetEnvironmentVariable($Name, $Value) }

function __syslua_unset([string]$Name) { [Environment]::SetEnvironmentVariable($Name, [NullString]::Value) }

function __syslua_split([string]$Separator, [string]$Text) {
  if ($Text -ne '') { $Text.Split([string[]]@($Separator), [StringSplitOptions]::None) }
}

# What is between the first separator and the last one.
function __syslua_ours([string]$Separator, [string]$Text) {
  $all = @(__syslua_split $Separator $Text)
  if ($all.Count -ge 3) { $all[1..($all.Count - 2)] }
}

# Finds the layers below and above one: its memory, and its sort. Environments lie on one another, each with a memory: those
# of roots and users, those of a config's projects (sort +1), and those of directories (+2). A new one comes above all but
# those of a higher sort; what a shell was started in (+9) stays below all that comes later.
function __syslua_stack([string]$Memory, [string]$Sort) {
  $script:__syslua_lower = @()
  $script:__syslua_upper = @()
  $script:__syslua_own = $Memory.Replace('__SYSLUA_', '') + $Sort
  $isFound = $false
  foreach ($word in ([string](__syslua_get '__SYSLUA_LAYERS')).Split(' ')) {
    if ($word -cnotmatch '^[0-9a-f]+(\+[0-9a-f.]+)?$') { continue }
    if ("__SYSLUA_$($word.Split('+')[0])" -ceq $Memory) {
      $script:__syslua_own = $word
      $script:__syslua_lower += $__syslua_upper
      $script:__syslua_upper = @()
      $isFound = $true
    } elseif ($isFound -or ("$Sort/$word" -cmatch '^(/.*\+|\+1[^/]*/.*\+2)')) {
      $script:__syslua_upper += $word
    } else {
      $script:__syslua_lower = @($__syslua_lower) + @($__syslua_upper) + @($word)
      $script:__syslua_upper = @()
    }
  }
}

# Where a value is for the layer: in the memory of the next layer above that sets it, or in the variable.
function __syslua_find([string]$Name) {
  foreach ($layer in $__syslua_upper) {
    $memory = "__SYSLUA_$($layer.Split('+')[0])"
    $words = @(([string](__syslua_get $memory)).Split(' ') | Select-Object -Skip 1)
    if ($words -ccontains $Name) { return "${memory}_$Name" }
  }
  return $Name
}

# The entries of a list that layers remember as theirs.
function __syslua_share([string]$Name, [string]$Separator, [string[]]$Layers) {
  foreach ($layer in $Layers) {
    __syslua_ours $Separator (__syslua_get "__SYSLUA_$($layer.Split('+')[0])_$Name")
  }
}

# Sets the order of all layers.
function __syslua_order([string[]]$Layers) {
  if ($Layers.Count -gt 0) { __syslua_set '__SYSLUA_LAYERS' (($Layers -join ' ') + ' ') } else { __syslua_unset '__SYSLUA_LAYERS' }
}

# Gives a variable the value that it had before, if it had one.
function __syslua_restore([string]$Name) {
  $old = "${__syslua_memory}_$Name"
  $at = __syslua_find $Name
  $value = __syslua_get $old
  if ($null -ne $value) {
    __syslua_set $at $value
    __syslua_unset $old
  } else {
    __syslua_unset $at
  }
  __syslua_unset "${__syslua_memory}_0$Name"
}

# Leaves a project: the variable of its memory. What has another value than at entry stays.
function __syslua_leave([string]$Memory) {
  $kept = @()
  __syslua_stack $Memory ''
  foreach ($word in @(([string](__syslua_get $Memory)).Split(' ') | Select-Object -Skip 1)) {
    if ($word -cnotmatch '^[A-Za-z_][A-Za-z0-9_]*$') { continue }
    $there = __syslua_get (__syslua_find $word)
    if ([string]$there -cne [string](__syslua_get "${Memory}_0$word")) { $kept += $word }
  }
  __syslua_drop $Memory $kept
}

# Takes all of a layer back: the variable of its memory, and what stays as it is.
function __syslua_drop([string]$Memory, [string[]]$Kept) {
  __syslua_begin $Memory 'left' '' $Kept
  foreach ($word in $Kept) {
    __syslua_unset "${Memory}_$word"
    __syslua_unset "${Memory}_0$word"
  }
  __syslua_unset $Memory
  __syslua_order (@($__syslua_lower) + @($__syslua_upper))
  $script:__syslua_is_new = $false
}

# Takes our entries out of a list: its name, and how many characters its separator has.
function __syslua_take_back([string]$Name, [int]$Length) {
  $memory = "${__syslua_memory}_$Name"
  $text = [string](__syslua_get $memory)
  if ($text.Length -lt $Length) { return }
  $separator = $text.Substring(0, $Length)
  $ours = @(__syslua_ours $separator $text)
  $shared = @(__syslua_share $Name $separator (@($__syslua_lower) + @($__syslua_upper)))
  $rest = @(__syslua_split $separator (__syslua_get $Name) | Where-Object { ($ours -cnotcontains $_) -or ($shared -ccontains $_) })
  if ($rest.Count -gt 0) { __syslua_set $Name ($rest -join $separator) } else { __syslua_unset $Name }
  __syslua_unset $memory
}

# Takes back what is no longer declared: the variable of the memory, the stamp, the sort of the layer, and what is declared as
# the memory has it: NAME, or NAME+N for a list whose separator has N characters.
function __syslua_begin([string]$Memory, [string]$Stamp, [string]$Sort, [string[]]$Declared) {
  $script:__syslua_sort = $Sort
  __syslua_stack $Memory $Sort
  __syslua_order (@($__syslua_lower) + @($__syslua_own) + @($__syslua_upper))
  $script:__syslua_memory = $Memory
  $script:__syslua_stamp = $Stamp
  $script:__syslua_declared = $Declared
  $script:__syslua_index = @(([string](__syslua_get $Memory)).Split(' '))
  $script:__syslua_is_new = $__syslua_index[0] -cne $Stamp
  if (-not $__syslua_is_new) { return }
  foreach ($word in @($__syslua_index | Select-Object -Skip 1)) {
    if (($Declared -ccontains $word) -or ($word -cnotmatch '^[A-Za-z_][A-Za-z0-9_]*(\+[1-9])?$')) { continue }
    $parts = $word.Split('+')
    if ($parts.Count -eq 2) {
      __syslua_take_back $parts[0] ([int]$parts[1])
    } elseif (@('PATH', 'HOME') -notcontains $word) {
      __syslua_restore $word
    }
  }
}

# Sets a variable: its name and its value. A project remembers it as well.
function __syslua_single([string]$Name, [string]$Value) {
  $at = __syslua_find $Name
  $there = __syslua_get $at
  if (-not $__syslua_is_new) {
    if ($null -ne $there) { return }
  } elseif (($null -ne $there) -and ($__syslua_index -cnotcontains $Name)) {
    __syslua_set "${__syslua_memory}_$Name" $there
  }
  __syslua_set $at $Value
  if ($__syslua_sort -ne '') { __syslua_set "${__syslua_memory}_0$Name" $Value }
}

# Puts entries before what a list has: its name, its separator, what it means while it is unset after an x, and the entries.
function __syslua_list([string]$Name, [string]$Separator, [string]$Default, [string[]]$New) {
  $there = @(__syslua_split $Separator (__syslua_get $Name))
  $meant = @()
  if ($Default -ne '') { $meant = @($Default.Substring(1).Split([string[]]@($Separator), [StringSplitOptions]::None)) }
  if (-not $__syslua_is_new) {
    $missing = @($New | Where-Object { $there -cnotcontains $_ })
    if ($missing.Count -eq 0) { return }
    if ($there.Count -eq 0) { $there = $meant }
    __syslua_set $Name (($missing + $there) -join $Separator)
    return
  }
  $memory = "${__syslua_memory}_$Name"
  $ours = @(__syslua_ours $Separator (__syslua_get $memory))
  $shared = @(__syslua_share $Name $Separator (@($__syslua_lower) + @($__syslua_upper)))
  $added = @($New | Where-Object { ($ours -ccontains $_) -or ($shared -ccontains $_) -or ($there -cnotcontains $_) })
  $before = @()
  $after = @()
  $isFound = $false
  foreach ($entry in $there) {
    if ($ours -ccontains $entry) {
      $isFound = $true
      if (($shared -ccontains $entry) -and ($New -cnotcontains $entry)) { $after += $entry }
    } elseif ($New -cnotcontains $entry) {
      if ($isFound) { $after += $entry } else { $before += $entry }
    }
  }
  # Where nothing of ours was, ours come first, after those of the layers above.
  if (-not $isFound) {
    $above = @(__syslua_share $Name $Separator $__syslua_upper)
    $count = 0
    while (($count -lt $before.Count) -and ($above -ccontains $before[$count])) { $count++ }
    $after = @($before | Select-Object -Skip $count)
    $before = @($before | Select-Object -First $count)
  }
  if (($before.Count -eq 0) -and ($after.Count -eq 0) -and ($isFound -or ($there.Count -eq 0))) {
    $after = $meant
    $added += $meant
  }
  __syslua_set $memory ($Separator + ((@($added) + @('')) -join $Separator))
  __syslua_set $Name ((@($before) + @($New) + @($after)) -join $Separator)
}

# Remembers what was set.
function __syslua_end {
  if ($__syslua_is_new) { __syslua_set $__syslua_memory ((@($__syslua_stamp) + @($__syslua_declared)) -join ' ') }
  Remove-Variable -Scope Script -Name '__syslua_*' -ErrorAction SilentlyContinue
  $names = 'get', 'set', 'unset', 'split', 'ours', 'stack', 'find', 'share', 'order', 'restore', 'leave', 'drop'
  foreach ($name in $names + @('take_back', 'begin', 'single', 'list', 'end')) {
    Remove-Item -Path "Function:__syslua_$name" -ErrorAction SilentlyContinue
  }
}
