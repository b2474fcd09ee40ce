# At each prompt: reads the environment again when there is another snapshot, and enters and leaves projects. It starts no
# process. Nushell reads only files whose names it knows before: what is to be read is in one of this shell, for a moment.
def --env __syslua_look_ID [] {
  let old = ($env.__syslua_hook_ID? | default { line: "", directory: "", entered: [] })
  let line = (try { open --raw FILE | lines | first } catch { "" })
  if $line == $old.line and $env.PWD == $old.directory { return false }
  # The projects around the directory, outermost first: each as SNAPSHOT/projects/NAME.
  let now = (
    try { open --raw (CURRENT + "/projects/list") | lines } catch { [] }
    | each {|one| $one | split row --number 2 " " }
    | where {|one| ($one | length) == 2 and ($"($env.PWD)/" | str starts-with $"($one.1 | str trim --right --char '/')/") }
    | each {|one| $one.0 }
  )
  let before = ($env.MEMORY_inside? | default "" | split row " " | where {|name| $name != "" })
  $env.__syslua_hook_ID = { line: $line, directory: $env.PWD, entered: $now }
  if $line == $old.line and $now == $old.entered and $now == $before { return false }
  let left = ($before | reverse | where {|name| $name not-in $now })
  let files = (
    [FILE]
    ++ ($left | each {|name| $"(SNAPSHOTS)/($name)/leave.nu" })
    ++ ($now | each {|name| $"(SNAPSHOTS)/($name)/env.nu" })
  )
  let text = (
    ($env.MEMORY_aliases? | default [] | each {|name| $"hide ($name)" })
    ++ ["$env.MEMORY_aliases = []"]
    ++ ($files | where {|file| $file | path exists } | each {|file| $"source ($file | to nuon)" })
    ++ (if $now == [] { ["hide-env --ignore-errors MEMORY_inside"] } else { [$"$env.MEMORY_inside = ($" ($now | str join ' ') " | to nuon)"] })
    | str join "\n"
  )
  try {
    mkdir $nu.cache-dir
    $text | save --force $"($nu.cache-dir)/syslua_ID-($nu.pid).nu"
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
}
