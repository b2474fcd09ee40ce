-- fzf: its defaults, and its keys in the shells that are to have them. By fzf(1), "ENVIRONMENT
-- VARIABLES".

---@class syslua.programs.fzf.Options
---@field command string? what lists files, by a shell: FZF_DEFAULT_COMMAND
---@field arguments string[]? arguments of each call: FZF_DEFAULT_OPTS
---@field file_command string? what lists files for Ctrl-T: FZF_CTRL_T_COMMAND
---@field directory_command string? what lists directories for Alt-C: FZF_ALT_C_COMMAND
---@field shells syslua.ShellName[]? which shells have its keys

---@class syslua.programs.Fzf: syslua.ConfigModule
---@field setup fun(opts: syslua.programs.fzf.Options?)

local words = require("modules.support.shell_words")

-- fzf divides the variable as a shell would.
local function join(arguments)
  local quoted = {}
  for index, argument in ipairs(arguments) do
    quoted[index] = argument:find("^[%w%%+,./:=@_-]+$") and argument or words.quote(argument)
  end
  return quoted[1] and table.concat(quoted, " ") or nil
end

local module = syslua.module({
  name = "fzf",
  options = { arguments = {}, shells = { "bash", "zsh", "fish" } },
  types = { command = "string", file_command = "string", directory_command = "string" },
  config = function(options)
    env({
      FZF_DEFAULT_COMMAND = options.command,
      FZF_DEFAULT_OPTS = join(options.arguments),
      FZF_CTRL_T_COMMAND = options.file_command,
      FZF_ALT_C_COMMAND = options.directory_command,
    })
    words.add_hooks("fzf", options.shells, {
      -- An older version does not know its keys.
      bash = "--bash 2>/dev/null",
      zsh = "--zsh 2>/dev/null",
      fish = "--fish 2>/dev/null",
    })
  end,
})

---@cast module syslua.programs.Fzf
return module
