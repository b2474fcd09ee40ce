# Names that begin with __syslua are its own. An error of one call leaves out that call only.
use path
use re
use str
var __syslua_memory = ''
var __syslua_stamp = ''
var __syslua_declared = []
var __syslua_index = []
var __syslua_is_new = $true

fn __syslua_get {|name| if (has-env $name) { get-env $name } else { put '' } }

fn __syslua_split {|separator text| if (eq $text '') { put [] } else { put [(str:split $separator $text)] } }

# What is between the first separator and the last one.
fn __syslua_ours {|separator text|
  var all = [(str:split $separator $text)]
  if (< (count $all) 3) { put [] } else { put $all[1..-1] }
}

# Finds where a value is for the layer: in the memory of the next layer above that sets it, or in the variable. A project of
# another shell that started this one may be above (sort +1 and more).
fn __syslua_find {|name|
  var at = $name
  for layer [(str:split ' ' (__syslua_get __SYSLUA_LAYERS))] {
    if (and (eq $at $name) (re:match '^[0-9a-f]+\+[0-9a-f.]+$' $layer)) {
      var memory = __SYSLUA_(re:replace '\+.*' '' $layer)
      var words = [(str:split ' ' (__syslua_get $memory))]
      if (has-value $words[1..] $name) { set at = $memory'_'$name }
    }
  }
  put $at
}

# Gives a variable the value that it had before, if it had one.
fn __syslua_restore {|name|
  var old = $__syslua_memory'_'$name
  var at = (__syslua_find $name)
  if (has-env $old) {
    set-env $at (get-env $old)
    unset-env $old
  } else {
    unset-env $at
  }
}

# Takes our entries out of a list: its name, and how many characters its separator has.
fn __syslua_take_back {|name length|
  var memory = $__syslua_memory'_'$name
  var text = (__syslua_get $memory)
  if (< (count $text) (num $length)) { return }
  var separator = $text[0..$length]
  var ours = (__syslua_ours $separator $text)
  var rest = [(for entry (__syslua_split $separator (__syslua_get $name)) {
    if (not (has-value $ours $entry)) { put $entry }
  })]
  if (eq $rest []) { unset-env $name } else { set-env $name (str:join $separator $rest) }
  unset-env $memory
}

# Takes back what is no longer declared: the variable of the memory, the stamp, and what is declared as the memory has it:
# NAME, or NAME+N for a list whose separator has N characters.
fn __syslua_begin {|memory stamp @declared|
  set __syslua_memory = $memory
  set __syslua_stamp = $stamp
  set __syslua_declared = $declared
  set __syslua_index = [(str:split ' ' (__syslua_get $memory))]
  if (eq $__syslua_index[0] $stamp) {
    set __syslua_is_new = $false
    return
  }
  for word $__syslua_index[1..] {
    if (or (has-value $declared $word) (not (re:match '^[A-Za-z_][A-Za-z0-9_]*(\+[1-9])?$' $word))) { continue }
    var parts = [(str:split + $word)]
    try {
      if (== (count $parts) 2) {
        __syslua_take_back $@parts
      } elif (not (has-value [PATH HOME] $word)) {
        __syslua_restore $word
      }
    } catch problem {
      echo 'sys.lua: '$word' is not taken back: '(to-string $problem[reason]) >&2
    }
  }
}

# Sets a variable: its name and its value.
fn __syslua_single {|name value|
  var at = (__syslua_find $name)
  if (not $__syslua_is_new) {
    if (has-env $at) { return }
  } elif (and (has-env $at) (not (has-value $__syslua_index $name))) {
    set-env $__syslua_memory'_'$name (get-env $at)
  }
  set-env $at $value
}

# Puts entries before what a list has: its name, its separator, what it means while it is unset after an x, and the entries.
fn __syslua_list {|name separator default @new|
  var there = (__syslua_split $separator (__syslua_get $name))
  if (not $__syslua_is_new) {
    var missing = [(for entry $new { if (not (has-value $there $entry)) { put $entry } })]
    if (eq $missing []) { return }
    if (and (eq $there []) (not-eq $default '')) { set there = [(str:split $separator $default[1..])] }
    set-env $name (str:join $separator [$@missing $@there])
    return
  }
  var memory = $__syslua_memory'_'$name
  var ours = (__syslua_ours $separator (__syslua_get $memory))
  var added = [(for entry $new {
    if (or (has-value $ours $entry) (not (has-value $there $entry))) { put $entry }
  })]
  var before = []
  var after = []
  var is-found = $false
  for entry $there {
    if (has-value $ours $entry) {
      set is-found = $true
    } elif (has-value $new $entry) {
      nop
    } elif $is-found {
      set after = [$@after $entry]
    } else {
      set before = [$@before $entry]
    }
  }
  if (not $is-found) {
    set after = $before
    set before = []
  }
  if (and (not-eq $default '') (eq $before []) (eq $after [])) {
    if (or $is-found (eq $there [])) {
      set after = [(str:split $separator $default[1..])]
      set added = [$@added $@after]
    }
  }
  set-env $memory $separator(str:join $separator [$@added ''])
  set-env $name (str:join $separator [$@before $@new $@after])
}

# Remembers what was set.
fn __syslua_end {
  if $__syslua_is_new { set-env $__syslua_memory (str:join ' ' [$__syslua_stamp $@__syslua_declared]) }
}

# A missing script is left out; an error of one ends that script only.
fn __syslua_source {|path|
  if (not (path:is-regular &follow-symlink=$true $path)) { return }
  try {
    eval (slurp < $path)
  } catch problem {
    echo 'sys.lua: '$path' fails: '(to-string $problem[reason]) >&2
  }
}
