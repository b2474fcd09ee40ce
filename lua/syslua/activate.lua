--- `activate{}`: declares what to do with content, by recording actions. It performs nothing.

local bindings = require("syslua.bindings")
local enablement = require("syslua.enablement")
local failure = require("syslua.util.failure")
local mode = require("syslua.util.mode")
local path = require("syslua.util.path")
local position = require("syslua.util.position")
local reference = require("syslua.reference")
local schema = require("syslua.schema")
local scope = require("syslua.scope")
local strict = require("syslua.util.strict")
local subjects = require("syslua.subjects")
local system = require("syslua.system")
local text = require("syslua.util.text")

---@class syslua.activate.Opts
---@field opts table|(fun(sys: table): table)|nil handed to `config`
---@field config fun(opts: any, ctx: syslua.ActivationContext) records the actions;
--- runs once, at once

---@alias syslua.ShellName "sh"|"bash"|"zsh"|"fish"|"elvish"|"nushell"|"powershell"|"cmd"

---@class syslua.activate.InstallOpts
---@field mode string? octal digits, such as "600"; by default 644 or 755
---@field owner string|integer|nil a name or number; by default the applying user
---@field group string|integer|nil a name or number
---@field mutable boolean? write it once, and leave it to the user after that

---@class syslua.activate.DirectoryOpts
---@field mode string? octal digits, such as "700"; an existing directory keeps its own unless given
---@field owner string|integer|nil a name or number; by default the applying user
---@field group string|integer|nil a name or number

---@class syslua.activate.RunOpts
---@field name string? its name in output
---@field undo string|string[]|nil what takes it back
---@field always boolean? run it at each apply
---@field before boolean? run it before files change
-- Its triggers: it runs again when one of these changes. Derivations, sources, and targets:
-- absolute, or from `~/`; a directory stands for the targets below it.
---@field on_change (syslua.Derivation|syslua.Source|syslua.Secret|string)[]?
---@field cwd string? the directory that it runs in; by default the home
---@field env table<string, string|number>? variables besides those of the environment
---@field shell string? the shell for lines; by default /bin/sh

---@class syslua.activate.ServiceOpts
---@field unit string the text of a unit of systemd, or the path of a file with one
---@field scope "system"|"user"|nil whose it is; by default root's own are the system's
---@field on_switch "restart"|"reload"|"nothing"|nil what a change does; by default "restart"

local fields = {
  opts = { type = { "table", "function" } },
  config = { type = "function", required = true },
}

local symlink_fields = { mutable = { type = "boolean" } }
local directory_fields = {
  mode = { type = { "string", "number" } },
  owner = { type = { "string", "integer" } },
  group = { type = { "string", "integer" } },
}
local install_fields = {
  mode = { type = { "string", "number" } },
  owner = { type = { "string", "integer" } },
  group = { type = { "string", "integer" } },
  mutable = { type = "boolean" },
}
local run_fields = {
  name = { type = "string" },
  undo = { type = { "string", "list" } },
  before = { type = "boolean" },
  on_change = { type = "list" },
  always = { type = "boolean" },
  cwd = { type = "string" },
  env = { type = "map" },
  shell = { type = "string" },
}
local service_fields = {
  scope = { type = "string" },
  unit = { type = "string", required = true },
  on_switch = { type = "string" },
}
local value_fields = {
  entries = { type = "list", items = "string", required = true },
  separator = { type = "string", required = true },
}
local script_fields = { shells = { type = "list", items = "string" } }

---@type table<string, boolean?>
local switches = { restart = true, reload = true, nothing = true }

local function check_text(call, name, value)
  if type(value) ~= "string" or value == "" then
    failure.raise({
      kind = "config",
      message = ("`%s` in %s: expected a path, got %s"):format(
        name,
        call,
        value == "" and "an empty string" or text.describe(value)
      ),
      position = position.caller(),
      hint = text.is_secret(value) and schema.secret_hint or nil,
    })
  end
  -- Neither a path nor a script of a shell can hold one.
  if value:find("%z") then
    failure.raise({
      kind = "config",
      message = ("`%s` in %s has a NUL byte"):format(name, call),
      position = position.caller(),
    })
  end
end

-- A command: a line for the shell, or a program and its arguments.
local function check_command(name, value)
  if type(value) == "string" then
    return check_text("ctx.run", name, value)
  end
  local is_secret = text.is_secret(value)
  if type(value) ~= "table" or is_secret or #value == 0 then
    local given = type(value) == "table" and not is_secret and "an empty table"
    failure.raise({
      kind = "config",
      message = (
        "`%s` in ctx.run: expected a line for the shell or a list "
        .. "of a program and its arguments, got %s"
      ):format(name, given or text.describe(value)),
      position = position.caller(),
      hint = is_secret and schema.secret_hint or nil,
    })
  end
  for index, word in ipairs(value) do
    if type(word) ~= "string" or word:find("%z") then
      failure.raise({
        kind = "config",
        message = ("`%s[%d]` in ctx.run: expected a string without NUL bytes, got %s"):format(
          name,
          index,
          text.describe(word)
        ),
        position = position.caller(),
        hint = text.is_secret(word) and schema.secret_hint or nil,
      })
    end
  end
end

-- The variables of a command, as texts.
local function get_variables(given)
  local result = {}
  for name, value in next, given do
    if not name:find("^[%a_][%w_]*$") then
      failure.raise({
        kind = "config",
        message = ("`%s` cannot be the name of a variable"):format(name),
        position = position.caller(),
      })
    end
    local shown = type(value) == "number" and text.number(value) or value
    if type(shown) ~= "string" then
      failure.raise({
        kind = "config",
        message = ("`env.%s` in ctx.run: expected a string or a finite number, got %s"):format(
          name,
          text.describe(value)
        ),
        position = position.caller(),
      })
    end
    result[name] = shown
  end
  return next(result) and result or nil
end

-- The value of a variable: a text, or entries with what separates them.
local function check_value(name, value)
  local where = ("the value of %s in ctx.set_variable"):format(name)
  if type(value) == "string" or reference.is(value) then
    return
  elseif type(value) ~= "table" then
    failure.raise({
      kind = "config",
      message = ("%s: expected a string, got %s"):format(where, text.describe(value)),
      position = position.caller(),
      hint = 'a list is { entries = { "~/bin" }, separator = ":" }',
    })
  end
  schema.check(where, value, value_fields)
  if not value.entries[1] then
    failure.raise({
      kind = "config",
      message = ("`entries` in %s: expected a list of strings, got an empty table"):format(where),
      position = position.caller(),
      hint = "leave the variable out, or give it an entry",
    })
  end
end

-- What a name may be: one line, for people.
local function check_name(name)
  if name == "" or name:find("%c") then
    failure.raise({
      kind = "config",
      message = ("`name` in ctx.run: expected a line of text, got %q"):format(name),
      position = position.caller(),
    })
  end
end

-- Whether a text is a path in an object that is not built yet.
local function is_built_later(unit)
  return unit:find("^/syslua%-placeholder/") and not unit:find("\n", 1, true)
end

-- The text of a unit, which may be that of a file; nothing when that is built later.
local function get_unit(unit)
  if is_built_later(unit) then
    return nil
  end
  if unit:find("\n", 1, true) or not unit:find("/", 1, true) then
    return unit
  end
  local place = unit:find("^~/") and scope.get_place(unit)
    or path.is_absolute(unit) and unit
    or path.join(scope.get_directory(), unit)
  local content, problem, hint = bindings.read(place)
  if not content then
    failure.raise({
      kind = "config",
      message = ("`unit` in ctx.enable_service: cannot read %s: %s"):format(place, problem),
      position = position.caller(),
      hint = hint or "name an existing file, or give the text of the unit",
    })
  end
  return content
end

-- Actions that are parts of the environment.
---@type table<string, boolean?>
local of_shells = { add_to_path = true, set_variable = true, source_in_shell = true }

local function new_context()
  local ended = false
  local function record(action, positions)
    if ended then
      failure.raise({
        kind = "config",
        message = "`ctx` was used after `config` of activate{} had returned",
        position = position.caller(),
      })
    end
    local chain = positions or position.chain()
    if of_shells[action.kind] then
      scope.for_shells(bindings.call, "record", action, chain)
    else
      bindings.call("record", action, chain)
    end
  end
  ---@class syslua.ActivationContext
  local context = { sys = system.get() }

  --- Makes a symbolic link at `target`. `~/` is the user's home.
  ---@param source string
  ---@param target string
  ---@param opts { mutable: boolean? }?
  function context.symlink(source, target, opts)
    check_text("ctx.symlink", "source", source)
    check_text("ctx.symlink", "target", target)
    schema.check("the options of ctx.symlink", opts or {}, symlink_fields)
    local mutable = opts and opts.mutable or nil
    record({ kind = "symlink", source = source, target = target, mutable = mutable })
  end

  --- Writes a real file at `target`, with the content of the file `source`. `~/` is the user's
  --- home.
  ---@param source string
  ---@param target string
  ---@param opts syslua.activate.InstallOpts?
  function context.install(source, target, opts)
    check_text("ctx.install", "source", source)
    check_text("ctx.install", "target", target)
    opts = opts or {}
    schema.check("the options of ctx.install", opts, install_fields)
    record({
      kind = "install",
      source = source,
      target = target,
      mode = mode.parse("ctx.install", opts.mode),
      owner = opts.owner and tostring(opts.owner) or nil,
      group = opts.group and tostring(opts.group) or nil,
      mutable = opts.mutable or nil,
    })
  end

  --- Makes sure that a directory is at `target`, also an empty one. `~/` is the user's home.
  ---@param target string
  ---@param opts syslua.activate.DirectoryOpts?
  function context.directory(target, opts)
    check_text("ctx.directory", "target", target)
    opts = opts or {}
    schema.check("the options of ctx.directory", opts, directory_fields)
    record({
      kind = "directory",
      target = target,
      mode = mode.parse("ctx.directory", opts.mode),
      owner = opts.owner and tostring(opts.owner) or nil,
      group = opts.group and tostring(opts.group) or nil,
    })
  end

  --- Runs a command at the switch. Its effects are unknown: `undo` says how to revert it.
  ---@param command string|string[] a line for the shell, or the program and its arguments
  ---@param opts syslua.activate.RunOpts?
  function context.run(command, opts)
    check_command("cmd", command)
    opts = opts or {}
    schema.check("the options of ctx.run", opts, run_fields)
    if opts.undo ~= nil then
      check_command("undo", opts.undo)
    end
    if opts.name then
      check_name(opts.name)
    end
    record({
      kind = "run",
      command = command,
      name = opts.name,
      undo = opts.undo,
      always = opts.always or nil,
      before = opts.before or nil,
      on_change = opts.on_change and opts.on_change[1] and subjects.get(
        "`on_change[%d]` in ctx.run",
        opts.on_change
      ) or nil,
      cwd = opts.cwd,
      env = opts.env and get_variables(opts.env) or nil,
      shell = opts.shell,
    })
  end

  --- Has a service run, whose unit of systemd is given: `service{}` renders one.
  ---@param name string without a suffix
  ---@param opts syslua.activate.ServiceOpts
  function context.enable_service(name, opts)
    check_text("ctx.enable_service", "name", name)
    schema.check("the options of ctx.enable_service", opts or {}, service_fields)
    check_text("ctx.enable_service", "unit", opts.unit)
    if opts.on_switch and not switches[opts.on_switch] then
      failure.raise({
        kind = "config",
        message = (
          '`on_switch` in ctx.enable_service: expected "restart", "reload" or "nothing", '
          .. "got %q"
        ):format(opts.on_switch),
        position = position.caller(),
      })
    end
    local whose = enablement.get_scope("ctx.enable_service", opts.scope)
    local units = bindings.call("given_unit", name, whose, get_unit(opts.unit))
    if units.why then
      enablement.raise("ctx.enable_service", units)
    end
    if ended then
      record({})
    end
    if is_built_later(opts.unit) then
      units[1].file = opts.unit
    end
    enablement.record(name, units, { scope = whose, on_switch = opts.on_switch })
  end

  --- Puts a directory on PATH.
  ---@param directory string
  function context.add_to_path(directory)
    check_text("ctx.add_to_path", "directory", directory)
    record({ kind = "add_to_path", directory = directory })
  end

  --- Has shells source a script.
  ---@param script string
  ---@param opts { shells: syslua.ShellName[]? }? by default sh, bash and zsh, since a script is
  --- of one language
  function context.source_in_shell(script, opts)
    check_text("ctx.source_in_shell", "script", script)
    schema.check("the options of ctx.source_in_shell", opts or {}, script_fields)
    local wanted = opts and opts.shells or { "sh", "bash", "zsh" }
    if not wanted[1] then
      failure.raise({
        kind = "config",
        message = "`shells` in ctx.source_in_shell: expected names of shells, got an empty table",
        position = position.caller(),
        hint = 'name those that read it, as in shells = { "fish" }, or leave out `shells`',
      })
    end
    record({ kind = "source_in_shell", script = script, shells = wanted })
  end

  --- Sets an environment variable: to a value, or to entries before what it has.
  ---@param name string
  ---@param value string|{ entries: string[], separator: string }
  ---@param positions string[]? who declared it, when that is not the caller
  function context.set_variable(name, value, positions)
    if type(name) ~= "string" or not name:find("^[%a_][%w_]*$") then
      failure.raise({
        kind = "config",
        message = ("`%s` cannot be the name of a variable"):format(tostring(name)),
        position = position.caller(),
        hint = "a name has letters, digits and _, and begins with no digit",
      })
    end
    check_value(name, value)
    record({ kind = "set_variable", name = name, value = value }, positions)
  end

  return strict(context, "config", "`ctx` has no call or field `%s`"),
    function()
      ended = true
    end
end

--- Records the actions of an activation.
---@param spec syslua.activate.Opts
return function(spec)
  schema.check("activate{}", spec, fields)
  local opts = spec.opts
  if type(opts) == "function" then
    opts = opts(system.get())
  end
  schema.refuse_secrets("activate{}", "opts", opts)
  local context, finish = new_context()
  spec.config(opts, context)
  finish()
end
