--- `gc`: deletes store objects that nothing references. The engine knows the references.

local failure = require("syslua.util.failure")

local shared = require("syslua.cli.arguments").shared

local gc = {}

gc.order = 250
gc.summary = "Delete store objects that nothing references"

gc.description = [[
An object stays in these cases: an action of a snapshot names it, or its config declares it on its
own; a link in `store/metadata/gc-roots` points to it; or a running process uses it as program,
library, directory, open file, variable or argument. The objects that it refers to stay too. Objects
that were only needed for building are deleted, and nothing is built again because of that. Unused
downloads and trees of commits, logs of deleted derivations, and the remains of interrupted builds
are deleted too. Trees of inputs, and pinned downloads and commits, stay while a lock names them:
that of the applied config, of a trusted project that was entered, or of a snapshot's copy. If such
a lock cannot be read, all of them stay. The backups, the quarantine and secrets are never touched.

Snapshots stay unless `--keep` or `--older-than` is given; with both, only snapshots that match both
are deleted. The current snapshot always stays, and is one of those that `--keep` counts. The
snapshot that `rollback` would go to has no such protection. With `--older-than`, younger downloads
stay too.

Nothing is deleted when a snapshot, the journal or the record of a needed object cannot be read, or
when a switch is not finished: the message names the file. `gc` waits for running builds and
switches. If it is interrupted, every remaining object is intact, and the next `gc` continues.
`--dry-run` takes no lock. Processes are checked on Linux only.
]]

gc.arguments = {
  {
    name = "--dry-run",
    description = "Show why each object stays or would be deleted; delete nothing.",
  },
  {
    name = "--keep",
    value = "N",
    description = "Keep only the newest N snapshots, including the current one.",
  },
  {
    name = "--older-than",
    value = "AGE",
    description = "Remove snapshots and downloads older than this (30d, 12h), but never the "
      .. "current snapshot.",
  },
  shared.json,
}

local function get_number(word)
  local number = word:match("^%d+$") and tonumber(word) or 0
  if number < 1 or number > 1e9 then
    failure.raise({
      kind = "usage",
      message = ("--keep: expected a number of snapshots, 1 or more, got '%s'"):format(word),
      hint = "the current snapshot always stays, and counts",
    })
  end
  return math.floor(number)
end

local function get_age(word)
  local seconds = require("syslua.util.duration").parse(word)
  if not seconds then
    failure.raise({
      kind = "usage",
      message = ("--older-than: expected an age, got '%s'"):format(word),
      hint = "write 30d, 2w or 12h",
    })
  end
  return seconds
end

--- Does it.
---@param args syslua.cli.Args
---@param options table
---@return syslua.Collected
function gc.run(args, options)
  options.keep = args.keep and get_number(args.keep)
  options.older_than = args.older_than and get_age(args.older_than)
  return require("syslua.bindings").call("gc", options)
end

--- Renders it for people.
---@param report syslua.Collected
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function gc.render(report, args, style)
  return require("syslua.cli.gc_report").render(report, args, style)
end

return gc
