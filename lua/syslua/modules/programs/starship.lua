-- starship: `~/.config/starship.toml`, and the prompt of the shells that are to have it.

local lib = syslua.lib

return syslua.module({
  name = "starship",
  options = { settings = {}, shells = { "bash", "zsh" } },
  config = function(options)
    file({ path = "~/.config/starship.toml", content = lib.toTOML(options.settings) })
    for _, shell in ipairs(options.shells) do
      local script = derive({
        name = "starship-" .. shell,
        opts = { shell = shell },
        config = function(opts, ctx)
          -- Nothing happens where the program is missing.
          local line = 'if command -v starship >/dev/null; then eval "$(starship init %s)"; fi\n'
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
