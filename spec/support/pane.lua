--- A shell in a terminal, as people have it: a pane of a tmux server of its own.

local process = require("spec.support.process")

local pane = {}

-- Where the setup of tests puts shells that no package of the system has.
local tools = "/var/cache/syslua-tools/bin"

-- How a shell shows values: a number that is not in the typed line as it is printed, and texts
-- between bars. An unset variable is nothing.
local shows = {
  sh = 'printf "<<%%s>>\\n" "%s""|%s"',
  fish = 'printf "<<%%s>>\\n" "%s""|%s"',
  nushell = 'print ("<<%s" + $"|%s>>")',
  elvish = [[print '<<'%s"|"%s">>\n"]],
}

--- How each shell is started, how it has a variable in a text, and which language it has.
pane.shells = {
  bash = { command = "bash", login = "bash -l", variable = "${%s-}", language = "sh" },
  zsh = { command = "zsh", login = "zsh -l", variable = "${%s-}", language = "sh" },
  fish = { command = "fish", login = "fish -l", variable = "$%s", language = "fish" },
  nushell = {
    command = "nu",
    login = "nu -l",
    variable = "($env.%s? | default '')",
    language = "nushell",
  },
  elvish = { command = "elvish", login = "elvish", variable = "$E:%s", language = "elvish" },
}

--- Returns where the program of a shell is, or nil.
---@param name string
---@return string?
function pane.find(name)
  local program = pane.shells[name].command
  local line = ("PATH=$PATH:%s; command -v %s"):format(tools, program)
  local found = process.run_line(line).stdout:gsub("\n$", "")
  return found ~= "" and process.has("tmux") and found or nil
end

--- Opens a shell.
---@param here spec.Machine
---@param name string a shell of `pane.shells`
---@param options { login: boolean?, environment: table<string, string>?, arguments: string? }?
---@return spec.Pane
function pane.open(here, name, options)
  options = options or {}
  local shell = pane.shells[name]
  local program = assert(pane.find(name))
  local flags = (options.login and name ~= "elvish") and " -l" or ""
  if options.arguments then
    flags = flags .. " " .. options.arguments
  end
  here.panes = (here.panes or 0) + 1
  local target = "pane" .. here.panes
  local socket = process.quote(here.directory .. "/tmux.sock")

  ---@class spec.Pane
  local self = { count = 0, shell = shell }

  local function tmux(words)
    local environment = { TERM = "xterm", HOME = here.home, SHELL = "/bin/sh" }
    for key, value in pairs(here.environment) do
      environment[key] = value
    end
    for key, value in pairs(options.environment or {}) do
      environment[key] = value
    end
    return process.run_line(
      ("tmux -S %s -f /dev/null %s"):format(socket, words),
      { directory = here.directory, environment = environment }
    )
  end

  --- Returns what the terminal shows and has shown.
  function self.read()
    return tmux(("capture-pane -p -J -S - -t %s"):format(target)).stdout
  end

  --- Types text.
  function self.type(text)
    assert(tmux(("send-keys -t %s -l -- %s"):format(target, process.quote(text))).code == 0)
  end

  --- Presses keys, as tmux calls them.
  function self.press(keys)
    assert(tmux(("send-keys -t %s %s"):format(target, keys)).code == 0)
  end

  --- Waits until the terminal shows a pattern; returns its captures.
  function self.wait(pattern, seconds)
    local deadline = os.time() + (seconds or 60)
    repeat
      local found = self.read():match(pattern)
      if found then
        return found
      end
      process.run_line("sleep 0.05")
    until os.time() > deadline
    error(("%s does not show %s:\n%s"):format(name, pattern, self.read()), 2)
  end

  --- Waits until the cursor stands after a prompt: some shells drop what is typed before.
  function self.wait_for_prompt()
    for _ = 1, 600 do
      local shown = tmux(("display-message -p -t %s '#{cursor_x}'"):format(target)).stdout
      if shown ~= "0\n" then
        return
      end
      process.run_line("sleep 0.05")
    end
    error(name .. " shows no prompt:\n" .. self.read(), 2)
  end

  -- A line that shows texts, and the pattern of what it prints.
  local function get_show(text)
    self.count = self.count + 1
    return shows[shell.language]:format(self.count, text), ("<<%d|([^\n]-)>>"):format(self.count)
  end

  --- Returns a text as the shell has it.
  function self.show(text)
    local line, pattern = get_show(text)
    self.type(line)
    self.press("Enter")
    local found = self.wait(pattern)
    self.wait_for_prompt()
    return found
  end

  --- Returns variables as the shell has them, with commas between them.
  ---@param names string[]
  function self.get(names)
    local parts = {}
    for index, variable in ipairs(names) do
      parts[index] = shell.variable:format(variable)
    end
    return self.show(table.concat(parts, shell.language == "elvish" and '","' or ","))
  end

  --- Runs a line that may fail; waits until the terminal shows a pattern, and for the prompt.
  function self.enter(line, pattern)
    self.type(line)
    self.press("Enter")
    local found = self.wait(pattern)
    self.wait_for_prompt()
    return found
  end

  --- Runs a line, and waits until the shell is at its prompt again.
  function self.run(line)
    local show, pattern = get_show("")
    self.type(line == "" and show or line .. "; " .. show)
    self.press("Enter")
    self.wait(pattern)
    self.wait_for_prompt()
  end

  --- Closes it, and the server with the last one.
  function self.close()
    tmux("kill-session -t " .. target)
  end

  local start = ("new-session -d -s %s -x 200 -y 50 -c %s %s"):format(
    target,
    process.quote(here.home),
    process.quote("exec " .. program .. flags)
  )
  local started = tmux(start)
  assert(started.code == 0, started.stderr)
  self.wait_for_prompt()
  self.get({})
  return self
end

--- Ends the server of a machine.
---@param here spec.Machine
function pane.close_all(here)
  process.run_line(("tmux -S %s kill-server"):format(process.quote(here.directory .. "/tmux.sock")))
end

return pane
