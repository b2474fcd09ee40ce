--- `pairs` in a fixed order: numbers ascending, strings by their bytes, false, true.
-- It does not know the engine.

local failure = require("syslua.util.failure")
local position = require("syslua.util.position")

-- Kept from load on: it sees also what a metatable hides.
local get_metatable = debug.getmetatable

local function rank(key)
  local kind = type(key)
  if kind == "number" then
    return 1
  elseif kind == "string" then
    return 2
  elseif kind == "boolean" then
    return key and 4 or 3
  end
  failure.raise({
    kind = "config",
    message = ("pairs: a %s as a key has no fixed order"):format(kind),
    position = position.caller(),
    hint = "use strings or numbers as keys, or ipairs over a list",
  })
end

local function is_before(a, b)
  local rank_a, rank_b = rank(a), rank(b)
  if rank_a ~= rank_b then
    return rank_a < rank_b
  end
  return rank_a <= 2 and a < b
end

--- Returns an iterator over a table. Keys are collected at the start; keys that disappear are
-- skipped.
---@param value table
---@return fun(): any, any next the next key and its value
---@return any value
---@return nil
return function(value)
  local metatable = get_metatable(value)
  local custom = type(metatable) == "table" and rawget(metatable, "__pairs")
  if custom then
    return custom(value)
  end
  local keys, count = {}, 0
  for key in next, value do
    rank(key)
    count = count + 1
    keys[count] = key
  end
  table.sort(keys, is_before)
  local index = 0
  return function()
    while index < count do
      index = index + 1
      local key = keys[index]
      local item = rawget(value, key)
      if item ~= nil then
        return key, item
      end
    end
  end,
    value,
    nil
end
