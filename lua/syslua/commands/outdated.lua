--- `outdated`: shows which inputs and tools of a config have newer versions. It changes nothing but
--- the cache.

local shared = require("syslua.cli.arguments").shared

local outdated = {}

outdated.order = 190
outdated.summary = "Show which inputs, pins and tools of a config have newer versions"

outdated.description = [[
`outdated` resolves inputs as `update` does, writes nothing, and exits with 3 when `update` would
change the lock. With 1 it exits when some cannot be looked up, after it showed the others.
]]

outdated.arguments = {
  shared.config_option,
  shared.answer,
  shared.json,
}

-- The day of the registry that the lock has, where it has tools.
local function get_registry_date(config)
  local bindings = require("syslua.bindings")
  if next(bindings.call("tools_of_config", config)) == nil then
    return nil
  end
  local locked = bindings.call("read_lock", config).inputs.tools
  local time = require("syslua.tool_registry").get_time(locked)
  return time and os.date("!%Y-%m-%d", time) --[[@as string]] or nil
end

--- Does it; the exit code is 3 when something could move, and 1 when something cannot be looked up.
---@param args syslua.cli.Args
---@param options table
---@return table, integer
function outdated.run(args, options)
  local config = require("syslua.cli.config_path").get(args.config)
  options.locked = nil
  local changes, failures = require("syslua.inputs").try_outdated(config, options)
  local array = require("syslua.lib").array
  local report = {
    changes = array(changes),
    registry_date = get_registry_date(config),
    failures = array(failures),
  }
  return report, failures[1] and 1 or changes[1] and 3 or 0
end

--- Renders it for people.
---@return string[]
function outdated.render(report)
  local otherwise = "All inputs, pins and tools are up to date."
  local lines = require("syslua.cli.lock_report").render_all(report, false, otherwise)
  if report.registry_date then
    lines[#lines + 1] = ("The registry of tools is from %s."):format(report.registry_date)
  end
  return lines
end

return outdated
