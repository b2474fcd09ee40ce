--- `service{}`: what is written for each manager, what is refused, and what becomes of it where no
-- manager runs. What systemd does with it is in spec/services.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")

local unit_place = "~/.config/systemd/user/"

describe("service{}", function()
  local here = machine.for_each_test()

  -- Configs are evaluated in this process.
  local home = os.getenv("HOME")

  local function get_unit(lines, name, options)
    options = options or {}
    options.username = options.username or "ada"
    options.platform = options.platform or "x86_64-linux"
    local found = here.evaluate(lines, options)
    local file = found.files[name] or found.files[unit_place .. name]
    return file and file.content, found
  end

  it("writes a unit, links it and enables it", function()
    local text, found = get_unit(
      [[
      service {
        name = "web",
        description = "A web server",
        command = { "/usr/bin/web", "--port", "80", "100%" },
        environment = { MODE = "a b", LIMIT = 3 },
        environment_files = "-~/web.env",
        directory = "~/www",
        restart = "always",
        ready = "notify",
        after = "network.target",
        wants = { "a", "b.socket" },
        limits = { memory = "1G", files = 64 },
        unit = { Service = { ProtectHome = false, ExecStartPre = { "/bin/a", "/bin/b" } } },
      }
    ]],
      "web.service"
    )
    assert.are.equal([=[
[Unit]
Description=A web server
After=network.target
Wants=a.service
Wants=b.socket

[Service]
Type=notify
ExecStart="/usr/bin/web" "--port" "80" "100%%"
Restart=always
Environment="LIMIT=3"
Environment="MODE=a b"
EnvironmentFile=-]=] .. home .. [=[/web.env
WorkingDirectory=]=] .. home .. [=[/www
LimitNOFILE=64
MemoryMax=1G
ExecStartPre=/bin/a
ExecStartPre=/bin/b
ProtectHome=no

[Install]
WantedBy=default.target
]=], text)
    local link = found.files[unit_place .. "default.target.wants/web.service"]
    assert.are.equal(home .. "/.config/systemd/user/web.service", link.target)
    local service = found.services.web
    local names = { "/usr/bin/web", home .. "/www/100%", home .. "/web.env" }
    assert.are.same(names, service.names)
    assert.has_service(found, "web", { scope = "user", contains = "Type=notify" })
    assert.has_no_service(found, "wep")
  end)

  it("gives what the clock or a connection starts a unit of its own", function()
    local text, found = get_unit(
      [[
      service {
        name = "backup",
        command = "tar -c ~/x | gzip >/var/backup.tgz",
        ready = "oneshot",
        schedule = { calendar = { "daily", "Mon 03:00" }, on_boot = "5m" },
      }
      service { name = "echo", command = { "/bin/cat" }, socket = { listen = { 7, "~/echo" } } }
    ]],
      "backup.timer"
    )
    contains(
      text,
      "OnCalendar=daily\nOnCalendar=Mon 03:00\nPersistent=true\n",
      "OnStartupSec=5min\n"
    )
    assert.is_nil(found.files[unit_place .. "default.target.wants/backup.service"])
    assert.is_table(found.files[unit_place .. "timers.target.wants/backup.timer"])
    local socket = found.files[unit_place .. "echo.socket"].content
    contains(socket, "ListenStream=7\nListenStream=" .. home .. "/echo\nRemoveOnStop=yes\n")
    assert.are.same(
      { "tar -c " .. home .. "/x | gzip >/var/backup.tgz" },
      found.services.backup.names
    )
  end)

  it("is the system's for root, and a user's in user{}", function()
    local text, found = get_unit(
      [[
      service { name = "a", command = { "/bin/a" }, user = "nobody" }
      user { name = "grace", setup = function() service { name = "b", command = { "/bin/b" } } end }
    ]],
      "/etc/systemd/system/a.service",
      { username = "root", hostname = "other" }
    )
    contains(text, "User=nobody\n", "WantedBy=multi-user.target\n")
    assert.are.equal("system", found.services.a.scope)
    assert.is_table(found.users.grace.files[unit_place .. "b.service"])
    assert.are.equal("user", found.users.grace.services.b.scope)
  end)

  it("writes property lists and tasks for other systems", function()
    local lines = [[service {
      name = "web",
      command = { "/bin/web", "a<b" },
      schedule = { calendar = "daily" },
    }]]
    local plist =
      get_unit(lines, "~/Library/LaunchAgents/lua.sys.web.plist", { platform = "aarch64-darwin" })
    contains(plist, "<string>a&lt;b</string>")
    local task =
      get_unit(lines, "~/AppData/Local/syslua/services/web.xml", { platform = "x86_64-windows" })
    contains(task, "<Arguments>a&lt;b</Arguments>")
  end)

  it("refuses what no unit could say", function()
    for lines, message in pairs({
      ['name = "a.service", command = "x"'] = "`name` in service{} ends with .service",
      ['name = "a b", command = "x"'] = "`name` in service{} cannot be",
      ['name = "a", command = { "x" }'] = "is not an absolute path",
      ['name = "a", command = {}'] = "`command` in service{} is empty",
      ['name = "a", command = "x\\ny"'] = "`command[3]` in service{} has the control character",
      ['name = "a", command = "x", environment = { ["A B"] = "" }'] = "the name of a variable",
      ['name = "a", command = "x", restart = "never"'] = '`restart` in service{}: expected "no"',
      ['name = "a", command = "x", schedule = {}'] = "`schedule` in service{} says no time",
      ['name = "a", command = "x", schedule = { every = "soon" }'] = "is not a duration",
      ['name = "a", command = "x", limits = { memory = "much" }'] = "`limits.memory`",
      ['name = "a", command = "x", unit = { Service = "y" }'] = "`unit.Service`",
      ['name = "a", command = "x", unit = { Service = { A = "\\n" } }'] = "the control character",
      ['name = "a", command = "x", check = {}'] = "`check` in service{} is empty",
      ['name = "a", command = "x", socket = { listen = {} }'] = "`socket.listen` in service{}",
      ['name = "a", command = "x", description = "\\255"'] = "`description` in service{} is not",
      ['name = "a", command = { "/x", "\\195" }'] = "`command[2]` in service{} is not a text",
      ['name = "a", command = "x", environment = { A = "\\237\\160\\128" }'] = "`environment.A`",
      ['name = "a", command = "x", limits = { cpu = "0%" }'] = "`limits.cpu`",
      ['name = "a", command = "x", schedule = { calendar = { "daily", "25:00" } }'] = "calendar[2]",
      ['name = "a", command = "x", unit = { Install = { WantedBy = "../x.target" } }'] = "WantedBy",
      ['name = "a", command = "x", depends = { 3 }'] = "`depends[1]` in service{}",
      ['name = "a", command = "x", comand = "y"'] = "did you mean `command`",
    }) do
      local failure = here.fail("service { " .. lines .. " }", { username = "ada" })
      local text = failure.message .. (failure.hint or "")
      contains(text, message)
      assert.are.equal("init.lua:2", failure.position)
    end
    local failure = here.fail(
      'service { name = "a", command = "x", scope = "system" }',
      { username = "ada", hostname = "other" }
    )
    contains(failure.message, "only root has services of the system")
  end)

  it("takes the text of a unit, or a file with one", function()
    here.write("given.service", "[Service]\nExecStart=/bin/given\n[Install]\nAlias=other.service\n")
    local text, found = get_unit(
      [[
      activate { config = function(_, ctx)
        ctx.enable_service("a", { unit = "[Service]\nExecStart=/bin/a\n", on_switch = "reload" })
        ctx.enable_service("b", { unit = "./given.service" })
      end }
    ]],
      "a.service"
    )
    assert.are.equal("[Service]\nExecStart=/bin/a\n", text)
    assert.is_table(found.files[unit_place .. "default.target.wants/a.service"])
    assert.is_table(found.files[unit_place .. "other.service"])
    assert.are.equal("reload", found.services.a.on_switch)
  end)

  it("takes units that are built with everything else", function()
    here.write_config([[
      local package = derive {
        name = "units",
        config = function(_, ctx)
          ctx.write(ctx.out .. "/web.service", "[Service]\nExecStart=/bin/a\n")
        end,
      }
      activate { opts = { package = package }, config = function(opts, ctx)
        ctx.enable_service("web", { scope = "user", unit = opts.package.out .. "/web.service" })
      end }
    ]])
    local applied = here.run("apply", "init.lua")
    assert.are.equal(0, applied.code, applied.stderr)
    local place = here.home .. "/.config/systemd/user/"
    assert.are.equal("[Service]\nExecStart=/bin/a\n", here.read(place .. "web.service"))
    assert.is_truthy(here.read(place .. "default.target.wants/web.service"))
    -- Commands know it by its name.
    for _, word in ipairs({ "web", "web.service" }) do
      local why = here.run("why", word)
      contains(why.stdout, "service web  web.service")
    end
    local nameless = here.run("logs")
    assert.are.equal(2, nameless.code)
    contains(nameless.stderr, "the service is missing")
  end)

  it("depends on objects, sources and targets", function()
    local _, found = get_unit(
      [[
      service {
        name = "web", command = { "/bin/a" },
        depends = { source("."), "/etc/x", derive { name = "b", config = function(_, ctx)
          ctx.write(ctx.out, "")
        end } },
      }
    ]],
      "web.service"
    )
    local kinds = {}
    for index, about in ipairs(found.services.web.depends) do
      kinds[index] = about:match("^source%-") or about:match("^/syslua%-placeholder/") or about
    end
    assert.are.same({ "source-", "/etc/x", "/syslua-placeholder/" }, kinds)
  end)

  it("enables a user's service where no manager runs, and undoes it", function()
    local function declare(command)
      here.write_config(
        ('service { name = "web", scope = "user", command = { %q } }'):format(command)
      )
    end
    declare("/bin/a")
    local plan = here.run("plan", "init.lua")
    contains(plan.stdout, "web  start web.service, at the next login")
    assert.are.equal(0, here.run("apply", "init.lua").code)
    local place = here.home .. "/.config/systemd/user/"
    contains(here.read(place .. "default.target.wants/web.service"), "/bin/a")
    contains(here.run("apply", "init.lua").stdout, "Nothing changed")
    declare("/bin/b")
    local changed = here.run("apply", "init.lua")
    contains(changed.stdout, "restart web.service")
    contains(here.read(place .. "web.service"), "/bin/b")
    assert.are.equal(0, here.run("rollback", "--yes").code)
    contains(here.read(place .. "web.service"), "/bin/a")
    contains(here.run("services").stdout, "its service manager is not running")
    here.write_config("")
    assert.are.equal(0, here.run("apply", "init.lua").code)
    assert.is_nil(here.read(place .. "web.service"))
  end)

  it("leaves services as they are with --no-services", function()
    local function declare(command, file)
      here.write_config(([[
          service { name = "web", scope = "user", command = { %q } }
          file { path = "~/x", content = %q }
        ]]):format(command, file))
    end
    declare("/bin/a", "1")
    here.run("apply", "init.lua")
    declare("/bin/b", "2")
    local applied = here.run("apply", "init.lua", "--no-services")
    contains(applied.stdout, "Left as they are, since --no-services was given: web.")
    assert.are.equal("2", here.read(here.home .. "/x"))
    local place = here.home .. "/.config/systemd/user/web.service"
    contains(here.read(place), "/bin/a")
    here.run("apply", "init.lua")
    contains(here.read(place), "/bin/b")
  end)

  it("says where a service is declared twice", function()
    here.write_config([[
service { name = "web", scope = "user", command = { "/bin/a" } }
service { name = "web", scope = "user", command = { "/bin/a" }, on_switch = "reload" }]])
    local plan = here.run("plan", "init.lua")
    assert.are.equal(1, plan.code)
    contains(plan.stderr, "the service web is declared twice", "init.lua:2")
  end)
end)
