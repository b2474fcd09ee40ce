# Names that begin with __syslua are its own. PATH and others may be lists here: they are compared and set as text.
def __syslua_get [name: string] {
  if $name not-in $env { return "" }
  let value = ($env | get $name)
  if ($value | describe | str starts-with "list") { $value | str join (char esep) } else { $value | into string }
}

def __syslua_split [separator: string, text: string] {
  if $text == "" { [] } else { $text | split row $separator }
}

# What is between the first separator and the last one.
def __syslua_ours [separator: string, text: string] {
  let all = ($text | split row $separator)
  if ($all | length) < 3 { [] } else { $all | skip 1 | drop 1 }
}

def --env __syslua_set_list [name: string, separator: string, entries: list<string>] {
  let is_list = $name == "PATH" or ($name in $env and ($env | get $name | describe | str starts-with "list"))
  load-env { ($name): (if $is_list { $entries } else { $entries | str join $separator }) }
}

# Has variables hidden: by the script itself, since a function that sets others cannot.
def --env __syslua_hide [...names: string] {
  $env.__syslua_state.hidden = ($env.__syslua_state.hidden ++ $names)
}

# The layers below and above one: its memory, and its sort. Environments lie on one another, each with a memory: those of
# roots and users, those of a config's projects (sort +1), and those of directories (+2). A new one comes above all but those
# of a higher sort; what a shell was started in (+9) stays below all that comes later.
def __syslua_stack [memory: string, sort: string] {
  mut stack = { lower: [], own: $"($memory | str replace __SYSLUA_ '')($sort)", upper: [] }
  mut is_found = false
  for word in (__syslua_get __SYSLUA_LAYERS | split row " ") {
    if $word !~ '^[0-9a-f]+(\+[0-9a-f.]+)?$' { continue }
    if $"__SYSLUA_($word | split row '+' | first)" == $memory {
      $stack = { lower: ($stack.lower ++ $stack.upper), own: $word, upper: [] }
      $is_found = true
    } else if $is_found or $"($sort)/($word)" =~ '^(/.*\+|\+1[^/]*/.*\+2)' {
      $stack.upper = ($stack.upper ++ [$word])
    } else {
      $stack.lower = ($stack.lower ++ $stack.upper ++ [$word])
      $stack.upper = []
    }
  }
  $stack
}

# Where a value is for the layer: in the memory of the next layer above that sets it, or in the variable.
def __syslua_find [name: string] {
  let above = (
    $env.__syslua_state.upper
    | each {|word| $"__SYSLUA_($word | split row '+' | first)" }
    | where {|memory| $name in (__syslua_get $memory | split row " " | skip 1) }
  )
  if ($above | is-empty) { $name } else { $"($above | first)_($name)" }
}

# The entries of a list that layers remember as theirs.
def __syslua_share [name: string, separator: string, layers: list<string>] {
  $layers | each {|word| __syslua_ours $separator (__syslua_get $"__SYSLUA_($word | split row '+' | first)_($name)") } | flatten
}

# Gives a variable the value that it had before, if it had one.
def --env __syslua_restore [name: string] {
  let old = $"($env.__syslua_state.memory)_($name)"
  let at = (__syslua_find $name)
  if $old in $env {
    load-env { ($at): ($env | get $old) }
    __syslua_hide $old
  } else {
    __syslua_hide $at
  }
  __syslua_hide $"($env.__syslua_state.memory)_0($name)"
}

# Takes our entries out of a list: its name, and how many characters its separator has.
def --env __syslua_take_back [name: string, length: int] {
  let memory = $"($env.__syslua_state.memory)_($name)"
  let text = (__syslua_get $memory)
  if ($text | str length) < $length { return }
  let separator = ($text | str substring 0..<$length)
  let ours = (__syslua_ours $separator $text)
  let shared = (__syslua_share $name $separator ($env.__syslua_state.lower ++ $env.__syslua_state.upper))
  let rest = (__syslua_split $separator (__syslua_get $name) | where { |entry| $entry not-in $ours or $entry in $shared })
  if ($rest | is-empty) {
    __syslua_hide $name $memory
  } else {
    __syslua_set_list $name $separator $rest
    __syslua_hide $memory
  }
}

# Takes back what is no longer declared: the variable of the memory, the stamp, the sort of the layer, and what is declared as
# the memory has it: NAME, or NAME+N for a list whose separator has N characters.
def --env __syslua_begin [memory: string, stamp: string, sort: string, ...declared: string] {
  let index = (__syslua_get $memory | split row " ")
  let is_new = ($index | first) != $stamp
  let stack = (__syslua_stack $memory $sort)
  $env.__SYSLUA_LAYERS = $"($stack.lower ++ [$stack.own] ++ $stack.upper | str join ' ') "
  $env.__syslua_state = {
    memory: $memory, stamp: $stamp, sort: $sort, declared: $declared, index: $index, is_new: $is_new, hidden: [],
    lower: $stack.lower, upper: $stack.upper
  }
  if not $is_new { return }
  for word in ($index | skip 1) {
    if $word in $declared or $word !~ '^[A-Za-z_][A-Za-z0-9_]*(\+[1-9])?$' { continue }
    let parts = ($word | split row "+")
    if ($parts | length) == 2 {
      __syslua_take_back $parts.0 ($parts.1 | into int)
    } else if $word not-in ["PATH" "HOME"] {
      __syslua_restore $word
    }
  }
}

# Leaves a project: the variable of its memory. What has another value than at entry stays. The script hides the rest.
def --env __syslua_leave [memory: string] {
  $env.__syslua_state = { upper: (__syslua_stack $memory "").upper }
  let kept = (
    __syslua_get $memory | split row " " | skip 1
    | where {|name| $name =~ '^[A-Za-z_][A-Za-z0-9_]*$' }
    | where {|name| (__syslua_get (__syslua_find $name)) != (__syslua_get $"($memory)_0($name)") }
  )
  __syslua_drop $memory ...$kept
}

# Takes all of a layer back: the variable of its memory, and what stays as it is. The script hides the rest.
def --env __syslua_drop [memory: string, ...kept: string] {
  __syslua_begin $memory left "" ...$kept
  let state = $env.__syslua_state
  let layers = ($state.lower ++ $state.upper)
  if ($layers | is-empty) { __syslua_hide __SYSLUA_LAYERS } else { $env.__SYSLUA_LAYERS = $"($layers | str join ' ') " }
  __syslua_hide $memory ...($kept | each {|name| [$"($memory)_($name)" $"($memory)_0($name)"] } | flatten)
}

# Sets a variable: its name and its value. A project remembers it as well.
def --env __syslua_single [name: string, value: string] {
  let state = $env.__syslua_state
  let at = (__syslua_find $name)
  if not $state.is_new {
    if $at in $env { return }
  } else if $at in $env and $name not-in $state.index {
    load-env { $"($state.memory)_($name)": ($env | get $at) }
  }
  load-env { ($at): $value }
  if $state.sort != "" { load-env { $"($state.memory)_0($name)": $value } }
}

# Puts entries before what a list has: its name, its separator, what it means while it is unset after an x, and the entries.
def --env __syslua_list [name: string, separator: string, default: string, ...new: string] {
  let state = $env.__syslua_state
  let there = (__syslua_split $separator (__syslua_get $name))
  let meant = (if $default == "" { [] } else { $default | str substring 1.. | split row $separator })
  if not $state.is_new {
    let missing = ($new | where { |entry| $entry not-in $there })
    if ($missing | is-empty) { return }
    __syslua_set_list $name $separator ($missing ++ (if ($there | is-empty) { $meant } else { $there }))
    return
  }
  let memory = $"($state.memory)_($name)"
  let ours = (__syslua_ours $separator (__syslua_get $memory))
  let shared = (__syslua_share $name $separator ($state.lower ++ $state.upper))
  let above = (__syslua_share $name $separator $state.upper)
  let added = ($new | where { |entry| $entry in $ours or $entry in $shared or $entry not-in $there })
  let first = ($there | enumerate | where { |one| $one.item in $ours } | get index | append [(-1)] | first)
  let before = (if $first < 0 { [] } else { $there | first $first | where { |entry| $entry not-in $new } })
  let after = (
    $there | skip ([$first 0] | math max)
    | where { |entry| $entry not-in $new and ($entry not-in $ours or $entry in $shared) }
  )
  # Where nothing of ours was, ours come first, after those of the layers above.
  let before = (if $first < 0 { $after | take while { |entry| $entry in $above } } else { $before })
  let after = (if $first < 0 { $after | skip ($before | length) } else { $after })
  let is_bare = ($before | is-empty) and ($after | is-empty) and ($first >= 0 or ($there | is-empty))
  let after = (if $is_bare { $meant } else { $after })
  let added = (if $is_bare { $added ++ $meant } else { $added })
  load-env { ($memory): $"($separator)($added | append "" | str join $separator)" }
  __syslua_set_list $name $separator ($before ++ $new ++ $after)
}

# Remembers what was set.
def --env __syslua_end [] {
  let state = $env.__syslua_state
  if $state.is_new { load-env { ($state.memory): ([$state.stamp] ++ $state.declared | str join " ") } }
  hide-env __syslua_state
}
