--- Parses the words of one command with the `argparse` rock.
-- It does not know which command it is, and never prints or exits: what is wrong is a failure.

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

local function add_common_flags(built)
  local own = { unpack(built._options) }
  local common = {}
  for _, flag in ipairs(require("syslua.cli.flags")) do
    local element
    if flag.argument then
      element = built:option(flag.name, flag.description):argname(flag.argument)
      if flag.choices then
        element:choices(flag.choices)
      end
      if flag.convert then
        element:convert(flag.convert)
      end
    else
      element = built:flag(flag.name, flag.description)
    end
    common[#common + 1] = element
  end
  -- Only for the help text: the runner answers -h before anything is parsed.
  common[#common + 1] = built:flag("-h --help", "Show this help.")
  if #own > 0 then
    built:group("Options", unpack(own))
  end
  built:group("Options of every command", unpack(common))
end

local function get_argument_words(built)
  local words = ""
  for _, argument in ipairs(built._arguments) do
    words = words .. " " .. argument:_get_usage()
  end
  return words
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
  command.add_to_parser(built)
  add_common_flags(built)
  built:usage(("usage: %s %s [OPTIONS]%s"):format(program, name, get_argument_words(built)))
  return built
end

--- Returns all flags that a parser knows; one with two names occurs twice.
---@param built table
---@return { name: string, argument: string?, description: string }[]
function parser.get_flags(built)
  local result = {}
  for _, option in ipairs(built._options) do
    for _, alias in ipairs(option._public_aliases) do
      local takes_argument = option._maxargs > 0
      result[#result + 1] = {
        name = alias,
        argument = takes_argument and option._argname or nil,
        description = option._description,
      }
    end
  end
  return result
end

local function get_hint(built, message)
  local unknown = message:match("^unknown option '([^']*)'")
  -- Two letters are as close to each other as any.
  if not unknown or #unknown < 3 then
    return nil
  end
  local names = {}
  for index, flag in ipairs(parser.get_flags(built)) do
    names[index] = flag.name
  end
  local near = closest(unknown, names)
  return near and ("did you mean `%s`?"):format(near)
end

-- argparse takes a value that begins with a dash, such as a negative number, for an option. Joins
-- it to the option before it, so that it is judged as a value; a known option stays what it is.
local function join_values(built, words)
  ---@type table<string, { name: string, argument: string? }>
  local known = {}
  for _, flag in ipairs(parser.get_flags(built)) do
    known[flag.name] = flag
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
    if flag and flag.argument and value and value:find("^%-.") and value ~= "--" then
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
---@param built table
---@param words string[]
---@return syslua.cli.Args?
---@return syslua.Failure?
function parser.parse(built, words)
  local ok, result = built:pparse(join_values(built, words))
  if ok then
    return result
  end
  -- argparse adds a guess of its own, on a second line.
  local message = result:match("^[^\n]*")
  return nil,
    failure.new({
      kind = "usage",
      message = (message:gsub("'", "`")),
      hint = get_hint(built, message),
      details = built:get_usage(),
    })
end

return parser
