--- Services and what is around a switch: a service that it runs in, a confirmation, what the user
-- and the distribution did before. With a real systemd, as in systemd_root_spec.

local container = require("spec.support.container")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

describe("services and what is around them #root #once", function()
  local here = container.use("syslua-around", function(started)
    started.shell("useradd --create-home --shell /bin/sh ada")
  end)
  if not here then
    return
  end

  before_each(function()
    here.run("lua5.4 -l syslua destroy --yes; rm -rf /etc/syslua /srv/*")
  end)

  -- What a process of a unit was started with.
  local function get_words(unit)
    return here.shell(("tr '\\0' ' ' </proc/%s/cmdline"):format(here.show("MainPID", unit)))
  end

  -- Waits until a line of the shell succeeds.
  local function wait_for(line, user)
    local loop = "for n in $(seq 100); do if %s; then exit 0; fi; sleep 0.1; done; exit 1"
    assert.are.equal(0, here.run(loop:format(line), user).code, line)
  end

  local function web(argument, more)
    return ('service { name = "web", command = { "/bin/sleep", %q }, %s }\n'):format(
      argument,
      more or ""
    )
  end

  it("are as before after Ctrl-C while one starts", function()
    here.must_apply(web("1d"))
    here.write_config(web("2d", 'ready = "notify"'))
    local before = tonumber(here.shell("date +%s%N"))
    local result = here.run("timeout --preserve-status -s INT 1.5 lua5.4 -l syslua apply")
    local took = (tonumber(here.shell("date +%s%N")) - before) / 1e9
    assert.are.equal(130, result.code, result.stderr)
    assert.is_truthy(took < 6, took)
    assert.are.equal("/bin/sleep 1d ", get_words("web.service"))
    assert.are.equal(0, here.sys("status").code)
  end)

  it("are stopped and started after their sockets", function()
    local function declare(argument, listen, more)
      return here.must_apply(
        web(argument, ('socket = { listen = "/run/%s" }, %s'):format(listen, more or ""))
      )
    end
    declare("1d", "a")
    here.shell("systemctl start web.service")
    local both = { "stop web.socket", "stop web.service", "start web.socket", "start web.service" }
    for _, case in ipairs({
      { "1d", "b", "", both },
      { "2d", "d", 'on_switch = "reload"', both },
      -- What listens stays.
      { "3d", "d", 'on_switch = "restart"', { "stop web.service", "start web.service" } },
      { "3d", "e", 'on_switch = "nothing"', {} },
    }) do
      local mark = here.get_mark()
      declare(case[1], case[2], case[3])
      assert.are.same(case[4], here.get_jobs(mark), case[2])
      assert.are.equal("active", here.show("ActiveState", "web.socket"))
      assert.are.equal("active", here.show("ActiveState", "web.service"))
    end
    -- A service that runs gets a socket.
    here.must_apply("")
    here.must_apply(web("1d", 'on_switch = "nothing"'))
    declare("1d", "f", 'on_switch = "nothing"')
    assert.are.equal("active", here.show("ActiveState", "web.socket"))
  end)

  it("are as before when nothing confirms", function()
    here.must_apply(web("1d"))
    local new = web("2d") .. [[service { name = "other", command = { "/bin/sleep", "2d" } }]]
    -- Also when what applies is a unit that ends before.
    local path = here.write_config(new)
    here.shell(
      "systemd-run --quiet --wait -E LUA_PATH=$LUA_PATH -E LUA_CPATH=$LUA_CPATH "
        .. "lua5.4 -l syslua apply --confirm 1s "
        .. path
    )
    assert.are.equal("/bin/sleep 2d ", get_words("web.service"))
    assert.are.equal("active", here.show("ActiveState", "other.service"))
    wait_for(
      "! systemctl is-active --quiet other.service && systemctl is-active --quiet web.service"
    )
    wait_for("lua5.4 -l syslua status >/dev/null")
    assert.are.equal("/bin/sleep 1d ", get_words("web.service"))
    assert.are.equal("not-found", here.show("LoadState", "other.service"))
    assert.are.equal(0, here.sys("status").code)

    here.must_apply(new, nil, "--confirm 20s")
    assert.are.equal(0, here.sys("confirm").code)
    assert.are.equal("active", here.show("ActiveState", "other.service"))
    assert.are.equal("/bin/sleep 2d ", get_words("web.service"))
  end)

  -- A service that applies a config when it finds /srv/go, and then stays.
  local function declare_agent(argument, options, user)
    local place = user and "/home/" .. user or "/srv"
    here.write(
      place .. "/agent",
      ([[#!/bin/sh
if [ -e %s/go ]; then
  rm %s/go
  lua5.4 -l syslua apply %s
fi
exec sleep 1d
]]):format(place, place, options or ""),
      user
    )
    here.shell(("chmod +x %s/agent"):format(place), user)
    local variables = here.shell("echo LUA_PATH = [[$LUA_PATH]], LUA_CPATH = [[$LUA_CPATH]]")
    local service =
      'service { name = "agent", command = { "%s/agent", %q }, environment = { %s } }\n'
    return service:format(place, argument, variables .. (user and "" or ', HOME = "/root"'))
  end

  it("survive a switch that they do themselves", function()
    here.must_apply(declare_agent("one"))
    local first = here.show("MainPID", "agent.service")
    here.write_config(declare_agent("two") .. 'file { path = "/srv/new", content = "new" }')
    local mark = here.get_mark()
    here.shell("touch /srv/go; systemctl restart agent.service")
    -- It is another one after a moment, and told what it did.
    wait_for("journalctl -u agent.service | grep -q 'Snapshot 2'")
    wait_for(
      "test 2 = $(lua5.4 -l syslua status --json | grep -o '\"id\":\"[0-9]*' | grep -o '[0-9]*')"
    )
    local restarted = {
      "restart agent.service",
      "start agent.service",
      "restart agent.service",
      "start agent.service",
    }
    for _ = 1, 50 do
      if #here.get_jobs(mark) >= 4 then
        break
      end
      here.shell("sleep 0.1")
    end
    local jobs = {}
    for _, job in ipairs(here.get_jobs(mark)) do
      if job:find("agent.service", 1, true) then
        jobs[#jobs + 1] = job
      end
    end
    assert.are.same(restarted, jobs)
    assert.are_not.equal(first, here.show("MainPID", "agent.service"))
    assert.are.equal("new", here.shell("cat /srv/new"))
    assert.are.equal(0, here.sys("status").code)

    -- It confirms later, and runs as before until then.
    here.write_config(declare_agent("three", "--confirm 30s"))
    here.shell("touch /srv/go; systemctl restart agent.service")
    wait_for("test ! -e /srv/new")
    wait_for("journalctl -u agent.service | grep -q 'within 30 s'")
    local process = here.show("MainPID", "agent.service")
    here.shell("sleep 1.5; lua5.4 -l syslua confirm")
    wait_for(("test -n '%s' && ! test -e /proc/%s"):format(process, process))
    wait_for("systemctl is-active --quiet agent.service")

    -- It removes itself.
    declare_agent("four")
    here.write_config('file { path = "/srv/last", content = "" }')
    here.shell("touch /srv/go; systemctl restart agent.service")
    wait_for("test -e /srv/last && ! systemctl is-active --quiet agent.service")
    assert.are.equal("not-found", here.show("LoadState", "agent.service"))
  end)

  it("of a user survive it too", function()
    here.shell("loginctl enable-linger ada")
    wait_for("test -e /run/user/$(id -u ada)/bus")
    here.must_apply(declare_agent("one", nil, "ada"), "ada")
    here.write_config(declare_agent("two", "/home/ada/init.lua", "ada"), "ada")
    here.shell("touch ~/go; systemctl --user restart agent.service", "ada")
    local process = here.show("MainPID", "agent.service", "ada")
    wait_for(
      ("test %s != $(systemctl --user show -p MainPID --value agent.service)"):format(process)
        .. " && systemctl --user is-active --quiet agent.service",
      "ada"
    )
    contains(here.show("ExecStart", "agent.service", "ada"), "two")
    assert.are.equal(0, here.sys("status", "ada").code)
    here.shell("lua5.4 -l syslua destroy --yes", "ada")
    here.shell("loginctl disable-linger ada")
  end)

  it("take the place of what runs already, which returns", function()
    here.shell("mkdir -p /root/.ssh; ip link set lo up; systemctl start ssh.service")
    here.run(
      "test -e /root/.ssh/id || ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id; "
        .. "cp /root/.ssh/id.pub /root/.ssh/authorized_keys; cp /usr/sbin/sshd /srv/sshd"
    )
    local distribution = here.show("MainPID", "ssh.service")
    local function get_config(level, more)
      return ([[
        require("modules.services.sshd").setup {
          %s
          settings = { Port = 2222, UsePAM = false, LogLevel = %q },
        }
      ]]):format(more or "", level)
    end
    local told = here.must_apply(get_config("INFO"))
    contains(told, "restart ssh.service, overrides that of the distribution")
    assert.are_not.equal(distribution, here.show("MainPID", "ssh.service"))
    -- A session that is part of the service goes on, when that is told to read its file again and
    -- when it starts anew.
    local session = "ssh -q -i /root/.ssh/id -p 2222 -o StrictHostKeyChecking=no "
      .. "-o UserKnownHostsFile=/dev/null root@127.0.0.1 "
      .. "\"LUA_PATH='$LUA_PATH' LUA_CPATH='$LUA_CPATH' lua5.4 -l syslua apply && sleep 1.6 && "
      .. 'grep -o ssh.service /proc/self/cgroup"'
    local process = here.show("MainPID", "ssh.service")
    here.write_config(get_config("VERBOSE"))
    local applied = here.shell(session)
    matches(applied, "Snapshot 2.*ssh.service")
    assert.are.equal(process, here.show("MainPID", "ssh.service"))
    here.write_config(get_config("VERBOSE", 'program = "/srv/sshd",'))
    applied = here.shell(session)
    matches(applied, "Snapshot 3.*ssh.service")
    assert.are.equal("/usr/sbin/sshd", here.executable_of("ssh.service"))

    told = here.must_apply("")
    contains(told, "stop, and start the unit that ran before under the name of ssh.service")
    assert.are.equal("active", here.show("ActiveState", "ssh.service"))
    contains(here.show("FragmentPath", "ssh.service"), "/lib/systemd")
    -- The same again, and undone since something else fails.
    local back = here.show("MainPID", "ssh.service")
    assert.are.equal(1, here.apply(get_config("INFO") .. web("x")).code)
    assert.are.equal("active", here.show("ActiveState", "ssh.service"))
    contains(here.show("FragmentPath", "ssh.service"), "/lib/systemd")
    assert.are_not.equal(back, here.show("MainPID", "ssh.service"))
    here.shell("systemctl stop ssh.service")
  end)

  it("are left as they are with --no-services", function()
    local function get_config(version)
      return web("1d", 'depends = { "/srv/app.conf" }')
        .. ('file { path = "/srv/app.conf", content = %q }\n'):format(version)
    end
    here.must_apply(get_config("1"))
    local mark = here.get_mark()
    local more = 'service { name = "other", command = { "/bin/sleep", "1d" } }'
    local told = here.must_apply(get_config("2") .. more, nil, "--no-services")
    contains(told, "--no-services was given: other, web.")
    assert.are.equal("2", here.shell("cat /srv/app.conf"))
    assert.are.same({}, here.get_jobs(mark))
    assert.are.equal("not-found", here.show("LoadState", "other.service"))
  end)

  it("are read again when their units are put back", function()
    here.must_apply(web("1d"))
    here.shell("systemctl disable web.service 2>&1")
    assert.are.equal(3, here.sys("status").code)
    here.shell("lua5.4 -l syslua apply")
    assert.are.equal("enabled", here.shell("systemctl is-enabled web.service"))
    assert.are.equal("no", here.show("NeedDaemonReload", "web.service"))
    -- Another unit by hand.
    here.shell([[
      sed 's/1d/9d/' /etc/systemd/system/web.service >/srv/unit
      mv /srv/unit /etc/systemd/system/web.service
      systemctl daemon-reload; systemctl restart web.service
    ]])
    assert.are.equal("/bin/sleep 9d ", get_words("web.service"))
    local told = here.shell("lua5.4 -l syslua apply")
    contains(told, "web.service: its unit on the disk changed")
    assert.are.equal("/bin/sleep 1d ", get_words("web.service"))
    -- One that stopped does not start by that.
    here.shell("systemctl disable --now web.service 2>&1")
    here.shell("lua5.4 -l syslua apply")
    assert.are.equal("inactive", here.show("ActiveState", "web.service"))
    assert.are.equal("enabled", here.shell("systemctl is-enabled web.service"))
  end)

  it("do not run again, nor forget when they ran", function()
    local stamp = "/var/lib/systemd/timers/stamp-tick.timer"
    local function get_config(calendar, more)
      return ([[
        service { name = "once", command = "date >>/srv/once", ready = "oneshot" }
        service {
          name = "tick", command = "date >>/srv/ticks", ready = "oneshot",
          schedule = { calendar = %q },
        }
        %s
      ]]):format(calendar, more or "")
    end
    here.must_apply(get_config("yearly"))
    here.shell("touch -d '2026-01-02 03:04' " .. stamp)
    here.must_apply(get_config("yearly", web("1d")))
    here.must_apply(get_config("*-01-01 00:01"))
    contains(here.shell("ls --full-time " .. stamp), "2026-01-02 03:04")
    assert.are.equal("1", here.shell("wc -l </srv/once"))
    assert.are.equal(1, here.run("test -e /srv/ticks").code)
    here.shell("systemctl stop tick.timer")
    local status = here.sys("status")
    assert.are.equal(3, status.code)
    contains(status.stdout, "stopped  tick.service  (tick.timer)")
  end)

  it("start where others failed, and fail with words of their own", function()
    here.run("systemd-run --unit=unrelated false; sleep 0.3")
    assert.are.equal("degraded", here.run("systemctl is-system-running").stdout:match("%S+"))
    here.must_apply(web("1d"))
    for _, case in ipairs({
      { '"setsid sh -c \'sleep 0.5\' & exit 0", ready = "forking"', "within a second" },
      { '"exit 0", ready = "forking"', "no process of it stayed" },
      { '"sleep 2; kill -SEGV $$", ready = "notify"', "signal 11" },
    }) do
      local applied = here.apply(('service { name = "web", command = %s }'):format(case[1]))
      assert.are.equal(1, applied.code, case[1])
      contains(applied.stderr, case[2])
      assert.are.equal("/bin/sleep 1d ", get_words("web.service"))
    end
    here.must_apply([[service {
      name = "web", command = "setsid sleep 3d & exit 0", ready = "forking",
    }]])
    assert.are.equal("active", here.show("ActiveState", "web.service"))
    assert.are.equal("failed", here.show("ActiveState", "unrelated.service"))
    here.shell("systemctl reset-failed unrelated.service")
  end)

  it("of users are reached without their bus", function()
    here.shell("loginctl enable-linger ada")
    wait_for("test -e /run/user/$(id -u ada)/bus")
    here.shell("mv /run/user/$(id -u ada)/bus /run/user/$(id -u ada)/bus.away")
    local config = [[service { name = "mine", command = { "/bin/sleep", %q } }]]
    here.must_apply(config:format("1d"), "ada")
    here.must_apply(config:format("2d"), "ada")
    assert.are.equal(1, here.apply(config:format("x"), "ada").code)
    local own = 'user { name = "ada", setup = function() %s end }'
    here.must_apply(own:format([[service { name = "yours", command = { "/bin/sleep", "1d" } }]]))
    for _, unit in ipairs({ "mine.service", "yours.service" }) do
      assert.are.equal("active", here.show("ActiveState", unit, "ada"), unit)
    end
    here.shell("lua5.4 -l syslua destroy --yes", "ada")
    assert.are.equal("not-found", here.show("LoadState", "mine.service", "ada"))
    here.must_apply("")
    here.shell("loginctl disable-linger ada")
  end)
end)
