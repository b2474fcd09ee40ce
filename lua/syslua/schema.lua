--- Checks tables of options: no unknown field, the right types, nothing missing.
-- It does not know the engine, nor what the options mean.

local closest = require("syslua.util.closest")
local failure = require("syslua.util.failure")
local position = require("syslua.util.position")
local tables = require("syslua.util.table")
local text = require("syslua.util.text")

-- Lua's own also while configs and builds have one with an order: nothing here depends on it, and
-- it costs.
---@type fun(map: table, key: any): any, any
local next = require("syslua").bindings.originals.basic.next

local schema = {}

--- What is said of a secret where there can be none.
schema.secret_hint = "all users can read it: " .. "`secret` of file{} writes a private file"

---@alias syslua.schema.Type
---| "string"
---| "number"
---| "integer"
---| "boolean"
---| "table"
---| "list"
---| "map"
---| "function"
---| "secret"
---| "any"

---@class syslua.schema.Field
---@field type syslua.schema.Type|syslua.schema.Type[] what is accepted
---@field required boolean? whether it must be there
---@field items syslua.schema.Type? the type of every item, for lists
---@field other_names string[]? what other tools call it: only to tell what is meant

local matches = {
  secret = function()
    return false
  end,
  any = function()
    return true
  end,
  integer = function(value)
    return type(value) == "number" and value % 1 == 0
  end,
  list = function(value)
    return type(value) == "table" and tables.is_list(value)
  end,
  map = function(value)
    if type(value) ~= "table" then
      return false
    end
    for key in next, value do
      if type(key) ~= "string" then
        return false
      end
    end
    return true
  end,
}

local is_secret = text.is_secret

local function has_type(value, name)
  -- A secret shows nothing that a table has.
  if is_secret(value) then
    return name == "secret" or name == "any"
  end
  local match = matches[name]
  if match then
    return match(value)
  end
  return type(value) == name
end

-- The place of the first secret in a table, at any depth.
local function get_secret(name, value, seen)
  if is_secret(value) then
    return name
  elseif type(value) ~= "table" or seen[value] then
    return nil
  end
  seen[value] = true
  for _, key in ipairs(tables.get_sorted_keys(value)) do
    local part = type(key) == "string" and "." .. key or "[" .. tostring(key) .. "]"
    local found = is_secret(key) and name or get_secret(name .. part, rawget(value, key), seen)
    if found then
      return found
    end
  end
  return nil
end

--- Returns whether a value is of one of several types.
---@param value any
---@param types syslua.schema.Type[]
---@return boolean
function schema.has_any_type(value, types)
  for _, name in ipairs(types) do
    if has_type(value, name) then
      return true
    end
  end
  return false
end

local function get_types(field)
  return type(field.type) == "table" and field.type or { field.type }
end

local function raise(where, message, hint)
  failure.raise({
    kind = "config",
    message = message,
    position = where or position.caller(),
    hint = hint,
  })
end

--- Raises a failure if a field is a secret, or has one at any depth.
---@param what string how messages name the table that has the field: "activate{}"
---@param name string the field
---@param value any
function schema.refuse_secrets(what, name, value)
  local place = get_secret(name, value, {})
  if place then
    local message = ("`%s` in %s is a secret, which plain data cannot contain"):format(place, what)
    raise(nil, message, schema.secret_hint)
  end
end

-- The field that another tool calls by a name.
local function get_by_other_name(key, fields)
  for _, name in ipairs(tables.get_sorted_keys(fields)) do
    for _, other in ipairs(fields[name].other_names or {}) do
      if other == key:lower() then
        return name
      end
    end
  end
  return nil
end

local function raise_unknown(what, key, fields, where)
  local known = tables.get_sorted_keys(fields)
  local near = type(key) == "string" and (get_by_other_name(key, fields) or closest(key, known))
  local shown = type(key) == "string" and key or "[" .. tostring(key) .. "]"
  local list = {}
  for index, name in ipairs(known) do
    list[index] = "`" .. name .. "`"
  end
  raise(
    where,
    ("unknown field `%s` in %s"):format(shown, what),
    near and ("did you mean `%s`?"):format(near)
      or ("its fields are %s"):format(text.enumerate(list, "and"))
  )
end

-- The index of the first item of the wrong type.
local function get_wrong_item(list, field)
  if field.items and type(list) == "table" then
    for index, item in ipairs(list) do
      if not has_type(item, field.items) then
        return index
      end
    end
  end
  return nil
end

local function is_fine(value, field)
  if value == nil then
    return not field.required
  end
  return schema.has_any_type(value, get_types(field)) and not get_wrong_item(value, field)
end

local function raise_wrong(what, name, value, field, where)
  local expected = text.enumerate(get_types(field))
  if value == nil then
    raise(where, ("`%s` is missing in %s: expected %s"):format(name, what, expected))
  end
  if schema.has_any_type(value, get_types(field)) then
    local index = get_wrong_item(value, field)
    name, expected, value = ("%s[%d]"):format(name, index), field.items, value[index]
  end
  local given = text.describe(value)
  local hint = is_secret(value) and schema.secret_hint
    or expected == "secret" and 'sops.load("secrets.yaml") gives some'
    or nil
  raise(where, ("`%s` in %s: expected %s, got %s"):format(name, what, expected, given), hint)
end

-- What can be seen of fields without looking closer: the types of Lua that each accepts, and how
-- many have to be there. By the table of fields; these are few, and most are checked often.
---@type table<table, { accepted: table<string, table<string, boolean>>, required: integer }>
local outlines = setmetatable({}, { __mode = "k" })

local function get_outline(fields)
  local outline = { accepted = {}, required = 0 }
  for name, field in next, fields do
    local accepted = {}
    for _, kind in ipairs(get_types(field)) do
      -- Those that only a closer look tells are accepted by nothing here.
      accepted[kind] = not matches[kind]
    end
    outline.accepted[name] = accepted
    outline.required = outline.required + (field.required and 1 or 0)
  end
  outlines[fields] = outline
  return outline
end

-- Whether a table is fine at first sight, as nearly all are.
local function is_plainly_fine(value, fields)
  local outline = outlines[fields] or get_outline(fields)
  local accepted, missing = outline.accepted, outline.required
  for key, item in next, value do
    local types = accepted[key]
    if not types or not types[type(item)] or is_secret(item) then
      return false
    elseif fields[key].required then
      missing = missing - 1
    end
  end
  return missing == 0
end

--- Checks a table of options against its fields, and raises a failure at the first wrong one.
-- Fields that are nil count as absent.
---@param what string how messages name the table: "file{}", "the options of ctx.run"
---@param value any
---@param fields table<string, syslua.schema.Field>
---@param where string? the user's position; by default found on the call stack
function schema.check(what, value, fields, where)
  if type(value) ~= "table" then
    raise(where, ("%s: expected a table of options, got %s"):format(what, text.describe(value)))
  end
  if is_plainly_fine(value, fields) then
    return
  end
  -- Sorted only once something is wrong: which of two mistakes is named must not vary.
  local mistakes = {}
  for key in next, value do
    if type(key) ~= "string" or not fields[key] then
      mistakes[key] = true
    end
  end
  if next(mistakes) ~= nil then
    raise_unknown(what, tables.get_sorted_keys(mistakes)[1], fields, where)
  end
  for name, field in next, fields do
    if not is_fine(value[name], field) then
      mistakes[name] = true
    end
  end
  if next(mistakes) ~= nil then
    local name = tables.get_sorted_keys(mistakes)[1]
    raise_wrong(what, name, value[name], fields[name], where)
  end
end

--- Returns the function of a block: `setup`, or `config` by its other name.
---@param what string how messages name the table
---@param given { setup: function?, config: function? }
---@return function
function schema.get_callback(what, given)
  if (given.setup == nil) == (given.config == nil) then
    raise(
      nil,
      given.setup and ("%s has both `setup` and `config`"):format(what)
        or ("`setup` is missing in %s: expected function"):format(what),
      given.setup and "they mean the same: use only one of them" or nil
    )
  end
  return assert(given.setup or given.config)
end

return schema
