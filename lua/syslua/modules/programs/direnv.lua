-- direnv: `~/.config/direnv/direnv.toml` and `direnvrc`, and the hook of the shells that are to have it.

local lib = syslua.lib

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
    for _, shell in ipairs(options.shells) do
      local script = derive({
        name = "direnv-" .. shell,
        opts = { shell = shell },
        config = function(opts, ctx)
          -- Nothing happens where the program is missing.
          local line = 'if command -v direnv >/dev/null; then eval "$(direnv hook %s)"; fi\n'
          ctx.write(ctx.out, line:format(opts.shell))
        end,
      })
      activate({
        config = function(_, ctx)
          ctx.source_in_shell(script.out, { shells = { shell } })
        end,
      })
    end
  end,
})
