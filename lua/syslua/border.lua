--- Calls into the engine: its failures are raised here, with the user's line.
-- It does not know what the calls mean.

local failure = require("syslua.util.failure")
local position = require("syslua.util.position")

local border = {}

local native = require("syslua").native

native.set_own_directory(position.own_directory)

local function answer(succeeded, result)
  if not succeeded then
    result.position = result.position or position.caller()
    failure.raise(result)
  end
  return result
end

--- Calls a function of the engine; returns its result, or raises its failure.
---@param name string
---@return any
function border.call(name, ...)
  return answer(native[name](...))
end

return border
