--- Becoming a program: a shell, or a command, in an environment that was made. It does not know
--- what is in it.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local path = require("syslua.util.path")

local subprocess = {}

-- Exit codes of shells for programs that cannot be started.
local exit_codes = { not_found = 127, not_started = 126 }

--- What a program gets.
---@class syslua.cli.Entered
---@field variables table<string, string> its whole environment
---@field shell_variables table<string, string>? that of a shell whose script sets the rest
---@field arguments string[]? those of a shell
---@field script string? what a shell reads at its start
---@field directory string? the variable that names the directory of its files
---@field files table<string, string>?

-- Writes the files that a shell reads; returns its variables.
local function write_files(entered, root)
  local variables = entered.shell_variables or entered.variables
  if not entered.files then
    return variables
  end
  local directory = path.join(root, "cache/shell")
  for name, text in next, entered.files do
    bindings.call("write_file", path.join(directory, name), text)
  end
  -- Where the user's own are.
  variables["SYSLUA_" .. entered.directory] = variables[entered.directory] or ""
  variables["SYSLUA_OWN_" .. entered.directory] = directory
  variables[entered.directory] = directory
  return variables
end

--- Becomes a command, or the user's shell without one. Returns an exit code where that is not
--- possible, or fails.
---@param words string[] the command; the user's shell when it is empty
---@param entered syslua.cli.Entered
---@param options table
---@return integer
function subprocess.start(words, entered, options)
  local script
  if not words[1] then
    words = { os.getenv("SHELL") or "/bin/sh" }
    for _, argument in ipairs(entered.arguments or {}) do
      words[#words + 1] = argument
    end
    entered.variables = write_files(entered, bindings.call("info", options).root)
    script = entered.script
  end
  require("syslua.cli.terminal").clear()
  io.stdout:flush()
  io.stderr:flush()
  ---@type boolean, any
  local started, code =
    pcall(bindings.call, "become_program", words, entered.variables, script, options)
  if started then
    return code
  end
  -- On Lua 5.1 failures are raised as texts.
  local problem = failure.from(code)
  local exit_code = exit_codes[problem.kind]
  if not exit_code then
    error(code, 0)
  end
  require("syslua.cli.terminal").talk({ "error: " .. problem.message })
  return exit_code
end

-- What shells are called that are known by another name. Those of the third line read the file of
-- ENV, as sh does.
local names = {
  nu = "nushell",
  pwsh = "powershell",
  dash = "sh",
  ash = "sh",
  ksh = "sh",
  mksh = "sh",
  yash = "sh",
}

--- Returns the name of the user's shell.
---@return string
function subprocess.get_shell_name()
  local name = (os.getenv("SHELL") or "sh"):match("[^/]*$")
  return names[name] or name
end

return subprocess
