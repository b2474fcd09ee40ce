--- The list of commands: their names and one line about each, so that help need not load them.
-- It does not know what they do.

local failure = require("syslua.util.failure")

local commands = {}

---@class syslua.cli.Command
---@field summary string one line about what it does
---@field argument string? what its only argument is called among its arguments, if it may have one
---@field add_to_parser fun(parser: table) adds its own arguments and flags
-- Divides the words into its own and those of a program that it runs, which are no flags of it.
---@field split nil|fun(words: string[]): string[], string[]?
---@field run fun(args: syslua.cli.Args): integer does it and returns the exit code. Absent
--- arguments are nil: a line without words after the command is not parsed at all

--- The commands in the order in which help shows them.
---@type { name: string, summary: string }[]
commands.list = {
  { name = "apply", summary = "Make this machine match a config" },
  { name = "plan", summary = "Show what apply would do, and change nothing" },
  { name = "status", summary = "Show what is applied, and what differs from it" },
  { name = "history", summary = "Show the snapshots" },
  { name = "rollback", summary = "Go back to an earlier snapshot" },
  { name = "destroy", summary = "Restore the state before the first apply, and remove the root" },
  { name = "confirm", summary = "Keep the changes of apply --confirm" },
  { name = "services", summary = "Show the services of the config, and their states" },
  { name = "logs", summary = "Show the log of a service" },
  { name = "adopt", summary = "Copy your files into the config's directory" },
  { name = "build", summary = "Build what a config declares, and apply nothing" },
  { name = "graph", summary = "Show what a config builds, and where it comes to" },
  { name = "edit", summary = "Edit the source of a target, and apply" },
  { name = "watch", summary = "Apply whenever a file of the config changes" },
  { name = "env", summary = "Show the environment of shells, or print the script of a shell" },
  { name = "shell", summary = "Start a shell or a command in the environment of a project" },
  { name = "run", summary = "Run a program of a package or tool, without installing it" },
  { name = "update", summary = "Lock the current versions of a config's inputs, pins and tools" },
  {
    name = "outdated",
    summary = "Show which inputs, pins and tools of a config have newer versions",
  },
  { name = "lock", summary = "Check the lock of a config, complete it, or delete unused pins" },
  { name = "list", summary = "Show packages and tools, or the objects of the store" },
  { name = "search", summary = "Look for tools in the registry" },
  { name = "info", summary = "Show the root, or one object" },
  { name = "verify", summary = "Check every object of the store, and repair what is damaged" },
  { name = "gc", summary = "Delete store objects that nothing references" },
  { name = "export", summary = "Write objects and their dependencies into a file" },
  { name = "import", summary = "Write a config of what another tool manages, or read objects" },
  { name = "diff", summary = "Show how two snapshots or two derivations differ" },
  {
    name = "why",
    summary = "Show which line declared a variable or a file, and what it overrides",
  },
  { name = "secrets", summary = "Set, show and edit encrypted values, and manage recipients" },
  { name = "init", summary = "Write a first config and a test of it" },
  { name = "completions", summary = "Print the completion script of a shell" },
  { name = "help", summary = "Show the commands, or the flags of one" },
  { name = "version", summary = "Show the version" },
}

local summaries = {}
for _, command in ipairs(commands.list) do
  summaries[command.name] = command.summary
end

--- Returns whether there is a command of that name.
---@param name string
---@return boolean
function commands.exists(name)
  return summaries[name] ~= nil
end

--- Returns the line about a command.
---@param name string
---@return string
function commands.get_summary(name)
  return summaries[name]
end

--- Returns the failure for an unknown command, naming the closest one.
---@param name string
---@param program string the name of the program as typed, "sys"
---@return syslua.Failure
function commands.get_unknown_failure(name, program)
  local names = {}
  for index, command in ipairs(commands.list) do
    names[index] = command.name
  end
  local near = require("syslua.util.closest")(name, names)
  return failure.new({
    kind = "usage",
    message = ("there is no command `%s`"):format(name),
    hint = near and ("did you mean `%s %s`?"):format(program, near)
      or ("`%s help` lists the commands"):format(program),
  })
end

--- Returns the module of a command.
---@param name string
---@return syslua.cli.Command
function commands.load(name)
  return require("syslua.commands." .. name)
end

return commands
