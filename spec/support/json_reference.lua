--- Reads docs/reference/json.md, and holds documents against it: they have the fields that it
--- names, no other, and all that are not optional, also in what is nested. It knows the few forms
--- of words there that describe a field.

local syslua = require("syslua")
local tree = require("spec.support.tree")

local json_reference = {}

---@class spec.JsonField
---@field name string
---@field is_optional boolean
---@field text string what it is
---@field command string where it is documented

---@alias spec.JsonFields table<string, spec.JsonField>

-- The tables of the reference by heading, in order.
---@return table<string, spec.JsonFields[]>
local function read_tables()
  local tables, heading, current = {}, "", nil
  for _, line in ipairs(tree.lines(tree.read("docs/reference/json.md"))) do
    heading = line:match("^##? `?(.-)`?$") or heading
    if line == "| field | |" then
      current = {}
      tables[heading] = tables[heading] or {}
      table.insert(tables[heading], current)
    elseif current and line:find("^| `") then
      local names, text = line:match("^| (.-) | (.*) |$")
      for name, mark in names:gmatch("`([%w_%.]+)`(%??)") do
        current[name] = { name = name, is_optional = mark == "?", text = text, command = heading }
      end
    elseif line == "" then
      current = nil
    end
  end
  return tables
end

local function join(...)
  local joined = {}
  for index = 1, select("#", ...) do
    for name, field in pairs((select(index, ...))) do
      joined[name] = field
    end
  end
  return joined
end

-- "a list of those: `name`, `version`? (of it), `hash`" names three fields.
local function read_inline(text, command)
  local fields = {}
  for name, mark in text:gsub("%b()", ""):gmatch("`([%w_]+)`(%??)") do
    fields[name] = { name = name, is_optional = mark == "?", text = "", command = command }
  end
  return fields
end

local function check_type(what, value, text)
  if text:find("^whether") or text:find("^true ") then
    assert(type(value) == "boolean", what)
  elseif text:find("^how many") or text:find("^the bytes") or text:find("^bytes") then
    assert(type(value) == "number", what)
  elseif text:find("^a list") then
    assert(syslua.lib.toJSON(value):sub(1, 1) == "[", what)
  end
end

-- The objects in a value: itself, or those of a list.
local function get_objects(value)
  if type(value) ~= "table" or next(value) == nil then
    return {}
  elseif value[1] == nil then
    return { value }
  end
  return type(value[1]) == "table" and value or {}
end

--- Returns what checks documents. `separate` tells which table of a command describes the objects
--- of a field.
---@param separate table<string, table<string, integer>>
function json_reference.new(separate)
  local reference, tables, seen = {}, read_tables(), {}

  -- "as one of `objects` in `list`", "as `snapshot` in `status`" and "as in `plan`" refer to
  -- another field.
  local function find_reference(field)
    for _, form in ipairs({ "as one of `([%w_]+)` in `(%w+)`", "as `([%w_]+)` in `(%w+)`" }) do
      local name, command = field.text:match(form)
      if name then
        return name, command, form
      end
    end
    local command = field.text:match("as in `(%w+)`")
    return field.name, command, "as in `%w+`"
  end

  -- The fields of the objects in a field; none where it has no objects.
  local function get_nested(field)
    local number = (separate[field.command] or {})[field.name]
    local own = number and tables[field.command][number] or {}
    local name, command, form = find_reference(field)
    if not command then
      return join(read_inline(field.text, field.command), own)
    end
    local other
    for _, fields in ipairs(tables[command]) do
      other = other or fields[name]
    end
    assert(other, ("%s in %s refers to nothing"):format(field.name, field.command))
    return join(get_nested(other), read_inline(field.text:gsub(form, ""), field.command), own)
  end

  local function check(what, object, fields, place)
    seen[place] = seen[place] or { fields = fields, names = {} }
    for name, value in pairs(object) do
      local field = fields[name]
      assert(field, ("%s has `%s`, which is not documented"):format(what, name))
      seen[place].names[name] = true
      check_type(what .. "." .. name, value, field.text)
      local nested = get_nested(field)
      for _, inner in ipairs(next(nested) and get_objects(value) or {}) do
        check(what .. "." .. name, inner, nested, field.command .. "." .. name)
      end
    end
    for name, field in pairs(fields) do
      local is_fine = field.is_optional or object[name] ~= nil
      assert(is_fine, ("%s lacks `%s`"):format(what, name))
    end
  end

  --- Checks what a command answered.
  ---@param command string
  ---@param document table
  ---@param number integer? which table describes it
  ---@param base string? a command whose fields it has too
  function reference.check(command, document, number, base)
    assert(document.version == 1 and document.command == command, document.command)
    local own = tables[command][number or 1]
    local fields = join(tables["JSON output"][1], base and tables[base][1] or {}, own)
    check(command, document, fields, ("%s %d"):format(command, number or 1))
  end

  --- Returns the fields that are documented and never were there, in order: "plan.actions: user".
  ---@return string[]
  function reference.get_unseen()
    local unseen = {}
    for place, entry in pairs(seen) do
      for name in pairs(entry.fields) do
        if not entry.names[name] then
          unseen[#unseen + 1] = place .. ": " .. name
        end
      end
    end
    table.sort(unseen)
    return unseen
  end

  return reference
end

return json_reference
