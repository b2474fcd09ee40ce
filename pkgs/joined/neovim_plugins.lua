-- Neovim with plugins: each is a revision of a repository, which `syslua.lock` pins.

---@class syslua.joined.neovim_plugins.Plugin
---@field url string the repository
---@field rev string a commit, a tag or a branch
---@field sha256 string? of its tree; without one the lock pins it

---@class syslua.joined.neovim_plugins.Options: syslua.joined.Options
---@field plugins table<string, syslua.joined.neovim_plugins.Plugin>? by name
---@field settings table<string, any>? `vim.opt`
---@field extra string[]? lines of `init.lua` after the plugins are there

---@class syslua.joined.NeovimPlugins: syslua.ConfigModule
---@field setup fun(opts: syslua.joined.neovim_plugins.Options?)

local joined = require("modules.support.joined")
local neovim = require("modules.programs.neovim")

local module = syslua.module({
  name = "neovim_plugins",
  options = {
    installed = false,
    tools = { ["neovim/neovim"] = "latest" },
    plugins = {},
    settings = {},
    extra = {},
  },
  uses = { neovim },
  config = function(options)
    joined.install(options)
    neovim.setup({ default_editor = true, settings = options.settings, extra = options.extra })
    for name, plugin in pairs(options.plugins) do
      local opts = { url = plugin.url, rev = plugin.rev, sha256 = plugin.sha256 }
      local tree = derive({ name = name, opts = opts, config = joined.fetch })
      file({ path = "~/.local/share/nvim/site/pack/syslua/start/" .. name, source = tree.out })
    end
  end,
})

---@cast module syslua.joined.NeovimPlugins
return module
