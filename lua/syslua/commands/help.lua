--- `help`: shows the commands, or the arguments and flags of one.
-- It knows nothing about them that the list of commands and their parsers do not say.

local commands = require("syslua.cli.commands")

local help = {}

help.summary = commands.get_summary("help")

--- Adds the command's own arguments and flags.
---@param parser table
function help.add_to_parser(parser)
  parser
    :argument("COMMAND", "The command to explain.")
    :argname("COMMAND")
    :target("command")
    :args("?")
end

--- Returns the lines of the overview.
---@param program string the name of the program as typed, "sys"
---@return string[]
function help.render_overview(program)
  local text = require("syslua.util.text")
  local lines = {
    "sys.lua makes a machine match a Lua file.",
    "",
    ("usage: %s COMMAND [ARGUMENTS]"):format(program),
    "",
  }
  local widest = 0
  for _, command in ipairs(commands.list) do
    widest = math.max(widest, #command.name)
  end
  for _, command in ipairs(commands.list) do
    lines[#lines + 1] = "   " .. text.pad(command.name, widest + 2) .. command.summary
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = ("`%s help COMMAND` shows the flags of a command."):format(program)
  return lines
end

--- Does it.
---@param args syslua.cli.Args
---@return integer
function help.run(args)
  local terminal = require("syslua.cli.terminal")
  local name = args.command
  if not name then
    terminal.write(help.render_overview(args.program))
    return 0
  end
  if not commands.exists(name) then
    error(commands.get_unknown_failure(name, args.program), 0)
  end
  local parser = require("syslua.cli.parser")
  terminal.write({ parser.build(name, commands.load(name), args.program):get_help() })
  return 0
end

return help
