--- `services`: lists the services of the config, and their states. It reads no config.

local services = {}

services.summary = "Show the services of the config, and their states"

services.description = [[
The list comes from the applied snapshot, the states from the service manager. See
[services](services.md).
]]

--- Adds the command's own arguments and flags.
---@param parser table
function services.add_to_parser(parser)
  parser:flag("--json", "Print one JSON object instead of text.")
end

--- Does it.
---@param args syslua.cli.Args
---@return integer
function services.run(args)
  local terminal = require("syslua.cli.terminal")
  local options = require("syslua.cli.options").from_args(args)
  local result = require("syslua.border").call("services", options)

  if args.json then
    terminal.write({ require("syslua.cli.report").to_json("services", result) })
  elseif not args.quiet then
    local style = terminal.get_data_style(args)
    terminal.write(require("syslua.cli.service_report").render(result, args, style))
  end
  return 0
end

return services
