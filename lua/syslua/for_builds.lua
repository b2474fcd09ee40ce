--- The part of `syslua` that builds see: the library. It is read-only.

local failure = require("syslua.util.failure")
local position = require("syslua.util.position")

-- Kept from load on: builds run while it is hidden.
local real_require = require

return setmetatable({}, {
  __metatable = false,
  __index = function(_, name)
    if name == "lib" then
      -- Before a build runs it is loaded: not all configs need it.
      return real_require("syslua.lib")
    end
    failure.raise({
      kind = "build",
      message = ("`syslua.%s` is not available in a build"):format(tostring(name)),
      position = position.caller(),
      hint = "pass it in: opts = { value = syslua... }, or put it in a local variable "
        .. "above derive{}",
    })
  end,
  __newindex = function(_, name)
    failure.raise({
      kind = "build",
      message = ("`syslua.%s` cannot be set"):format(tostring(name)),
      position = position.caller(),
      hint = "keep your values in a `local` variable",
    })
  end,
})
