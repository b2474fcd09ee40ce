--- `env{}`: environment variables. What is declared is merged at the end of the evaluation; each
-- variable becomes one action.

local beside = require("syslua.beside")
local bindings = require("syslua.bindings")
local list_variables = require("syslua.variables")
local position = require("syslua.util.position")
local priority = require("syslua.priority")
local reference = require("syslua.reference")
local secret = require("syslua.secret")
local scope = require("syslua.scope")
local tables = require("syslua.util.table")
local text = require("syslua.util.text")

---@alias syslua.env.Text string|number|syslua.Reference
---@alias syslua.env.Item syslua.env.Text|syslua.Priority
---@alias syslua.env.Value syslua.env.Item|syslua.env.Item[]

local raise = position.raise

local function get_text(name, value)
  if type(value) == "number" then
    local shown = text.number(value)
    if not shown then
      raise(("`%s` in env{} is not a finite number"):format(name))
    end
    return shown
  elseif reference.is(value) then
    return value
  elseif secret.is(value) then
    raise(
      ("`%s` in env{} is a secret, and all users can read what is declared here"):format(name),
      "lib.secret.env declares variables whose values are in a private file"
    )
  elseif type(value) ~= "string" then
    raise(
      ("`%s` in env{}: expected a string or a list of strings, got %s"):format(
        name,
        text.describe(value)
      )
    )
  end
  if value:find("%z") then
    raise(("`%s` in env{} contains a NUL byte, which a variable cannot contain"):format(name))
  end
  beside.refuse_private(("`%s` in env{}"):format(name), value)
  return value
end

local function check_name(name)
  if type(name) ~= "string" or not name:find("^[%a_][%w_]*$") then
    raise(
      ("`%s` in env{} cannot be the name of a variable"):format(tostring(name)),
      type(name) == "number" and 'name the variable: env { EDITOR = "vim" }'
        or "a name has letters, digits and _, and begins with no digit"
    )
  end
end

-- Returns the entries of a list; each may have its own number.
local function get_items(name, list, number, replaces, positions)
  if next(list) == nil or not tables.is_list(list) then
    raise(
      ("`%s` in env{}: expected a string or a list of strings, got %s"):format(
        name,
        next(list) == nil and "an empty table" or "a table with named fields"
      )
    )
  end
  local items = {}
  for index, entry in ipairs(list) do
    local item = { number = number, replaces = replaces, positions = positions }
    if priority.is(entry) then
      entry, item.number, item.replaces = priority.unwrap(entry)
    end
    item.value = get_text(("%s[%d]"):format(name, index), entry)
    items[index] = item
  end
  return items
end

-- A value is literal: a `$NAME` in it may be meant as a reference.
local function note_literal_reference(name, value)
  local current = scope.get()
  local other = type(value) == "string" and bindings.call("literal_reference", value)
  if current and other and not value:find("^%$HOME/") and value ~= "$HOME" then
    current.notify(
      (
        "`$%s` in the value of %s is literal text; "
        .. 'lib.ref("%s") .. "..." refers to the variable'
      ):format(other, name, other),
      position.caller()
    )
  end
end

-- Records the variables of a block.
local function finalize(variables)
  for _, variable in ipairs(list_variables.merge_variables(variables)) do
    local action = { kind = "set_variable", name = variable.name, value = variable.value }
    local explained = { priority = variable.priority, overridden = variable.overridden }
    bindings.call("record", action, variable.positions, explained)
  end
end

local env = {}

--- Checks variables, and collects them for a helper; returns what is collected, nil outside of an
--- evaluation.
---@param variables table<string, syslua.env.Value>
---@param helper string
---@return table?
function env.collect(variables, helper)
  if type(variables) ~= "table" or priority.is(variables) or reference.is(variables) then
    raise(("env{}: expected a table of variables, got %s"):format(text.describe(variables)))
  end
  local collected = scope.collect(helper)
  if not collected then
    raise("env{} works only while a config is evaluated", "call it in setup()")
    return nil
  end
  local chain, advantage = position.chain(), scope.get_advantage()
  for _, name in ipairs(tables.get_sorted_keys(variables)) do
    check_name(name)
    local value, number, replaces = priority.unwrap(variables[name])
    number = number - advantage
    local declared = { name = name, number = number, replaces = replaces, positions = chain }
    if type(value) == "table" and not reference.is(value) and not secret.is(value) then
      declared.items = get_items(name, value, number, replaces, chain)
    else
      declared.value = get_text(name, value)
      note_literal_reference(name, value)
    end
    collected[#collected + 1] = declared
  end
  return collected
end

--- Declares variables of sessions: see `env/persistent.lua`.
---@param variables table<string, syslua.env.Value>
function env.persistent(variables)
  require("syslua.helpers.env.persistent")(variables)
end

--- Declares environment variables. A value is literal; a leading `~/` or `$HOME/` is the user's
-- home. Entries of variables like PATH precede the existing value.
---@param variables table<string, syslua.env.Value>
local function declare(_, variables)
  local collected = env.collect(variables, "env")
  if collected then
    collected.finalize, collected.pending = finalize, true
  end
end

return require("syslua.util.strict")(env, "config", "there is no `env.%s`", declare)
