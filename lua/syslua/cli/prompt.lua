--- Asks on the terminal whether to continue. Does not know the purpose.

local bindings = require("syslua").bindings

local prompt = {}

--- Returns whether a user can answer.
---@return boolean
function prompt.can_ask()
  return bindings.is_terminal(0) and bindings.is_terminal(1)
end

--- Returns whether a command asks before it acts: a user can answer, and no flag says otherwise.
---@param args syslua.cli.Args
---@return boolean
function prompt.is_due(args)
  return not (args.yes or args.json or args.quiet) and prompt.can_ask()
end

--- Asks; anything but a yes is a no.
---@param text string
---@return boolean
function prompt.ask(text)
  local terminal = require("syslua.cli.terminal")
  terminal.put(terminal.finish(text) .. " [y/N] ")
  terminal.flush()
  local answer = io.read("*l")
  return answer ~= nil and answer:find("^[yY]") ~= nil
end

return prompt
