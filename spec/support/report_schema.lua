--- The JSON schema of all reports: that of the engine, which its test compares with its types, and
--- that of `cli/report_fields.lua`. Checks documents against it.

local report_fields = require("syslua.cli.report_fields")
local syslua = require("syslua")
local tree = require("spec.support.tree")

local report_schema = {}

local unpack = require("syslua.util.table").unpack

--- The schema that `cargo test -p syslua-engine --lib report_schema` compares and writes.
report_schema.engine_file = "src/engine/reports.schema.json"

-- A type in the words of `report_fields` as a schema.
local function to_schema(kind)
  local item = kind:match("^(.*)%[%]$")
  if item then
    return { type = "array", items = to_schema(item) }
  end
  local entry = kind:match("^(.*){}$")
  if entry then
    return { type = "object", additionalProperties = to_schema(entry) }
  elseif kind == "any" then
    return {}
  elseif kind:find('^"') then
    local words = {}
    for word in kind:gmatch('"([^"]*)"') do
      words[#words + 1] = word
    end
    return { type = "string", enum = words }
  elseif kind:find("^%l") then
    return { type = kind }
  end
  return { ["$ref"] = "#/$defs/" .. kind }
end

--- A report: its fields in order.
---@class spec.Report
---@field fields spec.ReportField[]

---@class spec.ReportField
---@field name string
---@field is_optional boolean
---@field schema table
---@field text string

local definitions = syslua.lib.fromJSON(tree.read(report_schema.engine_file))["$defs"]

---@type table<string, spec.Report>
local reports = {}

local function without_null(schema)
  if type(schema.type) == "table" then
    local copy = {}
    for key, value in pairs(schema) do
      copy[key] = value
    end
    copy.type = schema.type[1]
    return copy
  end
  for _, way in ipairs(schema.anyOf or {}) do
    if way.type ~= "null" then
      return way
    end
  end
  return schema
end

-- The order of fields is lost in Lua's tables: the text has it.
local engine_text = tree.read(report_schema.engine_file)

local function get_place(name, field)
  local from = engine_text:find(('\n    "%s": {'):format(name), 1, true)
  return engine_text:find(('"%s": {'):format(field), from, true) or math.huge
end

-- An object with fields: one, or several of which each document is one.
local function read_engine(name, schema)
  local ways = { schema, unpack(schema.oneOf or {}) }
  local fields, by_name = {}, {}
  for index, way in ipairs(ways) do
    local required = {}
    for _, field in ipairs(way.required or {}) do
      required[field] = true
    end
    for field, inner in pairs(way.properties or {}) do
      local known = by_name[field]
      if known and inner.const then
        table.insert(known.schema.enum, inner.const)
      elseif not known then
        known = {
          name = field,
          is_optional = not required[field] or (index > 1 and not inner.const),
          schema = inner.const and { type = "string", enum = { inner.const } }
            or without_null(inner),
          text = inner.const and "Its kind." or inner.description or "",
        }
        by_name[field] = known
        fields[#fields + 1] = known
      end
    end
  end
  table.sort(fields, function(one, other)
    return get_place(name, one.name) < get_place(name, other.name)
  end)
  return { fields = fields }
end

-- Words without fields: what stands for them is their schema.
local function is_object(schema)
  return schema.properties ~= nil or (schema.oneOf ~= nil and schema.oneOf[1].properties ~= nil)
end

for name, schema in pairs(definitions) do
  if is_object(schema) then
    reports[name] = read_engine(name, schema)
  end
end

local function add_own(name)
  if reports[name] then
    return reports[name]
  end
  local own, fields = assert(report_fields.reports[name], name), {}
  for _, field in ipairs(own.extends and add_own(own.extends).fields or {}) do
    fields[#fields + 1] = field
  end
  for _, given in ipairs(own) do
    fields[#fields + 1] = {
      name = given[1]:gsub("%?$", ""),
      is_optional = given[1]:find("%?$") ~= nil,
      schema = to_schema(given[2]),
      text = given[3],
    }
  end
  reports[name] = { fields = fields }
  return reports[name]
end

for name in pairs(report_fields.reports) do
  add_own(name)
end

--- Returns a report.
---@param name string
---@return spec.Report
function report_schema.get(name)
  return assert(reports[name], "there is no report " .. name)
end

--- Returns the words that a schema allows, or nil.
---@param schema table
---@return string[]?
function report_schema.get_words(schema)
  local name = schema["$ref"] and schema["$ref"]:match("[^/]*$")
  local inner = name and definitions[name] or schema
  if inner.enum then
    return inner.enum
  elseif inner.oneOf and not is_object(inner) then
    local words = {}
    for _, way in ipairs(inner.oneOf) do
      for _, word in ipairs(way.enum or { way.const }) do
        words[#words + 1] = word
      end
    end
    return words
  end
  return nil
end

--- Returns the name of the report that a schema refers to, or nil.
---@param schema table
---@return string?
function report_schema.get_reference(schema)
  local name = schema["$ref"] and schema["$ref"]:match("[^/]*$")
  return name and reports[name] and name or nil
end

---@type table<string, fun(value: any): boolean>
local types = {
  string = function(value)
    -- Bytes that are not UTF-8.
    return type(value) == "string" or (type(value) == "table" and value["$bytes"] ~= nil)
  end,
  boolean = function(value)
    return type(value) == "boolean"
  end,
  number = function(value)
    return type(value) == "number"
  end,
  integer = function(value)
    return type(value) == "number" and value % 1 == 0
  end,
  array = function(value)
    return type(value) == "table" and syslua.lib.toJSON(value):sub(1, 1) == "["
  end,
  object = function(value)
    return type(value) == "table" and syslua.lib.toJSON(value):sub(1, 1) == "{"
  end,
}

-- Fields that were there, by report: "Plan.changed".
local seen = {}

local check

local function check_report(place, value, name)
  assert(types.object(value), place .. " is no object")
  local known = {}
  for _, field in ipairs(reports[name].fields) do
    known[field.name] = field
    local is_there = value[field.name] ~= nil
    assert(is_there or field.is_optional, ("%s lacks `%s` of %s"):format(place, field.name, name))
    if is_there then
      seen[name .. "." .. field.name] = true
      check(("%s.%s"):format(place, field.name), value[field.name], field.schema)
    end
  end
  for field in pairs(value) do
    assert(known[field], ("%s has `%s`, which %s does not have"):format(place, field, name))
  end
end

function check(place, value, schema)
  local name, words = report_schema.get_reference(schema), report_schema.get_words(schema)
  if name then
    return check_report(place, value, name)
  elseif words then
    for _, word in ipairs(words) do
      if word == value then
        return nil
      end
    end
    error(("%s is %s"):format(place, tostring(value)))
  end
  local kind = schema.type
  assert(kind == nil or types[kind](value), ("%s is no %s"):format(place, tostring(kind)))
  for index, item in ipairs(kind == "array" and schema.items and value or {}) do
    check(("%s[%d]"):format(place, index), item, schema.items)
  end
  if kind == "object" and type(schema.additionalProperties) == "table" then
    for key, item in pairs(value) do
      check(("%s.%s"):format(place, key), item, schema.additionalProperties)
    end
  end
  return nil
end

--- Checks a document of a command: it has the fields of one of the command's reports, no other, and
--- all that are not optional.
---@param command string
---@param document table
function report_schema.check(command, document)
  assert(document.version == 1 and document.command == command, document.command)
  local own, problems = {}, {}
  for key, value in pairs(document) do
    own[key] = value
  end
  own.version, own.command = nil, nil
  for _, name in ipairs(report_fields.commands[command]) do
    local succeeded, problem = pcall(check_report, command, own, name)
    if succeeded then
      return
    end
    problems[#problems + 1] = tostring(problem)
  end
  error(table.concat(problems, "\n"))
end

--- Checks the document of a command that failed.
---@param document table
function report_schema.check_failure(document)
  assert(document.version == 1 and type(document.command) == "string")
  check_report("error", { error = document.error }, "Failed")
end

--- Returns the fields that never were there, in order: "Plan.pending", of the reports that were.
---@return string[]
function report_schema.get_unseen()
  local unseen = {}
  local checked = {}
  for place in pairs(seen) do
    checked[place:match("^%w+")] = true
  end
  for name, report in pairs(reports) do
    for _, field in ipairs(report.fields) do
      local place = name .. "." .. field.name
      if checked[name] and not seen[place] then
        unseen[#unseen + 1] = place
      end
    end
  end
  table.sort(unseen)
  return unseen
end

return report_schema
