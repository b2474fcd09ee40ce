--- `rollback`: goes back to an earlier snapshot. It needs the config or the network only to build
--- an object again that a program changed.

local bindings = require("syslua.bindings")
local kept_config = require("syslua.cli.kept_config")

local shared = require("syslua.cli.arguments").shared

local rollback = {}

rollback.order = 50
rollback.summary = "Go back to an earlier snapshot"

rollback.description = [[
Without `ID`, it goes back to the snapshot that was current before the current one was made. Files,
commands and the environment become what they were. No snapshot is made, so you can go to a later
snapshot too. `rollback` needs neither the config nor the network. On a terminal it asks first.

Objects of the snapshot that a program changed get their bytes back: from what the store has, or
else built again by the copy of the config that the snapshot keeps. That build may need the network.

`rollback` can also leave a damaged snapshot: it finds what the snapshot applied from other records.
With an `ID`, an unreadable journal is moved to `store/quarantine`; without an `ID`, it is an error.
]]

-- The user may have meant another snapshot.
rollback.asks = "optional"

rollback.arguments = {
  {
    name = "ID",
    arity = "?",
    description = "The number of a snapshot. Default: the snapshot before the current one.",
  },
  shared.dry_run,
  { name = "--yes", description = "Do not ask." },
  shared.json,
}

-- Builds objects of the snapshot again that programs changed, where only a build brings them back.
-- Returns the copies of what they wrote.
local function build_altered(id, options)
  local snapshot = bindings.call("needs_builds", id, options)
  if not snapshot then
    return {}
  end
  return kept_config.use(snapshot, options, function(entry)
    local manifest = kept_config.evaluate(entry, options)
    return manifest and bindings.call("build_altered", snapshot, manifest, options)
  end) or {}
end

--- Does it.
---@param args syslua.cli.Args
---@param options table
---@return syslua.RolledBack
function rollback.run(args, options)
  local kept = options.dry_run and {} or build_altered(args.id, options)
  local report = bindings.call("rollback", args.id, options)
  if kept[1] then
    report.displaced = report.displaced or {}
    for index, copy in ipairs(kept) do
      table.insert(report.displaced, index, copy)
    end
  end
  return report
end

--- Renders it for people.
---@param report syslua.RolledBack
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function rollback.render(report, args, style)
  return require("syslua.cli.snapshot_report").render_rollback(report, args, style)
end

return rollback
