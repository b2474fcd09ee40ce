--- Where secrets of a config go: actions that wait for a change, what commands print over many
-- snapshots, and files that were there.

local secret_place = require("spec.support.secret_place")
local text_checks = require("spec.support.text_checks")

local contains, contains_none = text_checks.contains, text_checks.contains_none

local canary = secret_place.canary

describe("secrets in use #once", function()
  local here

  before_each(function()
    here = secret_place.new()
  end)

  after_each(function()
    here.remove()
  end)

  it("are what actions and files wait for", function()
    here.set("token", canary)
    here.set("other", "x")
    here.declare([[
      file { path = "~/linked", secret = s.token }
      file { path = "~/copied", secret = s.token, copy = true }
      file { path = "~/told", secret = s.token, on_change = "echo file >>~/log" }
      activate { config = function(_, ctx)
        ctx.run("echo linked >>$HOME/log", { name = "a", on_change = { "~/linked" } })
        ctx.run("echo copied >>$HOME/log", { name = "b", on_change = { "~/copied" } })
      end }
    ]])
    local function get_log()
      local log = here.shell("sort home/log; rm -f home/log").stdout
      return log
    end
    here.must("apply", "init.lua")
    assert.equal("copied\nfile\nlinked\n", get_log())
    -- A change of another value is none, nor is another encryption.
    here.set("other", "y")
    here.must("secrets", "rotate", "--file", "secrets.yaml")
    here.must("apply", "init.lua")
    assert.equal("", get_log())
    here.set("token", canary .. "-2")
    local plan = here.run("plan", "init.lua")
    contains(plan.stdout, "secret token of secrets.yaml")
    local applied = here.run("apply", "init.lua")
    assert.equal(0, applied.code, applied.stderr)
    assert.equal("copied\nfile\nlinked\n", get_log())
    here.must("rollback", "--yes")
    assert.equal("copied\nfile\nlinked\n", get_log())
    assert.equal(canary, here.read("home/linked"))
    here.check_nowhere(plan, applied)
  end)

  it("are printed by commands, and each snapshot keeps its own", function()
    local script = here.write("home/print.sh", "cd; echo $1 >>runs; cat values/$1\n")
    local function declare(...)
      local lines = {}
      for _, name in ipairs({ ... }) do
        local value = ("syslua.lib.secret.command { 'sh', %q, '%s' }"):format(script, name)
        lines[#lines + 1] = ('file { path = "~/%s", secret = %s }'):format(name, value)
      end
      here.write(
        "init.lua",
        "return { setup = function()\n" .. table.concat(lines, "\n") .. "\nend }\n"
      )
    end
    local function get_runs()
      return here.shell("cat home/runs; rm -f home/runs").stdout
    end
    here.write("home/values/a", canary .. "-1\n")
    here.write("home/values/b", canary .. "-b\n")
    declare("a")
    here.must("plan", "--diff", "init.lua")
    assert.equal("", get_runs())
    here.must("apply", "init.lua")
    assert.equal("a\n", get_runs())
    for number = 2, 3 do
      here.write("home/values/a", canary .. "-" .. number .. "\n")
      here.must("apply", "init.lua")
      assert.equal("", get_runs())
      here.must("apply", "--refresh-secrets", "init.lua")
      assert.equal("a\n", get_runs())
      assert.equal(canary .. "-" .. number, here.read("home/a"))
    end
    -- A new declaration runs, the old one does not.
    declare("a", "b")
    here.must("apply", "init.lua")
    assert.equal("b\n", get_runs())
    here.shell("rm -r home/values home/print.sh init.lua")
    local function go_to(id, value)
      here.must("rollback", tostring(id), "--yes")
      assert.equal(value, here.read("home/a"))
    end
    go_to(1, canary .. "-1")
    go_to(2, canary .. "-2")
    go_to(3, canary .. "-3")
    assert.equal("", get_runs())
    local kept = "ls root/secrets/.values | wc -l"
    assert.equal("4\n", here.shell(kept).stdout)
    local modes = here.shell("find root/secrets/.values -type f -exec stat -c %a {} +").stdout
    assert.equal(("600\n"):rep(4), modes)
    assert.equal("600\n", here.shell("stat -c %a root/secrets/.identity").stdout)
    here.must("gc", "--keep", "1")
    assert.equal("1\n", here.shell(kept).stdout)
    assert.equal(canary .. "-3", here.read("home/a"))
    here.check_nowhere()
  end)

  it("touch nothing when a command fails, prints nothing or is not there", function()
    for command, part in pairs({
      ['{ "sh", "-c", "echo ' .. canary .. '; exit 3" }'] = "exit status: 3",
      ['{ "true" }'] = "printed nothing",
      ['{ "head", "-c", "67200000", "/dev/zero" }'] = "`head` printed more than 64 MiB",
      ['{ "no-such-program-here" }'] = "no-such-program-here",
    }) do
      here.write_config(
        'file { path = "~/other", content = "x" }\n'
          .. ('file { path = "~/a", secret = syslua.lib.secret.command %s }'):format(command)
      )
      local failed = here.run("apply", "init.lua")
      assert.equal(1, failed.code, failed.stdout)
      contains(failed.stderr, part, "init.lua:3")
      assert.is_false(here.exists("home/other"))
      assert.is_false(here.exists("root/store/metadata/current"))
      here.check_nowhere(failed)
    end
  end)

  it("stop at an interrupt, with the command", function()
    here.write_config(
      'file { path = "~/other", content = "x" }\n'
        .. 'file { path = "~/a", secret = syslua.lib.secret.command '
        .. '{ "sh", "-c", "echo $$ >pid; sleep 60; echo '
        .. canary
        .. '" } }'
    )
    local line = "timeout --preserve-status -k 20 -s INT 1.5 $LUA -l syslua apply init.lua"
    local begin = os.time()
    local stopped = here.shell(line)
    assert.is_true(os.time() - begin < 15)
    assert.equal(130, stopped.code, stopped.stderr)
    assert.is_false(here.exists("home/other"))
    assert.is_true(here.exists("home/pid"))
    assert.is_true(here.shell("kill -0 $(cat home/pid)").code ~= 0)
    here.check_nowhere(stopped)
  end)

  it("are made of files that are there", function()
    here.shell("ssh-keygen -q -t ed25519 -N '' -f home/id; chmod 600 home/id")
    local key = here.read("home/id")
    here.environment.SYSLUA_CONFIG = here.directory .. "/config/init.lua"
    here.write_config("  -- adopt: here", "config/init.lua")
    local refused = here.run("adopt", "home/id")
    assert.equal(1, refused.code)
    contains(refused.stderr, "--encrypt")
    local adopted = here.run("adopt", "--encrypt", "--write", "home/id")
    assert.equal(0, adopted.code, adopted.stderr)
    contains(here.read("config/init.lua"), "secret = ")
    local document = here.read("config/secrets.yaml")
    contains(document, "ENC[AES256_GCM")
    local applied = here.run("apply")
    assert.equal(0, applied.code, applied.stderr)
    assert.equal(key, here.read("home/id"))
    assert.equal("600\n", here.shell("stat -L -c %a home/id").stdout)
    assert.equal(0, here.shell("ssh-keygen -y -f home/id").code)
    local line = key:match("\n(%S+)\n")
    for _, text in ipairs({
      document,
      adopted.stdout,
      adopted.stderr,
      applied.stdout,
      applied.stderr,
    }) do
      contains_none(text, line)
    end
    here.must("destroy", "--yes")
    assert.equal(key, here.read("home/id"))
  end)
end)
