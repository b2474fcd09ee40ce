-- neovim: `~/.config/nvim/init.lua`.

---@class syslua.programs.neovim.Map
---@field key string
---@field action string
---@field mode string|string[]|nil by default "n"
---@field options table? of `vim.keymap.set`

---@class syslua.programs.neovim.Options
---@field default_editor boolean? whether EDITOR and VISUAL are nvim
---@field globals table<string, any>? `vim.g`
---@field settings table<string, any>? `vim.opt`
---@field keymaps syslua.programs.neovim.Map[]?
---@field colorscheme string?
---@field extra string[]? lines at the end, as they are

---@class syslua.programs.Neovim: syslua.ConfigModule
---@field setup fun(opts: syslua.programs.neovim.Options?)

local lib = syslua.lib

-- A value as Lua: strings of `%q` would break lines in a way of their own on each version.
local function to_lua(value)
  local kind = type(value)
  if kind == "string" then
    local escapes =
      { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\0"] = "\\000" }
    return '"' .. value:gsub('[%z"\\\n\r]', escapes) .. '"'
  elseif kind ~= "table" then
    return tostring(value)
  end
  local parts = {}
  for key, item in pairs(value) do
    local name = type(key) == "string" and ("[%s] = "):format(to_lua(key)) or ""
    parts[#parts + 1] = name .. to_lua(item)
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

local function render(options)
  local lines = {}
  -- Leaders have to be set before what is mapped with them.
  for name, value in pairs(options.globals) do
    lines[#lines + 1] = ("vim.g[%s] = %s"):format(to_lua(name), to_lua(value))
  end
  for name, value in pairs(options.settings) do
    lines[#lines + 1] = ("vim.opt[%s] = %s"):format(to_lua(name), to_lua(value))
  end
  for _, map in ipairs(options.keymaps) do
    lines[#lines + 1] = ("vim.keymap.set(%s, %s, %s, %s)"):format(
      to_lua(map.mode or "n"),
      to_lua(map.key),
      to_lua(map.action),
      to_lua(map.options or { silent = true })
    )
  end
  if options.colorscheme then
    lines[#lines + 1] = ("vim.cmd.colorscheme(%s)"):format(to_lua(options.colorscheme))
  end
  for _, line in ipairs(options.extra) do
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n") .. "\n"
end

local module = syslua.module({
  name = "neovim",
  options = {
    default_editor = false,
    globals = {},
    settings = {},
    keymaps = {},
    extra = {},
  },
  types = { colorscheme = "string" },
  config = function(options)
    file({ path = "~/.config/nvim/init.lua", content = render(options) })
    if options.default_editor then
      env({ EDITOR = lib.mkDefault("nvim"), VISUAL = lib.mkDefault("nvim") })
    end
  end,
})

---@cast module syslua.programs.Neovim
return module
