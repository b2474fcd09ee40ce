-- fish: `~/.config/fish/config.fish`. By the grammar of fish(1), "Quotes".

---@class syslua.programs.fish.Options
---@field environment boolean? whether it reads the environment of sys.lua
---@field aliases table<string, string>? names, and what stands for them
---@field abbreviations table<string, string>? words, and what they become while they are typed
---@field functions table<string, string>? names, and the commands of each
---@field variables table<string, string|number|(string|number)[]>? of the shell itself
---@field colors table<string, string|string[]>? by the end of `fish_color_`: words of `set_color`
---@field paths string[]? directories before PATH; `~/` is the home
---@field keymap ("vi"|"emacs")?
---@field binds table<string, string|string[]>? keys as `bind` has them, and commands
---@field greeting string? what it says when it begins; empty for nothing
---@field prompt string? the commands of `fish_prompt`
---@field extra string[]? lines at the end, as they are

---@class syslua.programs.Fish: syslua.ConfigModule
---@field setup fun(opts: syslua.programs.fish.Options?)

local shell = require("modules.support.shell_words")

local fail = shell.fail_of("fish")
local quote = shell.quote_fish

local function check_name(what, name)
  if type(name) ~= "string" or not name:find("^[%w_][%w_.+-]*$") then
    fail("%q cannot be the name of %s", tostring(name), what)
  end
  return name
end

local function quote_all(value)
  local words = {}
  for index, item in ipairs(type(value) == "table" and value or { value }) do
    words[index] = quote(item)
  end
  return table.concat(words, " ")
end

-- `~/` is expanded outside of quotes only.
local function quote_path(path)
  local below = path:match("^~/(.*)$")
  return below and "~/" .. quote(below) or quote(path)
end

local function add_function(lines, name, text, flags)
  if type(text) ~= "string" or not text:find("%S") then
    fail("functions.%s: expected its commands", name)
  end
  -- What cannot be read is an error of this function only.
  local whole = ("function %s%s\n%s\nend"):format(check_name("a function", name), flags or "", text)
  lines[#lines + 1] = "eval " .. quote(whole)
end

-- Keys: fish expands escapes such as `\cx` outside of quotes only.
local function quote_keys(keys)
  local parts, rest = {}, keys
  while rest ~= "" do
    local escape = rest:match("^\\c%a") or rest:match("^\\x%x%x") or rest:match("^\\[abefnrtv]")
    local part = escape or rest:match("^.[^\\]*")
    parts[#parts + 1] = escape or quote(part)
    rest = rest:sub(#part + 1)
  end
  return table.concat(parts)
end

local function add_interactive(lines, options)
  if options.keymap then
    shell.check_keymap("fish", options.keymap)
    lines[#lines + 1] = options.keymap == "vi" and "fish_vi_key_bindings"
      or "fish_default_key_bindings"
  end
  for keys, commands in pairs(options.binds) do
    lines[#lines + 1] = ("bind -- %s %s"):format(quote_keys(keys), quote_all(commands))
  end
  for name, value in pairs(options.colors) do
    lines[#lines + 1] = ("set -g fish_color_%s %s"):format(
      check_name("a color", name),
      quote_all(value)
    )
  end
  for name, value in pairs(options.abbreviations) do
    lines[#lines + 1] = ("abbr -a -g -- %s %s"):format(
      quote(check_name("an abbreviation", name)),
      quote(value)
    )
  end
  for name, value in pairs(options.aliases) do
    lines[#lines + 1] = ("alias -- %s %s"):format(quote(check_name("an alias", name)), quote(value))
  end
  if options.greeting then
    lines[#lines + 1] = "set -g fish_greeting " .. quote(options.greeting)
  end
  if options.prompt then
    add_function(lines, "fish_prompt", options.prompt)
  end
end

local function render(options)
  local lines = {}
  if options.environment then
    lines[1] = shell.environment("fish")
  end
  for _, path in ipairs(options.paths) do
    lines[#lines + 1] = "fish_add_path -g -P -- " .. quote_path(path)
  end
  for name, value in pairs(options.variables) do
    if type(name) ~= "string" or not name:find("^[%a_][%w_]*$") then
      fail("%q cannot be the name of a variable", tostring(name))
    end
    lines[#lines + 1] = ("set -g -- %s %s"):format(name, quote_all(value))
  end
  for name, text in pairs(options.functions) do
    add_function(lines, name, text)
  end
  lines[#lines + 1] = "if status is-interactive"
  add_interactive(lines, options)
  lines[#lines + 1] = "end"
  shell.add_lines(lines, options.extra)
  return table.concat(lines, "\n") .. "\n"
end

local module = syslua.module({
  name = "fish",
  options = {
    environment = true,
    aliases = {},
    abbreviations = {},
    functions = {},
    variables = {},
    colors = {},
    paths = {},
    binds = {},
    extra = {},
  },
  types = { keymap = "string", greeting = "string", prompt = "string" },
  config = function(options)
    file({ path = "~/.config/fish/config.fish", content = render(options) })
  end,
})

---@cast module syslua.programs.Fish
return module
