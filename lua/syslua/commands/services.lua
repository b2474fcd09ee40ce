--- `services`: lists the services of the config, and their states. It reads no config.

local shared = require("syslua.cli.arguments").shared

local services = {}

services.order = 80
services.summary = "Show the services of the config, and their states"

services.description = [[
The list comes from the applied snapshot, the states from the service manager. See
[services](services.md).
]]

services.arguments = {
  shared.json,
}

--- Does it.
---@param options table
---@return table
function services.run(_, options)
  return require("syslua.bindings").call("services", options)
end

--- Renders it for people.
---@param report table
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function services.render(report, args, style)
  return require("syslua.cli.service_report").render(report, args, style)
end

return services
