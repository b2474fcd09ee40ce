--- `init`: writes a first config, a test of it, and the files through which editors find the types
-- of sys.lua; or clones an existing config, and offers to apply it.

local init = {}

init.order = 310
init.summary = "Write a first config and a test of it"

init.description = [[
`init` writes these files into DIR, or where commands look for a config: `init.lua`, which you can
apply unchanged; a test in `spec`, which `busted` runs there; and `.luarc.json` and `.emmyrc.json`,
through which editors and checkers find the types of sys.lua. `apply` updates the paths in these two
while they carry the mark of sys.lua. If one of the files exists, nothing is written.

With `--shell NAME`, that shell reads the environment from now on: one line, marked `# sys.lua`, is
added to its startup file. `--shell` alone means all shells that have such a file, and your login
shell. Without the flag, `init` offers the login shell on a terminal. The line uses `$HOME`, because
such files are shared between machines. `destroy` removes it. A login shell of bash reads the first
of `~/.bash_profile`, `~/.bash_login` and `~/.profile`; without one, `init` makes `~/.bash_profile`,
and `destroy` removes it.

| shell | file |
|---|---|
| `sh` | `~/.profile` |
| `bash` | `~/.bashrc`; and what its login shells read, if that does not read `~/.bashrc` |
| `zsh` | `.zshrc` in `$ZDOTDIR`, or the home |
| `fish` | `fish/config.fish` in `$XDG_CONFIG_HOME`, or in `~/.config`; the next three too |
| `elvish` | `elvish/rc.elv` |
| `nushell` | `nushell/config.nu` |
| `powershell` | `powershell/profile.ps1`; on Windows `Documents\PowerShell\profile.ps1` |
| `cmd` | none: `init` prints the line for a value of the registry |

`init --from URL [DIR]` clones a config instead, as an ordinary git work tree. This is the only
command that a new machine needs. URL is the address of a [git input](config.md#inputs), and `git:`
is optional: `sys init --from git@host:me/dots.git#main`. It then shows the plan, and on a terminal
offers to apply it. DIR must be missing or empty.
]]

local config = [[
-- What this machine should have. Look at what would happen, and make it so:
--
--   lua -l syslua plan DIR lua -l syslua apply DIR
--
-- Remove something and apply again: it is gone.

return {
  setup = function()
    -- A file, from a text, or from a source beside this file: source = "bashrc".
    file { path = "~/.hello", content = "Hello from sys.lua!\n" }
    -- adopt: `adopt --write PATH` takes a file of yours, and adds it above this line.

    -- Variables of your shells. Entries of PATH come before what it has.
    env { PATH = { "~/.local/bin" } }

    -- Programs that sys.lua knows how to configure.
    -- require("modules.programs.git").setup { user_name = "Ada Lovelace" }

    -- What differs between machines is plain Lua.
    if syslua.is_darwin then
      env { CLICOLOR = 1 }
    end
  end,
}
]]

local spec = [[
-- Tests the config; nothing is applied. In DIR:
--
--   busted

local testing = require("syslua").testing

describe("the config", function()
  it("declares what I want", function()
    local machine = testing.evaluate("init.lua")
    assert.has_file(machine, "~/.hello", { contains = "Hello" })
    assert.has_variable(machine, "PATH", { "~/.local/bin" })
  end)

  it("is for a Mac too", function()
    local machine = testing.evaluate("init.lua", { platform = "aarch64-darwin" })
    assert.has_variable(machine, "CLICOLOR", "1")
  end)
end)
]]

init.arguments = {
  {
    name = "DIR",
    target = "directory",
    arity = "?",
    description = "Where to write it. Default: where commands look for a config.",
  },
  { name = "--force", description = "Overwrite existing files." },
  {
    name = "--from",
    value = "URL",
    description = "Clone the config from a repository: https, ssh or file.",
  },
  { name = "--yes", description = "With --from, apply without asking." },
  {
    name = "--shell",
    value = "NAME",
    arity = "?",
    is_repeated = true,
    description = "Make a shell read the environment: add a line to its startup file. Default: "
      .. "all shells.",
  },
}

local function get_directory(given)
  local path = require("syslua.util.path")
  if given then
    return (path.normalize(given))
  end
  local named = require("syslua.cli.config_path").get_default()
  if path.basename(named) ~= "init.lua" then
    require("syslua.util.failure").raise({
      kind = "usage",
      message = ("init writes an init.lua, and $SYSLUA_CONFIG names %s"):format(named),
      hint = "name the directory after the command",
    })
  end
  return path.dirname(named)
end

local function quote_for_shell(word)
  return word:find("^[%w_/.,:+@~-]+$") and word or "'" .. word:gsub("'", "'\\''") .. "'"
end

local function get_files(directory)
  local path = require("syslua.util.path")
  local shown = quote_for_shell(path.display(directory, path.get_home()))
  local files = {
    ["init.lua"] = (config:gsub("DIR", (shown:gsub("%%", "%%%%")))),
    ["spec/config_spec.lua"] = (spec:gsub("DIR", (shown:gsub("%%", "%%%%")))),
  }
  for name, text in next, require("syslua.cli.editor_files").render() do
    files[name] = text
  end
  return files
end

local function raise_existing(directory, existing)
  local path = require("syslua.util.path")
  require("syslua.util.failure").raise({
    kind = "config",
    message = ("%s: there already %s %s"):format(
      path.display(directory, path.get_home()),
      #existing == 1 and "is" or "are",
      require("syslua.util.text").enumerate(existing, "and")
    ),
    hint = "name another directory, or overwrite with --force",
  })
end

-- The names of shells that were asked for, or "all".
---@return "all"|table<string, boolean?>
local function get_wanted(args, known)
  ---@type table<string, boolean?>
  local wanted = {}
  for _, given in ipairs(args.shell or {}) do
    local name = given
    if type(given) == "table" then
      name = given[1]
    end
    if not name then
      return "all"
    elseif not known[name] then
      local tables = require("syslua.util.table")
      local names = tables.get_sorted_keys(known)
      local near = require("syslua.util.closest")(name, names)
      require("syslua.util.failure").raise({
        kind = "usage",
        message = ("there is no shell `%s` that reads the environment"):format(name),
        hint = near and ("did you mean `%s`?"):format(near)
          or "it may be " .. require("syslua.util.text").enumerate(names, "or"),
      })
    end
    wanted[name] = true
  end
  return wanted
end

-- On a terminal the login shell is offered.
---@return table<string, boolean?>
local function offer(args, known)
  local prompt = require("syslua.cli.prompt")
  local login = known[(os.getenv("SHELL") or ""):match("[^/]*$")]
  if not login or not login.profile or args.quiet or not prompt.can_ask() then
    return {}
  end
  local path = require("syslua.util.path")
  local shown = path.display(login.profile, path.get_home())
  local asked = ("Make %s read the environment when it starts? This adds a line to %s."):format(
    login.name,
    shown
  )
  return prompt.ask(asked) and { [login.name] = true } or {}
end

-- Adds the line that reads the environment to the files of shells; returns what there is to say of
-- it.
local function add_to_shells(args, options)
  local profiles = require("syslua.cli.shell_profiles")
  local shells = profiles.list(options)
  local known = {}
  for _, shell in ipairs(shells) do
    known[shell.name] = shell
  end
  local wanted = args.shell and args.shell[1] ~= nil and get_wanted(args, known)
    or offer(args, known)
  local login = (os.getenv("SHELL") or ""):match("[^/]*$")
  local lines = {}
  for _, shell in ipairs(shells) do
    local is_wanted = type(wanted) == "table" and wanted[shell.name]
    if wanted == "all" and shell.name ~= "sh" and shell.profile then
      is_wanted = shell.name == login or profiles.exists(shell)
    end
    if is_wanted then
      for _, line in ipairs(profiles.add(shell)) do
        lines[#lines + 1] = line
      end
    end
  end
  return lines
end

local clone_forms = "it is https://HOST/REPO, ssh://HOST/REPO, USER@HOST:REPO or file:///REPO, "
  .. "each with ?dir=SUB and #BRANCH-TAG-OR-COMMIT"

-- The address of a config: that of a git input, whose `git:` may be left out.
local function parse_url(given)
  local failure = require("syslua.util.failure")
  -- It may have a login in it, which is for no message.
  local shown = require("syslua.bindings").call("redact_address", given)
  shown = shown:gsub("([?&])([^=&#]*)=[^&#]*", function(before, name)
    local is_known = name == "dir" or name == "submodules"
    return not is_known and before .. name .. "=***" or nil
  end)
  local function refuse(message, hint)
    message = ("cannot clone `%s`: %s"):format(shown, message)
    failure.raise({ kind = "usage", message = message, hint = hint })
  end
  local scheme = given:match("^(path):") or given:match("^(archive):")
  if scheme then
    refuse(
      ("`%s:` is not the address of a git repository"):format(scheme),
      scheme == "path" and "name it by its absolute path: file:///PATH" or clone_forms
    )
  elseif given:find("^[/.~]") then
    refuse(
      "it is a path without a scheme",
      "write the absolute path after file://, such as file:///srv/dots"
    )
  end
  local url = given:find("^git:") and given or "git:" .. given
  local succeeded, address = pcall(require("syslua.inputs").parse, url)
  if not succeeded then
    local problem = failure.from(address)
    local has_login = problem.message:find("contains a login", 1, true) ~= nil
    local is_path = url:find("^git:[/.~]") ~= nil
    refuse(
      problem.message,
      has_login and "leave the login out: git asks for it, or a credential helper of git has it"
        or is_path and "write the absolute path after file://, such as file:///srv/dots"
        or problem.hint == nil and clone_forms
        or problem.hint
    )
  end
  return address
end

local function is_empty(directory)
  local bindings = require("syslua.bindings")
  if not bindings.call("exists", directory) then
    return true
  end
  local succeeded, entries = pcall(bindings.call, "list_tree", directory)
  return succeeded and entries[1] == nil
end

-- Clones a config into its place, says what an apply would do, and offers it.
local function clone(args, directory)
  local bindings = require("syslua.bindings")
  local failure = require("syslua.util.failure")
  local path = require("syslua.util.path")
  local terminal = require("syslua.cli.terminal")
  local address = parse_url(args.from)
  local shown = path.display(directory, path.get_home())
  if not is_empty(directory) then
    failure.raise({
      kind = "config",
      message = ("%s already exists, and is not empty"):format(shown),
      hint = "name another directory after the address, or move the existing one away",
    })
  end
  bindings.call("clone", address.repository, address.ref, directory, args.offline or false)
  local inner = address.dir and path.join(directory, address.dir) or directory
  local entry = path.join(inner, "init.lua")
  if not args.quiet then
    terminal.write({ "cloned " .. shown })
  end
  if not bindings.call("exists", entry) then
    failure.raise({
      kind = "config",
      message = ("the repository has no %s"):format(
        address.dir and address.dir .. "/init.lua" or "init.lua"
      ),
      hint = "?dir=SUB names the directory of the config in it; the clone stays in " .. shown,
    })
  end
  ---@type any
  local given = {}
  for key, value in next, args do
    given[key] = value
  end
  given.config, given.from = entry, nil
  local runner = require("syslua.cli.runner")
  runner.run("plan", given)
  local prompt = require("syslua.cli.prompt")
  local short = quote_for_shell(path.display(inner, path.get_home()))
  if args.yes or (prompt.can_ask() and prompt.ask("Apply it?")) then
    given.yes = true
    return nil, runner.run("apply", given)
  elseif not args.quiet then
    terminal.write({ ("Next: `%s apply %s` applies it."):format(args.program, short) })
  end
end

-- The answers to the config's questions are of this machine: git is to ignore them. Returns what
-- there is to say of it.
local function ignore_answers(directory)
  local path = require("syslua.util.path")
  local file, name = path.join(directory, ".gitignore"), require("syslua.answers").file_name
  local bindings = require("syslua.bindings")
  local is_there = bindings.call("exists", file)
  local content = ""
  if is_there then
    local text, problem, hint = bindings.read(file)
    if not text then
      require("syslua.util.failure").raise({
        kind = "config",
        message = ("cannot read %s: %s"):format(path.display(file, path.get_home()), problem),
        hint = hint,
      })
      return nil
    end
    content = text
  end
  for line in content:gmatch("[^\r\n]+") do
    if line == name or line == "/" .. name then
      return nil
    end
  end
  if content ~= "" and content:sub(-1) ~= "\n" then
    content = content .. "\n"
  end
  bindings.call("write_file", file, content .. "/" .. name .. "\n")
  return ("%s %s"):format(is_there and "added to" or "wrote", path.display(file, path.get_home()))
end

--- Does it.
---@param args syslua.cli.Args
---@param options table
---@return { lines: string[] }?, integer?
function init.run(args, options)
  local bindings = require("syslua.bindings")
  local path = require("syslua.util.path")
  local tables = require("syslua.util.table")

  local directory = get_directory(args.directory)
  if args.from then
    return clone(args, directory)
  end
  local files = get_files(directory)
  local names, existing = tables.get_sorted_keys(files), {}
  for _, name in ipairs(names) do
    if bindings.call("exists", path.join(directory, name)) then
      existing[#existing + 1] = name
    end
  end
  if existing[1] and not args.force then
    raise_existing(directory, existing)
  end
  local lines, ignored = {}, ignore_answers(directory)
  for _, name in ipairs(names) do
    local full = path.join(directory, name)
    bindings.call("write_file", full, files[name])
    lines[#lines + 1] = "wrote " .. path.display(full, path.get_home())
  end
  lines[#lines + 1] = ignored
  for _, line in ipairs(add_to_shells(args, options)) do
    lines[#lines + 1] = line
  end
  local shown = quote_for_shell(path.display(directory, path.get_home()))
  lines[#lines + 1] = ("Next: `%s plan %s` shows what it would do, `apply` does it."):format(
    args.program,
    shown
  )
  return { lines = lines }
end

--- Renders it for people.
---@param report { lines: string[] }
---@return string[]
function init.render(report)
  return report.lines
end

return init
