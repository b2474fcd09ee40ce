--- `activate{}`: declares what to do with content, by recording actions. It performs nothing.

local border = require("syslua.border")
local failure = require("syslua.util.failure")
local position = require("syslua.util.position")
local schema = require("syslua.schema")
local system = require("syslua.system")

---@class syslua.activate.Opts
---@field opts table|(fun(sys: table): table)|nil handed to `config`
---@field config fun(opts: any, ctx: syslua.ActivationContext) records the actions; runs once, at once

local fields = {
  opts = { type = { "table", "function" } },
  config = { type = "function", required = true },
}

local symlink_fields = { mutable = { type = "boolean" } }
local script_fields = { shells = { type = "list", items = "string" } }
---@type table<string, boolean>
local shells = { sh = true, bash = true, zsh = true }

local function check_text(call, name, value)
  if type(value) ~= "string" or value == "" then
    failure.raise({
      kind = "config",
      message = ("`%s` in %s: expected a path, got %s"):format(
        name,
        call,
        value == "" and "an empty string" or type(value)
      ),
      position = position.caller(),
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

local function check_entry(call, value)
  check_text(call, "directory", value)
  if value:find("[:\n]") then
    failure.raise({
      kind = "config",
      message = ("%q cannot be an entry of PATH: it has a colon or a newline"):format(value),
      position = position.caller(),
    })
  end
end

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
    border.call("record", action, positions or position.chain())
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

  --- Puts a directory on PATH.
  ---@param directory string
  function context.add_to_path(directory)
    check_entry("ctx.add_to_path", directory)
    record({ kind = "add_to_path", directory = directory })
  end

  --- Has shells source a script.
  ---@param script string
  ---@param opts { shells: ("sh"|"bash"|"zsh")[]? }? all of them unless given
  function context.source_in_shell(script, opts)
    check_text("ctx.source_in_shell", "script", script)
    schema.check("the options of ctx.source_in_shell", opts or {}, script_fields)
    local wanted = opts and opts.shells or { "sh", "bash", "zsh" }
    for _, shell in ipairs(wanted) do
      if not shells[shell] then
        failure.raise({
          kind = "config",
          message = ("ctx.source_in_shell does not know the shell `%s`"):format(shell),
          position = position.caller(),
          hint = "it knows sh, bash and zsh",
        })
      end
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
    record({ kind = "set_variable", name = name, value = value }, positions)
  end

  return context, function()
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
  local context, finish = new_context()
  spec.config(opts, context)
  finish()
end
