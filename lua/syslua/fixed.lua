--- Functions of Lua whose answers differ from run to run, or from one Lua to the next, as configs
-- and builds have them: with an order, without addresses. It does not know when builds run.

local failure = require("syslua.util.failure")
local position = require("syslua.util.position")

local fixed = {}

local bindings = require("syslua").bindings
---@type table<string, table<string, any>> Lua's own functions, as they were when
--- the module was loaded
local original = bindings.originals
local basic, strings, tables = original.basic, original.string, original.table

-- Lua's own, kept from load on.
local raw_next, raw_to_string, raw_set_metatable = basic.next, basic.tostring, basic.setmetatable
local raw_pcall, raw_xpcall = basic.pcall, basic.xpcall
local is_interrupted = bindings.is_interrupted
local format, find, gsub, match = strings.format, strings.find, strings.gsub, strings.match
local native_sort = tables.sort
local unpack = tables.unpack or basic.unpack
local get_metatable = debug.getmetatable

--- What a run of configs or of a build remembers, so that what it sees does not depend on others.
---@class syslua.fixed.Scope
---@field numbers table<any, integer> the numbers that stand for addresses
---@field count integer how many were given
---@field positions table<any, string>? the lines that errors had, by error; only
--- builds have none of them
---@field metatables table<table, boolean>? those that a build gave to tables

---@type syslua.fixed.Scope?
local scope

--- Makes a scope. In that of a build, errors have no lines, and tables are not weak.
---@param is_build boolean
---@return syslua.fixed.Scope
function fixed.new_scope(is_build)
  return {
    -- An object that is gone leaves its number: no other one gets it.
    numbers = raw_set_metatable({}, { __mode = "k" }),
    count = 0,
    positions = is_build and {} or nil,
    metatables = is_build and {} or nil,
  }
end

--- Sets the scope that counts from now on; returns the one before.
---@param new syslua.fixed.Scope?
---@return syslua.fixed.Scope?
function fixed.set_scope(new)
  local before = scope
  scope = new
  return before
end

local function raise(message, hint)
  failure.raise({ kind = "build", message = message, position = position.caller(), hint = hint })
end

-- Order of keys.

local ranks = { number = 1, string = 2, boolean = 3 }
local last_rank = 4

-- Only builds refuse keys without an order: a config may come to the same result whatever it is.
local function check_key(key)
  if not ranks[type(key)] and scope and scope.positions then
    raise(
      ("a %s as a key has no fixed order"):format(type(key)),
      "use strings or numbers as keys, or ipairs over a list"
    )
  end
end

local function is_before(a, b)
  local rank_a, rank_b = ranks[type(a)] or last_rank, ranks[type(b)] or last_rank
  if rank_a ~= rank_b then
    return rank_a < rank_b
  elseif rank_a == 3 then
    return not a and b
  end
  return rank_a < 3 and a < b
end

local function get_keys(value)
  local keys, count = {}, 0
  local kind, is_mixed
  for key in raw_next, value do
    count = count + 1
    keys[count] = key
    local its = type(key)
    is_mixed = is_mixed or (kind ~= nil and its ~= kind)
    kind = its
  end
  if count < 2 then
    return keys, count
  elseif not is_mixed and (kind == "string" or kind == "number") then
    -- Nearly all tables: Lua's own order is the same, and needs no function of Lua.
    native_sort(keys)
    return keys, count
  end
  for index = 1, count do
    check_key(keys[index])
  end
  native_sort(keys, is_before)
  return keys, count
end

-- The keys of tables that `next` goes through, in their order, and the place of each.
---@type table<table, { keys: any[], places: table<any, integer>, count: integer }>
local walks = raw_set_metatable({}, { __mode = "k" })

-- The first key in order, without putting all in order: `next(t) == nil` is how one asks whether it
-- is empty.
local function get_first(value)
  local first = raw_next(value)
  if first == nil then
    return nil
  end
  local second = raw_next(value, first)
  if second == nil then
    return first
  end
  check_key(first)
  local key = second
  while key ~= nil do
    check_key(key)
    if is_before(key, first) then
      first = key
    end
    key = raw_next(value, key)
  end
  return first
end

--- `next`, in the order of `pairs`. As with Lua's own, fields may be changed and cleared on the
--- way.
---@param value table
---@param key any
function fixed.next(value, key)
  if type(value) ~= "table" then
    return raw_next(value, key)
  end
  if key == nil then
    walks[value] = nil
    local first = get_first(value)
    if first == nil then
      return nil
    end
    return first, rawget(value, first)
  end
  local walk = walks[value]
  local place = walk and walk.places[key]
  if not place then
    check_key(key)
    local keys, count = get_keys(value)
    walk = { keys = keys, places = {}, count = count }
    walks[value] = walk
    for index = 1, count do
      walk.places[keys[index]] = index
      -- A key that was cleared in the meantime still has its place.
      if keys[index] == key or is_before(keys[index], key) then
        place = index
      end
    end
  end
  place = place or 0
  for index = place + 1, walk.count do
    local following = walk.keys[index]
    local item = rawget(value, following)
    if item ~= nil then
      return following, item
    end
  end
  walks[value] = nil
  return nil
end

--- `pairs` in a fixed order: numbers ascending, strings by bytes, false, true. Keys are collected
-- at the start; keys that disappear are skipped.
---@param value any
---@return function, any, any
function fixed.pairs(value)
  local metatable = get_metatable(value)
  local custom = type(metatable) == "table" and rawget(metatable, "__pairs")
  if custom then
    return custom(value)
  end
  local keys, count = get_keys(value)
  local index = 0
  return function()
    while index < count do
      index = index + 1
      local key = keys[index]
      local item = rawget(value, key)
      if item ~= nil then
        return key, item
      end
    end
  end,
    value,
    nil
end

-- Order of equal elements.

local function compare_plainly(a, b)
  return a < b
end

local function merge(from, to, first, middle, last, before)
  local left, right = first, middle + 1
  for place = first, last do
    -- Of equal ones the left one comes first.
    if left <= middle and (right > last or not before(from[right], from[left])) then
      to[place] = from[left]
      left = left + 1
    else
      to[place] = from[right]
      right = right + 1
    end
  end
end

--- `table.sort`, which leaves equal elements in their order, whatever Lua it is.
---@param list any[]
---@param before (fun(a: any, b: any): boolean)?
function fixed.sort(list, before)
  if type(list) ~= "table" or (before ~= nil and type(before) ~= "function") then
    return native_sort(list, before)
  end
  before = before or compare_plainly
  local count = #list
  local from, to = {}, {}
  for index = 1, count do
    from[index] = list[index]
  end
  local width = 1
  while width < count do
    local first = 1
    while first <= count do
      local middle = first + width - 1
      local last = middle + width
      if middle > count then
        middle = count
      end
      if last > count then
        last = count
      end
      merge(from, to, first, middle, last, before)
      first = last + 1
    end
    from, to = to, from
    width = width * 2
  end
  for index = 1, count do
    list[index] = from[index]
  end
end

--- `table.foreach` of Lua 5.1, in the order of `pairs`.
---@param value table
---@param callback fun(key: any, value: any): any
---@return any
function fixed.foreach(value, callback)
  local keys, count = get_keys(value)
  for index = 1, count do
    local result = callback(keys[index], rawget(value, keys[index]))
    if result ~= nil then
      return result
    end
  end
end

-- Texts without addresses.

local function has_text(value)
  local kind = type(value)
  if kind == "string" or kind == "number" or kind == "boolean" or kind == "nil" then
    return true
  end
  local metatable = get_metatable(value)
  return type(metatable) == "table" and rawget(metatable, "__tostring") ~= nil
end

--- `tostring`. What Lua shows by its address is shown by a number: the first such value that is
-- shown has the number 1.
---@param ... any
---@return string
function fixed.tostring(...)
  local value = ...
  if not scope or select("#", ...) == 0 or has_text(value) then
    return raw_to_string(...)
  end
  local number = scope.numbers[value]
  if not number then
    number = scope.count + 1
    scope.count = number
    scope.numbers[value] = number
  end
  local metatable = get_metatable(value)
  local name = type(metatable) == "table" and rawget(metatable, "__name")
  return format("%s: 0x%08x", type(name) == "string" and name or type(value), number)
end

--- `string.format`, whose `%s` is that of `tostring` above. In a build there is no `%p`.
---@param pattern any
---@param ... any
---@return string
function fixed.format(pattern, ...)
  if not scope or type(pattern) ~= "string" then
    return format(pattern, ...)
  end
  local count, arguments, changed = 0, { ... }, false
  local rest = gsub(pattern, "%%%%", "")
  for letter in strings.gmatch(rest, "%%[%-+ #0-9.]*(%a)") do
    count = count + 1
    local argument = arguments[count]
    if letter == "p" then
      if scope.positions then
        raise("`%p` of string.format shows an address, which differs from run to run")
      end
    elseif letter == "s" and count <= select("#", ...) and not has_text(argument) then
      arguments[count] = fixed.tostring(argument)
      changed = true
    end
  end
  if not changed then
    return format(pattern, ...)
  end
  return format(pattern, unpack(arguments, 1, select("#", ...)))
end

-- Tables that the collector changes.

local function check_metatable(metatable)
  for _, name in ipairs({ "__mode", "__gc" }) do
    if rawget(metatable, name) ~= nil then
      raise(
        ("a metatable with `%s` cannot be used in a build"):format(name),
        "the time of garbage collection differs from run to run"
      )
    end
  end
end

--- `setmetatable`. In a build no table is weak, and none has a finalizer.
---@param value any
---@param metatable any
---@param ... any
---@return any
function fixed.setmetatable(value, metatable, ...)
  if scope and scope.metatables and type(metatable) == "table" then
    check_metatable(metatable)
    scope.metatables[metatable] = true
  end
  if metatable == nil then
    return raw_set_metatable(value, metatable, ...)
  end
  return raw_set_metatable(value, metatable)
end

--- Raises a failure when a build made one of its metatables weak afterwards.
---@param of syslua.fixed.Scope
function fixed.check_metatables(of)
  for metatable in raw_next, of.metatables or {} do
    check_metatable(metatable)
  end
end

-- Errors without lines: the place of a function in its file is not part of a hash.

---@type table<string, boolean>
local chunks = {}

--- Notes that a chunk of this name was loaded.
---@param name string as `debug.getinfo` gives it
function fixed.add_chunk(name)
  chunks[gsub(name, "^[@=]", "")] = true
end

local function is_chunk(name)
  return chunks[name] or find(name, "%.lua$") ~= nil or find(name, '^%[string "') ~= nil
end

local function without_line(value)
  local positions = scope and scope.positions
  if not positions then
    return value
  end
  if type(value) == "string" then
    local where, message = match(value, "^([^\n]-:%d+): (.*)$")
    if where and is_chunk(match(where, "^(.*):%d+$")) then
      positions[message] = where
      return message
    end
  elseif failure.is(value) and value.position then
    positions[value] = value.position
    value.position = nil
  end
  return value
end

local function finish(succeeded, ...)
  if succeeded then
    return true, ...
  end
  return false, without_line((...))
end

--- `pcall`. In a build the error has no line of a file.
---@param ... any
---@return boolean, any ...
function fixed.pcall(...)
  return finish(raw_pcall(...))
end

--- `xpcall`. In a build the error has no line of a file.
---@param callback function
---@param handler function
---@param ... any
---@return boolean, any ...
function fixed.xpcall(callback, handler, ...)
  if not scope or type(handler) ~= "function" then
    return raw_xpcall(callback, handler, ...)
  end
  local is_build = scope.positions ~= nil
  return raw_xpcall(callback, function(value)
    -- In a handler that a hook calls, Lua runs no hooks: no interrupt could end it.
    if is_interrupted() then
      return value
    end
    return handler(is_build and without_line(value) or value)
  end, ...)
end

--- Gives an error that a build raised the line back that it had.
---@param of syslua.fixed.Scope
---@param value any
---@return any
function fixed.with_line(of, value)
  local positions = of.positions
  local where = positions and value ~= nil and positions[value]
  if not where then
    return value
  end
  if type(value) == "string" then
    return where .. ": " .. value
  end
  value.position = value.position or where
  return value
end

-- Putting them in the place of Lua's own.

local globals = _G

---@type { [1]: table, [2]: string, [3]: function }[]
local places = {
  { globals, "next", fixed.next },
  { globals, "pairs", fixed.pairs },
  { globals, "tostring", fixed.tostring },
  { globals, "setmetatable", fixed.setmetatable },
  { globals, "pcall", fixed.pcall },
  { globals, "xpcall", fixed.xpcall },
  { string, "format", fixed.format },
  { table, "sort", fixed.sort },
}
if tables.foreach then
  places[#places + 1] = { table, "foreach", fixed.foreach }
end

do
  local names = {}
  for _, place in ipairs(places) do
    local library = place[1] == string and "string." or place[1] == table and "table." or ""
    names[library .. place[2]] = place[3]
  end
  bindings.set_fixed(names)
end

---@type { functions: table<integer, any>, locale: string?, compiles: boolean? }[]
local entered = {}
---@type any
local set_locale = os.setlocale
---@type any
local compiler = rawget(_G, "jit")

--- Puts them in the place of Lua's own, and the locale "C" in that of the process, until
--- `fixed.leave`.
function fixed.enter()
  local functions = {}
  for index, place in ipairs(places) do
    functions[index] = rawget(place[1], place[2])
    rawset(place[1], place[2], place[3])
  end
  -- It decides how numbers are written, what a letter is, and how texts are compared.
  local locale = set_locale()
  if locale == "C" then
    locale = nil
  else
    set_locale("C")
  end
  -- Its compiled code listens to no Ctrl-C, and its interpreter does.
  local compiles = compiler ~= nil and compiler.status()
  if compiles then
    compiler.off()
    compiler.flush()
  end
  entered[#entered + 1] = { functions = functions, locale = locale, compiles = compiles }
end

--- Restores the earlier values. Values that were changed in the meantime stay.
function fixed.leave()
  local before = entered[#entered]
  entered[#entered] = nil
  for index, place in ipairs(places) do
    if rawequal(rawget(place[1], place[2]), place[3]) then
      rawset(place[1], place[2], before.functions[index])
    end
  end
  if before.compiles then
    compiler.on()
  end
  if before.locale or set_locale() ~= "C" then
    set_locale(before.locale or "C")
  end
end

return fixed
