-- bash, zsh and fish with direnv: a directory's `.envrc` counts in it, once it is allowed.

---@class syslua.joined.direnv_shells.Options: syslua.joined.Options
---@field shells syslua.ShellName[]? which shells have the hook
---@field settings table<string, table>? of `direnv.toml`

---@class syslua.joined.DirenvShells: syslua.ConfigModule
---@field setup fun(opts: syslua.joined.direnv_shells.Options?)

local direnv = require("modules.programs.direnv")
local joined = require("modules.support.joined")

local module = syslua.module({
  name = "direnv_shells",
  options = {
    installed = false,
    tools = { ["direnv/direnv"] = "latest" },
    shells = { "bash", "zsh", "fish" },
    settings = { global = { warn_timeout = "30s", hide_env_diff = true } },
  },
  uses = { direnv },
  config = function(options)
    joined.install(options)
    direnv.setup({ settings = options.settings, shells = options.shells })
  end,
})

---@cast module syslua.joined.DirenvShells
return module
