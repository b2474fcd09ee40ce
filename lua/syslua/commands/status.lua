--- `status`: shows what is applied, and which targets are no longer as it left them.
-- It reads no config.

local status = {}

status.summary = require("syslua.cli.commands").get_summary("status")

--- Adds the command's own arguments and flags.
---@param parser table
function status.add_to_parser(parser)
  parser:flag("--json", "Print one JSON object instead of text.")
end

--- Does it; the exit code is 3 when a target differs.
---@param args syslua.cli.Args
---@return integer
function status.run(args)
  local terminal = require("syslua.cli.terminal")

  local options = require("syslua.cli.options").from_args(args)
  -- A list of a thousand correct targets is useless.
  options.drift_only = options.brief
  local result = require("syslua.border").call("status", options)

  result.shell = require("syslua.cli.shell_state").get(result.environments or {})
  if args.json then
    terminal.write({ require("syslua.cli.report").to_json("status", result) })
  elseif not args.quiet then
    local style = terminal.get_data_style(args)
    terminal.write(require("syslua.cli.status_report").render(result, args, style))
  end
  return (result.drift or 0) > 0 and 3 or 0
end

return status
