-- tmux with plugins: each is a revision of a repository, which `syslua.lock` pins; its `*.tmux`
-- files run when tmux starts.

---@class syslua.joined.tmux_plugins.Plugin
---@field url string the repository
---@field rev string a commit, a tag or a branch
---@field sha256 string? of its tree; without one the lock pins it

---@class syslua.joined.tmux_plugins.Options
---@field plugins table<string, syslua.joined.tmux_plugins.Plugin>? by name
---@field settings table<string, syslua.programs.tmux.Value>? options, also those of plugins

---@class syslua.joined.TmuxPlugins: syslua.ConfigModule
---@field setup fun(opts: syslua.joined.tmux_plugins.Options?)

local joined = require("modules.support.joined")
local tmux = require("modules.programs.tmux")
local words = require("modules.support.shell_words")

local module = syslua.module({
  name = "tmux_plugins",
  options = { plugins = {}, settings = {} },
  uses = { tmux },
  config = function(options)
    local lines = {}
    for name, plugin in pairs(options.plugins) do
      local opts = { url = plugin.url, rev = plugin.rev, sha256 = plugin.sha256 }
      local tree = derive({ name = name, opts = opts, config = joined.fetch })
      local place = "~/.config/tmux/plugins/" .. name
      file({ path = place, source = tree.out })
      local run = ("for f in %s/*.tmux; do [ -x $f ] && $f; done"):format(tree.out)
      lines[#lines + 1] = "run-shell " .. words.quote(run)
    end
    tmux.setup({ settings = options.settings, extra = lines })
  end,
})

---@cast module syslua.joined.TmuxPlugins
return module
