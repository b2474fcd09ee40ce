--- `env{}`: environment variables. What is declared is merged at the end of the evaluation; it ends
-- in activate.

local activate = require("syslua.activate")
local failure = require("syslua.util.failure")
local merge = require("syslua.merge")
local position = require("syslua.util.position")
local scope = require("syslua.scope")
local tables = require("syslua.util.table")
local text = require("syslua.util.text")

local function raise(message, hint)
  failure.raise({ kind = "config", message = message, position = position.caller(), hint = hint })
end

local function check_text(name, value)
  if type(value) ~= "string" then
    raise(
      ("`%s` in env{}: expected a string or a list of strings, got %s"):format(
        name,
        text.describe(value)
      )
    )
  end
  if value:find("%z") then
    raise(("`%s` in env{} has a NUL byte, which no variable can hold"):format(name))
  end
end

local function check_list(name, value)
  if not merge.is_mergeable(name) then
    raise(
      ("`%s` in env{} is given a list, but it has one value"):format(name),
      "write one string; lists are for variables like PATH"
    )
  end
  local separator = merge.get_separator(name)
  for _, entry in ipairs(value) do
    check_text(name, entry)
    if entry == "" or entry:find("\n", 1, true) or entry:find(separator, 1, true) then
      raise(
        ("%q cannot be an entry of %s: it is empty, or has a newline or %q"):format(
          entry,
          name,
          separator
        )
      )
    end
  end
end

local function check(name, value)
  if type(name) ~= "string" or not name:find("^[%a_][%w_]*$") then
    raise(
      ("`%s` in env{} cannot be the name of a variable"):format(tostring(name)),
      "a name has letters, digits and _, and begins with no digit"
    )
  end
  if type(value) == "number" then
    return tostring(value)
  elseif type(value) == "table" and tables.is_list(value) and next(value) ~= nil then
    check_list(name, value)
    return value
  end
  check_text(name, value)
  if merge.is_mergeable(name) then
    check_list(name, { value })
    return { value }
  end
  return value
end

local function finalize(current)
  for _, variable in ipairs(merge.merge_variables(current.variables)) do
    activate({
      config = function(_, ctx)
        ctx.set_variable(variable.name, variable.value, variable.positions)
      end,
    })
  end
end

--- Declares environment variables. A value is literal; a leading `~/` or `$HOME/` is the user's home.
-- Entries of variables like PATH stand before what the variable has.
---@param variables table<string, string|number|string[]>
return function(variables)
  if type(variables) ~= "table" then
    raise(("env{}: expected a table of variables, got %s"):format(text.describe(variables)))
  end
  local current = scope.get()
  if not current then
    raise("env{} works only while a config is evaluated", "call it in setup()")
    return
  end
  local chain = position.chain()
  for _, name in ipairs(tables.get_sorted_keys(variables)) do
    local value = check(name, variables[name])
    current.variables[#current.variables + 1] = { name = name, value = value, positions = chain }
  end
  current.finalizers.env = finalize
end
