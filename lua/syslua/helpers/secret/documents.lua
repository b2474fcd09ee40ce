--- `sops.load` and `age.load`: encrypted documents as tables of secrets. Keys and types are read,
-- which these documents leave in clear; nothing is decrypted, and no identity is needed.

local beside = require("syslua.beside")
local bindings = require("syslua.bindings")
local closest = require("syslua.util.closest")
local position = require("syslua.util.position")
local secret = require("syslua.secret")
local tables = require("syslua.util.table")
local text = require("syslua.util.text")

local documents = {}

-- A misspelt key is named where it is used, before anything is decrypted.
local function new_map(document, place)
  return {
    __index = function(map, key)
      if type(key) ~= "string" then
        return nil
      end
      local known = tables.get_sorted_keys(map)
      local near = closest(key, known)
      position.raise(
        ("there is no `%s` in %s%s"):format(
          key,
          place == "" and "" or ("`%s` of "):format(place),
          document.name
        ),
        near and ("did you mean `%s`?"):format(near)
          or known[1] and "it has " .. text.enumerate(known, "and")
          or "it is empty"
      )
    end,
  }
end

-- An index that a list lacks is named too. `ipairs` may look behind the end.
local function new_list(document, place)
  return {
    __index = function(list, key)
      local caller = debug.getinfo(2, "S")
      if caller and caller.what == "C" then
        return nil
      end
      local shown = type(key) == "number" and ("[%s]"):format(text.number(key) or key)
        or "." .. tostring(key)
      position.raise(
        ("there is no `%s%s` in %s"):format(place, shown, document.name),
        #list == 0 and "the list is empty" or ("the list has the indices 1 to %d"):format(#list)
      )
    end,
  }
end

local function load(call, kind, given)
  local content, name = beside.read_for(call, given)
  local document = { name = name, content = content }
  return bindings.call("secret_document", kind, name, content, function(key, sealed, value_kind)
    local part = { document = document, key = key, sealed = sealed, kind = value_kind }
    return secret.new({ part })
  end, function(made, place, is_list)
    return setmetatable(made, (is_list and new_list or new_map)(document, place))
  end)
end

--- Returns what a document of SOPS holds: tables as it has them, with a secret in the place of each
-- value. A binary one is one secret, and several documents of YAML are a list.
---@param given string relative to the directory of the calling file, absolute, or from `~/`
---@return any
function documents.load_sops(given)
  return load("sops.load", "sops", given)
end

--- Returns the content of a file of age, which is one secret.
---@param given string relative to the directory of the calling file, absolute, or from `~/`
---@return syslua.Secret
function documents.load_age(given)
  return load("age.load", "age", given)
end

return documents
