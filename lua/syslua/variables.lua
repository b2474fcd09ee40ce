--- Which variables are lists, and how declarations of one variable become one value.
-- It does not know where they come from, nor what becomes of them.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local position = require("syslua.util.position")
local priority = require("syslua.priority")
local reference = require("syslua.reference")
local scope = require("syslua.scope")
local system = require("syslua.system")
local text = require("syslua.util.text")

local list_variables = {}

--- One declaration of a variable.
---@class syslua.variables.Variable
---@field name string
---@field value string|syslua.Reference|nil
---@field items syslua.variables.Item[]? for a list: its entries, each with its number
---@field number integer
---@field replaces boolean
---@field positions string[]

---@class syslua.variables.Merged
---@field name string
---@field value any
---@field positions string[]
---@field priority integer?
---@field overridden table[]

---@class syslua.variables.Item
---@field value string|syslua.Reference
---@field number integer
---@field replaces boolean
---@field positions string[]

-- Variables that are lists, by the conventions of the programs that read them -> their separator on
-- Unix.
---@type table<string, string>?
local separators

local function get_separators()
  if not separators then
    separators = {}
    for _, list in ipairs(bindings.call("lists")) do
      separators[list.name] = list.separator
    end
  end
  return separators
end

--- Returns the separator of a list variable, or nil for a single value.
---@param name string
---@return string?
function list_variables.get_separator(name)
  local current = scope.get()
  local own = current and current.separators[name]
  if own ~= nil then
    return own or nil
  end
  local known = get_separators()[name]
  return known == ":" and system.get().os == "windows" and ";" or known
end

--- Defines a variable as a list, or as single with `false`; only while a config is evaluated.
---@param call string what messages name
---@param name any
---@param separator any
function list_variables.define(call, name, separator)
  local raise = position.raise
  local current = scope.get()
  if not current then
    raise(("%s works only while a config is evaluated"):format(call), "call it in setup()")
    return
  end
  if type(name) ~= "string" or not name:find("^[%a_][%w_]*$") then
    raise(("%s: expected the name of a variable, got %s"):format(call, text.describe(name)))
  end
  if separator ~= false then
    local usable = type(separator) == "string" and separator ~= "" and not separator:find("[%z\n]")
    if not usable then
      raise(("%s: expected a separator such as ':', got %s"):format(call, text.describe(separator)))
    end
  end
  local before = current.separators[name]
  if before ~= nil and before ~= separator then
    raise(
      ("the variable %s is defined twice: %s and %s"):format(
        name,
        before and ("as a list with %q"):format(before) or "as singular",
        separator and ("as a list with %q"):format(separator) or "as singular"
      ),
      "define it once, in one place"
    )
  end
  current.separators[name] = separator
end

local function raise_at(declared, message, hint)
  failure.raise({
    kind = "config",
    message = message,
    position = declared.positions[1],
    hint = hint,
  })
end

local function is_equal(left, right)
  return reference.display(left.value) == reference.display(right.value)
end

local function to_losers(lost)
  local losers = {}
  for index, declared in ipairs(lost) do
    losers[index] = {
      value = reference.display(declared.value),
      priority = declared.number,
      positions = declared.positions,
    }
  end
  return losers
end

local function raise_conflict(name, first, second)
  local function place(declared)
    return ("%q at %s"):format(
      reference.display(declared.value),
      declared.positions[1] or "an unknown place"
    )
  end
  failure.raise({
    kind = "conflict",
    message = ("the variable %s is declared twice, with different values:\n  %s\n  %s"):format(
      name,
      place(first),
      place(second)
    ),
    position = second.positions[1],
    hint = priority.hint,
  })
end

local function merge_single(name, declarations)
  for _, declared in ipairs(declarations) do
    if declared.items then
      raise_at(
        declared,
        ("`%s` in env{} is a list, but the variable has a single value"):format(name),
        ("write one string, or declare the variable as a list: lib.env.defineMergeable(%q)"):format(
          name
        )
      )
    end
  end
  local winner, rival, lost = priority.choose(declarations, is_equal)
  if rival then
    raise_conflict(name, winner, rival)
  end
  return {
    name = name,
    value = reference.to_data(winner.value),
    positions = winner.positions,
    priority = winner.number ~= priority.plain and winner.number or nil,
    overridden = to_losers(lost),
  }
end

-- The engine checks the other rules for entries.
local function check_entry(name, item)
  if reference.display(item.value) == "" then
    raise_at(item, ("an empty text cannot be an entry of %s"):format(name))
  end
end

local function merge_list(name, declarations, separator)
  local items = {}
  for _, declared in ipairs(declarations) do
    for _, item in ipairs(declared.items or { declared }) do
      check_entry(name, item)
      items[#items + 1] = item
    end
  end
  local kept, lost = priority.sort(items)
  local entries, positions, seen = {}, {}, {}
  for index, item in ipairs(kept) do
    entries[index] = reference.to_data(item.value)
    for _, place in ipairs(item.positions) do
      if not seen[place] then
        seen[place] = true
        positions[#positions + 1] = place
      end
    end
  end
  return {
    name = name,
    value = { entries = entries, separator = separator },
    positions = positions,
    overridden = to_losers(lost),
  }
end

-- A variable that refers to itself, through others or not, has no value.
local function check_circles(merged)
  local names = {}
  for _, variable in ipairs(merged) do
    local values = variable.value
    local templates = type(values) == "table" and values.entries or { values }
    local found = {}
    for _, template in ipairs(templates) do
      for _, part in ipairs(type(template) == "table" and template.parts or {}) do
        if type(part) == "table" then
          found[#found + 1] = part.reference
        end
      end
    end
    names[variable.name] = found
  end
  local state = {}
  local function visit(name, variable)
    if state[name] == "done" or not names[name] then
      return
    elseif state[name] then
      raise_at(
        variable,
        ("the variable %s refers to itself, directly or through others"):format(name),
        "a list such as PATH keeps its existing entries: give only the new ones"
      )
    end
    state[name] = "open"
    for _, other in ipairs(names[name]) do
      visit(other, variable)
    end
    state[name] = "done"
  end
  for _, variable in ipairs(merged) do
    visit(variable.name, variable)
  end
end

--- Merges declarations; returns one record for each variable, in the order of their first
-- declarations.
---@param variables syslua.variables.Variable[]
---@return syslua.variables.Merged[]
function list_variables.merge_variables(variables)
  local order, by_name = {}, {}
  for _, variable in ipairs(variables) do
    local known = by_name[variable.name]
    if not known then
      known = {}
      by_name[variable.name] = known
      order[#order + 1] = variable.name
    end
    known[#known + 1] = variable
  end
  local merged = {}
  for index, name in ipairs(order) do
    local separator = list_variables.get_separator(name)
    merged[index] = separator and merge_list(name, by_name[name], separator)
      or merge_single(name, by_name[name])
  end
  check_circles(merged)
  return merged
end

return list_variables
