--- Values that a config shares with sys.lua and could break: the methods of strings, and Lua's
-- libraries. When its evaluation ends, replaced values are restored. Additions to a library stay,
-- because a module that is loaded once may have made them. This room does not know what is
-- evaluated.

local failure = require("syslua.util.failure")
local position = require("syslua.util.position")

local protected = {}

-- Kept from load on: a config may replace any of these.
local original = require("syslua").bindings.originals
local raw_next, raw_set, raw_get = original.basic.next, original.basic.rawset, original.basic.rawget
local to_string = original.basic.tostring
local raw_equal, set_metatable = original.basic.rawequal, original.basic.setmetatable
local get_metatable, replace_metatable = debug.getmetatable, debug.setmetatable

local library_names =
  { "string", "table", "math", "os", "io", "utf8", "coroutine", "debug", "package" }

local is_library = {}
for _, name in ipairs(library_names) do
  is_library[name] = true
end

--- The values before an evaluation.
---@class syslua.protected.Kept
---@field tables { name: string, table: table, fields: table<any, any>,
--- metatable: table?, has_any_metatable: boolean? }[]
---@field is_released boolean?

-- Remembers a table; with `is_needed`, only these of its fields.
local function keep(name, own, is_needed)
  local fields = {}
  for key, value in raw_next, own do
    if not is_needed or is_needed(key) then
      fields[key] = value
    end
  end
  return { name = name, table = own, fields = fields, metatable = get_metatable(own) }
end

-- Functions of Lua that sys.lua uses, besides those that builds may use.
local is_basic = {}
for _, name in ipairs({
  "_G",
  "collectgarbage",
  "dofile",
  "getfenv",
  "load",
  "loadfile",
  "loadstring",
  "require",
  "setfenv",
}) do
  is_basic[name] = true
end

-- The basic functions and the libraries, by which everything here works.
local function is_needed_global(key)
  return original.basic[key] ~= nil or is_basic[key] or is_library[key]
end

-- The modules of sys.lua and the libraries: no command works without them.
local function is_needed_module(key)
  return is_library[key]
    or type(key) == "string" and original.string.match(key .. ".", "^syslua%.") ~= nil
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
  kept.tables[#kept.tables + 1] = keep("package.loaded", package.loaded, is_needed_module)
  -- The metatable of `_G` is the config's business: strict globals are one.
  local globals = keep("_G", _G, is_needed_global)
  globals.has_any_metatable = true
  kept.tables[#kept.tables + 1] = globals
  ---@type any
  local files = get_metatable(io.stderr)
  kept.tables[#kept.tables + 1] = keep("getmetatable(io.stderr)", files)
  if type(files.__index) == "table" and files.__index ~= files then
    kept.tables[#kept.tables + 1] = keep("getmetatable(io.stderr).__index", files.__index)
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
        changed = changed or one.name .. "." .. to_string(key)
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
