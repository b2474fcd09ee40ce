--- What shells can complete, read from what commands take. It does not know how shells write it.

local arguments = require("syslua.cli.arguments")
local commands = require("syslua.cli.commands")

local completion_data = {}

--- The kinds of values that `completions --values` lists.
completion_data.kinds =
  { "snapshots", "objects", "subjects", "projects", "packages", "users", "shells", "commands" }

---@alias syslua.cli.CompletedKind
---| "snapshots"
---| "objects"
---| "subjects" what `why` takes: targets, variables and objects
---| "projects"
---| "packages"
---| "users"
---| "shells"
---| "commands"
---| "files"

--- The possible values in a place: words, the kind of values that `completions --values` lists, or
--- files.
---@class syslua.cli.Completed
---@field words string[]?
---@field kind syslua.cli.CompletedKind?

---@class syslua.cli.CompletedFlag: syslua.cli.Completed
---@field name string with its dashes
---@field short string? the other name that it has, of one letter
---@field takes_argument boolean
---@field is_many boolean whether all words up to the next flag are its arguments
---@field description string

---@class syslua.cli.CompletedArgument: syslua.cli.Completed
---@field is_repeated boolean whether it counts for all places after its own
---@field after table<string, string[]>? other words, after a first argument

---@class syslua.cli.CompletedCommand
---@field name string empty for what comes before a command
---@field summary string
---@field flags syslua.cli.CompletedFlag[]
---@field arguments syslua.cli.CompletedArgument[] one for each place
---@field passes_on boolean whether it gives words to another program, with flags of that
---@field ends_at integer? the argument after which all words are those of another program

-- What arguments are by what help calls them.
---@type table<string, syslua.cli.CompletedKind?>
local kinds = {
  A = "snapshots",
  B = "snapshots",
  ID = "snapshots",
  OBJECT = "objects",
  WHAT = "subjects",
  PROJECT = "projects",
  PACKAGE = "packages",
  USER = "users",
  ARGUMENT = "files",
  COMMAND = "files",
  CONFIG = "files",
  DIR = "files",
  FILE = "files",
  PATH = "files",
  TARGET = "files",
}

-- The platforms that tools are locked for.
local platforms =
  { "x86_64-linux", "aarch64-linux", "x86_64-darwin", "aarch64-darwin", "x86_64-windows" }

-- What completes a word of an argument, or the value of a flag of this name.
---@param argument syslua.cli.Argument
---@param flag string?
---@return syslua.cli.Completed
local function complete(argument, flag)
  local called = argument.value or argument.name
  local words = argument.choices or argument.suggestions
  if words then
    return { words = words }
  elseif called == "PLATFORM" then
    return { words = platforms }
  elseif called == "NAME" and flag == "--shell" then
    return { kind = "shells" }
  elseif called == "NAME" and (flag == "--user" or flag == "--username") then
    return { kind = "users" }
  end
  return { kind = argument.completes or kinds[called] }
end

---@return syslua.cli.CompletedArgument
local function complete_argument(argument)
  local completed = complete(argument)
  return {
    kind = completed.kind,
    words = completed.words,
    is_repeated = argument.arity == "*" or argument.arity == "+",
    after = argument.after,
  }
end

-- The flags of a command and of every command: each name of each.
---@param command syslua.cli.Command
---@return syslua.cli.CompletedFlag[]
local function list_flags(command)
  local flags = {}
  for index, flag in ipairs(arguments.list_flags(command)) do
    local argument = flag.argument
    local takes_argument = argument.value ~= nil
    local follows = takes_argument and complete(argument, flag.name) or {}
    flags[index] = {
      name = flag.name,
      short = argument.name:match("^(%-[^-]) "),
      takes_argument = takes_argument,
      is_many = argument.arity == "+",
      description = argument.description,
      words = follows.words,
      kind = follows.kind,
    }
  end
  return flags
end

--- Returns all commands, in the order in which help shows them.
---@return syslua.cli.CompletedCommand[]
function completion_data.list()
  local list = {}
  for index, name in ipairs(commands.list()) do
    local command = commands.load(name)
    ---@type syslua.cli.CompletedCommand
    local entry = {
      name = name,
      summary = command.summary,
      flags = list_flags(command),
      arguments = {},
      passes_on = command.split ~= nil,
    }
    for place, argument in ipairs(arguments.list_positional(command)) do
      entry.arguments[place] = complete_argument(argument)
      entry.ends_at = argument.name == "ARGUMENT" and place - 1 or entry.ends_at
    end
    list[index] = entry
  end
  return list
end

--- Returns what comes before a command: the flags of every command, and the commands.
---@return syslua.cli.CompletedCommand
function completion_data.get_before()
  ---@type any
  local none = { arguments = {} }
  local flags = list_flags(none)
  flags[#flags + 1] = {
    name = "--version",
    takes_argument = false,
    is_many = false,
    description = commands.load("version").summary .. ".",
  }
  return {
    name = "",
    summary = "",
    flags = flags,
    arguments = { { words = commands.list(), is_repeated = false } },
    passes_on = false,
  }
end

-- Each kind of values once: how they are looked up.
---@type table<string, fun(options: table, add: fun(value: string?))>
local values_of = {
  snapshots = function(options, add)
    for _, snapshot in ipairs(require("syslua.bindings").call("history", options).snapshots) do
      add(snapshot.id)
    end
  end,
  objects = function(options, add)
    for _, object in ipairs(require("syslua.bindings").call("list", options).objects) do
      add(object.object)
    end
  end,
  subjects = function(options, add)
    for _, action in ipairs(require("syslua.bindings").call("actions", options).actions) do
      add(action.target)
      add(action.name)
    end
    for _, object in ipairs(require("syslua.bindings").call("list", options).objects) do
      add(object.object)
    end
  end,
  projects = function(options, add)
    for _, action in ipairs(require("syslua.bindings").call("actions", options).actions) do
      add(action.project and action.project.name)
    end
  end,
  packages = function(_, add)
    local config = require("syslua.cli.config_path").get_default()
    local directory = require("syslua.util.path").dirname(config)
    for _, name in ipairs(require("syslua.cli.package_names").list(directory)) do
      add(name:match("[^.]*$"))
    end
  end,
  users = function(options, add)
    for _, action in ipairs(require("syslua.bindings").call("actions", options).actions) do
      add(action.user)
    end
  end,
  shells = function(_, add)
    for _, name in ipairs(require("syslua.bindings").call("shell_names")) do
      add(name)
    end
  end,
  commands = function(_, add)
    for _, name in ipairs(commands.list()) do
      add(name)
    end
  end,
}

--- Returns the values of a kind that there are now, each once, without those that have blanks.
---@param kind string
---@param options table
---@return string[]
function completion_data.get_values(kind, options)
  local values, seen = {}, {}
  values_of[kind](options, function(value)
    if value and not seen[value] and not value:find("[%s%c]") then
      seen[value] = true
      values[#values + 1] = value
    end
  end)
  return values
end

return completion_data
