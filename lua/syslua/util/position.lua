--- The position in the user's files: the lines of the call stack that are not sys.lua's own; and
-- failures about that place. It finds none itself: the rules are in the bindings (`position.rs`).

local failure = require("syslua.util.failure")

local bindings = require("syslua").bindings

local position = {}

-- "@/usr/share/lua/5.4/syslua/", from the name of this chunk.
local own_directory = assert(debug.getinfo(1, "S")).source:gsub("util[/\\]position%.lua$", "")

bindings.set_own_directory(own_directory)

--- The prefix of the chunk names of sys.lua's files.
position.own_directory = own_directory

--- What the chunk names of modules and packages that come with sys.lua begin with, when a config
-- requires them.
---@type string
position.shipped = bindings.shipped

--- Returns the innermost line of the user's files on the call stack, "init.lua:12".
---@return string?
function position.caller()
  local _, line = bindings.position()
  return line
end

--- Returns all lines of the user's files on the call stack, innermost first, without repetitions in
-- succession; then those of modules that come with sys.lua.
---@return string[]
function position.chain()
  local _, lines = bindings.positions()
  return lines
end

--- Calls a function for a declaration that was made earlier: its chain continues the call stack's.
-- When the function raises, the chain counts until the evaluation ends.
---@param chain string[]
---@param callback function
function position.at(chain, callback, ...)
  bindings.continue_positions(chain)
  callback(...)
  bindings.end_positions()
end

--- Returns whether a line is of a file of sys.lua. Lua 5.1 and LuaJIT leave out the beginning of a
-- long name.
---@param where string "/usr/share/lua/5.1/syslua/evaluate.lua:12", "...lua/evaluate.lua:12"
---@return boolean
function position.is_own(where)
  local own = own_directory:sub(2)
  local rest = where:match("^%.%.%.(.*)$")
  if not rest then
    return where:sub(1, #own) == own
  end
  for stop in rest:gmatch("()/") do
    local length = stop --[[@as integer]]
    if length >= #"syslua/" and own:sub(-length) == rest:sub(1, length) then
      return true
    end
  end
  return false
end

--- Names the line that counts when the call stack has none: a tail call removes the caller's. It
-- does so until the evaluation ends.
---@param line string
function position.set_fallback(line)
  bindings.set_fallback_position(line)
end

--- Returns the line where a function is defined.
---@param callback function
---@return string
function position.of_function(callback)
  local _, line = bindings.position_of(callback)
  return line
end

--- Raises a failure of a config, about the line of the user that is running. It never returns.
---@param message string
---@param hint string? what to do about it
function position.raise(message, hint)
  failure.raise({ kind = "config", message = message, position = position.caller(), hint = hint })
end

return position
