--- Services with a real systemd: what they name, what they stop and what stops them, reloads,
-- linger, and units that another one manages. One container boots for all.

local container = require("spec.support.container")
local json = require("dkjson")
local text_checks = require("spec.support.text_checks")

local contains, contains_none = text_checks.contains, text_checks.contains_none

describe("services and what is around them #root #once", function()
  local here = container.use("syslua-relations", function(started)
    started.shell("useradd --create-home --shell /bin/sh ada")
    started.shell("printf '#!/bin/sh\\nexec sleep 1d\\n' >/usr/local/bin/keep")
    started.shell("chmod +x /usr/local/bin/keep")
  end)
  if not here then
    return
  end

  before_each(function()
    here.run("lua5.4 -l syslua destroy --yes; rm -rf /etc/syslua /srv/*")
  end)

  local function get_active(unit, user)
    return here.show("ActiveState", unit, user)
  end

  -- The units whose names a plan gives with a restart, sorted.
  local function get_restarted(told)
    local names = {}
    for name in told:gmatch("restart ([%w-]+)%.service") do
      names[#names + 1] = name
    end
    table.sort(names)
    return names
  end

  it("start anew by files that their commands name in any form, and by no other ones", function()
    local forms = {
      plain = '"P"',
      equals = '"--config=P"',
      glued = '"-cP"',
      twice = '"--opt=conf=P"',
      comma = '"--mount=type=bind,source=P,target=/x"',
      scheme = '"file://P"',
      at = '"@P"',
      colon = '"yaml:P"',
      list = '"/srv/none:P"',
      slashes = '"/P"',
      dots = '"/srv/x/..P"',
      inner = '"-c", "exec sleep 1d # P"',
    }
    local lines, expected = {}, {}
    for name, form in pairs(forms) do
      local path = name == "dots" and "/a.conf" or "/srv/a.conf"
      local function declare(kind, argument)
        local service = 'service { name = "%s-%s", command = { "/usr/local/bin/keep", %s } }'
        lines[#lines + 1] = service:format(name, kind, argument)
      end
      declare("this", (form:gsub("P", path)))
      declare("other", (form:gsub("P", (path:gsub("a%.conf", "a.conf.bak")))))
      expected[#expected + 1] = name .. "-this"
    end
    for name, fields in pairs({
      ["home-braces"] = [[command = "exec keep \"${HOME}\"/h.conf"]],
      ["home-line"] = [[command = "exec keep $HOME/h.conf"]],
      ["home-tilde"] = [[command = "exec keep x=~/h.conf"]],
      ["quoted-space"] = [[command = "exec keep '/srv/my conf/b.conf'"]],
      ["relative"] = [[command = { "/usr/local/bin/keep", "app.conf" }, directory = "/srv/tree"]],
      ["tree-depends"] = [[command = "exec keep", depends = { "/srv/tree/app.conf" }]],
      ["tree-files"] = [[command = "exec keep", environment_files = "/srv/tree/env"]],
      ["tree-names"] = [[command = { "/usr/local/bin/keep", "/srv/tree/app.conf" }]],
      ["tree-whole"] = [[command = { "/usr/local/bin/keep", "/srv/tree" }]],
    }) do
      lines[#lines + 1] = ("service { name = %q, %s }"):format(name, fields)
      expected[#expected + 1] = name
    end
    -- What is beside these files, and does not change.
    lines[#lines + 1] = [[
      service { name = "tree-same", command = { "/usr/local/bin/keep", "/srv/tree/same.conf" } }
      service { name = "x-address", command = { "/usr/local/bin/keep", "http://srv/a.conf" } }
      service { name = "x-relative", command = { "/usr/local/bin/keep", "x/srv/a.conf" } }
    ]]
    table.sort(expected)
    local function apply(version)
      here.shell("mkdir -p /etc/syslua/tree; echo same >/etc/syslua/tree/same.conf")
      here.write("/etc/syslua/tree/app.conf", version)
      here.write("/etc/syslua/tree/env", "A=" .. version)
      return here.must_apply(([[
        for _, path in ipairs { "/srv/a.conf", "~/h.conf", "/srv/my conf/b.conf", "/a.conf" } do
          file { path = path, content = %q }
        end
        file { path = "/srv/tree", source = "./tree" }
      ]]):format(version) .. table.concat(lines, "\n"))
    end
    apply("1")
    assert.are.same(expected, get_restarted(apply("2")))
    assert.are.same({}, get_restarted(here.shell("lua5.4 -l syslua apply")))
  end)

  it("whose reload fails fail the apply, and read the old file again", function()
    local function apply(content)
      return here.apply(([[
        file { path = "/srv/app.conf", content = %q }
        service {
          name = "web", command = { "/usr/local/bin/keep", "/srv/app.conf" }, on_switch = "reload",
          unit = { Service = { ExecReload = "/bin/grep good /srv/app.conf" } },
        }
      ]]):format(content))
    end
    assert.are.equal(0, apply("good").code)
    local applied = apply("bad words")
    assert.are.equal(1, applied.code, applied.stdout)
    contains(applied.stderr, "its reload failed")
    assert.are.equal("good", here.shell("cat /srv/app.conf"))
    assert.are.equal("success", here.show("ReloadResult", "web.service"))
    assert.are.equal(0, here.sys("status").code)
    assert.are.equal(0, apply("good too").code)
  end)

  it("that cannot reload restart, and the plan says so", function()
    local function get_config(content)
      return ([[
        file { path = "/srv/app.conf", content = %q }
        service {
          name = "web", command = { "/bin/sleep", "1d" }, depends = { "/srv/app.conf" },
          on_switch = "reload",
        }
        service { name = "once", command = "true", ready = "oneshot", requires = "web" }
      ]]):format(content)
    end
    here.must_apply(get_config("1"))
    here.write_config(get_config("2"))
    assert.are.same({ "web" }, get_restarted(here.shell("lua5.4 -l syslua plan")))
    local mark = here.get_mark()
    here.shell("lua5.4 -l syslua apply")
    assert.are.same({ "stop web.service", "start web.service" }, here.get_jobs(mark))
  end)

  it("like nginx fail the apply if they keep their old configuration", function()
    local function apply(port)
      return here.apply(
        ('require("modules.services.nginx").setup { servers = { a = { listen = %q } } }'):format(
          port
        )
      )
    end
    assert.are.equal(0, apply("8085").code)
    assert.are.equal(0, apply("8086").code)
    here.shell("systemd-run --unit=taker --socket-property=ListenStream=8087 true")
    local applied = apply("8087")
    here.shell("systemctl stop taker.socket")
    assert.are.equal(1, applied.code, applied.stdout)
    contains(applied.stderr, "its reload failed")
    here.shell("bash -c ': </dev/tcp/127.0.0.1/8086'")
    assert.are.equal(0, here.sys("status").code)
  end)

  it("that stopped others by a conflict give way to them again", function()
    local other = [[service { name = "other", command = { "/bin/sleep", "1d" } }
      service { name = "above", command = { "/bin/sleep", "1d" }, requires = "other" }]]
    here.must_apply(other)
    for _, unit in ipairs({
      [[unit = { Unit = { Conflicts = "other.service" } }, command = "exit 3"]],
      [[unit = { Unit = { Conflicts = "x.service other.service" } }, command = "sleep 0.4"]],
    }) do
      local applied =
        here.apply(other .. ('service { name = "web", restart = "no", %s }'):format(unit))
      assert.are.equal(1, applied.code, applied.stdout)
      assert.are.equal("active", get_active("other.service"))
      assert.are.equal("active", get_active("above.service"))
    end
    here.must_apply(other .. [[service {
      name = "web", command = { "/bin/sleep", "1d" },
      unit = { Unit = { Conflicts = "other.service" } },
    }]])
    assert.are.equal("inactive", get_active("other.service"))
    assert.are.equal("active", get_active("web.service"))
  end)

  it("of which two processes stay are watched", function()
    local applied = here.apply([[service {
      name = "web", command = "setsid sleep 0.6 & setsid sleep 0.6 & exit 0",
      ready = "forking", restart = "no",
    }]])
    assert.are.equal(1, applied.code, applied.stdout)
    contains(applied.stderr, "within a second")
    here.must_apply([[service {
      name = "web", command = "setsid sleep 1d & setsid sleep 1d & exit 0", ready = "forking",
    }
    service {
      name = "hands-over", ready = "notify",
      command = "systemd-notify --ready; sleep 0.3; sleep 1d & " ..
        "systemd-notify MAINPID=$!; sleep 0.2",
    }]])
  end)

  it("that become timers stop, and the clock starts them", function()
    here.must_apply([[service { name = "web", command = { "/bin/sleep", "1d" } }]])
    here.must_apply([[service {
      name = "web", command = "echo ran >>/srv/ran", ready = "oneshot",
      schedule = { every = "1s" }, unit = { Timer = { AccuracySec = "100ms" } },
    }]])
    here.shell("for i in $(seq 50); do test -e /srv/ran && exit; sleep 0.1; done; false")
    here.must_apply([[service { name = "web", command = { "/bin/sleep", "2d" } }]])
    assert.are.equal("running", here.show("SubState", "web.service"))
  end)

  it("that a unit of the admin requires can be removed", function()
    here.must_apply([[service { name = "web", command = { "/bin/sleep", "1d" } }]])
    here.shell([[
      printf '[Unit]\nRequires=web.service\n[Service]\nExecStart=/bin/sleep 7d\n' \
        >/run/systemd/system/third.service
      systemctl daemon-reload; systemctl start third
    ]])
    local applied = here.apply("")
    assert.are.equal(0, applied.code, applied.stderr)
    local told = applied.stdout .. applied.stderr
    contains(told, "third.service ran before the switch")
    assert.are.equal("inactive", get_active("web.service"))
    here.shell("rm /run/systemd/system/third.service; systemctl daemon-reload")
  end)

  it("survive a switch that they run in, and that changes what they require", function()
    here.shell([[printf '%s\n' '#!/bin/sh' \
      'if [ -e /srv/go ]; then rm /srv/go; lua5.4 -l syslua apply; echo $? >/srv/code; fi' \
      'exec sleep 1d' >/usr/local/bin/agent; chmod +x /usr/local/bin/agent]])
    local function get_config(argument)
      return ([[
        service { name = "base", command = { "/bin/sleep", %q } }
        service {
          name = "agent", command = { "/usr/local/bin/agent" }, requires = "base", after = "base",
          environment = {
            LUA_PATH = "/opt/syslua/lua/?.lua;/opt/syslua/lua/?/init.lua;;",
            LUA_CPATH = "/opt/syslua/target/lua/5.4/?.so;;", HOME = "/root",
          },
        }
        file { path = "/srv/new", content = %q }
      ]]):format(argument, argument)
    end
    here.must_apply(get_config("1d"))
    here.write_config(get_config("2d"))
    here.shell("touch /srv/go; systemctl restart agent.service")
    here.shell("for i in $(seq 150); do test -e /srv/code && exit; sleep 0.1; done; false")
    assert.are.equal("0", here.shell("cat /srv/code"))
    assert.are.equal("2d", here.shell("cat /srv/new"))
    here.shell([[for i in $(seq 50); do
      grep -q 2d /proc/$(systemctl show --value -p MainPID base)/cmdline && exit; sleep 0.1
    done; false]])
    assert.are.equal("active", get_active("agent.service"))
    assert.are.equal(0, here.sys("status").code)
  end)

  it("that fail with linger leave none, and one that the admin ended is forgotten", function()
    local own = 'user { name = "ada", setup = function() %s end }'
    local applied = here.apply(own:format([[
      service { name = "b", command = "exit 3", restart = "no", linger = true }
    ]]))
    assert.are.equal(1, applied.code)
    contains_none(applied.stderr, "undoing the earlier steps failed")
    assert.are.equal("", here.shell("ls /var/lib/systemd/linger"))
    here.must_apply(own:format([[
      service { name = "a", command = { "/bin/sleep", "1d" }, linger = true }
    ]]))
    here.shell("loginctl disable-linger ada; sleep 0.5")
    here.shell("lua5.4 -l syslua destroy --yes")
    assert.are.equal(1, here.run("test -e /syslua/store").code)
  end)

  it("check new files by the names that they will have", function()
    local function apply(content)
      return here.apply(([[
        file { path = "/srv/app.conf", content = %q }
        service {
          name = "web", command = { "/bin/sleep", "1d" }, check = "grep -q good /srv/app.conf",
        }
      ]]):format(content))
    end
    assert.are.equal(0, apply("good").code)
    assert.are.equal(1, apply("bad").code)
    assert.are.equal("good", here.shell("cat /srv/app.conf"))
    assert.are.equal(0, apply("good too").code)
    local function apply_for_user(content)
      return here.apply(([[user { name = "ada", setup = function()
        file { path = "~/app.conf", content = %q }
        service {
          name = "web", command = { "/bin/sleep", "1d" }, check = "grep -q good ~/app.conf",
        }
      end }]]):format(content))
    end
    assert.are.equal(0, apply_for_user("good").code)
    assert.are.equal(1, apply_for_user("bad").code)
  end)

  it("start anew by what is added to their units, and by secrets that commands print", function()
    here.shell("echo one >/srv/word")
    local function get_config(value)
      return ([[
        service { name = "web", command = { "/bin/sleep", "1d" } }
        file {
          path = "/etc/systemd/system/web.service.d/x.conf",
          content = "[Service]\nEnvironment=A=%s\n",
        }
        local word = syslua.lib.secret.command { "cat", "/srv/word" }
        file { path = "/srv/secret", secret = word }
        service { name = "told", command = { "/bin/sleep", "1d" }, depends = { word } }
      ]]):format(value)
    end
    here.must_apply(get_config("1"))
    assert.are.same({ "web" }, get_restarted(here.must_apply(get_config("2"))))
    assert.are.equal("A=2", here.show("Environment", "web.service"))
    here.shell("echo two >/srv/word")
    assert.are.same({}, get_restarted(here.must_apply(get_config("2"))))
    local told = here.must_apply(get_config("2"), nil, "--refresh-secrets")
    assert.are.same({ "told" }, get_restarted(told))
  end)

  it("are planned with what stops and starts with them", function()
    local function get_config(argument)
      return ([[
        service { name = "base", command = { "/bin/sleep", %q } }
        service { name = "top", command = { "/bin/sleep", "1d" }, requires = "base" }
        service { name = "upper", command = { "/bin/sleep", "1d" }, requires = "top" }
      ]]):format(argument)
    end
    here.must_apply(get_config("1d"))
    here.write_config(get_config("2d"))
    local told = here.shell("lua5.4 -l syslua plan")
    local words = "stop and start with it top.service, upper.service"
    contains(told, words)
    local planned = json.decode(here.shell("lua5.4 -l syslua plan --json"))
    for _, action in ipairs(planned.actions) do
      if action.service and action.mark == "change" then
        assert.are.same({ "top.service", "upper.service" }, action.service.dependents)
      end
    end
  end)

  it("of which oneshots require a changed one do not run again", function()
    local function get_config(argument, reload, failing)
      return ([[
        service { name = "base", command = { "/bin/sleep", %q } }
        service { name = "top", command = { "/bin/sleep", "1d" }, requires = "base" }
        service {
          name = "reloaded", command = { "/bin/sleep", "1d" }, requires = { "base", "once" },
          unit = { Service = { ExecReload = "/bin/true" } }, description = %q,
          on_switch = "reload",
        }
        service {
          name = "once", command = "echo ran >>/srv/once", ready = "oneshot", requires = "base",
          after = "base",
        }
        service {
          name = "bound", command = "echo ran >>/srv/bound", ready = "oneshot", after = "base",
          unit = { Unit = { BindsTo = "base.service" } },
        }
        %s
      ]]):format(argument, reload, failing or "")
    end
    local function get_runs()
      return here.shell("wc -l </srv/once; wc -l </srv/bound")
    end
    here.must_apply(get_config("1d", "1"))
    assert.are.equal("1\n1", get_runs())
    local before = here.show("MainPID", "top.service")
    here.write_config(get_config("2d", "1"))
    local told = here.shell("lua5.4 -l syslua plan")
    contains_none(told, "once.service")
    here.shell("lua5.4 -l syslua apply")
    assert.are.equal("1\n2", get_runs())
    assert.are_not.equal(before, here.show("MainPID", "top.service"))
    here.must_apply(get_config("3d", "2"))
    assert.are.equal("1\n3", get_runs())
    local failing = [[service { name = "web", command = "exit 3", restart = "no" }]]
    assert.are.equal(1, here.apply(get_config("4d", "2", failing)).code)
    assert.are.equal("1\n5", get_runs())
    for _, unit in ipairs({ "base", "top", "reloaded", "once", "bound" }) do
      assert.are.equal("active", get_active(unit .. ".service"), unit)
    end
    assert.are.equal(0, here.sys("status").code)
  end)

  it("say which files of others add to their units, and which log is shown", function()
    here.write("/etc/systemd/system/web.service.d/admin.conf", "[Service]\nUser=nobody\n")
    local own = [[file {
      path = "/etc/systemd/system/web.service.d/own.conf", content = "[Service]\nNice=1\n",
    }
    ]]
    local function get_service(words)
      return ([[service { name = "web", command = "echo %s; exec sleep 1d" } ]]):format(words)
    end
    local user = 'user { name = "ada", setup = function() %s end }'
    here.shell("loginctl enable-linger ada; sleep 0.5")
    local told = here.must_apply(own .. get_service("ours") .. user:format(get_service("hers")))
    here.shell("rm -r /etc/systemd/system/web.service.d/admin.conf")
    local words = "start web.service, with /etc/systemd/system/web.service.d/admin.conf "
    contains(told, words)
    for _, case in ipairs({
      { "", "ours", "note: this is the log of system; `logs web --of ada` shows another one\n" },
      { " --of system", "ours", "" },
      { " --of ada", "hers", "" },
    }) do
      local shown = here.sys("logs web" .. case[1])
      assert.are.equal(case[3], shown.stderr)
      local other = case[2] == "ours" and "hers" or "ours"
      contains(shown.stdout, ": " .. case[2])
      contains_none(shown.stdout, ": " .. other)
    end
    local refused = here.sys("logs web --of bob")
    assert.are.equal(2, refused.code)
    contains(refused.stderr, "one of system and ada")
    here.shell("loginctl disable-linger ada")
  end)
end)
