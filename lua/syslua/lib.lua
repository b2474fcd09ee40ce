--- `syslua.lib`: functions for configs. Nothing here changes the system.

local answers = require("syslua.answers")
local beside = require("syslua.beside")
local bindings = require("syslua.bindings")
local closest = require("syslua.util.closest")
local failure = require("syslua.util.failure")
local list_variables = require("syslua.variables")
local option_merge = require("syslua.option_merge")
local position = require("syslua.util.position")
local priority = require("syslua.priority")
local reference = require("syslua.reference")
local schema = require("syslua.schema")
local tables = require("syslua.util.table")
local template = require("syslua.template")
local text = require("syslua.util.text")

---@class syslua.Library
---@field null table JSON's `null`: `lib.fromJSON` returns it, and rendered values may contain it
---@field absent table takes a key away, in the `values` of a `file{}` with `merge`
---@field env syslua.EnvLibrary kinds of variables
---@field secret syslua.SecretLibrary secrets made of others
local lib = {}

lib.null = bindings.null
lib.absent = priority.absent

local pretty_fields = { pretty = { type = "boolean" } }
local ini_fields = { indent = { type = "string" }, separator = { type = "string" } }

--- Returns a value as JSON: keys sorted, integral numbers without a point. An empty table is `{}`;
-- `lib.array {}` is `[]`.
---@param value any
---@param opts { pretty: boolean? }?
---@return string
function lib.toJSON(value, opts)
  schema.check("the options of lib.toJSON", opts or {}, pretty_fields)
  return bindings.call("to_json", value, opts and opts.pretty)
end

local function check_text(call, value)
  if type(value) ~= "string" then
    failure.raise({
      kind = "config",
      message = ("%s: expected a string, got %s"):format(call, text.describe(value)),
      position = position.caller(),
    })
  end
end

-- Errors name the file of a text that `lib.read` gave.
local function parse(call, format, given, name)
  check_text(call, given)
  -- `text:gsub(...)` passes a number as well.
  name = type(name) == "string" and name or beside.get_name(given)
  return bindings.call("parse", given, format, name)
end

--- Returns the value of a JSON text. `null` is `lib.null`, and lists are marked, so `lib.toJSON`
-- returns the same text.
---@param json string
---@param name string? the file that errors name; by default the file that `lib.read` read
---@return any
function lib.fromJSON(json, name)
  return parse("lib.fromJSON", "JSON", json, name)
end

--- Returns the table of a TOML text. Times are strings.
---@param toml string
---@param name string? the file that errors name; by default the file that `lib.read` read
---@return table
function lib.fromTOML(toml, name)
  return parse("lib.fromTOML", "TOML", toml, name)
end

--- Returns the value of a YAML text with one document, by the core schema of YAML 1.2. Anchors and
-- merge keys are followed, and `null` is `lib.null`.
---@param yaml string
---@param name string? the file that errors name; by default the file that `lib.read` read
---@return any
function lib.fromYAML(yaml, name)
  return parse("lib.fromYAML", "YAML", yaml, name)
end

--- Returns the table of an INI text: the keys before the first section, and a table for each
-- section. All values are strings. A key that occurs several times is a list; a key without a value
-- is true.
---@param ini string
---@param name string? the file that errors name; by default the file that `lib.read` read
---@return table
function lib.fromINI(ini, name)
  return parse("lib.fromINI", "INI", ini, name)
end

--- Returns a table as TOML: keys sorted, tables after plain values. With `pretty` long lists have a
-- line for each item.
---@param value table
---@param opts { pretty: boolean? }?
---@return string
function lib.toTOML(value, opts)
  schema.check("the options of lib.toTOML", opts or {}, pretty_fields)
  return bindings.call("to_toml", value, opts and opts.pretty)
end

--- Returns a value as YAML, in block style with keys sorted.
---@param value any
---@return string
function lib.toYAML(value)
  return bindings.call("to_yaml", value)
end

--- Returns a table as INI: plain values first, then a section for each table, all sorted. A list
-- repeats its key for each item.
---@param value table
---@param opts { indent: string?, separator: string? }? the texts before keys (nothing), and after
--- them (" = ")
---@return string
function lib.toINI(value, opts)
  schema.check("the options of lib.toINI", opts or {}, ini_fields)
  return bindings.call(
    "to_ini",
    value,
    opts and opts.indent or "",
    opts and opts.separator or " = "
  )
end

--- Returns the bytes of a file beside the config. The snapshot keeps a copy of it, as of the
-- config.
---@param path string relative to the directory of the file that calls, absolute, or from `~/`
---@return string
function lib.read(path)
  return beside.read(path)
end

--- Returns the names in a directory, sorted by their bytes. With a pattern, returns the names that
-- match it: `*` and `?` match characters of a name, `[a-z]` matches one of several, `**` matches
-- any directories.
---@param directory string as for `lib.read`
---@param glob string? "*.conf", "**/*.lua"
---@return string[]
function lib.list(directory, glob)
  return beside.list(directory, glob)
end

--- Returns whether a path exists. A link exists if its target does.
---@param path string as for `lib.read`
---@return boolean
function lib.exists(path)
  return beside.exists(path)
end

--- Renders a template in the syntax of Jinja2 with values, and returns the text. A name without a
-- value is an error. The filters `sh`, `json`, `toml` and `lua` quote. Included templates are in
-- the directory of the calling file.
---@param given string the text of the template
---@param values table<string, any>?
---@return string
function lib.template(given, values)
  check_text("lib.template", given)
  return template.render_text(given, values or {})
end

--- Returns the answer to a question of the config. `apply` asks once on a terminal, and keeps the
-- answer in `syslua.local.json` beside the config. Otherwise the answer is `--answer NAME=VALUE` or
-- the default.
---@param name string letters, digits, `_`, `.` and `-`
---@param opts { prompt: string?, default: syslua.Answer?, choices: string[]? }?
---@return any answer a string, or of the type of `default`
function lib.ask(name, opts)
  return answers.ask(name, opts)
end

---@type any
local array_metatable = bindings.array_metatable
-- What `getmetatable` shows of a list from the bindings, whose metatable is hidden.
local shown_array_metatable = getmetatable(setmetatable({}, array_metatable))

--- Marks a table as a list and returns it, so an empty one is `[]` in JSON.
---@generic T: table
---@param list T
---@return T
function lib.array(list)
  local is_marked = getmetatable(list) ~= nil and getmetatable(list) == shown_array_metatable
  return is_marked and list or setmetatable(list, array_metatable)
end

--- Merges tables; later ones take precedence. Tables with string keys are merged deeply, other
-- values are replaced. `mkDefault` yields, `mkForce` wins, and `mkBefore` and `mkAfter` join lists.
---@param ... table
---@return table
function lib.merge(...)
  for index = 1, select("#", ...) do
    local value = select(index, ...)
    if type(value) ~= "table" then
      failure.raise({
        kind = "config",
        message = ("lib.merge: argument %d: expected a table, got %s"):format(
          index,
          text.describe(value)
        ),
        position = position.caller(),
      })
    end
  end
  return option_merge.overlay(...)
end

--- Returns a value that wins over others. In a list it replaces the entries of others.
---@param value any
---@return syslua.Priority
function lib.mkForce(value)
  return priority.mark("lib.mkForce", priority.force, value, true)
end

--- Returns a value that comes before others in a list.
---@param value any
---@return syslua.Priority
function lib.mkBefore(value)
  return priority.mark("lib.mkBefore", priority.before, value, false)
end

--- Returns a value that is used when no other is given.
---@param value any
---@return syslua.Priority
function lib.mkDefault(value)
  return priority.mark("lib.mkDefault", priority.default, value, true)
end

--- Returns a value that comes after others in a list.
---@param value any
---@return syslua.Priority
function lib.mkAfter(value)
  return priority.mark("lib.mkAfter", priority.after, value, false)
end

--- Returns a value with a priority: the lowest number wins.
---@param number integer
---@param value any
---@return syslua.Priority
function lib.mkOverride(number, value)
  return priority.mark("lib.mkOverride", number, value, true)
end

--- Returns a value with a place in a list: the lowest number comes first.
---@param number integer
---@param value any
---@return syslua.Priority
function lib.mkOrder(number, value)
  return priority.mark("lib.mkOrder", number, value, false)
end

--- Refers to a variable of the environment, in values of `env{}`: `lib.ref("HOME") .. "/x"`.
---@param name string
---@return syslua.Reference
function lib.ref(name)
  return reference.new(name)
end

--- Kinds of variables.
---@class syslua.EnvLibrary
local env = {}
lib.env = env

--- Defines a variable as a list, like PATH: its declarations are joined.
---@param name string
---@param separator string? the separator of entries: ":" by default, ";" on Windows
function env.defineMergeable(name, separator)
  if separator == nil then
    separator = require("syslua.system").get().os == "windows" and ";" or ":"
  end
  list_variables.define("lib.env.defineMergeable", name, separator)
end

--- Defines a variable with a single value: one of its declarations wins.
---@param name string
function env.defineSingular(name)
  list_variables.define("lib.env.defineSingular", name, false)
end

-- A misspelt function is named where it is used.
local function name_closest(what)
  return {
    __index = function(library, name)
      if type(name) ~= "string" then
        return nil
      end
      local near = closest(name, tables.get_sorted_keys(library))
      failure.raise({
        kind = "config",
        message = ("there is no `%s.%s`"):format(what, name),
        position = position.caller(),
        hint = near and ("did you mean `%s`?"):format(near) or nil,
      })
    end,
  }
end

setmetatable(env, name_closest("lib.env"))

lib.secret = setmetatable(require("syslua.secret_library"), name_closest("lib.secret"))

return setmetatable(lib, name_closest("lib"))
