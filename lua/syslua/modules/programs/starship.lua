-- starship: `~/.config/starship.toml`, and the prompt of the shells that are to have it.

---@class syslua.programs.starship.Options
---@field settings table<string, any>? of `starship.toml`
---@field shells syslua.ShellName[]? which shells have its prompt

---@class syslua.programs.Starship: syslua.ConfigModule
---@field setup fun(opts: syslua.programs.starship.Options?)

local words = require("modules.support.shell_words")

local lib = syslua.lib

local module = syslua.module({
  name = "starship",
  options = { settings = {}, shells = { "bash", "zsh" } },
  config = function(options)
    file({ path = "~/.config/starship.toml", content = lib.toTOML(options.settings) })
    words.add_hooks("starship", options.shells, {
      bash = "init bash",
      zsh = "init zsh",
      fish = "init fish",
      elvish = "init elvish",
      powershell = "init powershell",
    })
  end,
})

---@cast module syslua.programs.Starship
return module
