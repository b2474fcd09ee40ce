--- What a tool is called in a lock: its name and request, `node@22`. Where the lock has another
-- tool by that, from another registry or with other `vars`, the key says these too.

local tables = require("syslua.util.table")

local tool_key = {}

--- Returns "ripgrep" and "14" of "ripgrep@14". A name may begin with `@`, and so may a tag.
---@param word string
---@return string name, string request
function tool_key.split(word)
  local name, version = word:match("^(.[^@]*)@(.+)$")
  if word:sub(1, 1) == "@" then
    name, version = word:match("^(@.-[^@])@(.+)$")
  end
  if name and version then
    return name, version
  end
  return word, "latest"
end

local function get_suffix(registry, vars)
  local words = {}
  if registry then
    words[1] = "registry=" .. registry
  end
  for _, name in ipairs(tables.get_sorted_keys(vars or {})) do
    words[#words + 1] = ("%s=%s"):format(name, vars[name])
  end
  return (" {%s}"):format(table.concat(words, ", "))
end

--- Returns the key that says all of a tool.
---@param plain string its name and request
---@param registry string?
---@param vars table<string, string>?
---@return string
function tool_key.get_full(plain, registry, vars)
  return plain .. get_suffix(registry, vars)
end

--- Returns the name and the request of a key.
---@param key string
---@param entry { registry: string?, vars: table<string, string>? } what the lock has by it
---@return string name, string request
function tool_key.parse(key, entry)
  local suffix = get_suffix(entry.registry, entry.vars)
  if key:sub(-#suffix) == suffix then
    key = key:sub(1, -#suffix - 1)
  end
  return tool_key.split(key)
end

local function has_same_vars(left, right)
  for name, value in next, left or {} do
    if (right or {})[name] ~= value then
      return false
    end
  end
  for name in next, right or {} do
    if (left or {})[name] == nil then
      return false
    end
  end
  return true
end

--- Returns the key that a tool has in a lock, or gets there.
---@param plain string its name and request
---@param tool { registry: string?, vars: table<string, string>? }
---@param entries table<string, table> what the lock has by the plain and the full key
---@return string
function tool_key.choose(plain, tool, entries)
  local entry = entries[plain]
  local full = tool_key.get_full(plain, tool.registry, tool.vars)
  if not entry then
    return entries[full] and full or plain
  end
  local is_same = (entry.registry or "tools") == (tool.registry or "tools")
    and has_same_vars(entry.vars, tool.vars)
  return is_same and plain or full
end

return tool_key
