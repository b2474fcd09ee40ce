--- Asks on the terminal whether to continue. Does not know the purpose.

local native = require("syslua").native

local question = {}

--- Returns whether a user can answer.
---@return boolean
function question.can_ask()
  return native.is_terminal(0) and native.is_terminal(1)
end

--- Asks; anything but a yes is a no.
---@param text string
---@return boolean
function question.ask(text)
  local terminal = require("syslua.cli.terminal")
  terminal.put(terminal.finish(text) .. " [y/N] ")
  terminal.flush()
  local answer = io.read("*l")
  return answer ~= nil and answer:find("^[yY]") ~= nil
end

return question
