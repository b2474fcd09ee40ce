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

# Gives a variable the value that it had before, if it had one.
def --env __syslua_restore [name: string] {
  let old = $"($env.__syslua_state.memory)_($name)"
  if $old in $env {
    load-env { ($name): ($env | get $old) }
    __syslua_hide $old
  } else {
    __syslua_hide $name
  }
}

# Takes our entries out of a list: its name, and how many characters its separator has.
def --env __syslua_take_back [name: string, length: int] {
  let memory = $"($env.__syslua_state.memory)_($name)"
  let text = (__syslua_get $memory)
  if ($text | str length) < $length { return }
  let separator = ($text | str substring 0..<$length)
  let ours = (__syslua_ours $separator $text)
  let rest = (__syslua_split $separator (__syslua_get $name) | where { |entry| $entry not-in $ours })
  if ($rest | is-empty) {
    __syslua_hide $name $memory
  } else {
    __syslua_set_list $name $separator $rest
    __syslua_hide $memory
  }
}

# Takes back what is no longer declared: the variable of the memory, the stamp, and what is declared as the memory has it:
# NAME, or NAME+N for a list whose separator has N characters.
def --env __syslua_begin [memory: string, stamp: string, ...declared: string] {
  let index = (__syslua_get $memory | split row " ")
  let is_new = ($index | first) != $stamp
  $env.__syslua_state = {
    memory: $memory, stamp: $stamp, declared: $declared, index: $index, is_new: $is_new, hidden: []
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

# Sets a variable: its name and its value.
def --env __syslua_single [name: string, value: string] {
  let state = $env.__syslua_state
  if not $state.is_new {
    if $name in $env { return }
  } else if $name in $env and $name not-in $state.index {
    load-env { $"($state.memory)_($name)": ($env | get $name) }
  }
  load-env { ($name): $value }
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
  let added = ($new | where { |entry| $entry in $ours or $entry not-in $there })
  let first = ($there | enumerate | where { |one| $one.item in $ours } | get index | append [(-1)] | first)
  let before = (if $first < 0 { [] } else { $there | first $first | where { |entry| $entry not-in $new } })
  let after = ($there | skip ([$first 0] | math max) | where { |entry| $entry not-in $ours and $entry not-in $new })
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
