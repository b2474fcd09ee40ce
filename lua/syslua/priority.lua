--- Values with a number that says which of several declarations counts: `lib.mkForce` and its kin.
-- It does not know what is declared, nor how declarations are merged.

local failure = require("syslua.util.failure")
local position = require("syslua.util.position")
local text = require("syslua.util.text")

local priority = {}

--- What the functions of `syslua.lib` give; lower numbers win, or come first.
priority.force, priority.before, priority.plain = 50, 500, 900
priority.default, priority.after = 1000, 1500

--- Stands for a key that is to be taken away.
priority.absent = setmetatable({}, {
  __tostring = function()
    return "absent"
  end,
})

---@class syslua.Priority
---@field value any
---@field number integer
---@field is_override boolean? whether it competes rather than sorts

-- The bindings refuse tables of this kind by its name.
local metatable = { __name = "syslua.Priority" }

--- Returns whether a value has its own number.
---@param value any
---@return boolean
function priority.is(value)
  return type(value) == "table" and getmetatable(value) == metatable
end

--- Gives a number to a value.
---@param call string what messages name
---@param number any
---@param value any
---@param is_override boolean whether it competes rather than sorts
---@return syslua.Priority
function priority.mark(call, number, value, is_override)
  local message
  if type(number) ~= "number" or number % 1 ~= 0 or math.abs(number) > 2 ^ 31 then
    message = ("%s: expected a whole number, got %s"):format(call, text.describe(number))
  elseif value == nil then
    message = ("%s: expected a value, got nil"):format(call)
  elseif priority.is(value) then
    message = ("%s: the value already has the priority %d"):format(call, value.number)
  end
  if message then
    failure.raise({ kind = "config", message = message, position = position.caller() })
  end
  return setmetatable({ value = value, number = number, is_override = is_override }, metatable)
end

--- Returns a value without its number, the number, and whether it replaces lists rather than being
-- sorted among them, which `lib.mkForce` and lower overrides do.
---@param value any
---@return any value
---@return integer number
---@return boolean replaces
function priority.unwrap(value)
  if not priority.is(value) then
    return value, priority.plain, false
  end
  local replaces = value.is_override and value.number <= priority.force or false
  return value.value, value.number, replaces
end

--- Orders the declarations of a list by their numbers, equal ones in order of declaration.
-- Declarations that replace the others come alone. Returns the winners and the losers.
---@param declarations table[] with `number` and `replaces`
---@return table[] kept
---@return table[] lost
function priority.sort(declarations)
  ---@type integer?
  local lowest
  for _, declared in ipairs(declarations) do
    if declared.replaces and (not lowest or declared.number < lowest) then
      lowest = declared.number
    end
  end
  local kept, lost, order = {}, {}, {}
  for index, declared in ipairs(declarations) do
    if lowest and not (declared.replaces and declared.number == lowest) then
      lost[#lost + 1] = declared
    else
      kept[#kept + 1] = declared
      order[declared] = index
    end
  end
  table.sort(kept, function(left, right)
    if left.number ~= right.number then
      return left.number < right.number
    end
    return order[left] < order[right]
  end)
  return kept, lost
end

--- Returns the winning declaration of a single value (the first one with the lowest number), a
-- different declaration with the same number if there is one, and the declarations with higher
-- numbers.
---@param declarations table[] with `number`; at least one
---@param is_equal fun(left: table, right: table): boolean
---@return table winner
---@return table? rival
---@return table[] lost
function priority.choose(declarations, is_equal)
  ---@type table?, table[]
  local rival, lost = nil, {}
  local winner = assert(declarations[1])
  for _, declared in ipairs(declarations) do
    if declared.number < winner.number then
      winner = declared
    end
  end
  for _, declared in ipairs(declarations) do
    if declared.number > winner.number then
      lost[#lost + 1] = declared
    elseif not rival and not is_equal(winner, declared) then
      rival = declared
    end
  end
  return winner, rival, lost
end

--- How to solve a conflict.
priority.hint = "remove one of the two, or set a priority: lib.mkForce(...) wins over"
  .. " others, lib.mkDefault(...) yields to them"

return priority
