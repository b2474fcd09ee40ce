--- `shell`: starts the user's shell, or a command, in the environment of a project. Nothing of the system is applied.

local border = require("syslua.border")
local failure = require("syslua.util.failure")

local shell = {}

shell.summary = require("syslua.cli.commands").get_summary("shell")

--- Adds the command's own arguments and flags.
---@param parser table
function shell.add_to_parser(parser)
  parser
    :argument("PROJECT", "The name of a project{} of the config.")
    :argname("PROJECT")
    :target("project")
    :args("?")
  parser
    :argument("COMMAND", "What to run instead of a shell, and its arguments, after `--`.")
    :argname("COMMAND")
    :target("command")
    :args("*")
  parser
    :option("--config", "The config: a file, or a directory with an init.lua.")
    :argname("CONFIG")
end

local function raise_unknown(name, config, known)
  local names = {}
  for index, project in ipairs(known) do
    names[index] = project.name
  end
  local near = name and require("syslua.util.closest")(name, names)
  local enumerate = require("syslua.util.text").enumerate
  failure.raise({
    kind = "usage",
    message = name and ("%s declares no project `%s` with an environment"):format(config, name)
      or "a project is missing",
    hint = near and ("did you mean `%s`?"):format(near)
      or (names[1] and "it declares " .. enumerate(names, "and"))
      or 'declare one: project { name = "web", setup = function() ... end }',
  })
end

-- The name of the project, once it is known to be declared.
local function check_project(name, config, known)
  for _, project in ipairs(known) do
    if project.name == name then
      return name
    end
  end
  return raise_unknown(name, config, known)
end

--- Does it. The exit code is that of the shell or the command.
---@param args syslua.cli.Args
---@return integer
function shell.run(args)
  local subprocess = require("syslua.cli.subprocess")
  local config = require("syslua.cli.config_path").get(args.config)
  local options = require("syslua.cli.options").from_args(args)
  local manifest = require("syslua").evaluate(config, options)
  local project = check_project(args.project, config, border.call("projects", manifest))
  local words = args.command or {}
  local shell_name = subprocess.get_shell_name()
  ---@type boolean, any
  local succeeded, entered = pcall(border.call, "enter", manifest, project, shell_name, options)
  -- What was resolved is locked also when a build fails.
  border.call("write_lock", config)
  if not succeeded then
    error(entered, 0)
  end
  return subprocess.start(words, entered, options)
end

return shell
