--- The command line, as `syslua.cli`: loads its parts when they are first called.
-- It does not know how the words came here: the module hands them to `start`, `sys` to `main`.

---@class syslua.CommandLine
local cli = {}

--- Runs the command that the words after `lua -l syslua` name, and exits with its code. Returns
-- when there is nothing to run, or the first word is a script for Lua.
---@param words string[]
function cli.start(words)
  return require("syslua.cli.main").start(words)
end

--- Runs one command line and returns its exit code.
---@param words string[]
---@return integer
function cli.main(words)
  return require("syslua.cli.main").main(words)
end

return cli
