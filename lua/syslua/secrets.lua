--- `syslua.secrets`: documents of SOPS and files of age, for scripts. It does not know what a
--- config makes of them.

local bindings = require("syslua.bindings")

---@class syslua.Secrets
local secrets = {}

--- Decrypts a value, or without a key the whole content of a file. Lua cannot wipe it: do not keep
--- it.
---@param file string a document of SOPS, or a file of age, which has no keys
---@param key string? `db.users[0].name`; a key with a dot is written as `["tls.crt"]`
---@return any value text, a number, a boolean, a table, or nil for null
function secrets.get(file, key)
  return bindings.call("secrets_get", file, key).value
end

--- Encrypts a value and writes it into a document, which is created if it is missing. The rest of
-- the file stays unchanged.
---@param file string
---@param key string
---@param value string|number|boolean a text is read as the type of the existing value
---@param kind nil|"str"|"int"|"float"|"bool"|"time"|"null" the type it gets instead
---@return syslua.SecretSet
function secrets.set(file, key, value, kind)
  return bindings.call("secrets_set", file, key, tostring(value), kind)
end

--- Encrypts everything with a new data key.
---@param file string
---@param recipients string[]? who can decrypt it then; those of `.sops.yaml` unless given, else
--- those of the document
---@return syslua.SecretRecipients
function secrets.rotate(file, recipients)
  return bindings.call("secrets_rotate", file, recipients)
end

--- Lists the recipients of a document, adds one, or removes one and uses a new data key.
---@param file string
---@param action "list"|"add"|"remove"
---@param recipient string? `age1...` or a public key of SSH
---@return syslua.SecretRecipients
function secrets.recipients(file, action, recipient)
  return bindings.call("secrets_recipients", file, action, recipient)
end

--- Writes a new identity into a new file.
---@param file string? by default the place where sops looks for it
---@return { file: string, recipient: string }
function secrets.keygen(file)
  return bindings.call("secrets_keygen", file)
end

--- Returns the keys of a document with the types of their values. Nothing is decrypted, no identity
--- is needed.
---@param file string
---@return table
function secrets.outline(file)
  return bindings.call("secrets_outline", file)
end

return secrets
