--- The hook of Nushell, in a terminal; and that of PowerShell, of which only the grammar can be
--- checked.

local machine = require("spec.support.machine")
local pane = require("spec.support.pane")
local powershell = require("spec.support.powershell")
local process = require("spec.support.process")
local projects = require("spec.support.projects")
local text_checks = require("spec.support.text_checks")

local contains_none, matches = text_checks.contains_none, text_checks.matches

describe("the hook of #once", function()
  local here

  before_each(function()
    here = machine.new()
    here.shell("mkdir -p ~/web/deep/inner ~/other ~/.config/nushell")
    here.write("home/.config/nushell/env.nu", "")
  end)

  after_each(function()
    pane.close_all(here)
    here.remove()
  end)

  local it_nushell = pane.find("nushell") and it or pending

  -- Opens Nushell with the hook, after other lines of the user.
  local function open(before, after)
    local hook = here.must("env", "--shell", "nushell", "--hook").stdout
    here.write("home/hook.nu", hook)
    local lines =
      { "$env.config.show_banner = false", before or "", "source ~/hook.nu", after or "" }
    here.write("home/.config/nushell/config.nu", table.concat(lines, "\n") .. "\n")
    return pane.open(here, "nushell")
  end

  local function apply(lines)
    here.apply(lines)
  end

  it_nushell("Nushell follows snapshots, with aliases and functions", function()
    apply([[env({ EDITOR = "vi", PATH = "/first" })]])
    local shell = open()
    assert.equal("vi,", shell.get({ "EDITOR", "PORT" }))
    apply([[
      env({ EDITOR = "ed", PORT = 1 })
      alias({ greet = "echo hello", name_it = { nushell = "$env.NAMED = ($args | str join '+')" } })
    ]])
    shell.run("")
    assert.equal("ed,1", shell.get({ "EDITOR", "PORT" }))
    shell.enter("greet there", "\nhello there")
    shell.run("name_it a 'b c'")
    assert.equal("a+b c", shell.get({ "NAMED" }))
    apply("")
    shell.run("")
    assert.equal(",", shell.get({ "EDITOR", "PORT" }))
    shell.enter("greet there", "Command `greet` not found")
  end)

  it_nushell("Nushell enters and leaves projects, one inside another", function()
    apply([[
      env({ EDITOR = "vi" })
      project({ name = "web", path = "~/web", setup = function()
        env({ PORT = 8080, EDITOR = "web" })
        alias({ serve = "echo served" })
      end })
      project({ name = "inner", path = "~/web/deep", setup = function()
        env({ INNER = "in", PORT = 1 })
      end })
    ]])
    local shell = open()
    local names = { "EDITOR", "PORT", "INNER" }
    local function at(directory)
      shell.run("cd " .. directory)
      return shell.get(names)
    end
    assert.equal("vi,,", shell.get(names))
    assert.equal("web,8080,", at("~/web"))
    shell.enter("serve x", "\nserved x")
    assert.equal("web,1,in", at("~/web/deep/inner"))
    assert.equal("web,1,in", at(".."))
    assert.equal("web,8080,", at("~/web"))
    assert.equal("vi,,", at("~/other"))
    shell.enter("serve x", "Command `serve` not found")
    at("~/web")
    shell.run("$env.EDITOR = 'mine'")
    assert.equal("mine,,", at("~"))
  end)

  local it_asks = process.has("script") and it_nushell or pending

  it_asks(
    "Nushell enters and leaves directories with an entry file, and marks its prompt",
    function()
      apply([[
      env({ EDITOR = "vi" })
      alias({ greet = "echo hello" })
    ]])
      projects.write(
        here,
        "home/my web",
        [[
      env({ PORT = "1 'x' \\ $y", EDITOR = "web", PATH = "/outer" })
      alias({ serve = "echo served" })
    ]]
      )
      projects.write(here, "home/my web/deep", 'env({ PORT = 2, INNER = "in" })')
      local code, shown = projects.trust(here, "home/my web/deep")
      assert.equal(0, code, shown)
      local shell = open("", "source ~/hook.nu")
      local names = { "EDITOR", "PORT", "INNER", "SYSLUA_PROJECT" }
      local function at(line)
        shell.run(line)
        return shell.get(names)
      end
      assert.equal("vi,,,", shell.get(names))
      local web = "web,1 'x' \\ $y,,my_web"
      assert.equal(web, at("cd `~/my web`"))
      assert.truthy(shell.wait("\n%(my_web%) [^\n]*[>〉]"))
      shell.enter("serve x", "\nserved x")
      shell.enter("greet x", "\nhello x")
      assert.equal("web,2,in,deep", at("cd deep"))
      assert.equal(web, at("cd .."))
      assert.equal("vi,,,", at("cd ~/other"))
      shell.enter("serve x", "Command `serve` not found")
      shell.enter("greet x", "\nhello x")
      -- What the user set since stays.
      at("cd `~/my web/deep`")
      assert.equal("mine,,,", (at("$env.EDITOR = 'mine'; cd ~")))
      -- The rest of a shell goes on: a snapshot inside of a directory, and one that changed.
      at("$env.EDITOR = 'vi'; cd `~/my web`")
      apply("env({ OTHER = 1 })")
      assert.equal("1", (at("") and shell.get({ "OTHER" })))
      shell.enter("serve x", "\nserved x")
      projects.write(here, "home/my web", 'io.open("/tmp/never", "w")')
      assert.equal(",,", (at("") and shell.get({ "PORT", "INNER", "SYSLUA_PROJECT" })))
      assert.truthy(shell.wait("sys%.lua: [^\n]*changed"))
      assert.equal("", here.shell("ls ~/.cache/nushell 2>/dev/null | grep syslua").stdout)
    end
  )

  it_nushell("Nushell lives beside others, and is there once", function()
    apply([[env({ EDITOR = "vi" })]])
    local shell = open(
      "$env.config.hooks.pre_prompt = [{|| $env.COUNT = (($env.COUNT? | default 0) + 1) }]",
      "source ~/hook.nu"
    )
    shell.run("$env.COUNT = 0; $env.HOOKS = ($env.config.hooks.pre_prompt | length)")
    -- At the prompt after that line.
    assert.equal("vi,1,2", shell.get({ "EDITOR", "COUNT", "HOOKS" }))
    -- It leaves no file behind.
    assert.equal("", here.shell("ls ~/.cache/nushell 2>/dev/null | grep syslua").stdout)
    -- A function of this name in a program's environment would be one of the shell's state.
    shell.run("^env | save --force ~/seen")
    contains_none(here.read("home/seen"), "__syslua_")
  end)

  it_nushell("Nushell starts no process when nothing changed", function()
    if not process.has("strace") then
      pending("strace is not installed")
      return
    end
    apply([[
      env({ EDITOR = "vi" })
      project({ name = "web", path = "~/web", setup = function() env({ PORT = 1 }) end })
    ]])
    local shell = open()
    shell.run("")
    local pid = shell.get({})
      and here.shell("tmux -S $TMPDIR/tmux.sock list-panes -a -F '#{pane_pid}'")
    local trace = "strace -f -o trace -e trace=execve,vfork,fork -p " .. pid.stdout:match("%d+")
    here.shell("( " .. trace .. " </dev/null >/dev/null 2>&1 & echo $! >strace.pid ); sleep 1")
    shell.run("cd ~/web")
    shell.run("cd ~/other")
    shell.run("cd ~/web/deep")
    assert.equal("vi,1", shell.get({ "EDITOR", "PORT" }))
    here.shell("kill $(cat strace.pid); sleep 0.2")
    local found = here.read("trace")
    assert.is_nil(found:match("[^\n]*execve%([^\n]*"))
    assert.is_nil(found:match("[^\n]*v?fork%([^\n]*"))
  end)

  it("Nushell is not there without a terminal", function()
    if not pane.find("nushell") then
      pending("nushell is not installed")
      return
    end
    apply([[env({ EDITOR = "vi" })]])
    here.write("home/hook.nu", here.must("env", "--shell", "nushell", "--hook").stdout)
    local line = pane.find("nushell")
      .. " -n -c 'source ~/hook.nu; $env.config.hooks.pre_prompt | length'"
    assert.equal("0\n", here.shell(line).stdout)
  end)

  it("PowerShell can be read", function()
    apply([[
      env({ EDITOR = "it's", PATH = "~/bin" })
      alias({ ll = "ls -l", mk = { powershell = "New-Item $args[0]; if ($?) { cd $args[0] }" } })
      project({ name = "web", path = "~/web", setup = function()
        env({ PORT = "$(x) `y", NODE_PATH = "~/web" })
        alias({ gs = "git status" })
      end })
    ]])
    local place = "root/store/metadata/current/projects/web/"
    -- What enters and leaves directories, as the hook gets it.
    projects.write(
      here,
      "app",
      [[
      env({ PORT = "it's ü", PATH = "~/bin" })
      alias({ gs = "git status" })
    ]]
    )
    local code, shown = projects.trust(here, "app")
    assert.equal(0, code, shown)
    local function step(directory, entered)
      local code_of_step = ("require('syslua.cli.entering').step('powershell', nil, %q)"):format(
        here.directory .. "/root"
      )
      local line = ("cd %s && $LUA -e %s"):format(directory, process.quote(code_of_step))
      local result = here.shell(line, { SYSLUA_ENTERED = entered or "" })
      assert.equal("", result.stderr)
      return (result.stdout:gsub("\239\187\191", ""))
    end
    local entering = step("app")
    local layers = assert(entering:match("env:[%w_]+_entered = '([^']+)'"), entering)
    local leaving = step(".", layers)
    matches(leaving, "\n__syslua_leave '__SYSLUA_%x+'\n")
    local problem = powershell.check(here, {
      ["entering.ps1"] = entering,
      ["leaving.ps1"] = leaving,
      ["hook.ps1"] = here.must("env", "--shell", "powershell", "--hook").stdout,
      ["own.ps1"] = here.read("root/env.ps1"),
      ["web.ps1"] = here.read(place .. "env.ps1"),
      ["leave.ps1"] = here.read(place .. "leave.ps1"),
    })
    if problem == "missing" then
      pending("tree-sitter-pwsh is not installed")
    end
    assert.is_nil(problem)
  end)
end)
