--- `version`: shows the version of sys.lua, the platform and the running Lua. Scripts measure the
-- start time with it, so it loads nothing else.

local version = {}

version.summary = "Show the version"

--- Adds nothing: the command has no arguments of its own.
function version.add_to_parser() end

--- Does it.
---@return integer
function version.run()
  local syslua = require("syslua")
  local jit = rawget(_G, "jit")
  local interpreter = jit and jit.version or _VERSION
  require("syslua.cli.terminal").put(
    ("sys.lua %s (%s, %s)\n"):format(syslua.version, syslua.platform, interpreter)
  )
  return 0
end

return version
