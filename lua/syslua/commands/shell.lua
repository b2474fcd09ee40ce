--- `shell`: starts the user's shell, or a command, in the environment of a project, of the
-- directories around, or of packages.
-- Nothing of the system is applied.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")

local shared = require("syslua.cli.arguments").shared

local shell = {}

shell.order = 160
shell.summary = "Start a shell or a command in the environment of a project"

shell.description = [[
Without PROJECT, `shell` enters the current directory and the directories above it that have a
`syslua.lua`. The outermost is entered first, and inner ones are added to it. You must
[trust](../guide/projects.md#trust) them: nothing of a directory runs before, or after one of its
files changed. If the innermost directory is not trusted, that is an error; other directories are
skipped with a warning. `--trust` lists the new and changed files, asks on the terminal, and enters.
The results are kept, so that the next shell need not evaluate the project.

With `-p`, `shell` enters an environment of [packages](../guide/modules-and-packages.md):
`sys shell -p fd ripgrep -- fd --version`.

With PROJECT, the config is evaluated, and everything in the environment of the
[project](config.md#project) is built; nothing is applied to the system. Then your own shell
(`$SHELL`) starts, or the COMMAND after `--`. Its arguments and exit code pass through:
`sys shell web -- make test`. The environment of the project is added to yours. `SYSLUA_PROJECT` is
its name; bash, zsh, fish and sh show it before their prompt, after your own files are read. While
the process runs, `gc` keeps the objects in its variables. The exit code is 127 if the program is
not found, and 126 if it cannot be started.
]]

shell.arguments = {
  {
    name = "PROJECT",
    arity = "?",
    description = "The name of a project{} of the config. Default: the project of the directory.",
  },
  {
    name = "COMMAND",
    arity = "*",
    may_be_empty = true,
    description = "The command to run instead of a shell, after `--`.",
  },
  {
    name = "--config",
    value = "CONFIG",
    description = "The config: a file, or a directory with an init.lua.",
  },
  {
    name = "-p --package",
    value = "PACKAGE",
    target = "packages",
    arity = "+",
    is_repeated = true,
    description = "Enter an environment of packages and tools instead.",
  },
  shared.answer,
  {
    name = "--trust",
    description = "Ask whether the files of the directory are trusted, and enter it.",
  },
}

--- What follows `--` is a command.
---@param words string[]
---@return string[] own
---@return string[]? rest
function shell.split(words)
  for index, word in ipairs(words) do
    if word == "--" then
      local tables = require("syslua.util.table")
      return { tables.unpack(words, 1, index - 1) }, { tables.unpack(words, index + 1) }
    end
  end
  return words, nil
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

-- Enters the directories around that have an entry file, the outermost first. The innermost one
-- must be trusted; others are left out, with a word of it.
local function enter_directories(directories, args, options)
  local entering = require("syslua.cli.entering")
  local ask = args.trust and require("syslua.cli.trust").get_asker(options) or nil
  local numbers = {}
  for index, directory in ipairs(directories) do
    local layer, found = entering.enter(directory, options, ask)
    local doubt = found.doubt
    if layer then
      numbers[#numbers + 1] = layer.number
    elseif doubt and index == #directories then
      failure.raise(doubt)
    elseif doubt then
      require("syslua.cli.terminal").talk({ "warning: " .. doubt.message })
    end
  end
  return bindings.call("project_start", numbers, require("syslua.cli.subprocess").get_shell_name())
end

-- The packages of all flags, in their order.
local function get_packages(given)
  local words = {}
  for _, list in ipairs(given or {}) do
    for _, word in ipairs(type(list) == "table" and list or { list }) do
      words[#words + 1] = word
    end
  end
  return words
end

--- Does it. The exit code is that of the shell or the command.
---@param args syslua.cli.Args
---@param options table
---@return nil, integer
function shell.run(args, options)
  local subprocess = require("syslua.cli.subprocess")
  local wanted = get_packages(args.packages)
  if args.trust and (args.project or args.config or wanted[1]) then
    failure.raise({
      kind = "usage",
      message = "--trust works only for the current directory",
      hint = "`cd` there, and run `sys shell --trust`",
    })
  elseif wanted[1] then
    local found = require("syslua.cli.packages").evaluate(wanted, args.config, options)
    local entered =
      bindings.call("enter", found.manifest, found.name, subprocess.get_shell_name(), options)
    return nil, subprocess.start(args.command or {}, entered, options)
  elseif not args.project and not args.config then
    local directories = require("syslua.cli.entering").get()
    if directories[1] then
      return nil,
        subprocess.start(args.command or {}, enter_directories(directories, args, options), options)
    end
    failure.raise({
      kind = "usage",
      message = "no project is named, and no directory above this one has a syslua.lua",
      hint = "name a project{} of the config, or write a syslua.lua here",
    })
  end
  local config = require("syslua.cli.config_path").get(args.config)
  local manifest = require("syslua").evaluate(config, options)
  local project = check_project(args.project, config, bindings.call("projects", manifest))
  local words = args.command or {}
  local shell_name = subprocess.get_shell_name()
  ---@type boolean, any
  local succeeded, entered = pcall(bindings.call, "enter", manifest, project, shell_name, options)
  -- Resolved inputs are locked also when a build fails.
  bindings.call("write_lock", config)
  if not succeeded then
    error(entered, 0)
  end
  return nil, subprocess.start(words, entered, options)
end

return shell
