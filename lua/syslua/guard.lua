--- The guard around a derivation's `config`: while it runs, what could make two builds differ is
-- out of reach. It alters no function; names are taken out of the globals and put back.

local failure = require("syslua.util.failure")
local position = require("syslua.util.position")

local guard = {}

local hints = {
  io = "use ctx.read and ctx.write",
  os = "use ctx.sys, ctx.env and ctx.run",
  require = "require modules at the top of the file: what `config` captures is part of its hash",
  load = "write the code into `config`",
  package = "require modules at the top of the file",
  debug = "nothing in a build needs it",
  coroutine = "ctx calls wait by themselves",
  arg = "pass what it needs through opts",
}
hints.dofile, hints.loadfile, hints.loadstring, hints.module =
  hints.require, hints.load, hints.load, hints.require

-- One list: what is refused here, the engine knows to be hidden.
---@type string[]
local refused = require("syslua").native.guarded
local is_refused = {}
for _, name in ipairs(refused) do
  is_refused[name] = true
end
local random = { "random", "randomseed" }

local globals, set_metatable = _G, debug.setmetatable
local active = 0

local function refuse(name)
  failure.raise({
    kind = "build",
    message = ("`%s` is not there while a derivation is built"):format(name),
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

local function math_index(_, name)
  if name == "random" or name == "randomseed" then
    failure.raise({
      kind = "build",
      message = ("`math.%s` is not there while a derivation is built"):format(name),
      position = position.caller(),
      hint = "two builds would differ: pass a fixed value in through opts",
    })
  end
end

---@type table<string, any>, table<string, any>, table?, table?
local taken, random_taken, metatable_before, math_metatable_before = {}, {}, nil, nil

local function enter()
  active = active + 1
  if active > 1 then
    return
  end
  taken, random_taken = {}, {}
  metatable_before = getmetatable(globals)
  for _, name in ipairs(refused) do
    taken[name] = rawget(globals, name)
    rawset(globals, name, nil)
  end
  for _, name in ipairs(random) do
    random_taken[name] = math[name]
    rawset(math, name, nil)
  end
  set_metatable(globals, { __index = index })
  math_metatable_before = getmetatable(math)
  set_metatable(math, { __index = math_index })
end

local function leave()
  active = active - 1
  if active > 0 then
    return
  end
  set_metatable(globals, metatable_before)
  set_metatable(math, math_metatable_before)
  for _, name in ipairs(refused) do
    rawset(globals, name, taken[name])
  end
  for _, name in ipairs(random) do
    rawset(math, name, random_taken[name])
  end
end

local function finish(...)
  leave()
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

--- Calls a function that raises nothing, under the guard.
---@param call function
---@return any ...
function guard.run(call, ...)
  enter()
  return finish(call(...))
end

return guard
