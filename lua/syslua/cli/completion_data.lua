--- What shells can complete, read from the parsers of the commands. It does not know how shells write it.

local commands = require("syslua.cli.commands")
local parser = require("syslua.cli.parser")

local completion_data = {}

---@alias syslua.cli.CompletedKind "snapshots"|"objects"|"projects"|"shells"|"commands"|"files"

--- What may stand in a place: words, or the kind of values that `completions --values` lists, or files.
---@class syslua.cli.Completed
---@field words string[]?
---@field kind syslua.cli.CompletedKind?

---@class syslua.cli.CompletedFlag: syslua.cli.Completed
---@field name string with its dashes
---@field takes_argument boolean
---@field description string

---@class syslua.cli.CompletedCommand
---@field name string
---@field summary string
---@field flags syslua.cli.CompletedFlag[]
---@field arguments syslua.cli.Completed[] one for each place; the last one counts for all after it

-- What arguments are by what help calls them.
---@type table<string, syslua.cli.CompletedKind?>
local kinds = {
  A = "snapshots",
  B = "snapshots",
  ID = "snapshots",
  OBJECT = "objects",
  WHAT = "objects",
  PROJECT = "projects",
  COMMAND = "commands",
  CONFIG = "files",
  DIR = "files",
  FILE = "files",
  PATH = "files",
}

---@return syslua.cli.Completed
local function complete(name, argname, choices)
  if choices then
    return { words = choices }
  end
  local kind = kinds[argname]
  if argname == "NAME" and name == "--shell" or argname == "SHELL" then
    kind = "shells"
  end
  return { kind = kind }
end

-- `COMMAND` of `shell` is no command of ours.
local function complete_argument(command, argument)
  local completed = complete(nil, argument._argname, argument._choices)
  if completed.kind == "commands" and command ~= "help" then
    completed.kind = "files"
  end
  return completed
end

--- Returns all commands, in the order in which help shows them.
---@return syslua.cli.CompletedCommand[]
function completion_data.list()
  local list = {}
  for index, command in ipairs(commands.list) do
    local built = parser.build(command.name, commands.load(command.name), "sys")
    ---@type syslua.cli.CompletedCommand
    local entry = { name = command.name, summary = command.summary, flags = {}, arguments = {} }
    for _, option in ipairs(built._options) do
      for _, name in ipairs(option._public_aliases) do
        local takes_argument = option._maxargs > 0
        local follows = takes_argument and complete(name, option._argname, option._choices) or {}
        entry.flags[#entry.flags + 1] = {
          name = name,
          takes_argument = takes_argument,
          description = option._description,
          words = follows.words,
          kind = follows.kind,
        }
      end
    end
    for place, argument in ipairs(built._arguments) do
      entry.arguments[place] = complete_argument(command.name, argument)
    end
    list[index] = entry
  end
  return list
end

--- Returns the values of a kind that there are now.
---@param kind string
---@param options table
---@return string[]
function completion_data.get_values(kind, options)
  local border = require("syslua.border")
  local values = {}
  if kind == "snapshots" then
    for _, snapshot in ipairs(border.call("history", options).snapshots) do
      values[#values + 1] = snapshot.id
    end
  elseif kind == "objects" then
    for _, object in ipairs(border.call("list", options).objects) do
      values[#values + 1] = object.object
    end
  elseif kind == "projects" then
    local seen = {}
    for _, action in ipairs(border.call("actions", options).actions) do
      local name = action.project and action.project.name
      if name and not seen[name] then
        seen[name] = true
        values[#values + 1] = name
      end
    end
  elseif kind == "shells" then
    values = border.call("shell_names")
  elseif kind == "commands" then
    for index, command in ipairs(commands.list) do
      values[index] = command.name
    end
  end
  return values
end

return completion_data
