--- `syslua.evaluate(config, options)`: runs a config and returns its manifest. The system stays as
--- it is.

local answers = require("syslua.answers")
local bindings = require("syslua.bindings")
local config_output = require("syslua.config_output")
local evaluation = require("syslua.evaluation")
local failure = require("syslua.util.failure")
local fixed = require("syslua.fixed")
local loader = require("syslua.loader")
local path = require("syslua.util.path")
local position = require("syslua.util.position")
local protected = require("syslua.protected")
local scope = require("syslua.scope")
local strict = require("syslua.util.strict")
local system = require("syslua.system")
local text = require("syslua.util.text")

-- Lua's own: that of configs puts the keys in order, which takes longer.
local next = bindings.originals.basic.next

-- Kept from load on: a config may replace these.
---@type function, any
local get_hook, set_hook = debug.gethook, debug.sethook

-- By how many percent memory grows before the next collection of garbage, during an evaluation.
local evaluation_pause = 400

local smallest_config = [[
the smallest config is
  return {
    setup = function(inputs)
      file { path = "~/.hello", content = "hello\n" }
    end,
  }]]

-- What a config has only while it is evaluated. Helpers are loaded when they are first used.
local helper_modules = {
  derive = "syslua.derive",
  activate = "syslua.activate",
  file = "syslua.helpers.file",
  directory = "syslua.helpers.directory",
  env = "syslua.helpers.env",
  alias = "syslua.helpers.alias",
  service = "syslua.helpers.service",
  packages = "syslua.helpers.packages",
  user = "syslua.helpers.user",
  project = "syslua.helpers.project",
  source = "syslua.source",
}

-- Encrypted documents, by the functions that load them.
local document_loaders = { sops = "load_sops", age = "load_age" }

-- Those that have functions besides.
local helper_tables = { env = "syslua.helpers.env", tools = "syslua.tools" }

-- Replaces `os.exit` during an evaluation: that would end the command without a message.
local function refuse_exit()
  failure.raise({
    kind = "config",
    message = "a config cannot end the process: os.exit was called",
    position = position.caller(),
    hint = "raise an error with a message instead: error(...)",
  })
end

-- Returns `os.execute` for an evaluation. The process ignores Ctrl-C while the program runs, so
-- what the program says of its end is all that is known of it.
local function get_interruptible(execute)
  return function(...)
    ---@type any, any, any
    local first, reason, number = execute(...)
    -- Up to Lua 5.1 it is the status of wait(2).
    local status = type(first) == "number" and first
      or reason == "signal" and number
      or reason == "exit" and number * 256
    if status == 2 or status == 130 * 256 then
      failure.raise({ kind = "interrupted", message = "interrupted: nothing was changed" })
    end
    if select("#", ...) == 0 or number == nil then
      return first
    end
    return first, reason, number
  end
end

local function get_globals(target)
  ---@type table<string, any>
  local globals = {
    syslua = setmetatable(target, { __index = require("syslua") }),
  }
  for name, module in next, helper_modules do
    ---@type any
    local helper
    globals[name] = function(...)
      helper = helper or require(module)
      return helper(...)
    end
  end
  for name, module in next, helper_tables do
    globals[name] = require("syslua.util.lazy_table")(module)
  end
  for name, loads in next, document_loaders do
    globals[name] = strict({
      load = function(...)
        return require("syslua.helpers.secret.documents")[loads](...)
      end,
    }, "config", "there is no `" .. name .. ".%s`")
  end
  return globals
end

local function raise_no_config(name, message)
  failure.raise({
    kind = "config",
    message = message,
    position = name .. ":1",
    hint = smallest_config,
  })
end

-- Returns what the entry file returned, once it is known to be a config.
local function check_entry(entry, name)
  if type(entry) ~= "table" then
    raise_no_config(
      name,
      ("%s returned %s: expected a table with a function `setup`"):format(
        name,
        text.describe(entry)
      )
    )
  end
  if type(entry.setup) ~= "function" then
    local given = entry.setup == nil and "none" or text.describe(entry.setup)
    raise_no_config(
      name,
      ("the table that %s returned has no function `setup`: it has %s"):format(name, given)
    )
  end
  return entry
end

-- The helpers that act on what they collected, in their order: modules declare files and variables.
local collecting = { "module", "persistent", "file", "env", "alias", "secret_env" }

-- Those that record parts of the environment.
---@type table<string, boolean?>
local of_shells = { env = true, alias = true, secret_env = true }

-- Has helpers act on what they collected, until there is nothing left.
local function finalize(current)
  for _, helper in ipairs(collecting) do
    local index = 1
    while current.blocks[index] do
      local block = current.blocks[index]
      local collected = block.collected[helper]
      if collected and collected.pending then
        collected.pending = false
        if of_shells[helper] then
          scope.within(block, scope.for_shells, collected.finalize, collected)
        else
          scope.within(block, collected.finalize, collected)
        end
        -- It may have given more to do to an earlier block.
        index = 0
      end
      index = index + 1
    end
  end
end

-- The globals of an input's files: paths that they name begin in the input.
local function get_input_globals(globals)
  return function(one)
    local own = {}
    for name, value in next, globals do
      own[name] = value
    end
    local function locate(value)
      if type(value) ~= "string" or value:find("^[/~]") or path.is_absolute(value) then
        return value
      end
      return path.normalize(path.join(one.directory, value))
    end
    own.source = function(given, opts)
      return globals.source(locate(given), opts)
    end
    own.file = function(given)
      if type(given) ~= "table" then
        return globals.file(given)
      end
      local copy = setmetatable({}, getmetatable(given))
      for key, value in next, given do
        copy[key] = value
      end
      copy.source, copy.template =
        locate(rawget(given, "source")), locate(rawget(given, "template"))
      return globals.file(copy)
    end
    return own
  end
end

-- Resolves the inputs of a config, as far as it has any.
---@return syslua.input_graph.Node?, syslua.input_graph.Session?
local function resolve_inputs(files, entry, name, globals, options)
  local locked = bindings.call("open_lock", path.join(files.directory, name), options)
  local keys = {}
  for _, key in ipairs(locked) do
    keys[key] = true
  end
  local declares_registry = type(entry.inputs) == "table" and rawget(entry.inputs, "tools") ~= nil
  -- Without an input of that name the release names the registry.
  local registry = require("syslua.tool_registry").begin(keys, declares_registry, options)
  local current = assert(scope.get())
  current.registry = registry
  local session = {
    locked = keys,
    options = options,
    update = options.update,
    get_globals = get_input_globals(globals),
    notify = current.notify,
    nodes = {},
    registries = {},
  }
  for _, key in ipairs(bindings.call("registries_of_lock")) do
    session.registries[key] = true
  end
  if entry.inputs == nil or (type(entry.inputs) == "table" and next(entry.inputs) == nil) then
    files.inputs = {}
    if not locked[1] then
      registry.attach(session, files)
      return nil, session
    end
  end
  local graph = require("syslua.input_graph").resolve(files, entry.inputs, name, session)
  registry.attach(session, files)
  local trees = {}
  for _, node in ipairs(session.nodes) do
    trees[#trees + 1] = node.resolved.tree
  end
  current.input_trees, session.trees = trees, trees
  return graph, session
end

-- Without the entry file its lock tells which registry of tools counts.
local function open_registries(files, name, options)
  local keys = {}
  local given = { lock_sha256 = options.lock_sha256 }
  for _, key in ipairs(bindings.call("open_lock", path.join(files.directory, name), given)) do
    keys[key] = true
  end
  local current = assert(scope.get())
  current.registry = require("syslua.tool_registry").begin(keys, false, options)
  local session = { locked = keys, options = options, notify = current.notify, nodes = {} }
  session.get_globals = function()
    return {}
  end
  current.registry.attach(session, files)
end

-- The entry file of a project's directory is the body of a `project{}`, from its first line on.
local function within_project(project, directory, callback)
  if not project then
    return callback()
  end
  scope.run(nil, { name = project.name, path = directory }, scope.get_home(), callback)
end

local function run(directory, name, globals, options)
  local project = options.project
  local files = loader.new(directory, globals, options.pure, options.places, project)
  assert(scope.get()).loader = files
  -- A tail call removes its line from the stack: then the message names the function.
  position.set_fallback(name .. ":1")
  within_project(project, directory, function()
    if options.setup then
      open_registries(files, name, options)
      options.setup(files.environment.require)
      return
    end
    local entry = check_entry(loader.run(files, name), name)
    local graph, session = resolve_inputs(files, entry, name, globals, options)
    if options.on_inputs then
      options.on_inputs(session and session.nodes or {})
      return
    end
    position.set_fallback(position.of_function(entry.setup))
    local described = {}
    if graph and session then
      described = require("syslua.input_graph").describe(graph, session)
    end
    entry.setup(described)
  end)
  if not options.on_inputs then
    finalize(scope.get())
  end
  loader.close(files, globals, require("syslua.for_builds"))
  local session = assert(scope.get()).answers
  -- The copy of the config has the answers that the caller is about to keep.
  if options.on_kept_answers and not session.open[1] then
    local file, content = answers.render_kept(session)
    if file then
      files.files[file] = content
      options.on_kept_answers(file, content)
    end
  end
  return files.files
end

-- What other tools call what a config has by another name.
---@type table<string, string?>
local other_words = {
  home = "paths begin with `~/`, and user { name = ..., setup = ... } is the home of another user",
  homes = "user { name = ..., setup = ... } is the home of a user",
  users = "user { name = ..., setup = ... } is the home of a user",
  programs = 'modules come with sys.lua: require("modules.programs.git")',
  pkgs = 'packages come with sys.lua: require("pkgs.ripgrep")',
  inputs = 'setup(inputs) gets them, and require("inputs.NAME") loads their modules',
  config = "a config makes its declarations in `setup`: files with file{}, variables with env{}",
  lib = "it is `syslua.lib`",
  sys = "it is `syslua`: syslua.os, syslua.arch, syslua.hostname",
  ctx = "`config` of derive{} and activate{} gets it: config = function(opts, ctx) ... end",
  dir = "directory { path = ... } declares a directory",
  link = "file { path = ..., source = ... } declares a link",
  symlink = "file { path = ..., source = ... } declares a link",
  template = "it is a field: file { path = ..., template = ..., values = { ... } }",
  secret = "it is a field: file { path = ..., secret = ... }",
  module = "syslua.module declares one",
  text = "did you mean `content`? It is a field: file { path = ..., content = ... }",
  content = "it is a field: file { path = ..., content = ... }",
  contents = "did you mean `content`? It is a field: file { path = ..., content = ... }",
  target = "did you mean `path`? It is a field: file { path = ..., source = ... }",
  path = "it is a field: file { path = ... }; env { PATH = ... } sets the variable",
  files = "file { path = ..., source = ..., recursive = true } declares those of a directory",
  dotfile = "file { path = ..., source = ... } declares a file",
  dotfiles = "file { path = ..., source = ..., recursive = true } declares those of a directory",
  activation = "activate { config = function(opts, ctx) ... end } declares one",
  environment = "env { NAME = ... } sets variables",
  sessionVariables = "env { NAME = ... } sets variables",
  session_variables = "env { NAME = ... } sets variables",
  systemd = "service { name = ..., command = ... } declares a service",
  apt = "packages { apt = { ... } } installs packages of the system",
  brew = "packages { brew = { ... } } installs packages of the system",
  onChange = "it is a field: file { path = ..., on_change = ... }",
  on_change = "it is a field: file { path = ..., on_change = ... }",
}

-- The globals that a config has besides those of Lua.
local function list_own(globals)
  local names = {}
  for name in next, globals do
    names[#names + 1] = "`" .. name .. "`"
  end
  table.sort(names)
  return names
end

-- What a config could have meant by the name of a global that there is not.
local function suggest(name, globals)
  local names = {}
  for _, of in ipairs({ _G, globals }) do
    for known in next, of do
      names[#names + 1] = known
    end
  end
  local near = require("syslua.util.closest")(name, names)
  -- `packages` is not a typo of Lua's `package`.
  if other_words[name] then
    return other_words[name]
  elseif near then
    return ("did you mean `%s`?"):format(near)
  end
  return "besides Lua's own functions a config has " .. text.enumerate(list_own(globals), "and")
end

-- The global that Lua found to be nil, by its words: those of 5.2 and later, and of 5.1.
local function get_missing_global(message)
  return message:match("%(global '([^']+)'%)") or message:match("attempt to %S+ global '([^']+)'")
end

-- What Lua says of a global that is nil is true, but not the reason.
local function explain(value, globals, is_pure, replaced)
  if value.message:find("not enough memory", 1, true) then
    value.kind, value.message = "config", "the config needs more memory than is available"
    value.hint = "the usual reason is an endless loop that keeps its results"
    return value
  elseif replaced and value.kind == "error" then
    value.hint = ("the config replaced `%s`, which sys.lua uses too: it was restored"):format(
      replaced
    )
    return value
  end
  local name = value.kind == "error" and get_missing_global(value.message)
  if not name or value.hint then
    return value
  end
  if is_pure and rawget(_G, name) ~= nil then
    value.hint = ("--pure hides `%s` from configs"):format(name)
  else
    value.hint = suggest(name, globals)
  end
  return value
end

local function get_target(given)
  if not given then
    return system.get()
  end
  local result = system.describe(given.os, given.arch)
  result.hostname, result.username = given.hostname, given.username
  local real = system.get()
  result.hostname = result.hostname or real.hostname
  result.username = result.username or real.username
  return result
end

local function check_options(config, options)
  if type(config) ~= "string" or config == "" then
    failure.raise({
      kind = "usage",
      message = ("syslua.evaluate: expected the path of a config, got %s"):format(
        text.describe(config)
      ),
    })
  end
  local given = options.sys
  if
    given ~= nil
    and (type(given) ~= "table" or type(given.os) ~= "string" or type(given.arch) ~= "string")
  then
    failure.raise({
      kind = "usage",
      message = "syslua.evaluate: `sys` needs `os` and `arch`",
      hint = 'for example { os = "darwin", arch = "aarch64" }',
    })
  end
end

-- A directory means its init.lua.
local function get_entry(config, places)
  local absolute = bindings.call("absolute", path.expand(config, scope.get_home()))
  if places and places[absolute] then
    return path.dirname(absolute), path.basename(absolute)
  end
  local directory = io.open(path.join(absolute, "."), "rb")
  if directory then
    directory:close()
    return absolute, "init.lua"
  end
  return path.dirname(absolute), path.basename(absolute)
end

-- What is worth saying of an evaluation is an event. An evaluation that may be repeated says it at
-- its end.
local function get_notifier(options, delayed)
  return function(message, where)
    local event = { kind = "notice", message = message, position = where }
    if delayed then
      delayed[#delayed + 1] = event
    elseif options.on_event then
      options.on_event(event)
    end
  end
end

-- Evaluates a config once; returns its manifest, or nil when questions are open.
local function evaluate_once(config, options, session, delayed)
  local directory, name = get_entry(config, options.places)
  local target = get_target(options.sys)
  -- First, since it may fail.
  local given = { root = options.root, ahead = options.raw }
  local current = scope.new(directory, scope.get_home(), {
    target = target,
    is_foreign = options.sys ~= nil,
    notify = get_notifier(options, delayed),
    on_file = options.on_file,
    project = options.project,
    answers = session,
  })
  evaluation.begin(current, given, options.places)
  local globals = get_globals(target)
  -- What a config declares stays until the end: to look for garbage among it takes longer than to
  -- make it.
  local pause = collectgarbage("setpause", evaluation_pause)
  fixed.enter()
  local outer = fixed.set_scope(fixed.new_scope(false))
  local exit, execute = os.exit, os.execute
  rawset(os, "exit", refuse_exit)
  rawset(os, "execute", get_interruptible(execute))
  local give_back_output = config_output.redirect()
  local kept = protected.keep()
  local hook, hook_mask, hook_count = get_hook()
  -- A hook of a config must not outlive it: it could then call everything.
  local function restore_hook()
    if get_hook() ~= hook then
      set_hook(type(hook) == "function" and hook or nil, hook_mask, hook_count)
    end
  end
  ---@type string?
  local replaced
  ---@type boolean, any
  local succeeded, files
  local finished, problem = bindings.run_interruptibly(function()
    succeeded, files = xpcall(function()
      local done = run(directory, name, globals, options)
      restore_hook()
      return done
    end, function(value)
      restore_hook()
      replaced = protected.release(kept)
      -- A tail call: the position is looked for above the frames of this file.
      return loader.to_failure(value, replaced)
    end)
  end)
  restore_hook()
  if not finished then
    succeeded, files = false, problem
  end
  replaced = protected.release(kept) or replaced
  give_back_output()
  rawset(os, "exit", exit)
  rawset(os, "execute", execute)
  fixed.set_scope(outer)
  fixed.leave()
  collectgarbage("setpause", pause)
  if session.open[1] then
    -- The error may be caused by a temporary answer.
    evaluation.abandon()
    return nil
  elseif not succeeded then
    evaluation.abandon()
    -- Of a lack of memory only Lua's own text comes.
    failure.raise(explain(failure.from(files), globals, options.pure, replaced))
  end
  local manifest = evaluation.finish(path.join(directory, name), files)
  if options.raw then
    return manifest
  end
  return bindings.call("manifest_table", manifest)
end

--- Evaluates a config; returns its manifest. With `raw` the manifest stays with the engine, for
-- callers that only pass it on.
---@param config string the entry file, or a directory with an init.lua
---@param options syslua.EvaluateOptions?
---@return syslua.Manifest
return function(config, options)
  options = options or {}
  check_options(config, options)
  local ask, on_event = options.ask, options.on_event
  local session = answers.new(options.answers, ask ~= nil)
  local delayed = ask and {} or nil
  local manifest = evaluate_once(config, options, session, delayed)
  while not manifest do
    if not ask then
      return failure.raise(answers.get_failure(session.open))
    end
    answers.begin_again(session, ask(session.open))
    delayed = {}
    manifest = evaluate_once(config, options, session, delayed)
  end
  for _, event in ipairs(delayed or {}) do
    if on_event then
      on_event(event)
    end
  end
  if options.on_answers then
    options.on_answers(session.used, answers.list_unused(session))
  end
  return manifest
end
