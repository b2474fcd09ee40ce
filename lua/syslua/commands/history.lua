--- `history`: lists the snapshots. It reads no config.

local shared = require("syslua.cli.arguments").shared

local history = {}

history.order = 40
history.summary = "Show the snapshots"

history.description = [[
The newest snapshot comes first, and `*` marks the current one. Snapshot 0 is the state before the
first apply. Every apply that changes something makes a snapshot; numbers are never used again.
`as 3` marks a snapshot that only repaired the targets of snapshot 3.
]]

history.arguments = {
  shared.json,
}

--- Does it.
---@param options table
---@return syslua.History
function history.run(_, options)
  return require("syslua.bindings").call("history", options)
end

--- Renders it for people.
---@param report syslua.History
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function history.render(report, args, style)
  return require("syslua.cli.snapshot_report").render_history(report, args, style)
end

return history
