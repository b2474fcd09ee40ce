--- `env`: shows the variables and scripts that shells get, or prints them as the script of a shell.
-- It reads what is applied, and no config.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")

local shared = require("syslua.cli.arguments").shared

local env = {}

env.order = 150
env.summary = "Show the environment of shells, or print the script of a shell"

env.description = [[
Without a flag, `env` prints each variable with its value, the entries that are put before lists,
and the scripts that shells read. With `--shell` it prints the script that this shell reads from the
root, so `eval "$(sys env --shell bash)"` has the same effect. `why NAME` shows which line declared
a variable, and its earlier value in this shell. `status` says whether this shell has the current
environment.

With `--hook`, `env` prints the script of a hook, for bash, zsh, fish, Nushell and PowerShell. Use
`eval "$(sys env --shell bash --hook)"` in `~/.bashrc`, `sys env --shell fish --hook | source` in
`config.fish`, `Invoke-Expression (& sys env --shell powershell --hook | Out-String)` in the profile
of PowerShell. Nushell reads only files: run
`sys env --shell nushell --hook | save -f ($nu.user-autoload-dirs.0 | path join sys.nu)` once, with
`^sys` if Nushell's own command `sys` would run.

At each prompt, the shell compares the first line of its script with the line that it has read, and
its directory with those of [projects](config.md#project) that have a `path`. This starts no
process. After a new snapshot, it reads the script again. Below the directory of a project it enters
the project; nested projects are added to the outer one. When it leaves, a variable gets its earlier
value back, unless you changed it. `SYSLUA_PROJECT` is the name of the innermost project, and the
prompt shows it. A shell that `sys shell` started in a project neither enters nor leaves that one.
If the root is destroyed, the next prompt takes everything back. Directories count by their real
path too. The hook runs after all other hooks, such as that of direnv, and marks a prompt that one
of them makes. Without a terminal it does nothing. In PowerShell, the hook wraps the existing
prompt, and preserves `$?` and `$LASTEXITCODE` for it.

The hook also enters and leaves [directories with a `syslua.lua`](../guide/projects.md) that you
trust. At each prompt it checks whether the directory or one above has such a file, and whether a
file of the project is newer than the last check. That starts no process. Only after a change it
runs `sys`, which compares the files. It never asks: one line says why a directory is not entered,
once for each content.
]]

env.arguments = {
  { name = "--shell", value = "NAME", description = "Print the script of this shell instead." },
  {
    name = "--hook",
    description = "Print a hook that checks at each prompt whether the environment changed.",
  },
  {
    name = "--user",
    value = "NAME",
    description = "Show the environment of this user instead of all users.",
  },
  shared.json,
}

local function get_shell(name, options)
  local names = {}
  for _, shell in ipairs(bindings.call("shells", options)) do
    names[#names + 1] = shell.name
    if shell.name == name then
      return shell
    end
  end
  local near = require("syslua.util.closest")(name, names)
  failure.raise({
    kind = "usage",
    message = ("there is no shell `%s` that reads the environment"):format(name),
    hint = near and ("did you mean `%s`?"):format(near)
      or "it may be " .. require("syslua.util.text").enumerate(names, "or"),
  })
end

-- The script of the current snapshot: as shells read it.
local function print_script(args, options)
  local path = require("syslua.util.path")
  local name = get_shell(args.shell, options).script
  if args.user then
    local root = bindings.call("info", options).root
    name = path.join(root, "users/" .. args.user .. "/" .. path.basename(name))
  end
  local text, problem = bindings.read(name)
  if not text then
    failure.raise({
      kind = "config",
      message = ("there is no script to print: %s: %s"):format(name, problem),
      hint = args.user and "nothing is declared for this user, or only the user may read it"
        or "apply a config first",
    })
    return
  end
  require("syslua.cli.terminal").put(text)
end

-- What an interactive shell evaluates at its start: `eval "$(sys env --shell bash --hook)"`.
local function print_hook(args, options)
  local shell = args.shell and get_shell(args.shell, options).name
    or require("syslua.cli.subprocess").get_shell_name()
  local step = ("require(%q).step(%q, %s, %q)"):format(
    "syslua.cli.entering",
    shell,
    args.user and ("%q"):format(args.user) or "nil",
    bindings.call("info", options).root
  )
  local text = bindings.call("hook", shell, args.user, step, options)
  if not text then
    failure.raise({
      kind = "usage",
      message = ("there is no hook for %s"):format(shell),
      hint = "name another one: --shell bash, zsh, fish, nushell or powershell",
    })
  end
  require("syslua.cli.terminal").put(text)
end

-- The user is known on this machine, or something is declared for the name.
local function check_user(name, options)
  if name == "" or name:find("[%c/]") then
    failure.raise({
      kind = "usage",
      message = ("%q cannot be the name of a user"):format(name),
      hint = "for example --user ada",
    })
  end
  if bindings.call("user_home", name) then
    return
  end
  local names, seen = {}, {}
  for _, action in ipairs(bindings.call("actions", options).actions) do
    local user = action.user
    if user == name then
      return
    elseif user and not seen[user] then
      seen[user] = true
      names[#names + 1] = user
    end
  end
  local near = require("syslua.util.closest")(name, names)
  failure.raise({
    kind = "usage",
    message = ("there is no user `%s` on this machine, and nothing is declared for one"):format(
      name
    ),
    hint = near and ("did you mean `%s`?"):format(near)
      or "without --user, `sys env` shows what is declared for all users",
  })
end

--- Does it.
---@param args syslua.cli.Args
---@param options table
---@return table?
function env.run(args, options)
  if args.json and (args.shell or args.hook) then
    failure.raise({
      kind = "usage",
      message = ("--json shows variables, but %s prints a script for a shell"):format(
        args.hook and "--hook" or "--shell"
      ),
      hint = "use only one of them",
    })
  elseif args.user then
    check_user(args.user, options)
  end
  if args.hook or args.shell then
    -- As the line that `init --shell` adds.
    args.user = args.user
      or require("syslua.cli.own_script").get_user(bindings.call("info", options).root)
  end
  if args.hook then
    return print_hook(args, options)
  elseif args.shell then
    return print_script(args, options)
  end
  return bindings.call("environment", args.user, options)
end

--- Renders it for people.
---@param style syslua.cli.Style
---@return string[]
function env.render(result, _, style)
  local lines = {}
  for _, variable in ipairs(result.variables) do
    local rest = variable.separator and style("faint", variable.separator .. "...") or ""
    local value = require("syslua.util.text").printable(variable.value)
    lines[#lines + 1] = variable.name .. "=" .. value .. rest
  end
  for _, script in ipairs(result.scripts) do
    lines[#lines + 1] = ("source %s  (%s)"):format(script.script, table.concat(script.shells, ", "))
  end
  return lines
end

return env
