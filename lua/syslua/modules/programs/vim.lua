-- vim: `~/.vimrc`, by the grammar of `:help let-option`, `:help literal-string` and `:help map`.

---@class syslua.programs.vim.Map
---@field key string keys, in Vim's notation: `<leader>w`
---@field action string what they stand for, in the same notation
---@field mode string? letters of modes, "nv"; by default "n"
---@field remap boolean? whether keys in `action` may be mapped again
---@field silent boolean? whether the command line does not show it; by default true
---@field buffer boolean? only for the buffer that is current when the file is read
---@field expr boolean? whether `action` is an expression that gives the keys

---@class syslua.programs.vim.Autocommand
---@field event string|string[] such as "BufWritePre"
---@field pattern string|string[]|nil which files; by default all
---@field command string what is done

---@alias syslua.programs.vim.Value string|number|boolean|table

---@class syslua.programs.vim.Options
---@field default_editor boolean? whether EDITOR and VISUAL are vim
---@field globals table<string, syslua.programs.vim.Value>? variables `g:NAME`, such as `mapleader`
---@field settings table<string, string|number|boolean|(string|number)[]>? options; a list has
--- commas
---@field syntax boolean? whether text is coloured by its syntax
---@field filetype boolean? whether plugins and indentation by type of file are on
---@field colorscheme string?
---@field keymaps syslua.programs.vim.Map[]?
---@field autocommands syslua.programs.vim.Autocommand[]?
---@field extra string[]? lines at the end, as they are

---@class syslua.programs.Vim: syslua.ConfigModule
---@field setup fun(opts: syslua.programs.vim.Options?)

local lib = syslua.lib

local function fail(message, ...)
  error(("modules.programs.vim: " .. message):format(...), 0)
end

-- A text: in single quotes Vim expands nothing; a line break has a name in double ones only.
local function quote(text)
  if text:find("%z") then
    fail("%q has a NUL byte", text)
  elseif not text:find("[\r\n]") then
    return "'" .. text:gsub("'", "''") .. "'"
  end
  local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r" }
  return '"' .. text:gsub('["\\\r\n]', escapes) .. '"'
end

-- A value of a variable.
local function to_vim(value)
  local kind = type(value)
  if kind == "string" then
    return quote(value)
  elseif kind == "number" then
    return lib.toJSON(value)
  elseif kind == "boolean" then
    return "v:" .. tostring(value)
  elseif kind ~= "table" then
    fail("expected a string, a number, a boolean or a table, got a %s", kind)
  end
  local parts = {}
  for index, item in ipairs(value) do
    parts[index] = to_vim(item)
  end
  if parts[1] or next(value) == nil then
    return "[" .. table.concat(parts, ", ") .. "]"
  end
  for key, item in pairs(value) do
    parts[#parts + 1] = quote(tostring(key)) .. ": " .. to_vim(item)
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

-- The value of an option. In a list a comma would end an item.
local function to_option(value)
  if type(value) == "boolean" then
    return value and "1" or "0"
  elseif type(value) ~= "table" then
    return to_vim(value)
  end
  local items = {}
  for index, item in ipairs(value) do
    local shown = type(item) == "number" and lib.toJSON(item) or item
    if type(shown) ~= "string" then
      fail("a list of an option has strings and numbers")
    end
    items[index] = shown:gsub(",", "\\,")
  end
  return quote(table.concat(items, ","))
end

local function check_keys(what, keys)
  if type(keys) ~= "string" or keys == "" then
    fail("%s of a keymap is missing", what)
  elseif keys:find("%c") then
    fail("%s of a keymap has a control character: write <CR>, <Tab>, <Esc>", what)
  end
  -- It would end the command.
  return (keys:gsub("|", "<Bar>"))
end

local function add_keymaps(lines, keymaps)
  for _, map in ipairs(keymaps) do
    local modes = map.mode or "n"
    if not modes:find("^[nvxsoilct]+$") then
      fail("%q has no letters of modes", modes)
    end
    local flags = (map.buffer and "<buffer> " or "")
      .. (map.silent ~= false and "<silent> " or "")
      .. (map.expr and "<expr> " or "")
    local key = check_keys("the key", map.key):gsub(" ", "<Space>")
    local action = check_keys("the action", map.action):gsub("^ +", function(blanks)
      return ("<Space>"):rep(#blanks)
    end)
    for mode in modes:gmatch(".") do
      local command = mode .. (map.remap and "map " or "noremap ")
      lines[#lines + 1] = command .. flags .. key .. " " .. action
    end
  end
end

local function check_line(what, text)
  if type(text) ~= "string" or text == "" or text:find("[%z\r\n]") then
    fail("%s of an autocommand is missing, or has a line break", what)
  end
  return text
end

local function join(what, value)
  local items = {}
  for index, item in ipairs(type(value) == "table" and value or { value }) do
    -- A blank would end the patterns.
    items[index] = check_line(what, item):gsub(" ", "\\ ")
  end
  return table.concat(items, ",")
end

local function add_autocommands(lines, autocommands)
  if not autocommands[1] then
    return
  end
  -- A separate group: the file may be read again.
  lines[#lines + 1] = "augroup syslua"
  lines[#lines + 1] = "  autocmd!"
  for _, one in ipairs(autocommands) do
    lines[#lines + 1] = ("  autocmd %s %s %s"):format(
      join("the event", one.event),
      join("the pattern", one.pattern or "*"),
      check_line("the command", one.command)
    )
  end
  lines[#lines + 1] = "augroup END"
end

local function render(options)
  -- `vim -u FILE` would be compatible with vi, where a mapping has no notation of keys.
  local lines = { "set nocompatible", "scriptencoding utf-8" }
  -- Leaders have to be set before what is mapped with them, and types of files after options that
  -- they may change.
  for name, value in pairs(options.globals) do
    if type(name) ~= "string" or not name:find("^[%a_][%w_#]*$") then
      fail("%q cannot be the name of a variable", tostring(name))
    end
    lines[#lines + 1] = ("let g:%s = %s"):format(name, to_vim(value))
  end
  for name, value in pairs(options.settings) do
    if type(name) ~= "string" or not name:find("^%a+$") then
      fail("%q cannot be the name of an option", tostring(name))
    end
    lines[#lines + 1] = ("let &%s = %s"):format(name, to_option(value))
  end
  lines[#lines + 1] = options.filetype and "filetype plugin indent on" or "filetype off"
  lines[#lines + 1] = options.syntax and "syntax enable" or "syntax off"
  if options.colorscheme then
    if not options.colorscheme:find("^[%w_.-]+$") then
      fail("%q cannot be the name of a colorscheme", options.colorscheme)
    end
    lines[#lines + 1] = "colorscheme " .. options.colorscheme
  end
  add_keymaps(lines, options.keymaps)
  add_autocommands(lines, options.autocommands)
  for _, line in ipairs(options.extra) do
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n") .. "\n"
end

local module = syslua.module({
  name = "vim",
  options = {
    default_editor = false,
    globals = {},
    settings = {},
    syntax = true,
    filetype = true,
    keymaps = {},
    autocommands = {},
    extra = {},
  },
  types = { colorscheme = "string" },
  config = function(options)
    file({ path = "~/.vimrc", content = render(options) })
    if options.default_editor then
      env({ EDITOR = lib.mkDefault("vim"), VISUAL = lib.mkDefault("vim") })
    end
  end,
})

---@cast module syslua.programs.Vim
return module
