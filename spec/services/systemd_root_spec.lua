--- Services with a real systemd, in a container that boots for these specs: what runs is asked of
-- systemd, and which jobs it did, of its journal.

local container = require("spec.support.container")
local json = require("dkjson")
local text_checks = require("spec.support.text_checks")

local unpack = table.unpack or unpack
local contains, contains_none = text_checks.contains, text_checks.contains_none

describe("services with systemd #root #once", function()
  local here = container.use("syslua-services", function(started)
    started.shell("useradd --create-home --shell /bin/sh ada")
  end)
  if not here then
    return
  end

  before_each(function()
    here.run("lua5.4 -l syslua destroy --yes; rm -rf /etc/syslua /srv/* /tmp/syslua*")
  end)

  local program = container.program

  local function apply(...)
    return here.apply(...)
  end

  local function must_apply(...)
    return here.must_apply(...)
  end

  local function show(...)
    return here.show(...)
  end

  local function executable_of(unit)
    return here.executable_of(unit)
  end

  local function get_mark()
    return here.get_mark()
  end

  local function get_jobs(mark)
    local jobs = here.get_jobs(mark)
    table.sort(jobs)
    return jobs
  end

  it("start, and are removed without a trace", function()
    must_apply([[
      service { name = "web", command = { "/bin/sleep", "1d" } }
      service {
        name = "tick", command = "true", ready = "oneshot", schedule = { calendar = "daily" },
      }
      service { name = "echo", command = { "/bin/cat" }, socket = { listen = "/run/echo.sock" } }
    ]])
    assert.are.equal("active", show("ActiveState", "web.service"))
    assert.are.equal("enabled", here.shell("systemctl is-enabled web.service"))
    assert.are.equal("waiting", show("SubState", "tick.timer"))
    assert.are.equal("inactive", show("ActiveState", "tick.service"))
    assert.are.equal("listening", show("SubState", "echo.socket"))
    local listed = json.decode(here.sys("services --json").stdout)
    local states = {}
    for _, service in ipairs(listed.services) do
      states[service.name] = service.state
    end
    assert.are.same({ echo = "waiting", tick = "waiting", web = "running" }, states)
    assert.are.equal(0, here.sys("status").code)

    local nothing = here.sys("apply")
    contains(nothing.stdout, "Nothing changed")

    here.shell("lua5.4 -l syslua destroy --yes")
    for _, unit in ipairs({ "web.service", "tick.timer", "echo.socket" }) do
      assert.are.equal("not-found", show("LoadState", unit), unit)
    end
    assert.are.equal("", here.shell("find /etc/systemd/system -lname '*syslua*' -o -name 'web*'"))
    assert.are.equal("1", here.shell("pgrep -fc 'sleep 1d' || true; echo 1"):sub(-1))
  end)

  it("are started anew with what changed, and with the old program after a rollback", function()
    local service = [[service { name = "web", command = { tool.out .. "/bin/tool", "1d" } }]]
    must_apply(program("1") .. service)
    local first = executable_of("web.service")
    contains(first, "tool-1")
    local told = must_apply(program("2") .. service)
    contains(told, "restart web.service: tool-2 changed")
    contains(executable_of("web.service"), "tool-2")
    here.shell("lua5.4 -l syslua rollback --yes")
    assert.are.equal(first, executable_of("web.service"))
  end)

  it("that fail to start fail the apply, and what ran before runs again", function()
    local service = [[service { name = "web", command = { tool.out .. "/bin/tool", "1d" } }]]
    must_apply(program("1") .. service)
    local before = executable_of("web.service")
    local broken = {
      {
        [[command = "echo no such thing >&2; exit 3", restart = "no"]],
        "exit code 3",
        "no such thing",
      },
      -- It runs, and ends within a second.
      { [[command = "sleep 0.4; echo too soon", ready = "exec"]], "within a second", "too soon" },
      { [[command = "sleep 0.4; exit 0", restart = "no"]], "within a second" },
      {
        [[command = "echo waiting; sleep 1d", ready = "notify",
          unit = { Service = { TimeoutStartSec = "2" } }]],
        "it took too long",
        "waiting",
      },
      -- It ends without having said that it is ready.
      { [[command = "sleep 2; echo done; exit 0", ready = "notify"]], "ready", "done" },
      { [[command = { "/no/such/program" }]], "web.service did not" },
    }
    for _, case in ipairs(broken) do
      local applied = apply(program("2") .. [[file { path = "/srv/new", content = "new" }
        service { name = "web", ]] .. case[1] .. " }")
      local told = applied.stdout .. applied.stderr
      assert.are.equal(1, applied.code, case[1] .. told)
      contains(told, "web.service did not", unpack(case, 2))
      assert.are.equal("active", show("ActiveState", "web.service"), case[1])
      assert.are.equal(before, executable_of("web.service"))
      assert.are.equal(1, here.run("test -e /srv/new").code)
      assert.are.equal(0, here.sys("status").code)
    end
  end)

  it("are started anew by what they depend on, and by nothing else", function()
    here.shell([[
      cd /etc && mkdir -p syslua && cd syslua
      keys=/root/.config/sops/age/keys.txt
      test -e $keys || lua5.4 -l syslua secrets keygen
      printf 'creation_rules: [{ age: %s }]\n' $(grep -o 'age1[a-z0-9]*' $keys) >.sops.yaml
    ]])
    local function set_secret(name, value)
      here.shell(("cd /etc/syslua; lua5.4 -l syslua secrets set %s %s"):format(name, value))
    end
    local function get_config(values)
      return program(values.package)
        .. ([[
        local secrets = sops.load("secrets.yaml")
        file { path = "/srv/app.conf", content = %q }
        file { path = "/srv/other.conf", content = %q }
        file { path = "/srv/token", secret = secrets.token }
        file { path = "/srv/word", secret = secrets.word }
        for _, policy in ipairs { "restart", "reload", "nothing" } do
          service {
            name = policy,
            command = { tool.out .. "/bin/tool", "1d" },
            environment_files = "/srv/token",
            on_switch = policy,
            depends = { "/srv/app.conf", secrets.word },
            description = %q,
            unit = { Service = { ExecReload = "/bin/true" } },
          }
        end
        service { name = "once", command = "true /srv/once.conf", ready = "oneshot" }
        service {
          name = "tick", command = "true /srv/app.conf", ready = "oneshot",
          schedule = { calendar = %q },
        }
        service { name = "untouched", command = { "/bin/sleep", "1d" } }
        file { path = "/srv/once.conf", content = %q }
      ]]):format(values.config, values.other, values.unit, values.schedule, values.once)
    end
    local values =
      { package = "1", config = "1", other = "1", unit = "1", once = "1", schedule = "daily" }
    -- The document is beside the config.
    here.write_config(get_config(values))
    for _, name in ipairs({ "token", "word", "unused" }) do
      set_secret(name, "A=1")
    end
    must_apply(get_config(values))
    local all = { "reload reload.service", "start restart.service", "stop restart.service" }
    -- What changed, and the jobs that systemd does for all three policies.
    for _, case in ipairs({
      { "nothing", {} },
      { "other", {} },
      { "unused", {}, true },
      { "config", all },
      { "package", all },
      { "unit", all },
      { "token", all, true },
      { "word", all, true },
      { "once", { "start once.service", "stop once.service" } },
      { "schedule", { "start tick.timer", "stop tick.timer" } },
    }) do
      if case[3] then
        set_secret(case[1], "A=2")
      elseif case[1] == "schedule" then
        values.schedule = "weekly"
      else
        values[case[1]] = "2"
      end
      local mark = get_mark()
      local told = must_apply(get_config(values))
      assert.are.same(case[2], get_jobs(mark), case[1] .. told)
    end
  end)

  it("that the user stopped or masked stay so until they change", function()
    local function declare(argument, extra)
      return must_apply(
        ('service { name = "web", command = { "/bin/sleep", %q } } %s'):format(
          argument,
          extra or ""
        )
      )
    end
    declare("1d")
    here.shell("systemctl stop web.service")
    local status = here.sys("status")
    assert.are.equal(3, status.code)
    contains(status.stdout, "stopped  web.service")
    declare("1d", 'file { path = "/srv/a", content = "a" }')
    assert.are.equal("inactive", show("ActiveState", "web.service"))
    declare("2d")
    assert.are.equal("active", show("ActiveState", "web.service"))

    here.shell("systemctl stop web.service; ln -sfn /dev/null /etc/systemd/system/web.service")
    here.shell("systemctl daemon-reload")
    assert.are.equal(3, here.sys("status").code)
    declare("2d", 'file { path = "/srv/b", content = "b" }')
    assert.are.equal("masked", show("LoadState", "web.service"))
    declare("3d")
    assert.are.equal("active", show("ActiveState", "web.service"))
  end)

  it("do not mind that others failed", function()
    here.run("systemd-run --unit=unrelated false; sleep 0.3")
    must_apply([[service { name = "web", command = { "/bin/sleep", "1d" } }]])
    assert.are.equal("active", show("ActiveState", "web.service"))
    assert.are.equal("failed", show("ActiveState", "unrelated.service"))
    here.shell("systemctl reset-failed unrelated.service")
  end)

  it("that are required are stopped and started with what requires them", function()
    local function declare(argument)
      must_apply(([[
        service { name = "base", command = { "/bin/sleep", %q } }
        service {
          name = "top", command = { "/bin/sleep", "1d" }, requires = "base", after = "base",
        }
      ]]):format(argument))
    end
    declare("1d")
    declare("2d")
    assert.are.equal("active", show("ActiveState", "base.service"))
    assert.are.equal("active", show("ActiveState", "top.service"))
  end)

  it("check new files before anything changes", function()
    must_apply([[service { name = "web", command = { "/bin/sleep", "1d" } }]])
    local mark = get_mark()
    local applied = apply(
      [[service { name = "web", command = { "/bin/sleep", "2d" }, check = "echo wrong; exit 1" }]]
    )
    assert.are.equal(1, applied.code)
    contains(applied.stderr, "wrong")
    assert.are.same({}, get_jobs(mark))
  end)

  it("of users start with a manager that runs, or that is to linger", function()
    local config = [[service { name = "mine", command = { "/bin/sleep", "1d" }%s }]]
    local told = must_apply(config:format(""), "ada")
    contains(told, "at the next login")
    -- Root switches those of a user as that user.
    here.shell("lua5.4 -l syslua destroy --yes", "ada")
    local lingers = "test -e /var/lib/systemd/linger/ada"
    local own = 'user { name = "ada", setup = function() %s end }'
    must_apply(own:format(config:format(", linger = true")))
    assert.are.equal(0, here.run(lingers).code)
    assert.are.equal("active", show("ActiveState", "mine.service", "ada"))
    assert.are.equal("ada", here.shell("stat -c %U /home/ada/.config/systemd/user/mine.service"))
    must_apply("")
    assert.are.equal(1, here.run(lingers).code)
    assert.are.equal(1, here.run("test -e /home/ada/.config/systemd").code)

    here.shell("loginctl enable-linger ada; sleep 1")
    must_apply(config:format(""), "ada")
    assert.are.equal("active", show("ActiveState", "mine.service", "ada"))
    here.shell("lua5.4 -l syslua destroy --yes", "ada")
    assert.are.equal("not-found", show("LoadState", "mine.service", "ada"))
    assert.are.equal(0, here.run(lingers).code)
    here.shell("loginctl disable-linger ada")
  end)

  it("that begin to linger start at once, and the plan says so", function()
    local own = 'user { name = "ada", setup = function() %s end }'
    local config = own:format([[service { name = "mine", command = { "/bin/sleep", "1d" }%s }]])
    local told = must_apply(config:format(""))
    contains(told, "start mine.service, at the next login")
    told = must_apply(config:format(", linger = true"))
    contains(told, "start mine.service: linger changed")
    assert.are.equal("active", show("ActiveState", "mine.service", "ada"))
    must_apply("")
    told = must_apply(config:format(", linger = true"))
    contains(told, "start mine.service")
    contains_none(told, "at the next login")
    assert.are.equal("active", show("ActiveState", "mine.service", "ada"))
    must_apply("")
  end)

  it("are applied while the manager of a user starts or stops", function()
    local own = 'user { name = "ada", setup = function() %s end }'
    local service = [[service { name = "mine", command = { "/bin/sleep", "%d" }%s }]]
    for round = 1, 10 do
      here.shell("loginctl enable-linger ada; loginctl disable-linger ada")
      local verb = round % 3 == 0 and "start" or "stop"
      here.shell(
        ("systemctl %s --no-block user@$(id -u ada); sleep 0.%02d"):format(verb, math.random(0, 99))
      )
      local is_lingering = round % 2 == 0
      must_apply(own:format(service:format(round, is_lingering and ", linger = true" or "")))
      if is_lingering then
        assert.are.equal("active", show("ActiveState", "mine.service", "ada"))
      end
      must_apply("")
    end
  end)

  it("leave no file of a socket behind", function()
    for _, path in ipairs({ "/run/one.sock", "/run/two.sock" }) do
      must_apply(
        ('service { name = "echo", command = { "/bin/cat" }, socket = { listen = %q } }'):format(
          path
        )
      )
    end
    local list = "ls /run/one.sock /run/two.sock 2>/dev/null; true"
    assert.are.equal("/run/two.sock", here.shell(list))
    must_apply("")
    assert.are.equal("", here.shell(list))
  end)

  it("of users that do not start name the command that shows their log", function()
    here.shell("loginctl enable-linger ada; sleep 1")
    local service = [[service { name = "mine", command = "echo so it is; exit 3", restart = "no" }]]
    local own = ('user { name = "ada", setup = function() %s end }'):format(service)
    for user, config in pairs({ ada = service, root = own }) do
      local applied = apply(config, user ~= "root" and user or nil)
      assert.are.equal(1, applied.code, applied.stdout)
      local command = applied.stderr:match("`(journalctl [^`]*)` shows its log")
      assert.is_truthy(command, applied.stderr)
      local shown = here.shell(command, user ~= "root" and user or nil)
      contains(shown, "mine.service", "status=3")
    end
    here.shell("loginctl disable-linger ada")
  end)

  it("start anew when a secret in `depends` is another one", function()
    here.shell([[
      mkdir -p /root/.config/sops/age /etc/syslua
      cp /opt/syslua/src/secrets/tests/vectors/key.txt /root/.config/sops/age/keys.txt
      recipient=$(sed -n 's/.*: age1/age1/p' /root/.config/sops/age/keys.txt)
      echo "creation_rules: [{ age: $recipient }]" >/etc/syslua/.sops.yaml
    ]])
    local function set(key, value)
      here.shell(
        ("cd /etc/syslua && lua5.4 -l syslua secrets set %s %s --file secrets.yaml"):format(
          key,
          value
        )
      )
    end
    set("token", "one")
    set("other", "x")
    local path = "/etc/syslua/secret.lua"
    here.write(
      path,
      [[
      local s = sops.load("secrets.yaml")
      return { setup = function()
        file { path = "/etc/web.env", secret = "TOKEN=" .. s.token .. "\n" }
        service {
          name = "web",
          command = { "/bin/sleep", "1d" },
          environment_files = { "/etc/web.env" },
          depends = { "/etc/web.env" },
        }
      end }
    ]]
    )
    local function get_process()
      local applied = here.sys("apply " .. path)
      assert.are.equal(0, applied.code, applied.stdout .. applied.stderr)
      return show("MainPID", "web.service")
    end
    local function get_token(process)
      return here.shell(("tr '\\0' '\\n' </proc/%s/environ | grep TOKEN"):format(process))
    end
    local first = get_process()
    assert.are.equal("TOKEN=one", get_token(first))
    set("other", "y")
    assert.are.equal(first, get_process())
    set("token", "two")
    local second = get_process()
    assert.are_not.equal(first, second)
    assert.are.equal("TOKEN=two", get_token(second))
  end)

  it("show what they printed", function()
    must_apply([[service { name = "web", command = "echo hello from web; exec sleep 1d" }]])
    contains(here.sys("logs web").stdout, "hello from web")
    assert.are.equal(2, here.sys("logs wep").code)
  end)

  it("are reached without a bus, and refused without a manager", function()
    here.shell("systemctl stop dbus.socket dbus.service; mount -t tmpfs none /run/dbus")
    must_apply([[service { name = "web", command = { "/bin/sleep", "1d" } }]])
    here.shell("mv /run/systemd/private /run/systemd/private.away")
    local applied = apply([[service { name = "other", command = { "/bin/sleep", "1d" } }]])
    here.shell("mv /run/systemd/private.away /run/systemd/private")
    here.shell("umount /run/dbus; systemctl start dbus.socket")
    assert.are.equal(1, applied.code)
    contains(applied.stderr, "cannot be reached", "--no-services")
    assert.are.equal("active", show("ActiveState", "web.service"))
    assert.are.equal(1, here.run("test -e /etc/systemd/system/other.service").code)
  end)
end)
