-- A tool on PATH: a derivation fetches its archive and unpacks it, an activation puts it on PATH.
--
-- The archive is `greet-1.0.tar.gz` beside this file. To serve it, as the web would:
--
--   cd examples/tool && python3 -m http.server 8000 --bind 127.0.0.1
--
-- and, in another terminal:
--
--   lua -l syslua apply examples/tool . ~/.local/share/syslua/env.sh greet

-- The file `release.lua`: what changes from one release to the next.
local release = require("release")

return {
  setup = function()
    -- How to get the content. This runs once: the next apply finds the result in the store.
    local greet = derive({
      name = "greet",
      version = release.version,
      opts = { url = release.url, sha256 = release.sha256 },
      config = function(opts, ctx)
        local archive = ctx.fetch_url(opts.url, opts.sha256)
        -- Everything in the archive is below `greet-1.0/`: `strip` leaves that component out.
        ctx.unpack(archive, ctx.out, { strip = 1 })
      end,
    })

    -- What to do with it. `greet.out` is the directory that it was unpacked to.
    activate({
      config = function(_, ctx)
        ctx.add_to_path(greet.out .. "/bin")
      end,
    })
  end,
}
