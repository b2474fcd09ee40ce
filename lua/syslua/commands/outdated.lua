--- `outdated`: shows which inputs and tools of a config have newer versions. It changes nothing but
--- the cache.

local outdated = {}

outdated.summary = "Show which inputs, pins and tools of a config have newer versions"

outdated.description = [[
`outdated` resolves inputs as `update` does, writes nothing, and exits with 3 when `update` would
change the lock. With 1 it exits when some cannot be looked up, after it showed the others.
]]

--- Adds the command's own arguments and flags.
---@param parser table
function outdated.add_to_parser(parser)
  parser
    :option("-c --config", "The config: a file, or a directory with an init.lua.")
    :argname("CONFIG")
  require("syslua.cli.answers").add_option(parser)
  parser:flag("--json", "Print one JSON object instead of text.")
end

-- The day of the registry that the lock has, where it has tools.
local function get_registry_date(config)
  local border = require("syslua.border")
  if next(border.call("tools_of_config", config)) == nil then
    return nil
  end
  local locked = border.call("read_lock", config).inputs.tools
  local time = require("syslua.tool_registry").get_time(locked)
  return time and os.date("!%Y-%m-%d", time) --[[@as string]] or nil
end

--- Does it; the exit code is 3 when something could move, and 1 when something cannot be looked up.
---@param args syslua.cli.Args
---@return integer
function outdated.run(args)
  local config = require("syslua.cli.config_path").get(args.config)
  local options = require("syslua.cli.options").from_args(args)
  options.locked = nil
  local changes, failures = require("syslua.inputs").try_outdated(config, options)
  local otherwise = "All inputs, pins and tools are up to date."
  local date = get_registry_date(config)
  local fields = { registry_date = date, failures = require("syslua.lib").array(failures) }
  local report = require("syslua.cli.lock_report")
  report.show("outdated", args, changes, false, otherwise, fields, failures)
  if date and not args.json and not args.quiet then
    require("syslua.cli.terminal").write({ ("The registry of tools is from %s."):format(date) })
  end
  if failures[1] then
    return 1
  end
  return changes[1] and 3 or 0
end

return outdated
