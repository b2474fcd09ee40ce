--- `list`: shows the objects of the store.
-- It reads their records, and does not look whether they are whole: `verify` does.

local list = {}

list.summary = require("syslua.cli.commands").get_summary("list")

--- Adds the command's own arguments and flags.
---@param parser table
function list.add_to_parser(parser)
  parser:flag("--json", "Print one JSON object instead of text.")
end

--- Does it.
---@param args syslua.cli.Args
---@return integer
function list.run(args)
  local terminal = require("syslua.cli.terminal")

  local options = require("syslua.cli.options").from_args(args)
  ---@type syslua.Listed
  local result = require("syslua.border").call("list", options)

  if args.json then
    terminal.write({ require("syslua.cli.report").to_json("list", result) })
  elseif not args.quiet then
    local style = terminal.get_data_style(args)
    terminal.write(require("syslua.cli.store_report").render_list(result, args, style))
  end
  return 0
end

return list
