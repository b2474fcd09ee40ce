--- Directories with an entry file of their own, on a throw-away machine, and the user who trusts
-- them.

local process = require("spec.support.process")

local projects = {}

--- Writes the entry file of a directory: the body of its `setup`, whose first line is line 2 of the
-- file.
---@param here spec.Machine
---@param directory string below the machine's directory
---@param lines string
function projects.write(here, directory, lines)
  here.write(directory .. "/syslua.lua", "return { setup = function()\n" .. lines .. "\nend }\n")
end

--- Runs `shell --trust` in a terminal and answers its questions.
---@param here spec.Machine
---@param directory string
---@param answer string? "y" unless given
---@return integer code
---@return string shown
function projects.trust(here, directory, answer)
  here.write("answers", ((answer or "y") .. "\n"):rep(8))
  local line = "cd %s && script -qec '$LUA -l syslua shell --trust -- true' /dev/null <%s >%s"
  line = line:format(
    process.quote(directory),
    process.quote(here.directory .. "/answers"),
    process.quote(here.directory .. "/shown")
  )
  local result = here.shell(line, { TERM = "dumb", NO_COLOR = "1" })
  return result.code, here.read("shown")
end

--- How each shell that serves projects is started, and how it evaluates the hook.
projects.shells = {
  bash = { "bash --norc", 'eval "$($LUA -l syslua env --shell bash --hook)"' },
  zsh = { "zsh -f", 'eval "$($LUA -l syslua env --shell zsh --hook)"' },
  fish = { "fish -N", "$LUA -l syslua env --shell fish --hook | source" },
}

--- Runs lines in an interactive shell with the hook. Returns what stands between < and > in what it
-- shows, and all of it.
---@param here spec.Machine
---@param name string
---@param lines string[]
---@return string[]
---@return string
function projects.run_shell(here, name, lines)
  local shell = projects.shells[name]
  here.shell("mkdir -p ~/.local/share/fish/generated_completions")
  here.write("lines", shell[2] .. "\n" .. table.concat(lines, "\n") .. "\nexit 0\n")
  local line = ("script -qec '%s' /dev/null <lines >shown"):format(shell[1])
  here.shell(line, { TERM = "dumb", PS1 = "$ " })
  local shown, all = {}, here.read("shown")
  for text in all:gmatch("<([^<>\r\n]*)>") do
    -- The terminal shows lines too; those have references in them.
    if not text:find("$", 1, true) then
      shown[#shown + 1] = text
    end
  end
  return shown, all
end

-- How each shell is started that reads a file of the machine at its start.
local started = {
  bash = "bash --rcfile rc.bash -i",
  zsh = "env ZDOTDIR=. zsh -i",
  fish = "fish -N -C 'source rc.fish' -i",
}

--- Runs lines in an interactive shell that reads `text` at its start. Returns what stands between <
-- and > in what it shows, and all of it.
---@param here spec.Machine
---@param name string
---@param text string
---@param lines string[]
---@param environment table<string, string>?
---@return string[]
---@return string
function projects.run_started(here, name, text, lines, environment)
  here.shell("mkdir -p ~/.local/share/fish/generated_completions")
  here.write(name == "zsh" and ".zshrc" or "rc." .. name, text)
  here.write("lines", table.concat(lines, "\n") .. "\nexit 0\n")
  local variables = { TERM = "dumb", PS1 = "$ ", HISTFILE = "" }
  for key, value in pairs(environment or {}) do
    variables[key] = value
  end
  local line = "script -qec %s /dev/null <lines >shown"
  here.shell(line:format(process.quote(started[name])), variables)
  local shown, all = {}, here.read("shown")
  for found in all:gmatch("<([^<>\r\n$]*)>") do
    shown[#shown + 1] = found
  end
  return shown, all
end

return projects
