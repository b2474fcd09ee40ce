--- Calls into the engine: its failures are raised here, with the user's line.
-- It does not know what the calls mean.

local failure = require("syslua.util.failure")
local position = require("syslua.util.position")

---@type table<string, function>
local functions = require("syslua").bindings

---@class syslua.bindings: syslua.Bindings
local bindings = setmetatable({}, { __index = functions })

--- Takes what a function of the engine answered; returns its result, or raises its failure.
---@param succeeded boolean
---@param result any
---@return any
function bindings.answer(succeeded, result)
  if not succeeded then
    result.position = result.position or position.caller()
    failure.raise(result)
  end
  return result
end

--- Calls a function of the engine; returns its result, or raises its failure.
---@param name string
---@return any
function bindings.call(name, ...)
  return bindings.answer(functions[name](...))
end

--- Returns the bytes of a regular file; or nil, why it cannot be read, and what to do about that.
-- It waits for no pipe, and reads no file that is larger than 256 MiB.
---@param name string
---@return string? text
---@return string? problem
---@return string? hint
function bindings.read(name)
  local succeeded, result = functions.read_file(name)
  if succeeded then
    return result
  end
  return nil, result.message, result.hint
end

return bindings
