-- tmux: `~/.config/tmux/tmux.conf`, by the grammar of tmux(1), "Parsing syntax".

---@alias syslua.programs.tmux.Value string|number|boolean|(string|number|boolean)[]

---@class syslua.programs.tmux.Options
---@field prefix string? the key before others
---@field mouse boolean?
---@field base_index integer? the number of the first window and pane
---@field history_limit integer? lines that a pane keeps
---@field escape_time integer? milliseconds
---@field key_mode ("emacs"|"vi")?
---@field terminal string? default-terminal
---@field shell string? default-shell
---@field settings table<string, syslua.programs.tmux.Value>? options by name
---@field binds table<string, string|string[]>? keys, and commands: as they are
--- written, or a list of words
---@field tables table<string, table<string, string|string[]>>? keys of other key tables
---@field extra string[]? lines at the end, as they are

---@class syslua.programs.Tmux: syslua.ConfigModule
---@field setup fun(opts: syslua.programs.tmux.Options?)

-- Options that hold several values, each with an index: a string would be divided at commas.
---@type table<string, boolean?>
local arrays = {
  ["codepoint-widths"] = true,
  ["command-alias"] = true,
  ["status-format"] = true,
  ["terminal-features"] = true,
  ["terminal-overrides"] = true,
  ["update-environment"] = true,
  ["user-keys"] = true,
}

local function fail(message, ...)
  error(("modules.programs.tmux: " .. message):format(...), 0)
end

-- One word: literal in single quotes, where tmux expands nothing; a single quote and a line break
-- in double ones.
local function quote(value)
  if value == true then
    return "on"
  elseif value == false then
    return "off"
  elseif type(value) == "number" then
    return syslua.lib.toJSON(value)
  elseif type(value) ~= "string" then
    fail("expected a string, a number or a boolean, got a %s", type(value))
  elseif value:find("%z") then
    fail("%q has a NUL byte", value)
  elseif value:find("^[%w@%%/:,._-]+$") then
    return value
  end
  local others = { ["'"] = "'\"'\"'", ["\n"] = "'\"\\n\"'", ["\r"] = "'\"\\r\"'" }
  return "'" .. value:gsub("['\n\r]", others) .. "'"
end

-- `--`: what begins with `-` would be a flag.
local function get_set(name, value, flags)
  local shown = quote(value)
  local is_flag = shown:find("^'?%-") or name:find("^%-")
  return ("set -g%s%s %s %s"):format(flags or "", is_flag and " --" or "", quote(name), shown)
end

local function add_settings(lines, settings)
  for name, value in pairs(settings) do
    if type(value) ~= "table" then
      lines[#lines + 1] = get_set(name, value)
    elseif arrays[name] then
      lines[#lines + 1] = get_set(name, "")
      for index, item in ipairs(value) do
        lines[#lines + 1] = get_set(("%s[%d]"):format(name, index - 1), item)
      end
    elseif name:find("^@") then
      -- Plugin managers read such lines one by one.
      for _, item in ipairs(value) do
        lines[#lines + 1] = get_set(name, item)
      end
    else
      for index, item in ipairs(value) do
        lines[#lines + 1] = get_set(name, item, index > 1 and "a" or "")
      end
    end
  end
end

-- A word of a command. tmux(1) takes an unescaped `;` at the end of an argument of `bind` for the
-- end of a command, also in quotes.
local function quote_of_command(word)
  if type(word) == "string" and word:sub(-1) == ";" then
    return quote(word:sub(1, -2) .. "\\;")
  end
  return quote(word)
end

-- What is bound to a key: a command as it is written, or a list of its words.
local function get_command(key, command)
  if type(command) == "string" and command ~= "" then
    return command
  elseif type(command) ~= "table" or not command[1] then
    fail("the key %q: expected a command, or a list of its words", key)
  end
  local words = {}
  for index, word in ipairs(command) do
    words[index] = quote_of_command(word)
  end
  return table.concat(words, " ")
end

-- A key as an argument of `bind`, where it neither ends the command nor begins a flag.
local function get_key(key)
  if key == ";" then
    return "\\;"
  elseif key == "-" then
    return "'-'"
  end
  return (key:find("^%-.") and "-- " or "") .. quote(key)
end

local function add_binds(lines, flags, binds)
  for key, command in pairs(binds) do
    -- A number in a table of keys is a list's.
    if type(key) ~= "string" or key == "" then
      fail('a key is a string, such as ["1"], not %s', tostring(key))
    end
    lines[#lines + 1] = ("bind %s%s %s"):format(flags, get_key(key), get_command(key, command))
  end
end

local function render(options)
  local lines = {
    get_set("mouse", options.mouse),
    get_set("base-index", options.base_index),
    get_set("pane-base-index", options.base_index),
    get_set("history-limit", options.history_limit),
    get_set("escape-time", options.escape_time),
    get_set("mode-keys", options.key_mode),
  }
  if options.terminal then
    lines[#lines + 1] = get_set("default-terminal", options.terminal)
  end
  if options.shell then
    lines[#lines + 1] = get_set("default-shell", options.shell)
  end
  if options.prefix ~= "C-b" then
    lines[#lines + 1] = "unbind C-b"
    lines[#lines + 1] = get_set("prefix", options.prefix)
    lines[#lines + 1] = ("bind %s send-prefix"):format(get_key(options.prefix))
  end
  add_settings(lines, options.settings)
  add_binds(lines, "", options.binds)
  for name, binds in pairs(options.tables) do
    add_binds(lines, ("-T %s "):format(quote(name)), binds)
  end
  for _, line in ipairs(options.extra) do
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n") .. "\n"
end

local module = syslua.module({
  name = "tmux",
  options = {
    prefix = "C-b",
    mouse = false,
    base_index = 0,
    history_limit = 2000,
    escape_time = 500,
    key_mode = "emacs",
    settings = {},
    binds = {},
    tables = {},
    extra = {},
  },
  types = { terminal = "string", shell = "string" },
  config = function(options)
    file({ path = "~/.config/tmux/tmux.conf", content = render(options) })
  end,
})

---@cast module syslua.programs.Tmux
return module
