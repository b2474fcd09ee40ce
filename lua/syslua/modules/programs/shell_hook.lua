-- The hooks that programs print for shells. No program by itself: modules of programs use it.

local shell_hook = {}

--- Adds a program's hook to shells: each asks the program for its own, and does nothing where that is missing.
---@param program string
---@param word string the program's command that prints the hook, before the name of the shell
---@param shells ("sh"|"bash"|"zsh")[]
function shell_hook.add(program, word, shells)
  for _, shell in ipairs(shells) do
    local line = 'if command -v %s >/dev/null; then eval "$(%s %s %s)"; fi\n'
    local script = derive({
      name = program .. "-" .. shell,
      opts = { line = line:format(program, program, word, shell) },
      config = function(opts, ctx)
        ctx.write(ctx.out, opts.line)
      end,
    })
    activate({
      config = function(_, ctx)
        ctx.source_in_shell(script.out, { shells = { shell } })
      end,
    })
  end
end

return shell_hook
