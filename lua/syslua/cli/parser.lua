--- Parses the words of one command with the `argparse` rock.
-- It does not know which command it is, and never prints or exits: what is wrong is a failure.

local arguments = require("syslua.cli.arguments")
local closest = require("syslua.util.closest")
local failure = require("syslua.util.failure")

local parser = {}

local unpack = require("syslua.util.table").unpack

---@return fun(name: string, description: string): table
local function load_argparse()
  local ok, argparse = pcall(require, "argparse")
  if not ok or type(argparse) ~= "table" then
    failure.raise({
      kind = "install",
      message = "the Lua library `argparse`, which reads the command line, cannot be loaded",
      hint = "install it with `apt install lua-argparse` or `luarocks install argparse`",
      details = tostring(argparse),
    })
  end
  ---@cast argparse any
  return argparse
end

-- Adds an argument, flag or option to an argparse parser.
---@param name string of the command
---@param argument syslua.cli.Argument
---@return table element
local function add(built, name, argument)
  local element
  if arguments.is_positional(argument) then
    element = built:argument(argument.name, argument.description):argname(argument.name)
  elseif argument.value then
    element = built:option(argument.name, argument.description):argname(argument.value)
  else
    return built:flag(argument.name, argument.description)
  end
  element:target(arguments.get_target(argument))
  if argument.arity then
    element:args(argument.arity)
  end
  if argument.is_repeated then
    element:count("*")
  end
  if argument.choices then
    element:choices(argument.choices)
  end
  local convert = argument.convert
  if convert then
    element:convert(function(word)
      if word == "" then
        return nil, arguments.get_empty_message(name, argument)
      end
      return convert(word)
    end)
  end
  return element
end

--- Returns the argparse parser of one command.
---@param name string
---@param command syslua.cli.Command
---@param program string the name of the program as typed, "sys"
---@return table
function parser.build(name, command, program)
  local argparse = load_argparse()
  local built = argparse(program .. " " .. name, command.summary .. ".")
  built:add_help(false)
  built:help_max_width(80)
  local own, common, words = {}, {}, ""
  for _, argument in ipairs(command.arguments) do
    local element = add(built, name, argument)
    if arguments.is_positional(argument) then
      words = words .. " " .. element:_get_usage()
    else
      own[#own + 1] = element
    end
  end
  for index, flag in ipairs(require("syslua.cli.flags")) do
    common[index] = add(built, name, flag)
  end
  if #own > 0 then
    built:group("Options", unpack(own))
  end
  built:group("Options of every command", unpack(common))
  built:usage(("usage: %s %s [OPTIONS]%s"):format(program, name, words))
  return built
end

local function get_hint(command, message)
  local unknown = message:match("^unknown option '([^']*)'")
  -- Two letters are as close to each other as any.
  if not unknown or #unknown < 3 then
    return nil
  end
  local names = {}
  for index, flag in ipairs(arguments.list_flags(command)) do
    names[index] = flag.name
  end
  local near = closest(unknown, names)
  return near and ("did you mean `%s`?"):format(near)
end

-- argparse takes a value that begins with a dash, such as a negative number, for an option. Joins
-- it to the option before it, so that it is judged as a value; a known option stays what it is.
local function join_values(command, words)
  ---@type table<string, syslua.cli.Argument>
  local known = {}
  for _, flag in ipairs(arguments.list_flags(command)) do
    known[flag.name] = flag.argument
  end
  local joined = {}
  local index = 1
  while words[index] do
    local word, value = words[index], words[index + 1]
    if word == "--" then
      for rest = index, #words do
        joined[#joined + 1] = words[rest]
      end
      break
    end
    local flag = known[word]
    if flag and flag.value and value and value:find("^%-.") and value ~= "--" then
      local is_option = known[(value:gsub("=.*", ""))] ~= nil
      if not is_option and word:find("^%-%-") then
        word = word .. "=" .. value
        index = index + 1
      end
    end
    joined[#joined + 1] = word
    index = index + 1
  end
  return joined
end

--- Returns the arguments that the words give, or nil and a failure of kind "usage" whose `details`
-- is the usage line.
---@param name string
---@param command syslua.cli.Command
---@param program string the name of the program as typed, "sys"
---@param words string[]
---@return syslua.cli.Args?
---@return syslua.Failure?
function parser.parse(name, command, program, words)
  local built = parser.build(name, command, program)
  local ok, result = built:pparse(join_values(command, words))
  if ok then
    return result
  end
  -- argparse adds a guess of its own, on a second line.
  local message = result:match("^[^\n]*")
  return nil,
    failure.new({
      kind = "usage",
      message = (message:gsub("'", "`")),
      hint = get_hint(command, message),
      details = built:get_usage(),
    })
end

return parser
