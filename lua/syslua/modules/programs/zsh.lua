-- zsh: `~/.zshrc`, and `~/.zprofile` on demand. By the grammar of zshmisc(1), "QUOTING".

---@class syslua.programs.zsh.History
---@field path string? where it is kept; `~/` is the home
---@field size integer? how many commands are kept
---@field share boolean? whether shells that run see the commands of one another
---@field ignore_duplicates boolean? whether a command that repeats the last one is left out
---@field ignore_space boolean? whether a command that begins with a blank is left out

---@alias syslua.programs.zsh.Style string|boolean|(string|number)[]

---@class syslua.programs.zsh.Options
---@field environment boolean? whether it reads the environment of sys.lua
---@field aliases table<string, string>? names, and what stands for them
---@field global_aliases table<string, string>? the same, anywhere on the line
---@field functions table<string, string>? names, and the commands of each
---@field setopt string[]? options that are on
---@field unsetopt string[]? options that are off
---@field variables table<string, string|number>? of the shell itself; `env{}` is for programs
---@field history syslua.programs.zsh.History?
---@field keymap ("vi"|"emacs")?
---@field binds table<string, string>? keys as `bindkey` has them, and a widget
---@field completion boolean? whether the completion system is started
---@field styles table<string, table<string, syslua.programs.zsh.Style>>? by pattern, for `zstyle`
---@field directories table<string, string>? names, and what `~NAME` stands for
---@field prompt string? PROMPT
---@field extra string[]? lines at the end, as they are
---@field profile string[]? lines of `~/.zprofile`, which login shells read

---@class syslua.programs.Zsh: syslua.ConfigModule
---@field setup fun(opts: syslua.programs.zsh.Options?)

local shell = require("modules.support.shell_words")

local fail = shell.fail_of("zsh")
local quote, quote_path = shell.quote, shell.quote_path

local function add_history(lines, history)
  shell.add_lines(lines, {
    "HISTFILE=" .. quote_path(history.path),
    "HISTSIZE=" .. shell.integer("zsh", "history.size", history.size),
    "SAVEHIST=" .. shell.integer("zsh", "history.size", history.size),
  })
  local switches = {
    { "share", "SHARE_HISTORY" },
    { "ignore_duplicates", "HIST_IGNORE_DUPS" },
    { "ignore_space", "HIST_IGNORE_SPACE" },
  }
  for _, switch in ipairs(switches) do
    if history[switch[1]] then
      lines[#lines + 1] = "setopt " .. switch[2]
    end
  end
end

local function add_options(lines, command, names)
  for _, name in ipairs(names) do
    if type(name) ~= "string" or not name:find("^[%a_]+$") then
      fail("%s: %q cannot be an option", command, tostring(name))
    end
    lines[#lines + 1] = command .. " " .. name
  end
end

local function add_styles(lines, styles)
  for pattern, own in pairs(styles) do
    for style, value in pairs(own) do
      local words = {}
      for index, item in ipairs(type(value) == "table" and value or { value }) do
        words[index] = quote(type(item) == "boolean" and tostring(item) or item)
      end
      lines[#lines + 1] = ("zstyle -- %s %s %s"):format(
        quote(pattern),
        quote(style),
        table.concat(words, " ")
      )
    end
  end
end

local function render(options)
  local lines = {}
  if options.environment then
    lines[1] = shell.environment("sh")
  end
  add_history(lines, options.history)
  add_options(lines, "setopt", options.setopt)
  add_options(lines, "unsetopt", options.unsetopt)
  -- A keymap comes before what is bound in it.
  if options.keymap then
    shell.check_keymap("zsh", options.keymap)
    lines[#lines + 1] = options.keymap == "vi" and "bindkey -v" or "bindkey -e"
  end
  for keys, widget in pairs(options.binds) do
    lines[#lines + 1] = ("bindkey -- %s %s"):format(quote(keys), quote(widget))
  end
  -- Styles come before completions that ask for them.
  add_styles(lines, options.styles)
  if options.completion then
    lines[#lines + 1] = "autoload -Uz compinit && compinit -u"
  end
  for name, path in pairs(options.directories) do
    if type(name) ~= "string" or not name:find("^[%w_]+$") then
      fail("directories: %q cannot be a name", tostring(name))
    end
    lines[#lines + 1] = ("hash -d -- %s=%s"):format(name, quote_path(path))
  end
  shell.add_variables(lines, "zsh", options.variables)
  if options.prompt then
    lines[#lines + 1] = "PROMPT=" .. quote(options.prompt)
  end
  -- Functions before aliases: an alias would stand for what a function calls so.
  shell.add_functions(lines, "zsh", options.functions)
  shell.add_aliases(lines, "zsh", options.aliases)
  shell.add_aliases(lines, "zsh", options.global_aliases, "-g ")
  shell.add_lines(lines, options.extra)
  return table.concat(lines, "\n") .. "\n"
end

local module = syslua.module({
  name = "zsh",
  options = {
    environment = true,
    aliases = {},
    global_aliases = {},
    functions = {},
    setopt = {},
    unsetopt = {},
    variables = {},
    history = {
      path = "~/.zsh_history",
      size = 10000,
      share = true,
      ignore_duplicates = true,
      ignore_space = true,
    },
    binds = {},
    completion = true,
    styles = {},
    directories = {},
    extra = {},
    profile = {},
  },
  types = { keymap = "string", prompt = "string" },
  config = function(options)
    file({ path = "~/.zshrc", content = render(options) })
    if options.profile[1] then
      file({ path = "~/.zprofile", content = table.concat(options.profile, "\n") .. "\n" })
    end
  end,
})

---@cast module syslua.programs.Zsh
return module
