--- Values that a config shares with sys.lua and could break: the methods of strings, and Lua's
-- libraries. When its evaluation ends, replaced values are restored. Additions to a library stay,
-- because a module that is loaded once may have made them. This room does not know what is
-- evaluated.

local failure = require("syslua.util.failure")
local position = require("syslua.util.position")

local protected = {}

-- Kept from load on: a config may replace any of these.
local original = require("syslua").native.originals
local raw_next, raw_set, raw_get = original.basic.next, original.basic.rawset, original.basic.rawget
local raw_equal, set_metatable = original.basic.rawequal, original.basic.setmetatable
local get_metatable, replace_metatable = debug.getmetatable, debug.setmetatable

local library_names =
  { "string", "table", "math", "os", "io", "utf8", "coroutine", "debug", "package" }

--- The values before an evaluation.
---@class syslua.protected.Kept
---@field tables { name: string, table: table, fields: table<any, any>,
--- metatable: table?, has_any_metatable: boolean? }[]
---@field is_released boolean?

local function keep(name, own)
  local fields = {}
  for key, value in raw_next, own do
    fields[key] = value
  end
  return { name = name, table = own, fields = fields, metatable = get_metatable(own) }
end

-- The basic functions and the libraries, by which everything here works. The metatable of `_G` is
-- the config's business: strict globals are one.
local function keep_globals()
  local fields = {}
  for key, value in raw_next, _G do
    if original.basic[key] ~= nil or key == "_G" or key == "require" then
      fields[key] = value
    end
  end
  for _, key in ipairs(library_names) do
    fields[key] = raw_get(_G, key)
  end
  return { name = "_G", table = _G, fields = fields, has_any_metatable = true }
end

-- The modules of sys.lua and the libraries that are loaded: no command works without them.
local function keep_loaded()
  local loaded = package.loaded
  local fields = {}
  for key, value in raw_next, loaded do
    if type(key) == "string" and original.string.match(key .. ".", "^syslua%.") then
      fields[key] = value
    end
  end
  for _, key in ipairs(library_names) do
    fields[key] = raw_get(loaded, key)
  end
  return {
    name = "package.loaded",
    table = loaded,
    fields = fields,
    metatable = get_metatable(loaded),
  }
end

-- What `getmetatable("")` gives to a config: reads the real one, and takes only what is new.
local function new_view(strings)
  return set_metatable({}, {
    __metatable = false,
    __index = strings,
    __newindex = function(_, key, value)
      -- Operators are the config's own business.
      if key == "__index" or key == "__metatable" then
        failure.raise({
          kind = "config",
          message = ("a config cannot replace `%s` in the metatable of strings"):format(
            tostring(key)
          ),
          position = position.caller(),
          hint = "add functions to `string` instead: function string.trim(text) ... end",
        })
      end
      raw_set(strings, key, value)
    end,
  })
end

--- Remembers what is in force, and closes the metatable of strings.
---@return syslua.protected.Kept
function protected.keep()
  ---@type any
  local strings = get_metatable("")
  local kept = { tables = { keep('getmetatable("")', strings) } }
  for _, name in ipairs(library_names) do
    local library = raw_get(_G, name)
    if type(library) == "table" then
      kept.tables[#kept.tables + 1] = keep(name, library)
    end
  end
  kept.tables[#kept.tables + 1] = keep_loaded()
  kept.tables[#kept.tables + 1] = keep_globals()
  ---@type any
  local files = get_metatable(io.stdout)
  kept.tables[#kept.tables + 1] = keep("getmetatable(io.stdout)", files)
  if type(files.__index) == "table" and files.__index ~= files then
    kept.tables[#kept.tables + 1] = keep("getmetatable(io.stdout).__index", files.__index)
  end
  strings.__metatable = new_view(strings)
  return kept
end

--- Restores replaced values; doing so twice has no effect.
---@param kept syslua.protected.Kept
---@return string? changed the name of a field that was replaced
function protected.release(kept)
  if kept.is_released then
    return nil
  end
  kept.is_released = true
  local changed
  ---@type any
  local first = kept.tables[1]
  if not raw_equal(get_metatable(""), first.table) then
    replace_metatable("", first.table)
    changed = 'getmetatable("")'
  end
  for index = 1, #kept.tables do
    local one = kept.tables[index]
    for key in raw_next, index == 1 and keep("", one.table).fields or {} do
      if one.fields[key] == nil then
        raw_set(one.table, key, nil)
      end
    end
    for key, value in raw_next, one.fields do
      if not raw_equal(raw_get(one.table, key), value) then
        raw_set(one.table, key, value)
        changed = changed or one.name .. "." .. tostring(key)
      end
    end
    if not one.has_any_metatable and not raw_equal(get_metatable(one.table), one.metatable) then
      replace_metatable(one.table, one.metatable)
      changed = changed or "the metatable of " .. one.name
    end
  end
  return changed
end

return protected
