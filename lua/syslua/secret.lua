--- A secret as configs have it: something that stands for a value and shows none. It can be joined
-- with texts and other secrets by `..`; everything that is not made for secrets refuses it. It does
-- not know how documents are read, nor what becomes of a secret: nothing is decrypted here.

local failure = require("syslua.util.failure")
local position = require("syslua.util.position")
local tables = require("syslua.util.table")
local text = require("syslua.util.text")

local secret = {}

--- A value that evaluation never sees.
---@class syslua.Secret
---@operator concat(string|number|syslua.Secret): syslua.Secret

-- The place of a value in a document.
---@class syslua.secret.Reference
---@field document syslua.secret.Document
---@field key string "db.users[0].name"; empty for the whole of a file of age
---@field sealed string the digest of the encrypted text, in hexadecimal digits
---@field kind string the type of the value, "int"

-- What a template makes of secrets.
---@class syslua.secret.Template
---@field template string its name among the texts
---@field texts table<string, string|false>
---@field values syslua.secret.Named[]

-- What a name in a template stands for: parts, or a number, a truth value or an empty table.
---@class syslua.secret.Named
---@field path string[]
---@field parts syslua.secret.Part[]
---@field plain number|boolean|table|nil

-- What a program prints.
---@class syslua.secret.Command
---@field command string[]

---@alias syslua.secret.Part
---| string
---| syslua.secret.Reference
---| syslua.secret.Template
---| syslua.secret.Command

---@class syslua.secret.Document
---@field name string as the user calls it
---@field content string the encrypted text

-- The parts of each secret, by the secret. Other code cannot add to it.
---@type table<table, syslua.secret.Part[]>
local parts_of = setmetatable({}, { __mode = "k" })

local function raise(message, hint)
  failure.raise({
    kind = "config",
    message = message,
    position = position.caller(),
    hint = hint,
  })
end

-- The bindings refuse tables of this kind by its name, and `text.describe` knows it by the
-- other.
local metatable = { __name = "syslua.Secret", __metatable = text.secret_mark }

--- Returns whether a value is a secret.
---@param value any
---@return boolean
function secret.is(value)
  return type(value) == "table" and parts_of[value] ~= nil
end

--- Makes a secret of texts and values of documents.
---@param parts syslua.secret.Part[]
---@return syslua.Secret
function secret.new(parts)
  local made = setmetatable({}, metatable)
  parts_of[made] = parts
  return made
end

--- Returns the parts of a secret.
---@param value syslua.Secret
---@return syslua.secret.Part[]
function secret.get_parts(value)
  return parts_of[value]
end

-- Calls a function for each value of a document in parts.
local function each_reference(parts, callback)
  for _, part in ipairs(parts) do
    if type(part) == "table" and part.template then
      for _, named in ipairs(part.values) do
        each_reference(named.parts, callback)
      end
    elseif type(part) == "table" and (part.key or part.command) then
      callback(part)
    end
  end
end

local function get_identity(parts)
  local shown = {}
  for index, part in ipairs(parts) do
    if type(part) == "string" then
      shown[index] = "text " .. #part .. " " .. part
    elseif part.template then
      local inner = { part.texts[part.template] or "" }
      for _, named in ipairs(part.values) do
        local plain = type(named.plain) == "table" and "{}" or tostring(named.plain)
        inner[#inner + 1] = ("%s=%s %s"):format(
          table.concat(named.path, "."),
          plain,
          get_identity(named.parts)
        )
      end
      shown[index] = "template " .. table.concat(inner, "\1")
    elseif part.command then
      shown[index] = "command " .. table.concat(part.command, "\1")
    else
      shown[index] = ("value %s %s"):format(part.sealed, part.key)
    end
  end
  return table.concat(shown, "\0")
end

--- Returns a text that is equal for equal secrets, without decrypting them.
---@param value syslua.Secret
---@return string
function secret.get_identity(value)
  return get_identity(parts_of[value])
end

--- Calls a function with the digest of each encrypted value that a secret is made of, and with a
-- text for each command: `command-`, and its words with a byte 1 between them.
---@param value syslua.Secret
---@param callback fun(sealed: string)
function secret.each_sealed(value, callback)
  each_reference(parts_of[value], function(part)
    callback(part.sealed or "command-" .. table.concat(part.command, "\1"))
  end)
end

--- Describes the parts of a secret for users: "db.password of secrets.yaml".
---@param value syslua.Secret
---@return string
function secret.describe(value)
  local names, seen = {}, {}
  each_reference(parts_of[value], function(part)
    local name = part.command and "output of " .. part.command[1]
      or part.key == "" and part.document.name
      or ("%s of %s"):format(part.key, part.document.name)
    if not seen[name] then
      seen[name] = true
      names[#names + 1] = name
    end
  end)
  return table.concat(names, ", ")
end

local function to_data(parts)
  local list = {}
  for index, part in ipairs(parts) do
    if type(part) == "string" then
      list[index] = part
    elseif part.template then
      local values = {}
      for place, named in ipairs(part.values) do
        values[place] = { path = named.path, value = to_data(named.parts), plain = named.plain }
      end
      list[index] = { template = part.template, texts = part.texts, values = values }
    elseif part.command then
      list[index] = { command = part.command }
    else
      list[index] = {
        name = part.document.name,
        content = part.document.content,
        key = part.key,
        sealed = part.sealed,
      }
    end
  end
  return list
end

--- Returns the parts of a secret in the engine's form: texts, and tables that name a value of a
-- document or the template that makes it.
---@param value syslua.Secret
---@return (string|table)[]
function secret.to_data(value)
  return to_data(parts_of[value])
end

local function to_parts(value)
  if secret.is(value) then
    return parts_of[value]
  end
  local shown = type(value) == "number" and text.number(value) or value
  if type(shown) ~= "string" then
    raise(
      ("a secret can be joined with strings, numbers and secrets, not with %s"):format(
        text.describe(value)
      )
    )
  end
  return { shown }
end

function metatable.__concat(left, right)
  return secret.new(tables.join_parts(to_parts(left), to_parts(right)))
end

function metatable.__tostring()
  return "<secret>"
end

function metatable.__index(_, name)
  raise(
    ("a secret has no field `%s`: its value is known only at the switch"):format(tostring(name)),
    "use a value that is not secret to decide what the config declares"
  )
end

function metatable.__newindex()
  raise("a secret cannot be changed")
end

function metatable.__pairs()
  raise("a secret has no fields: its value is known only at the switch")
end

function metatable.__len()
  raise("the length of a secret is known only at the switch")
end

return secret
