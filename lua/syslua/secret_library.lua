--- `lib.secret`: secrets made of others. Nothing is decrypted here.

local bindings = require("syslua.bindings")
local position = require("syslua.util.position")
local scope = require("syslua.scope")
local secret = require("syslua.secret")
local tables = require("syslua.util.table")
local template = require("syslua.template")
local text = require("syslua.util.text")

---@class syslua.SecretLibrary
local secret_library = {}

local raise = position.raise

-- What stands for a value while a template is tried: something of its type.
local samples = { int = 1, float = 1.5, bool = true }

local function get_sample(value)
  local parts = secret.get_parts(value)
  local only = #parts == 1 and type(parts[1]) == "table" and parts[1] or {}
  local sample = samples[only.kind]
  return sample == nil and "x" or sample
end

-- Collects the secrets in the values of a template by name, and returns samples of the same shape.
local function parse_values(values, at, named)
  local sample = {}
  for _, key in ipairs(tables.get_sorted_keys(values)) do
    local value = values[key]
    local names = {}
    for index, name in ipairs(at) do
      names[index] = name
    end
    names[#names + 1] = tostring(key)
    local shown = table.concat(names, ".")
    if secret.is(value) then
      named[#named + 1] = { path = names, parts = secret.get_parts(value) }
      sample[key] = get_sample(value)
    elseif type(value) == "table" and next(value) ~= nil then
      sample[key] = parse_values(value, names, named)
    elseif type(value) == "string" then
      named[#named + 1] = { path = names, parts = { value } }
      sample[key] = value
    elseif
      type(value) == "boolean"
      or type(value) == "table"
      or type(value) == "number" and text.number(value)
    then
      named[#named + 1] = { path = names, parts = {}, plain = value }
      sample[key] = value
    else
      raise(
        ("`%s` in lib.secret.template: expected a secret or a text, got %s"):format(
          shown,
          text.describe(value)
        )
      )
    end
  end
  return sample
end

--- Returns a secret: a template in the syntax of Jinja2, `password={{ db.password }}`. The switch
-- renders it. A name without a value is already an error during evaluation.
---@param given string the template; `lib.read(path)` reads one from a file
---@param values table<string, any> secrets, texts and tables of these, such as a loaded document
---@return syslua.Secret
function secret_library.template(given, values)
  if type(given) ~= "string" then
    raise(("lib.secret.template: expected a text, got %s"):format(text.describe(given)))
  elseif type(values) ~= "table" or secret.is(values) then
    raise(
      ("lib.secret.template: expected a table of secrets, got %s"):format(text.describe(values)),
      "name them: { password = ... }"
    )
  end
  local named = {}
  local sample = parse_values(values, {}, named)
  local texts, name = template.prepare_text(given, sample)
  -- A value at the top whose name is in no text is not used. What is below it may be: a template
  -- can go through all of it, or make up the names.
  local whole = {}
  for _, content in next, texts do
    whole[#whole + 1] = content or ""
  end
  local all, used = table.concat(whole, "\n"), {}
  for _, one in ipairs(named) do
    if all:find(one.path[1], 1, true) then
      used[#used + 1] = one
    end
  end
  return secret.new({ { template = name, texts = texts, values = used } })
end

--- Returns a secret: the output of a program such as `op`, `pass`, `bw` or `gpg`, without newlines
-- at its end. The program runs at the switch, once for a declaration. The value is kept encrypted
-- in the root.
---@param words string[] the program and its arguments
---@return syslua.Secret
function secret_library.command(words)
  if type(words) ~= "table" or secret.is(words) or not tables.is_list(words) or not words[1] then
    raise(
      ("lib.secret.command: expected a list of a program and its arguments, got %s"):format(
        type(words) == "table" and not secret.is(words) and "another table" or text.describe(words)
      ),
      'for example lib.secret.command { "pass", "show", "db" }'
    )
  end
  local command = {}
  for index, word in ipairs(words) do
    if type(word) ~= "string" or word:find("%z") or word == "" and index == 1 then
      raise(
        ("`[%d]` in lib.secret.command: expected a string without NUL bytes, got %s"):format(
          index,
          text.describe(word)
        ),
        secret.is(word) and "all users can read the arguments of programs" or nil
      )
    end
    command[index] = word
  end
  return secret.new({ { command = command } })
end

-- Refuses a second declaration of a variable; `how` has the two in words, each before its place.
local function raise_twice(variable, how, first_positions)
  require("syslua.util.failure").raise({
    kind = "conflict",
    message = ("the variable %s is declared twice%s"):format(
      variable.name,
      how:format(
        first_positions[1] or "an unknown place",
        variable.positions[1] or "an unknown place"
      )
    ),
    position = variable.positions[1],
    hint = "remove one of the two declarations",
  })
end

-- A name in words for `string.format`.
local function describe(variable)
  return (secret.describe(variable.value):gsub("%%", "%%%%"))
end

-- A variable has one value: env{} of the same block may not declare it too.
local function refuse_plain(variable)
  for _, plain in ipairs(assert(scope.get()).block.collected.env or {}) do
    if plain.name == variable.name then
      local how = ":\n  by env{} at %s\n  by lib.secret.env (" .. describe(variable) .. ") at %s"
      raise_twice(variable, how, plain.positions)
    end
  end
end

-- Passes the variables of a block to the engine.
local function finalize(variables)
  local by_name, list = {}, {}
  for _, variable in ipairs(variables) do
    local first = by_name[variable.name]
    if not first then
      by_name[variable.name] = variable
      refuse_plain(variable)
      list[#list + 1] = {
        variable = variable.name,
        value = secret.to_data(variable.value),
        position = variable.positions[1],
      }
    elseif secret.get_identity(first.value) ~= secret.get_identity(variable.value) then
      local how = ", with different secrets:\n  " .. describe(first) .. " at %s\n  "
      raise_twice(variable, how .. describe(variable) .. " at %s", first.positions)
    end
  end
  bindings.call("declare_secret_variables", list, variables[1].positions)
end

--- Declares environment variables whose values are secrets: they are in a private file, which the
--- environment scripts source.
---@param variables table<string, syslua.Secret>
function secret_library.env(variables)
  if type(variables) ~= "table" or secret.is(variables) then
    raise(
      ("lib.secret.env: expected a table of variables, got %s"):format(text.describe(variables))
    )
  end
  local collected = scope.collect("secret_env")
  if not collected then
    raise("lib.secret.env works only while a config is evaluated", "call it in setup()")
    return
  end
  local chain = position.chain()
  for _, name in ipairs(tables.get_sorted_keys(variables)) do
    local value = variables[name]
    if type(name) ~= "string" or not name:find("^[%a_][%w_]*$") then
      raise(
        ("`%s` in lib.secret.env cannot be the name of a variable"):format(tostring(name)),
        "a name has letters, digits and _, and begins with no digit"
      )
    elseif not secret.is(value) then
      raise(
        ("`%s` in lib.secret.env: expected a secret, got %s"):format(name, text.describe(value)),
        "use env{} for variables that are not secret"
      )
    end
    collected[#collected + 1] = { name = name, value = value, positions = chain }
  end
  if collected[1] then
    collected.finalize, collected.pending = finalize, true
  end
end

return secret_library
