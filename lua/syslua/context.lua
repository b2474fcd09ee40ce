--- `ctx` of a derivation: each call is a request to the engine, and waits for its answer.
--
-- A build runs as a coroutine. A call that may take long yields its request to the scheduler;
-- others are performed at once. Where a yield is impossible (inside `pcall` on Lua 5.1, inside
-- `table.sort`) the mark that was set before it is still there at the next call or at the end: then
-- the build starts over, with all its operations in place. It does not know what the operations do.

local border = require("syslua.border")
local failure = require("syslua.util.failure")
local fixed = require("syslua.fixed")
local guard = require("syslua.guard")
local position = require("syslua.util.position")
local schema = require("syslua.schema")
local strict = require("syslua.util.strict")
local system = require("syslua.system")
local tables = require("syslua.util.table")
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
  if type(value) == "table" and border.call("is_reference", value) then
    return value
  end
  if type(value) ~= "string" or value == "" or value:find("%z") then
    local given = type(value) == "string" and (value == "" and "an empty string" or "a NUL byte")
      or type(value)
    raise(("`%s` in %s: expected a path, got %s"):format(name, call, given))
  end
  return value
end

local function parse_mode(given)
  ---@type any
  local mode = given
  if type(mode) == "string" and mode:find("^[0-7]+$") and #mode <= 4 then
    mode = tonumber(mode, 8)
  end
  if type(mode) ~= "number" or mode % 1 ~= 0 or mode < 0 or mode > 511 then
    raise(
      ("`mode` in ctx.chmod: expected permission bits, got %s"):format(tostring(given)),
      'write them in octal as a string, such as "755"'
    )
  end
  return mode
end

local function check_text(call, name, value, hint)
  if type(value) ~= "string" then
    raise(("`%s` in %s: expected a string, got a %s"):format(name, call, type(value)), hint)
  end
end

local list_fields = { recursive = { type = "boolean" } }

local fetch_url_fields = {
  mirrors = { type = "list", items = "string" },
  name = { type = "string" },
  stated_by = { type = "string" },
}
local fetch_git_fields = { submodules = { type = "boolean" } }
local unpack_fields = {
  strip = { type = "integer" },
  single = { type = "string" },
  limits = { type = "map" },
  allow = { type = "list", items = "string" },
}
local unpack_limits = {
  bytes = { type = "integer" },
  ratio = { type = "integer" },
  entries = { type = "integer" },
  path = { type = "integer" },
  depth = { type = "integer" },
  memory = { type = "integer" },
}
---@type table<string, boolean?>
local unpack_allowed = { case_collisions = true, setuid = true }

-- Numbers below zero, and those that no Lua holds exactly, mean nothing here.
local function check_count(name, value, least)
  if value and (value < least or value > 2 ^ 53) then
    raise(
      ("`%s` in the options of ctx.unpack: expected a whole number from %d on, got %s"):format(
        name,
        least,
        tostring(value)
      )
    )
  end
end

local function check_unpack_options(opts)
  schema.check("the options of ctx.unpack", opts, unpack_fields)
  check_count("strip", opts.strip, 0)
  schema.check("`limits` of ctx.unpack", opts.limits or {}, unpack_limits)
  for _, name in ipairs(tables.get_sorted_keys(unpack_limits)) do
    check_count("limits." .. name, opts.limits and opts.limits[name], 1)
  end
  for _, name in ipairs(opts.allow or {}) do
    if not unpack_allowed[name] then
      raise(
        ('"%s" in `allow` of ctx.unpack cannot be allowed'):format(name),
        '"case_collisions" and "setuid" are'
      )
    end
  end
end
local run_fields = {
  cwd = { type = "string" },
  env = { type = "table" },
  shell = { type = "string" },
  stdin = { type = "string" },
  timeout = { type = "number" },
  read = { type = "list", items = "string" },
}

-- What reaches a program ends at its first NUL.
local function check_word(what, word)
  if word:find("%z") then
    raise(what .. " holds a NUL byte, which no program can be given")
  end
  return word
end

local function get_environment(own, extra)
  if type(own) ~= "table" then
    raise(("`ctx.env` is a %s: expected a table of variables"):format(type(own)))
  end
  local environment = {}
  for _, variables in ipairs({ own, extra or {} }) do
    for name, value in next, variables do
      if type(name) ~= "string" or name == "" or name:find("[=%z]") then
        raise(("`%s` cannot be the name of an environment variable"):format(tostring(name)))
      end
      if type(value) ~= "string" and type(value) ~= "number" then
        raise(("the variable %s: expected a string, got a %s"):format(name, type(value)))
      end
      environment[name] = check_word("the variable " .. name, tostring(value))
    end
  end
  return environment
end

local function check_timeout(timeout)
  if timeout ~= nil and (timeout <= 0 or timeout ~= timeout) then
    raise(
      ("`timeout` in ctx.run: expected a number of seconds above 0, got %s"):format(
        tostring(timeout)
      )
    )
  end
  return timeout
end

local function add_file_calls(ctx, task)
  function ctx.copy(from, to)
    check_path("ctx.copy", "from", from)
    check_path("ctx.copy", "to", to)
    ask(task, { operation = "copy", from = from, to = to })
  end

  function ctx.move(from, to)
    check_path("ctx.move", "from", from)
    check_path("ctx.move", "to", to)
    ask(task, { operation = "move", from = from, to = to }, true)
  end

  function ctx.symlink(target, link)
    check_path("ctx.symlink", "target", target)
    check_path("ctx.symlink", "link", link)
    ask(task, { operation = "symlink", target = target, link = link }, true)
  end

  function ctx.read(path)
    check_path("ctx.read", "path", path)
    return ask(task, { operation = "read", path = path }, true)
  end

  function ctx.list(path, opts)
    check_path("ctx.list", "path", path)
    opts = opts or {}
    schema.check("the options of ctx.list", opts, list_fields)
    return ask(task, { operation = "list", path = path, recursive = opts.recursive }, true)
  end

  function ctx.exists(path, kind)
    check_path("ctx.exists", "path", path)
    if kind ~= nil and kind ~= "file" then
      raise(('ctx.exists: the kind is "file", got %s'):format(tostring(kind)))
    end
    return ask(task, { operation = kind and "is_file" or "exists", path = path }, true)
  end

  function ctx.mkdir(path)
    check_path("ctx.mkdir", "path", path)
    ask(task, { operation = "mkdir", path = path }, true)
  end

  function ctx.write(path, text)
    check_path("ctx.write", "path", path)
    if type(text) ~= "string" then
      raise(("`text` in ctx.write: expected a string, got a %s"):format(type(text)))
    end
    ask(task, { operation = "write", path = path, content = text }, true)
  end

  function ctx.chmod(path, mode)
    check_path("ctx.chmod", "path", path)
    ask(task, { operation = "chmod", path = path, mode = parse_mode(mode) }, true)
  end
end

-- The hash is optional: then the lock pins the result. Options may be in its place.
local function split_hash(call, sha256, opts)
  if type(sha256) == "table" and opts == nil then
    sha256, opts = nil, sha256
  end
  if sha256 ~= nil then
    check_text(
      call,
      "sha256",
      sha256,
      "a hash, or nothing: then syslua.lock pins the " .. "first download"
    )
  end
  return sha256, opts or {}
end

local function add_heavy_calls(ctx, task)
  function ctx.fetch_url(url, sha256, opts)
    check_text("ctx.fetch_url", "url", url)
    sha256, opts = split_hash("ctx.fetch_url", sha256, opts)
    schema.check("the options of ctx.fetch_url", opts, fetch_url_fields)
    return ask(task, {
      operation = "fetch_url",
      url = url,
      sha256 = sha256,
      mirrors = opts.mirrors,
      name = opts.name,
      stated_by = opts.stated_by,
    })
  end

  function ctx.fetch_git(url, rev, sha256, opts)
    check_text("ctx.fetch_git", "url", url)
    check_text("ctx.fetch_git", "rev", rev, "a full commit, a tag or a branch")
    sha256, opts = split_hash("ctx.fetch_git", sha256, opts)
    schema.check("the options of ctx.fetch_git", opts, fetch_git_fields)
    return ask(task, {
      operation = "fetch_git",
      url = url,
      rev = rev,
      sha256 = sha256,
      submodules = opts.submodules,
    })
  end

  function ctx.unpack(archive, destination, opts)
    if type(destination) == "table" and opts == nil then
      destination, opts = nil, destination
    end
    check_path("ctx.unpack", "archive", archive)
    destination = check_path("ctx.unpack", "destination", destination or ctx.out)
    opts = opts or {}
    check_unpack_options(opts)
    ask(task, {
      operation = "unpack",
      archive = archive,
      destination = destination,
      strip = opts.strip,
      single = opts.single,
      limits = opts.limits,
      allow = opts.allow,
    })
  end

  function ctx.run(command, opts)
    opts = opts or {}
    schema.check("the options of ctx.run", opts, run_fields)
    local request = {
      operation = "run",
      directory = opts.cwd,
      shell = opts.shell,
      environment = get_environment(ctx.env, opts.env),
      stdin = opts.stdin,
      timeout = check_timeout(opts.timeout),
      read = opts.read,
    }
    if type(command) == "string" and command ~= "" then
      request.line = check_word("ctx.run: the command", command)
    elseif type(command) == "table" and #command > 0 then
      for index, argument in ipairs(command) do
        if type(argument) ~= "string" then
          raise(("ctx.run: argument %d is a %s: expected strings"):format(index, type(argument)))
        end
        check_word(("ctx.run: argument %d"):format(index), argument)
      end
      request.arguments = command
    else
      raise("ctx.run: expected a line for the shell or a list of arguments")
    end
    return ask(task, request)
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
  add_file_calls(ctx, task)
  add_heavy_calls(ctx, task)
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
