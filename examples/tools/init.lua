-- Command-line tools by name and version. `syslua.lock` beside this file has the address and the
-- hash of each release, for every platform: an apply needs no registry, and gets the same bytes
-- everywhere.
--
--   lua -l syslua apply examples/tools
--   lua -l syslua outdated --config examples/tools
--   lua -l syslua update --config examples/tools fzf

return {
  setup = function()
    tools({
      -- The newest release of 15.
      "ripgrep@15",
      -- The newest one of all; the lock decides when that moves.
      "fd",
      fzf = "0.74",
      -- By its whole name, exactly this one.
      ["jqlang/jq"] = "1.8.2",
    })
  end,
}
