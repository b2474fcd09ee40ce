--- What commands take, as data: arguments, flags and options. The parser, help, completions, the
-- reference and the man page read it. It does not know how they are parsed or obeyed.

local arguments = {}

--- One thing that a command takes. Its name tells what it is: `CONFIG` is an argument, `--json` a
-- flag, and a flag with a `value` is an option.
---@class syslua.cli.Argument
---@field name string with its dashes; "-c --config" has two names
---@field value string? what help calls the value of an option
---@field description string
---@field target string? the field of the arguments; by default the name in small letters
---@field arity nil|"?"|"*"|"+" how many words it takes; one by default
---@field is_repeated boolean? whether the option can be given more than once
---@field choices string[]? the only words that it takes
---@field suggestions string[]? words that completions offer; others are allowed
---@field convert nil|fun(word: string): any, string? its word as a value, or nil and what is wrong
---@field completes syslua.cli.CompletedKind? what completions offer, if its name does not tell
---@field after table<string, string[]>? what completions offer after a first word
---@field may_be_empty boolean? whether an empty word is a value
---@field missing syslua.cli.Missing? the error of a line that has no word for it

---@class syslua.cli.Missing
---@field message string
---@field hint string `%s` stands for the program
---@field usage string? the arguments in the line about usage
---@field unless string? the field of an option that replaces it

--- Those of several commands.
---@type table<string, syslua.cli.Argument>
arguments.shared = {
  config = {
    name = "CONFIG",
    arity = "?",
    description = "The config: a file, or a directory with an init.lua.",
  },
  config_option = {
    name = "-c --config",
    value = "CONFIG",
    description = "The config: a file, or a directory with an init.lua.",
  },
  answer = {
    name = "--answer",
    value = "NAME=VALUE",
    target = "answers",
    is_repeated = true,
    description = "Answer a question of the config: NAME=VALUE. Can be repeated.",
  },
  hostname = {
    name = "--hostname",
    value = "NAME",
    description = "Evaluate as the machine of that name would.",
  },
  system = {
    name = "--system",
    value = "PLATFORM",
    description = "Evaluate for another platform, such as aarch64-darwin.",
  },
  username = {
    name = "--username",
    value = "NAME",
    description = "Evaluate as that user would.",
  },
  dry_run = {
    name = "--dry-run",
    description = "Show what would be done, and change nothing.",
  },
  json = {
    name = "--json",
    description = "Print one JSON object instead of text.",
  },
}

--- Returns whether it is an argument, not a flag or an option.
---@param argument syslua.cli.Argument
---@return boolean
function arguments.is_positional(argument)
  return argument.name:sub(1, 1) ~= "-"
end

--- Returns the field that holds its value.
---@param argument syslua.cli.Argument
---@return string
function arguments.get_target(argument)
  local name = argument.name
  local word = name:match("%-%-(%S+)") or name
  return argument.target or (word:gsub("%-", "_"):lower())
end

--- Returns the arguments of a command that are no flags, in order.
---@param command syslua.cli.Command
---@return syslua.cli.Argument[]
function arguments.list_positional(command)
  local list = {}
  for _, argument in ipairs(command.arguments) do
    if arguments.is_positional(argument) then
      list[#list + 1] = argument
    end
  end
  return list
end

--- Returns the flags and options of a command, then those that every command has. One with two
-- names occurs twice.
---@param command syslua.cli.Command
---@return { name: string, is_common: boolean, argument: syslua.cli.Argument }[]
function arguments.list_flags(command)
  local list = {}
  local function add(argument, is_common)
    for name in argument.name:gmatch("%S+") do
      list[#list + 1] = { name = name, is_common = is_common, argument = argument }
    end
  end
  for _, argument in ipairs(command.arguments) do
    if not arguments.is_positional(argument) then
      add(argument, false)
    end
  end
  for _, flag in ipairs(require("syslua.cli.flags")) do
    add(flag, true)
  end
  return list
end

local function has_empty_word(value)
  if type(value) ~= "table" then
    return value == ""
  end
  for _, one in ipairs(value) do
    if has_empty_word(one) then
      return true
    end
  end
  return false
end

--- Returns the message about an empty word.
---@param name string of the command
---@param argument syslua.cli.Argument
---@return string
function arguments.get_empty_message(name, argument)
  return ("%s: %s is an empty word"):format(name, argument.name:match("%S+$"))
end

--- Returns the first argument or option whose value is an empty word, and cannot be.
---@param command syslua.cli.Command
---@param values table<string, any>
---@return syslua.cli.Argument?
function arguments.get_empty(command, values)
  for _, list in ipairs({ command.arguments, require("syslua.cli.flags") }) do
    for _, argument in ipairs(list) do
      if has_empty_word(values[arguments.get_target(argument)]) and not argument.may_be_empty then
        return argument
      end
    end
  end
  return nil
end

--- Returns whether a command has a flag or option of that name.
---@param command syslua.cli.Command
---@param name string with its dashes
---@return boolean
function arguments.has_flag(command, name)
  for _, argument in ipairs(command.arguments) do
    if argument.name == name then
      return true
    end
  end
  return false
end

return arguments
