--- Tables of options that several places give parts of: deep merges, by the numbers of
--- `lib.mkForce`
-- and its kin. It does not know what the options mean.

local failure = require("syslua.util.failure")
local priority = require("syslua.priority")
local reference = require("syslua.reference")
local tables = require("syslua.util.table")
local text = require("syslua.util.text")

local option_merge = {}

--- One declaration of an option.
---@class syslua.options.Declared
---@field value any
---@field number integer
---@field replaces boolean
---@field position string? where it was made

local array_metatable = require("syslua").bindings.array_metatable

-- "map" and "list" are merged, an empty table is either; anything with another metatable, such as a
-- handle, is one value.
local function get_shape(value)
  if type(value) ~= "table" then
    return "value"
  end
  local metatable = getmetatable(value)
  if metatable == array_metatable then
    return "list"
  elseif metatable ~= nil then
    return "value"
  elseif next(value) == nil then
    return "empty"
  end
  return tables.is_list(value) and "list" or "map"
end

--- Returns a deep copy without numbers; a value that is not a plain table is kept.
---@param value any
---@return any
function option_merge.strip(value)
  value = priority.unwrap(value)
  local shape = get_shape(value)
  if shape == "value" then
    return value
  end
  local copy = shape == "list" and setmetatable({}, getmetatable(value)) or {}
  for key, item in next, value do
    copy[key] = option_merge.strip(item)
  end
  return copy
end

-- The shape that all of them have, if they have one.
local function get_common_shape(declarations)
  local common = "empty"
  for _, declared in ipairs(declarations) do
    local shape = get_shape(declared.value)
    if shape == "value" or (common ~= "empty" and shape ~= "empty" and shape ~= common) then
      return "value"
    elseif shape ~= "empty" then
      common = shape
    end
  end
  return common
end

local function is_equal_data(left, right)
  if type(left) ~= "table" or type(right) ~= "table" or get_shape(left) == "value" then
    return left == right
  end
  for key, item in next, left do
    if not is_equal_data(item, right[key]) then
      return false
    end
  end
  for key in next, right do
    if left[key] == nil then
      return false
    end
  end
  return true
end

local function is_equal(left, right)
  return is_equal_data(option_merge.strip(left.value), option_merge.strip(right.value))
end

local function show(declared)
  local value = declared.value
  local shown = reference.is(value) and tostring(value) or text.describe(value)
  return shown .. " at " .. (declared.position or "an unknown place")
end

-- Takes the number off a value; without one of its own it has that of the table around it.
local function declare(value, around)
  local declared = { number = around.number, replaces = false, position = around.position }
  declared.value = value
  if priority.is(value) then
    declared.value, declared.number, declared.replaces = priority.unwrap(value)
  end
  return declared
end

---@type fun(name: string, declarations: syslua.options.Declared[], default: any): any
local merge

local function merge_maps(name, declarations, default)
  local by_key, result = {}, {}
  for _, declared in ipairs(declarations) do
    for key, item in next, declared.value do
      by_key[key] = by_key[key] or {}
      table.insert(by_key[key], declare(item, declared))
    end
  end
  local is_map = get_shape(default) == "map"
  if is_map then
    for key, item in next, default do
      if not by_key[key] then
        result[key] = option_merge.strip(item)
      end
    end
  end
  -- In a fixed order: which of two conflicts is named must not vary.
  for _, key in ipairs(tables.get_sorted_keys(by_key)) do
    local inner = name .. "." .. tostring(key)
    result[key] = merge(inner, by_key[key], is_map and default[key] or nil)
  end
  return result
end

local function merge_lists(declarations)
  local sorted = priority.sort(declarations)
  local first = assert(sorted[1])
  local result = setmetatable({}, getmetatable(first.value))
  for _, declared in ipairs(sorted) do
    for _, item in ipairs(declared.value) do
      result[#result + 1] = option_merge.strip(item)
    end
  end
  return result
end

-- Those that replace the rest, if there are any.
local function get_replacing(declarations)
  local kept, lost = priority.sort(declarations)
  return lost[1] and kept or nil
end

merge = function(name, declarations, default)
  local shape = get_common_shape(declarations)
  if shape == "empty" then
    local of_default = get_shape(default)
    shape = of_default == "map" and "map" or "list"
    -- Nothing was put in: an empty table changes no map, and is an empty list.
    if of_default == "map" then
      return option_merge.strip(default)
    end
  end
  if shape == "list" then
    return merge_lists(declarations)
  elseif shape == "map" then
    local replacing = get_replacing(declarations)
    return merge_maps(name, replacing or declarations, not replacing and default or nil)
  end
  local winner, rival = priority.choose(declarations, is_equal)
  if rival then
    failure.raise({
      kind = "conflict",
      message = ("the option `%s` is given twice, with different values:\n  %s\n  %s"):format(
        name,
        show(winner),
        show(rival)
      ),
      position = rival.position,
      hint = priority.hint,
    })
  end
  return option_merge.strip(winner.value)
end

--- Merges the options of several places into one table: tables with string keys deeply; of other
-- values the one with the lowest number wins, and two different values with that number are a
-- conflict; lists are joined in the order of their numbers. Defaults are used when no value is
-- given.
---@param name string what messages name
---@param defaults table
---@param given { value: table, position: string? }[]
---@return table
function option_merge.merge(name, defaults, given)
  local declarations = {}
  for index, one in ipairs(given) do
    declarations[index] = declare(one.value, {
      number = priority.plain,
      position = one.position,
    })
  end
  if not declarations[1] then
    return option_merge.strip(defaults)
  end
  local replacing = get_replacing(declarations)
  return merge_maps(name, replacing or declarations, not replacing and defaults or nil)
end

local function overlay(below, above)
  local low, low_number = priority.unwrap(below)
  local high, high_number = priority.unwrap(above)
  local low_shape, high_shape = get_shape(low), get_shape(high)
  local is_marked = priority.is(above)
  if low_shape == "map" and (high_shape == "map" or high_shape == "empty") and not is_marked then
    local result = {}
    for key, item in next, low do
      result[key] = item
    end
    for key, item in next, high do
      if result[key] == nil then
        result[key] = item
      else
        result[key] = overlay(result[key], item)
      end
    end
    return result
  end
  local is_sorted = is_marked and not above.is_override
  if is_sorted and low_shape ~= "map" and low_shape ~= "value" and high_shape ~= "map" then
    local declarations = {
      { value = low, number = low_number, replaces = false },
      { value = high, number = high_number, replaces = false },
    }
    return merge_lists(declarations)
  end
  return high_number <= low_number and above or below
end

--- Merges tables; later ones take precedence: tables with string keys are merged deeply; of other
-- values the lowest number wins, and among equal numbers the last; a list is replaced, unless the
-- later one is to be joined before or after it.
---@param ... table
---@return table
function option_merge.overlay(...)
  local result = {}
  for index = 1, select("#", ...) do
    local above = select(index, ...)
    if index == 1 then
      result = above
    else
      result = overlay(result, above)
    end
  end
  return option_merge.strip(result)
end

return option_merge
