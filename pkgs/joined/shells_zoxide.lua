-- bash, zsh and fish with zoxide: `z` goes to the directory that is meant, by how often it was
-- used.

---@class syslua.joined.shells_zoxide.Options: syslua.joined.Options
---@field shells syslua.ShellName[]? which shells have it
---@field command string? what it is called by; by default `z`

---@class syslua.joined.ShellsZoxide: syslua.ConfigModule
---@field setup fun(opts: syslua.joined.shells_zoxide.Options?)

local joined = require("modules.support.joined")
local words = require("modules.support.shell_words")

local module = syslua.module({
  name = "shells_zoxide",
  options = {
    installed = false,
    tools = { ["ajeetdsouza/zoxide"] = "latest" },
    shells = { "bash", "zsh", "fish" },
    command = "z",
  },
  config = function(options)
    joined.install(options)
    if not options.command:find("^[%w_-]+$") then
      error(("pkgs.joined.shells_zoxide: %q cannot be a command"):format(options.command), 0)
    end
    local hooks = {}
    for _, shell in ipairs({ "bash", "zsh", "fish", "elvish", "powershell" }) do
      hooks[shell] = ("init --cmd %s %s"):format(options.command, shell)
    end
    words.add_hooks("zoxide", options.shells, hooks)
  end,
})

---@cast module syslua.joined.ShellsZoxide
return module
