--- `completions`: prints the script that lets a shell complete commands, flags and values.

local completions = {}

completions.order = 320
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

completions.arguments = {
  {
    name = "SHELL",
    target = "name",
    arity = "?",
    choices = shells,
    missing = {
      message = "the name of a shell is missing",
      hint = "it may be " .. require("syslua.util.text").enumerate(shells, "or"),
      unless = "values",
    },
    description = "bash, zsh, fish, nushell or powershell.",
  },
  {
    name = "--values",
    value = "KIND",
    choices = require("syslua.cli.completion_data").kinds,
    description = "Print the current values of a kind, for these scripts.",
  },
}

--- Does it.
---@param args syslua.cli.Args
---@param options table
function completions.run(args, options)
  local data = require("syslua.cli.completion_data")
  local terminal = require("syslua.cli.terminal")
  if args.values then
    return terminal.write(data.get_values(args.values, options))
  end
  terminal.put(require("syslua.cli.completion_scripts")[args.name](data.list(), data.get_before()))
end

return completions
