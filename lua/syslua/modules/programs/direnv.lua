-- direnv: `~/.config/direnv/direnv.toml` and `direnvrc`, and the hook of the shells that are to have it.

local lib = syslua.lib
local shell_hook = require("modules.programs.shell_hook")

return syslua.module({
  name = "direnv",
  options = { settings = {}, stdlib = {}, shells = { "bash", "zsh" } },
  config = function(options)
    if next(options.settings) then
      file({ path = "~/.config/direnv/direnv.toml", content = lib.toTOML(options.settings) })
    end
    if options.stdlib[1] then
      local lines = table.concat(options.stdlib, "\n") .. "\n"
      file({ path = "~/.config/direnv/direnvrc", content = lines })
    end
    shell_hook.add("direnv", "hook", options.shells)
  end,
})
