--- `history`: lists the snapshots. It reads no config.

local history = {}

history.summary = "Show the snapshots"

history.description = [[
The newest snapshot comes first, and `*` marks the current one. Snapshot 0 is the state before the
first apply. Every apply that changes something makes a snapshot; numbers are never used again.
`as 3` marks a snapshot that only repaired the targets of snapshot 3.
]]

--- Adds the command's own arguments and flags.
---@param parser table
function history.add_to_parser(parser)
  parser:flag("--json", "Print one JSON object instead of text.")
end

--- Does it.
---@param args syslua.cli.Args
---@return integer
function history.run(args)
  local terminal = require("syslua.cli.terminal")
  local options = require("syslua.cli.options").from_args(args)
  local result = require("syslua.border").call("history", options)

  if args.json then
    terminal.write({ require("syslua.cli.report").to_json("history", result) })
  elseif not args.quiet then
    local style = terminal.get_data_style(args)
    terminal.write(require("syslua.cli.snapshot_report").render_history(result, args, style))
  end
  return 0
end

return history
