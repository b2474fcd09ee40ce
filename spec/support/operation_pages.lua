--- Renders the operations of `ctx` from their table: options for the reference, and the class
--- `syslua.BuildContext` for editors.

local fold = require("syslua.util.text").fold
local operations = require("syslua.operations")
local tables = require("syslua.util.table")

local operation_pages = {}

-- The types of parameters for editors.
local classes = {
  path = "string",
  string = "string",
  hash = "string",
  mode = "string|integer",
  command = "string|string[]",
  file = '"file"',
}

-- Lines of a comment; those after the first begin with `lead`.
local function add_comment(lines, first, lead, text)
  for index, part in ipairs(fold(text, 100 - #first, 0)) do
    lines[#lines + 1] = (index == 1 and first or lead) .. part
  end
end

--- Returns the table of an operation's options.
---@param name string
---@return string
function operation_pages.render_options(name)
  for _, operation in ipairs(operations.list) do
    if operation.name == name then
      local lines = { "| option | |", "|---|---|" }
      for _, option in ipairs(tables.get_sorted_keys(operation.options)) do
        lines[#lines + 1] = ("| `%s` | %s |"):format(option, operation.options[option].text)
      end
      return table.concat(lines, "\n")
    end
  end
  error("there is no operation " .. name)
end

local function render_options_class(operation)
  local lines = { "---@class syslua." .. operation.options_class }
  for _, name in ipairs(tables.get_sorted_keys(operation.options)) do
    local option = operation.options[name]
    local kind = option.class:find("|", 1, true) and not option.class:find("^table<")
    local class = kind and not option.class:find("%[%]$") and "(" .. option.class .. ")"
      or option.class
    add_comment(lines, "---@field ", "--- ", ("%s %s? %s"):format(name, class, option.text))
  end
  return table.concat(lines, "\n")
end

local function render_function(operation)
  local lines, names = {}, {}
  add_comment(lines, "--- ", "--- ", operation.text)
  for index, parameter in ipairs(operation.parameters) do
    names[index] = parameter.name
    local class = classes[parameter.type]
    if parameter.is_optional and operation.options and parameter.type == "path" then
      class = class .. "|syslua." .. operation.options_class .. "|nil"
    elseif parameter.is_optional then
      class = class .. "?"
    end
    local text = ("%s %s %s"):format(parameter.name, class, parameter.text or "")
    add_comment(lines, "---@param ", "--- ", (text:gsub(" $", "")))
  end
  if operation.options then
    names[#names + 1] = "opts"
    lines[#lines + 1] = ("---@param opts syslua.%s?"):format(operation.options_class)
  end
  if operation.returns then
    lines[#lines + 1] = "---@return " .. operation.returns
  end
  local call = ("%s(%s)"):format(operation.name, table.concat(names, ", "))
  lines[#lines + 1] = ("function BuildContext.%s end"):format(call)
  return table.concat(lines, "\n")
end

--- Returns the classes of the options.
---@return string
function operation_pages.render_options_classes()
  local parts = {}
  for _, operation in ipairs(operations.list) do
    if operation.options then
      parts[#parts + 1] = render_options_class(operation)
    end
  end
  return table.concat(parts, "\n\n")
end

--- Returns the methods of the context.
---@return string
function operation_pages.render_methods()
  local parts = {}
  for index, operation in ipairs(operations.list) do
    parts[index] = render_function(operation)
  end
  return table.concat(parts, "\n\n")
end

return operation_pages
