-- starship: `~/.config/starship.toml`, and the prompt of the shells that are to have it.

local lib = syslua.lib
local shell_hook = require("modules.programs.shell_hook")

return syslua.module({
  name = "starship",
  options = { settings = {}, shells = { "bash", "zsh" } },
  config = function(options)
    file({ path = "~/.config/starship.toml", content = lib.toTOML(options.settings) })
    shell_hook.add("starship", "init", options.shells)
  end,
})
