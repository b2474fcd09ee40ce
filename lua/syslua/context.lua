--- `ctx` of a derivation: each call is a request to the engine, and waits for its answer.
--
-- A build runs as a coroutine. A call that may take long yields its request to the scheduler;
-- others are performed at once. Where a yield is impossible (inside `pcall` on Lua 5.1, inside
-- `table.sort`) the mark that was set before it is still there at the next call or at the end: then
-- the build starts over, with all its operations in place. It does not know what the operations do.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local fixed = require("syslua.fixed")
local guard = require("syslua.guard")
local operations = require("syslua.operations")
local position = require("syslua.util.position")
local schema = require("syslua.schema")
local strict = require("syslua.util.strict")
local system = require("syslua.system")
-- Loaded before any guard is up: a build may use the library.
require("syslua.lib")

local context = {}

-- Kept from load on: they are out of reach while configs run.
---@type function, function, function
local create, resume, yield = coroutine.create, coroutine.resume, coroutine.yield

local basic_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

local function raise(message, hint)
  failure.raise({ kind = "build", message = message, position = position.caller(), hint = hint })
end

-- Asks the engine for an operation and returns its answer.
local function ask(task, request, is_quick)
  local where = position.caller()
  if task.ended then
    raise("`ctx` was used after the build had ended")
  end
  ---@type boolean, any
  local succeeded, value
  -- The last yield failed, and the config took that for a failure: whatever it does now is thrown
  -- away.
  task.broken = task.broken or task.waiting
  if is_quick or task.in_place or task.broken then
    succeeded, value = task.perform(request)
  else
    task.waiting = true
    succeeded, value = yield(request)
    task.waiting = false
  end
  if not succeeded then
    value.position = value.position or where
    failure.raise(value)
  end
  return value
end

local function check_path(call, name, value)
  -- The engine knows what handles and sources stand for.
  if type(value) == "table" and bindings.call("is_reference", value) then
    return value
  end
  if type(value) ~= "string" or value == "" or value:find("%z") then
    local given = type(value) == "string" and (value == "" and "an empty string" or "a NUL byte")
      or type(value)
    raise(("`%s` in %s: expected a path, got %s"):format(name, call, given))
  end
  return value
end

local function check_text(call, name, value, hint)
  if type(value) ~= "string" then
    raise(("`%s` in %s: expected a string, got a %s"):format(name, call, type(value)), hint)
  end
  return value
end

-- What is given for a parameter, by its type, as the request has it.
---@type table<string, fun(call: string, name: string, value: any, hint: string?): any>
local checks = {
  path = check_path,
  string = check_text,
  hash = function(call, name, value)
    return check_text(
      call,
      name,
      value,
      "a hash, or nothing: then syslua.lock pins the first download"
    )
  end,
  mode = function(call, name, given)
    local mode = given
    if type(mode) == "string" and mode:find("^[0-7]+$") and #mode <= 4 then
      mode = tonumber(mode, 8)
    end
    if type(mode) ~= "number" or mode % 1 ~= 0 or mode < 0 or mode > 511 then
      raise(
        ("`%s` in %s: expected permission bits, got %s"):format(name, call, tostring(given)),
        'write them in octal as a string, such as "755"'
      )
    end
    return mode
  end,
  file = function(call, name, value)
    if value ~= "file" then
      raise(('%s: the %s is "file", got %s'):format(call, name, tostring(value)))
    end
    return value
  end,
  -- A line or a list: its operation checks it.
  command = function(_, _, value)
    return value
  end,
}

-- Options may be in the place of the parameters that can be absent.
local function split_options(operation, given)
  local parameters = operation.parameters
  local opts = given[#parameters + 1]
  for index, parameter in ipairs(parameters) do
    local is_options = parameter.is_optional and operation.options and opts == nil
    if is_options and type(given[index]) == "table" then
      opts, given[index] = given[index], nil
    end
  end
  return opts or {}
end

-- The function of `ctx` for an operation.
---@param operation syslua.Operation
local function new_call(ctx, task, operation)
  local call = "ctx." .. operation.name
  local paths = {}
  for _, parameter in ipairs(operation.parameters) do
    paths[parameter.name] = parameter.type == "path" or nil
  end
  return function(...)
    local given = { ... }
    local request = { operation = operation.name, paths = paths, names = operation.names }
    local named = {}
    local opts = split_options(operation, given)
    for index, parameter in ipairs(operation.parameters) do
      local name, value = parameter.name, given[index]
      named[name] = value
      if value ~= nil or not parameter.is_optional then
        request[name] = checks[parameter.type](call, name, value, parameter.hint)
      end
    end
    if operation.options then
      schema.check("the options of " .. call, opts, operation.options)
      for name, option in next, operation.options do
        request[option.request or name] = opts[name]
      end
    end
    if operation.prepare then
      operation.prepare(request, ctx, named)
    end
    return ask(task, request, operation.is_quick)
  end
end

local function new_context(task, places)
  -- What it has in the end is `syslua.BuildContext`, in `types/`.
  local ctx = {
    sys = system.for_build_on(places.os, places.arch),
    out = places.out,
    outputs = strict(places.outputs, "build", "the derivation has no output called `%s`"),
    env = {
      PATH = basic_path,
      HOME = places.directory,
      TMPDIR = places.directory,
      TZ = places.zone,
      LC_ALL = places.locale,
    },
  }
  for name, path in next, places.outputs do
    ctx.env[name] = path
  end
  for _, operation in ipairs(operations.list) do
    ctx[operation.name] = new_call(ctx, task, operation)
  end
  return strict(ctx, "build", "`ctx` has no call or field `%s`")
end

--- Makes the task of a build; called by the engine.
---@param perform fun(request: table): boolean, any performs a request at once
---@param places table the paths and facts that `ctx` shows
---@param config function
---@param opts any
---@param in_place boolean whether to perform every operation at once
---@return table
function context.begin(perform, places, config, opts, in_place)
  local task = { perform = perform, in_place = in_place, scope = fixed.new_scope(true) }
  local ctx = new_context(task, places)
  task.coroutine = create(function()
    config(opts, ctx)
  end)
  return task
end

--- Continues a task with the answer to its last request; called by the engine.
---@param task table
---@param succeeded boolean
---@param value any
---@return "request"|"finished"|"restart"|"failed" step
---@return any payload the request, or the failure
function context.resume(task, succeeded, value)
  local alive, result = guard.run(task.scope, resume, task.coroutine, succeeded, value)
  if alive and coroutine.status(task.coroutine) == "suspended" then
    return "request", result
  end
  task.ended = true
  if task.broken or task.waiting then
    return "restart"
  elseif alive then
    return "finished"
  end
  return "failed", failure.from(fixed.with_line(task.scope, result))
end

return context
