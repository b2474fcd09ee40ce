--- Small helpers for plain tables. It does not know what is in them.

-- Lua's own: those of configs have an order, which takes longer.
local original = require("syslua").bindings.originals
local next, sort, to_string = original.basic.next, original.table.sort, original.basic.tostring

local tables = {}

--- `table.unpack`, on every Lua.
---@type fun(list: any[], first: integer?, last: integer?): any ...
tables.unpack = table.unpack or rawget(_G, "unpack")

--- Returns the keys of a table in a fixed order: numbers ascending, then the others by their text.
---@param map table
---@return any[]
function tables.get_sorted_keys(map)
  local keys, are_texts = {}, true
  for key in next, map do
    keys[#keys + 1] = key
    are_texts = are_texts and type(key) == "string"
  end
  if are_texts then
    sort(keys)
    return keys
  end
  sort(keys, function(left, right)
    local left_number, right_number = type(left) == "number", type(right) == "number"
    if left_number and right_number then
      return left < right
    elseif left_number ~= right_number then
      return left_number
    end
    return to_string(left) < to_string(right)
  end)
  return keys
end

--- Returns whether a table has no keys but 1 to n; an empty one is a list too.
---@param map table
---@return boolean
function tables.is_list(map)
  local count = 0
  for _ in next, map do
    count = count + 1
  end
  for index = 1, count do
    if rawget(map, index) == nil then
      return false
    end
  end
  return true
end

--- Adds the items of a list to the end of another one, and returns that.
---@generic T
---@param list T[]
---@param added T[]
---@return T[]
function tables.append(list, added)
  for _, item in ipairs(added) do
    list[#list + 1] = item
  end
  return list
end

--- Returns the parts of two values joined: strings beside one another become one, empty ones go.
---@param left any[]
---@param right any[]
---@return any[]
function tables.join_parts(left, right)
  local parts = {}
  for _, side in ipairs({ left, right }) do
    for _, part in ipairs(side) do
      if type(part) == "string" and type(parts[#parts]) == "string" then
        parts[#parts] = parts[#parts] .. part
      elseif part ~= "" then
        parts[#parts + 1] = part
      end
    end
  end
  return parts
end

return tables
