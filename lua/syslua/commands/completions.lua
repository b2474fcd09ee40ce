--- `completions`: prints the script that lets a shell complete commands, flags and values.

local completions = {}

completions.summary = "Print the completion script of a shell"

completions.description = [[
Put `eval "$(sys completions bash)"` into `~/.bashrc`. For zsh, do the same after `compinit`, or
save the script as `_sys` in a directory of `fpath`. For fish, run
`sys completions fish >~/.config/fish/completions/sys.fish`. For Nushell and PowerShell, save the
script in a file that the profile reads. The scripts complete existing snapshots, objects, projects,
packages, users and shells; for `why`, they complete targets, variables and objects. Nushell has its
own command `sys`: with the script `sys apply` and the other commands run sys.lua, without it use
`^sys apply`.
]]

local shells = { "bash", "zsh", "fish", "nushell", "powershell" }

--- Adds the command's own arguments and flags.
---@param parser table
function completions.add_to_parser(parser)
  parser
    :argument("SHELL", "bash, zsh, fish, nushell or powershell.")
    :argname("SHELL")
    :target("name")
    :choices(shells)
    :args("?")
  parser
    :option("--values", "Print the current values of a kind, for these scripts.")
    :argname("KIND")
    :choices(require("syslua.cli.completion_data").kinds)
end

--- Does it.
---@param args syslua.cli.Args
---@return integer
function completions.run(args)
  local data = require("syslua.cli.completion_data")
  local terminal = require("syslua.cli.terminal")
  if args.values then
    terminal.write(data.get_values(args.values, require("syslua.cli.options").from_args(args)))
    return 0
  elseif not args.name then
    require("syslua.util.failure").raise({
      kind = "usage",
      message = "the name of a shell is missing",
      hint = "it may be " .. require("syslua.util.text").enumerate(shells, "or"),
    })
  end
  local script = require("syslua.cli.completion_scripts")[args.name](data.list(), data.get_before())
  require("syslua.cli.terminal").put(script)
  return 0
end

return completions
