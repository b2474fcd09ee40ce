# At each prompt: reads the environment again when there is another snapshot, and enters and leaves projects. It starts a
# process only when other directories with an entry file are around, or one of their files has changed. Nushell reads only
# files whose names it knows before: what is to be read is in some of this shell, for a moment.

# The directories with an entry file around this one, outermost first.
def __syslua_found_ID [] {
  mut at = ($env.PWD | path expand)
  mut found = []
  # Each turn makes the path shorter.
  loop {
    if ($at | path join syslua.lua | path exists --no-symlink) { $found = ($found | prepend $at) }
    let up = ($at | path dirname)
    if $up == "" or ($up | str length) >= ($at | str length) { break }
    $at = $up
  }
  $found
}

def __syslua_time_ID [file: string] {
  try { ls --directory ($file | path expand) | get 0.modified } catch { null }
}

# Whether one of the files that were compared has changed.
def __syslua_is_changed_ID [watched: list<any>] {
  $watched | any {|one|
    if ($one.file | path exists) != $one.is_there {
      true
    } else if not $one.is_there or $one.note == null {
      false
    } else {
      let then = (__syslua_time_ID $one.note)
      $then == null or (__syslua_time_ID $one.file) > $then
    }
  }
}

# What enters and leaves directories with an entry file, as scripts.
def --env __syslua_step_ID [layers: string] {
  let said = ($env.__syslua_entered_ID? | default { said: "" } | get said)
  try {
    with-env { STEP_VARIABLES SYSLUA_ENTERED: $layers, SYSLUA_SAID: $said, SYSLUA_SEEN: "" } { ^STEP_WORDS }
    | split row "\n# sys.lua: next\n"
  } catch { [] }
}

# What takes back all that this root set, once it is gone: first what its projects set.
def __syslua_revert_ID [] {
  let end = "hide-env --ignore-errors ...$env.__syslua_state.hidden __syslua_state"
  let layers = (
    $env.__SYSLUA_LAYERS? | default "" | split row " "
    | where {|word| $word =~ '^[0-9a-f]+\+[12]\.SHORT$' }
    | each {|word| $"__SYSLUA_($word | split row '+' | first)" }
    | reverse
  )
  (
    [FUNCTIONS]
    ++ ($layers | each {|memory| [$"__syslua_leave ($memory)" $end] } | flatten)
    ++ ["__syslua_drop MEMORY" $end "hide-env --ignore-errors MEMORY_inside MEMORY_entered SYSLUA_PROJECT"]
  )
}

def --env __syslua_look_ID [] {
  let old = ($env.__syslua_hook_ID? | default { line: "", directory: "", entered: [], found: null })
  let layers = ($env.MEMORY_entered? | default "")
  let watched = ($env.__syslua_entered_ID? | default { watched: [] } | get watched)
  let line = (try { open --raw FILE | lines | first } catch { "" })
  let found = (__syslua_found_ID)
  let is_around = (
    if $old.found == null { $found == [] and $layers == "" } else { $found == $old.found and not (__syslua_is_changed_ID $watched) }
  )
  if $is_around and $line == $old.line and $env.PWD == $old.directory { return false }
  # The projects around the directory, outermost first: each as SNAPSHOT/projects/NAME.
  let own = ($env.MEMORY_shell? | default "" | split row " " | where {|name| $name != "" })
  # What the shell was started in is neither entered nor left.
  let now = (
    try { open --raw (CURRENT + "/projects/list") | lines } catch { [] }
    | each {|one| $one | split row --number 2 " " }
    | where {|one| ($one | length) == 2 }
    | where {|one|
      # A path may have links on its way.
      [[$env.PWD $one.1] [($env.PWD | path expand) ($one.1 | path expand)]]
      | any {|pair| $"($pair.0)/" | str starts-with $"($pair.1 | str trim --right --char '/')/" }
    }
    | each {|one| $one.0 }
    | where {|name| ($name | split row "/" | last) not-in $own }
  )
  let before = ($env.MEMORY_inside? | default "" | split row " " | where {|name| $name != "" })
  $env.__syslua_hook_ID = { line: $line, directory: $env.PWD, entered: $now, found: $found }
  if $is_around and $line == $old.line and $now == $old.entered and $now == $before { return false }
  # What they have in common stays; what lies in one that is entered or left now is left, innermost first.
  let kept = ($before | enumerate | take while {|one| ($now | get --optional $one.index) == $one.item } | length)
  let left = ($before | skip $kept | reverse)
  let files = (
    [FILE]
    ++ ($left | each {|name| $"(SNAPSHOTS)/($name)/leave.nu" })
    ++ ($now | each {|name| $"(SNAPSHOTS)/($name)/env.nu" })
  )
  let is_bare = $found == [] and $layers == "" and $watched == []
  let steps = (if $is_bare { [] } else { __syslua_step_ID $layers })
  let place = $"($nu.cache-dir)/syslua_ID-($nu.pid)"
  let parts = ($steps | enumerate | each {|one| { file: $"($place)-($one.index).nu", text: $one.item } })
  let text = (
    ($env.MEMORY_aliases? | default [] | each {|name| $"hide ($name)" })
    ++ ["$env.MEMORY_aliases = []"]
    ++ (if $line == "" and $old.line != "" { __syslua_revert_ID } else { [] })
    ++ ($files | where {|file| $file | path exists } | each {|file| $"source ($file | to nuon)" })
    ++ ($parts | each {|part| $"source ($part.file | to nuon)" })
    ++ (if $now == [] { ["hide-env --ignore-errors MEMORY_inside"] } else { [$"$env.MEMORY_inside = ($" ($now | str join ' ') " | to nuon)"] })
    # The name of the innermost one. A directory's one is innermost.
    ++ (
      if $now != [] {
        [$"if \($env.MEMORY_entered? | default '') == '' { $env.SYSLUA_PROJECT = ($now | last | split row '/' | last | to nuon) }"]
      } else if $before != [] {
        let name = ($own | append "" | first ([($own | length) 1] | math max) | last | str replace --regex '^:' "")
        [$"if \($env.MEMORY_entered? | default '') == '' { (if $name == "" { "hide-env --ignore-errors SYSLUA_PROJECT" } else { $"$env.SYSLUA_PROJECT = ($name | to nuon)" }) }"]
      } else { [] }
    )
    ++ ($parts | each {|part| $"rm --force ($part.file | to nuon)" })
    | str join "\n"
  )
  try {
    mkdir $nu.cache-dir
    for part in $parts { $part.text | save --force $part.file }
    $text | save --force $"($place).nu"
    true
  } catch {|problem|
    print --stderr $"sys.lua: the environment is not read: ($problem.msg)"
    false
  }
}
if $nu.is-interactive {
  $env.config.hooks.pre_prompt = (
    # One may be there alone.
    [($env.config.hooks.pre_prompt? | default [])]
    | flatten
    | where {|hook| ($hook | describe | str starts-with "closure") or "__syslua_ID" not-in ($hook.code? | default "" | to text) }
    | prepend {
      condition: {|| __syslua_look_ID }
      code: 'source $"($nu.cache-dir)/syslua_ID-($nu.pid).nu"; rm --force $"($nu.cache-dir)/syslua_ID-($nu.pid).nu" # __syslua_ID'
    }
  )
  # The mark in the prompt, for what the hook entered. What is no text is not seen by other programs.
  if $env.__syslua_prompt_ID? == null {
    $env.__syslua_prompt_ID = { before: ($env.PROMPT_COMMAND? | default "") }
    $env.PROMPT_COMMAND = {||
      let before = $env.__syslua_prompt_ID.before
      let shown = (if ($before | describe | str starts-with "closure") { do $before } else { $before })
      if ($env.MEMORY_entered? | default "") == "" and ($env.MEMORY_inside? | default "") == "" { $shown } else { "(" + ($env.SYSLUA_PROJECT? | default "") + $") ($shown)" }
    }
  }
}
