--- `lib.ref(name)`: a reference to an environment variable, for values of `env{}`. It can be joined
-- with texts by `..`. It does not know how shells write it.

local failure = require("syslua.util.failure")
local position = require("syslua.util.position")
local tables = require("syslua.util.table")
local text = require("syslua.util.text")

local reference = {}

--- A text with references in it.
---@class syslua.Reference
---@field parts (string|{ reference: string })[]
---@operator concat(string): syslua.Reference

-- The bindings refuse tables of this kind by its name.
local metatable = { __name = "syslua.Reference" }

--- Returns whether a value is a text with references.
---@param value any
---@return boolean
function reference.is(value)
  return type(value) == "table" and getmetatable(value) == metatable
end

local function get_parts(value)
  if reference.is(value) then
    return value.parts
  end
  local shown = type(value) == "number" and text.number(value) or value
  if type(shown) == "string" then
    return { shown }
  end
  failure.raise({
    kind = "config",
    message = ("a reference can be joined with strings and references, not with %s"):format(
      text.describe(value)
    ),
    position = position.caller(),
  })
end

function metatable.__concat(left, right)
  local parts = tables.join_parts(get_parts(left), get_parts(right))
  return setmetatable({ parts = parts }, metatable)
end

function metatable.__tostring(value)
  return reference.display(value)
end

--- Returns a value of a variable for people: a reference is `$NAME`.
---@param value string|syslua.Reference
---@return string
function reference.display(value)
  if type(value) == "string" then
    return value
  end
  local shown = {}
  for index, part in ipairs(value.parts) do
    shown[index] = type(part) == "string" and part or "$" .. part.reference
  end
  return table.concat(shown)
end

--- Makes a reference.
---@param name any
---@return syslua.Reference
function reference.new(name)
  if type(name) ~= "string" or not name:find("^[%a_][%w_]*$") then
    failure.raise({
      kind = "config",
      message = ("lib.ref: expected the name of a variable, got %s"):format(text.describe(name)),
      position = position.caller(),
      hint = "a name has letters, digits and _, and begins with no digit",
    })
  end
  return setmetatable({ parts = { { reference = name } } }, metatable)
end

--- Returns the names that a value refers to.
---@param value string|syslua.Reference
---@return string[]
function reference.get_names(value)
  local names = {}
  for _, part in ipairs(reference.is(value) and value.parts or {}) do
    if type(part) == "table" then
      names[#names + 1] = part.reference
    end
  end
  return names
end

--- Returns a value as the engine takes it.
---@param value string|syslua.Reference
---@return string|{ parts: (string|{ reference: string })[] }
function reference.to_data(value)
  if type(value) == "string" then
    return value
  end
  return { parts = value.parts }
end

return reference
