--- `rollback`: goes back to an earlier snapshot. It needs neither the config nor the network.

local shared = require("syslua.cli.arguments").shared

local rollback = {}

rollback.order = 50
rollback.summary = "Go back to an earlier snapshot"

rollback.description = [[
Without `ID`, it goes back to the snapshot that was current before the current one was made. Files,
commands and the environment become what they were. No snapshot is made, so you can go to a later
snapshot too. `rollback` needs neither the config nor the network. On a terminal it asks first.

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

--- Does it.
---@param args syslua.cli.Args
---@param options table
---@return syslua.RolledBack
function rollback.run(args, options)
  return require("syslua.bindings").call("rollback", args.id, options)
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
