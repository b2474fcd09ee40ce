--- The list of commands. It does not know what they do.

local failure = require("syslua.util.failure")

local commands = {}

---@class syslua.cli.Command
---@field summary string one line about what it does
---@field description string? more about it, in Markdown: paragraphs, lists, fences and links
---@field argument string? what its only argument is called among its arguments, if it may have one
---@field add_to_parser fun(parser: table) adds its own arguments and flags
-- Divides the words into its own and those of a program that it runs, which are no flags of it.
---@field split nil|fun(words: string[]): string[], string[]?
---@field run fun(args: syslua.cli.Args): integer does it and returns the exit code. Absent
--- arguments are nil: a line without words after the command is not parsed at all

--- The commands in the order in which help shows them. Each is a file of `commands/`, which
-- describes it: help, completions, the reference and the man page are generated from these.
---@type string[]
commands.names = {
  "apply",
  "plan",
  "status",
  "history",
  "rollback",
  "destroy",
  "confirm",
  "services",
  "logs",
  "adopt",
  "build",
  "graph",
  "edit",
  "watch",
  "env",
  "shell",
  "run",
  "update",
  "outdated",
  "lock",
  "list",
  "search",
  "info",
  "verify",
  "gc",
  "export",
  "import",
  "diff",
  "why",
  "secrets",
  "init",
  "completions",
  "help",
  "version",
}

local known = {}
for _, name in ipairs(commands.names) do
  known[name] = true
end

--- Returns whether there is a command of that name.
---@param name string
---@return boolean
function commands.exists(name)
  return known[name] ~= nil
end

--- Returns the failure for an unknown command, naming the closest one.
---@param name string
---@param program string the name of the program as typed, "sys"
---@return syslua.Failure
function commands.get_unknown_failure(name, program)
  local near = require("syslua.util.closest")(name, commands.names)
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
