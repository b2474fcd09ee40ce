-- direnv: `~/.config/direnv/direnv.toml` and `direnvrc`, and the hook of the shells that are to
-- have it.

---@class syslua.programs.direnv.Options
---@field settings table<string, table>? of `direnv.toml`
---@field stdlib string[]? lines of `direnvrc`
---@field shells syslua.ShellName[]? which shells have its hook

---@class syslua.programs.Direnv: syslua.ConfigModule
---@field setup fun(opts: syslua.programs.direnv.Options?)

local words = require("modules.support.shell_words")

local lib = syslua.lib

local module = syslua.module({
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
    words.add_hooks("direnv", options.shells, {
      bash = "hook bash",
      zsh = "hook zsh",
      fish = "hook fish",
      elvish = "hook elvish",
      powershell = "hook pwsh",
    })
  end,
})

---@cast module syslua.programs.Direnv
return module
