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

# Gives a variable the value that it had before, if it had one.
function __syslua_restore([string]$Name) {
  $old = "${__syslua_memory}_$Name"
  $value = __syslua_get $old
  if ($null -ne $value) {
    __syslua_set $Name $value
    __syslua_unset $old
  } else {
    __syslua_unset $Name
  }
}

# Takes our entries out of a list: its name, and how many characters its separator has.
function __syslua_take_back([string]$Name, [int]$Length) {
  $memory = "${__syslua_memory}_$Name"
  $text = [string](__syslua_get $memory)
  if ($text.Length -lt $Length) { return }
  $separator = $text.Substring(0, $Length)
  $ours = @(__syslua_ours $separator $text)
  $rest = @(__syslua_split $separator (__syslua_get $Name) | Where-Object { $ours -cnotcontains $_ })
  if ($rest.Count -gt 0) { __syslua_set $Name ($rest -join $separator) } else { __syslua_unset $Name }
  __syslua_unset $memory
}

# Takes back what is no longer declared: the variable of the memory, the stamp, and what is declared as the memory has it:
# NAME, or NAME+N for a list whose separator has N characters.
function __syslua_begin([string]$Memory, [string]$Stamp, [string[]]$Declared) {
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

# Sets a variable: its name and its value.
function __syslua_single([string]$Name, [string]$Value) {
  $there = __syslua_get $Name
  if (-not $__syslua_is_new) {
    if ($null -ne $there) { return }
  } elseif (($null -ne $there) -and ($__syslua_index -cnotcontains $Name)) {
    __syslua_set "${__syslua_memory}_$Name" $there
  }
  __syslua_set $Name $Value
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
  $added = @($New | Where-Object { ($ours -ccontains $_) -or ($there -cnotcontains $_) })
  $before = @()
  $after = @()
  $isFound = $false
  foreach ($entry in $there) {
    if ($ours -ccontains $entry) {
      $isFound = $true
    } elseif ($New -cnotcontains $entry) {
      if ($isFound) { $after += $entry } else { $before += $entry }
    }
  }
  if (-not $isFound) {
    $after = $before
    $before = @()
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
  foreach ($name in 'get', 'set', 'unset', 'split', 'ours', 'restore', 'take_back', 'begin', 'single', 'list', 'end') {
    Remove-Item -Path "Function:__syslua_$name" -ErrorAction SilentlyContinue
  }
}
