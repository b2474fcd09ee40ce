--- `confirm`: keeps the changes of `apply --confirm`, which are undone otherwise.

local confirm = {}

confirm.summary = "Keep the changes of apply --confirm"

confirm.description = [[
The exit code is 1 when no change waits for confirmation.
]]

--- Adds the command's own arguments and flags.
---@param parser table
function confirm.add_to_parser(parser)
  parser:flag("--json", "Print one JSON object instead of text.")
end

--- Does it.
---@param args syslua.cli.Args
---@return integer
function confirm.run(args)
  local terminal = require("syslua.cli.terminal")
  local options = require("syslua.cli.options").from_args(args)
  local result = require("syslua.border").call("confirm", options)

  if args.json then
    terminal.write({ require("syslua.cli.report").to_json("confirm", result) })
  elseif not args.quiet then
    terminal.write({ ("Confirmed: snapshot %s stays."):format(result.snapshot.id) })
  end
  return 0
end

return confirm
