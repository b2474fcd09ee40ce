--- The guard around a derivation's `config`: while it runs, what could make two builds differ is
-- out of reach, and Lua's own libraries are as Lua brought them. It alters no function; what it
-- changes is put back.

local failure = require("syslua.util.failure")
local fixed = require("syslua.fixed")
local position = require("syslua.util.position")

local guard = {}

local hints = {
  io = "use ctx.read and ctx.write",
  os = "use ctx.sys, ctx.env and ctx.run",
  require = "require modules at the top of the file: what `config` captures is part of its hash",
  load = "write the code into `config`",
  package = "require modules at the top of the file",
  debug = "a build does not need it",
  coroutine = "calls of ctx wait for their results",
  arg = "pass what it needs through opts",
}
hints.dofile, hints.loadfile, hints.loadstring, hints.module =
  hints.require, hints.load, hints.load, hints.require

-- One list: what is refused here, the engine knows to be hidden.
---@type string[]
local refused = require("syslua").bindings.guarded
local is_refused = {}
for _, name in ipairs(refused) do
  is_refused[name] = true
end
local globals, set_metatable, get_metatable = _G, debug.setmetatable, debug.getmetatable
local raw_next = next
local active = 0

local function refuse(name)
  failure.raise({
    kind = "build",
    message = ("`%s` is not available in a build"):format(name),
    position = position.caller(),
    hint = hints[name],
  })
end

local function index(_, name)
  if is_refused[name] then
    refuse(name)
  end
  return nil
end

-- Fields of libraries that no build may use, and why.
local random = "two builds would differ: pass a fixed value in through opts"
---@type any
local refused_fields = {
  math = { random = random, randomseed = random },
  string = { dump = "the code of a function differs between versions of Lua" },
}

local function new_index(library)
  return function(_, name)
    local hint = refused_fields[library] and refused_fields[library][name]
    if hint then
      failure.raise({
        kind = "build",
        message = ("`%s.%s` is not available in a build"):format(library, name),
        position = position.caller(),
        hint = hint,
      })
    end
  end
end

-- The libraries of Lua, as they were when the module was loaded: a build sees this and nothing
-- else.
---@class syslua.guard.Library
---@field name string
---@field table table
---@field content table<any, any>
---@field count integer how many fields it has
---@field compared any[] the fields whose values another value could claim to equal
---@field taken any[] the fields that no build may use
---@field metatable table?

---@type syslua.guard.Library[]
local libraries = {}

local function add_library(name, library, original, metatable)
  local content, count, compared, taken = {}, 0, {}, {}
  for key, value in next, original do
    if refused_fields[name] and refused_fields[name][key] then
      taken[#taken + 1] = key
    else
      content[key] = value
      count = count + 1
      if type(value) == "table" or type(value) == "userdata" then
        compared[#compared + 1] = key
      end
    end
  end
  libraries[#libraries + 1] = {
    name = name,
    table = library,
    content = content,
    count = count,
    compared = compared,
    taken = taken,
    metatable = metatable,
  }
end

local originals = require("syslua").bindings.originals
for name, content in next, originals do
  local library = rawget(globals, name)
  if name ~= "basic" and name ~= "strings" and type(library) == "table" then
    add_library(name, library, content, { __index = new_index(name) })
  end
end
-- What methods of strings lead to.
---@type any
local strings = get_metatable("")
add_library("strings", strings, originals.strings)

-- One value of each type that could share a metatable; Lua brings none for these.
---@type any[]
local basics = { 0, true, print, coroutine.create(refuse) }

---@type { [1]: table, [2]: any, [3]: any }[]
local altered = {}
---@type table<string, any>, table?, table<integer, table>, table<integer, table>
local taken, metatable_before, library_metatables, basic_metatables = {}, nil, {}, {}
---@type any, any
local nil_metatable, strings_metatable

-- Whether a library is what it was. It runs twice for each step of a build: the loop calls nothing
-- but `next`.
local function is_as_it_was(library)
  local own, content, count = library.table, library.content, 0
  for key, value in raw_next, own do
    if content[key] ~= value then
      return false
    end
    count = count + 1
  end
  for _, key in ipairs(library.compared) do
    if not rawequal(rawget(own, key), content[key]) then
      return false
    end
  end
  return count == library.count
end

-- Makes a library what it was; tells each field that was something else.
local function restore(library, on_altered)
  if is_as_it_was(library) then
    return
  end
  local own, content = library.table, library.content
  local key, value = raw_next(own)
  while key ~= nil do
    local following, following_value = raw_next(own, key)
    if not rawequal(content[key], value) then
      on_altered(own, key, value)
      rawset(own, key, content[key])
    end
    key, value = following, following_value
  end
  for name, original in raw_next, content do
    if rawget(own, name) == nil then
      on_altered(own, name, nil)
      rawset(own, name, original)
    end
  end
end

local function note(own, key, value)
  altered[#altered + 1] = { own, key, value }
end

local function enter()
  active = active + 1
  if active > 1 then
    return
  end
  taken, altered = {}, {}
  metatable_before = get_metatable(globals)
  for _, name in ipairs(refused) do
    taken[name] = rawget(globals, name)
    rawset(globals, name, nil)
  end
  set_metatable(globals, { __index = index })
  strings_metatable = get_metatable("")
  set_metatable("", strings)
  for number, library in ipairs(libraries) do
    library_metatables[number] = get_metatable(library.table)
    set_metatable(library.table, library.metatable)
    for _, key in ipairs(library.taken) do
      local value = rawget(library.table, key)
      if value ~= nil then
        note(library.table, key, value)
        rawset(library.table, key, nil)
      end
    end
    restore(library, note)
  end
  for number, value in ipairs(basics) do
    basic_metatables[number] = get_metatable(value)
    set_metatable(value, nil)
  end
  nil_metatable = get_metatable(nil)
  set_metatable(nil, nil)
  fixed.enter()
end

-- Returns the name of a field that a build changed.
local function leave()
  active = active - 1
  if active > 0 then
    return
  end
  fixed.leave()
  ---@type string?
  local changed
  for number, library in ipairs(libraries) do
    restore(library, function(_, key)
      changed = changed or (library.name .. "." .. tostring(key))
    end)
    set_metatable(library.table, library_metatables[number])
  end
  for _, field in ipairs(altered) do
    rawset(field[1], field[2], field[3])
  end
  set_metatable("", strings_metatable)
  for number, value in ipairs(basics) do
    set_metatable(value, basic_metatables[number])
  end
  set_metatable(nil, nil_metatable)
  set_metatable(globals, metatable_before)
  for _, name in ipairs(refused) do
    rawset(globals, name, taken[name])
  end
  return changed
end

local function finish(scope, outer, ...)
  local changed = leave()
  fixed.set_scope(outer)
  if changed then
    return false,
      failure.new({
        kind = "build",
        message = ("`%s` has changed while the build ran"):format(changed),
        hint = "a build may not change Lua's own tables: declare functions of your own "
          .. "with `local`",
      })
  end
  local sound, problem = pcall(fixed.check_metatables, scope)
  if not sound then
    return false, problem
  end
  return ...
end

--- Raises the failure for a field of the module that no build can load.
---@param name any
function guard.refuse_field(name)
  failure.raise({
    kind = "build",
    message = ("`syslua.%s` cannot be used while a build runs"):format(tostring(name)),
    position = position.caller(),
    hint = "do it outside of `config`, which may use ctx and syslua.lib",
  })
end

--- Returns whether a build is running right now.
---@return boolean
function guard.is_active()
  return active > 0
end

--- Raises the failure for a name that builds may not use, if it is one.
---@param name any
function guard.check(name)
  if active > 0 and is_refused[name] then
    refuse(name)
  end
end

--- Resumes a build under the guard.
---@param scope syslua.fixed.Scope that of the build
---@param resume function raises nothing
---@return boolean, any ...
function guard.run(scope, resume, ...)
  enter()
  return finish(scope, fixed.set_scope(scope), resume(...))
end

return guard
