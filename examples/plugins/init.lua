-- Plugins of Neovim, from the list of names and commits that its plugin managers keep, and without
-- a hash: `syslua.lock` beside this file pins what the first build gets. A commit that moves in the
-- list builds that plugin anew, and no other one.
--
-- The repositories of the list are made here, for a try:
--
--   examples/plugins/make-repositories /tmp/plugins && lua -l syslua apply examples/plugins

local base = "file:///tmp/plugins/"
local lib = syslua.lib

local function fetch(opts, ctx)
  ctx.copy(ctx.fetch_git(opts.url, opts.commit), ctx.out)
end

return {
  setup = function()
    for name, plugin in pairs(lib.fromJSON(lib.read("lazy-lock.json"))) do
      local opts = { url = base .. name, commit = plugin.commit }
      local tree = derive({ name = name, opts = opts, config = fetch })
      file({ path = "~/.local/share/nvim/site/pack/all/start/" .. name, source = tree.out })
    end
  end,
}
