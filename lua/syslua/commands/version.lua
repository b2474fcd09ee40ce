--- `version`: shows the version of sys.lua, the platform and the running Lua. Scripts measure the
-- start time with it, so it loads nothing else.

local version = {}

version.order = 340
version.summary = "Show the version"

version.arguments = {}

--- Does it.
function version.run()
  local syslua = require("syslua")
  local jit = rawget(_G, "jit")
  local interpreter = jit and jit.version or _VERSION
  require("syslua.cli.terminal").put(
    ("sys.lua %s (%s, %s)\n"):format(syslua.version, syslua.platform, interpreter)
  )
end

return version
