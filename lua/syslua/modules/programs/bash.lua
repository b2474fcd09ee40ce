-- bash: `~/.bashrc`, and `~/.bash_profile`, by which login shells read it. By the grammar of
-- bash(1), "QUOTING".

---@class syslua.programs.bash.History
---@field path string? where it is kept; `~/` is the home
---@field size integer? how many commands a shell remembers; -1 for all of them
---@field file_size integer? how many the file has; -1 for all of them
---@field control ("ignorespace"|"ignoredups"|"ignoreboth"|"erasedups")[]? what is left out
---@field ignore string[]? patterns of commands that are left out
---@field time_format string? how `history` shows the time, as strftime(3) has it
---@field append boolean? whether shells that end add to the file, rather than replace it

---@class syslua.programs.bash.Options
---@field environment boolean? whether it reads the environment of sys.lua
---@field aliases table<string, string>? names, and what stands for them
---@field functions table<string, string>? names, and the commands of each
---@field shopt table<string, boolean>? options of `shopt`, on or off
---@field set table<string, boolean>? options of `set -o`, on or off
---@field variables table<string, string|number>? of the shell itself; `env{}` is for programs
---@field history syslua.programs.bash.History?
---@field keymap ("vi"|"emacs")?
---@field binds table<string, string>? keys as readline(3) has them, and its functions
---@field completion boolean? whether it reads the package bash-completion, where that is installed
---@field prompt string? PS1
---@field extra string[]? lines at the end, as they are
---@field profile string[]? lines of `~/.bash_profile`, after it has read `~/.bashrc`

---@class syslua.programs.Bash: syslua.ConfigModule
---@field setup fun(opts: syslua.programs.bash.Options?)

local shell = require("modules.support.shell_words")

local fail = shell.fail_of("bash")
local quote, quote_path = shell.quote, shell.quote_path

local function add_switches(lines, what, switches, on, off)
  for name, is_on in pairs(switches) do
    if type(name) ~= "string" or not name:find("^%w[%w_]*$") then
      fail("%s: %q cannot be an option", what, tostring(name))
    elseif type(is_on) ~= "boolean" then
      fail("%s.%s: expected true or false", what, name)
    end
    lines[#lines + 1] = (is_on and on or off) .. " " .. name
  end
end

local function add_history(lines, history)
  local function set(name, value)
    lines[#lines + 1] = ("%s=%s"):format(name, value)
  end
  set("HISTFILE", quote_path(history.path))
  set("HISTSIZE", shell.integer("bash", "history.size", history.size))
  set("HISTFILESIZE", shell.integer("bash", "history.file_size", history.file_size))
  if history.control[1] then
    set("HISTCONTROL", quote(table.concat(history.control, ":")))
  end
  if history.ignore[1] then
    local patterns = {}
    for index, pattern in ipairs(history.ignore) do
      -- A colon ends a pattern.
      patterns[index] = pattern:gsub("[:\\]", { [":"] = "\\:", ["\\"] = "\\\\" })
    end
    set("HISTIGNORE", quote(table.concat(patterns, ":")))
  end
  if history.time_format then
    set("HISTTIMEFORMAT", quote(history.time_format))
  end
  if history.append then
    lines[#lines + 1] = "shopt -s histappend"
  end
end

local function add_binds(lines, binds)
  for keys, action in pairs(binds) do
    local text = ("%s: %s"):format(keys, action)
    if text:find("[%z\r\n]") then
      fail("binds: %q has a line break", keys)
    end
    lines[#lines + 1] = "bind " .. quote(text)
  end
end

local completion = [=[
for __syslua_file in /usr/share/bash-completion/bash_completion \
  /usr/local/share/bash-completion/bash_completion \
  /opt/homebrew/etc/profile.d/bash_completion.sh /usr/local/etc/profile.d/bash_completion.sh; do
  if [[ -r $__syslua_file ]]; then . "$__syslua_file"; break; fi
done
unset __syslua_file]=]

local function render(options)
  -- Programs such as scp and rsync start it without a terminal: what is printed would be theirs.
  local lines = {}
  if options.environment then
    lines[1] = shell.environment("sh")
  end
  lines[#lines + 1] = "case $- in *i*) ;; *) return 0 ;; esac"
  add_history(lines, options.history)
  add_switches(lines, "shopt", options.shopt, "shopt -s", "shopt -u")
  add_switches(lines, "set", options.set, "set -o", "set +o")
  -- A keymap comes before what is bound in it.
  if options.keymap then
    shell.check_keymap("bash", options.keymap)
    lines[#lines + 1] = "set -o " .. options.keymap
  end
  add_binds(lines, options.binds)
  if options.completion then
    lines[#lines + 1] = completion
  end
  shell.add_variables(lines, "bash", options.variables)
  if options.prompt then
    lines[#lines + 1] = "PS1=" .. quote(options.prompt)
  end
  -- Functions before aliases: an alias would stand for what a function calls so.
  shell.add_functions(lines, "bash", options.functions)
  shell.add_aliases(lines, "bash", options.aliases)
  shell.add_lines(lines, options.extra)
  return table.concat(lines, "\n") .. "\n"
end

local module = syslua.module({
  name = "bash",
  options = {
    environment = true,
    aliases = {},
    functions = {},
    shopt = { checkwinsize = true },
    set = {},
    variables = {},
    history = {
      path = "~/.bash_history",
      size = 10000,
      file_size = 20000,
      control = { "ignoreboth" },
      ignore = {},
      append = true,
    },
    binds = {},
    completion = true,
    extra = {},
    profile = {},
  },
  types = { keymap = "string", prompt = "string" },
  config = function(options)
    local profile = { "if [ -r ~/.bashrc ]; then . ~/.bashrc; fi" }
    shell.add_lines(profile, options.profile)
    file({ path = "~/.bashrc", content = render(options) })
    file({ path = "~/.bash_profile", content = table.concat(profile, "\n") .. "\n" })
  end,
})

---@cast module syslua.programs.Bash
return module
