--- `help`: shows the commands, or the arguments and flags of one.
-- It knows nothing about them that the list of commands and their parsers do not say.

local commands = require("syslua.cli.commands")

local help = {}

help.order = 330
help.summary = "Show the commands, or the flags of one"

help.arguments = {
  {
    name = "COMMAND",
    completes = "commands",
    arity = "?",
    description = "The command to explain.",
  },
}

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
  for _, name in ipairs(commands.list()) do
    widest = math.max(widest, #name)
  end
  for _, name in ipairs(commands.list()) do
    lines[#lines + 1] = "   " .. text.pad(name, widest + 2) .. commands.load(name).summary
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = ("`%s help COMMAND` shows the flags of a command."):format(program)
  return lines
end

--- Does it.
---@param args syslua.cli.Args
function help.run(args)
  local terminal = require("syslua.cli.terminal")
  local name = args.command
  if not name then
    return terminal.write(help.render_overview(args.program))
  end
  if not commands.exists(name) then
    error(commands.get_unknown_failure(name, args.program), 0)
  end
  local command = commands.load(name)
  local built = require("syslua.cli.parser").build(name, command, args.program)
  if command.description then
    local text = require("syslua.cli.markdown").to_text(command.description)
    built:description(command.summary .. ".\n\n" .. text)
  end
  terminal.write({ built:get_help() })
end

return help
