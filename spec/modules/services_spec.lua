--- Modules of services: what they write is what their programs read. The programs are Debian's.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local process = require("spec.support.process")

local function has(program)
  return process.run_line("command -v " .. program).code == 0
end

describe("modules of services #once", function()
  local here = machine.for_each_test()

  -- Evaluates a module as root would, and returns its service and the text of an object of it.
  local function evaluate(name, options)
    local found = here.evaluate(
      ('require("modules.services.%s").setup { %s }'):format(name, options),
      { username = "root", hostname = "other" }
    )
    return found
  end

  -- Builds what a module writes, and returns the place of the object of a name.
  local function build(name, options, object)
    here.write_config(('require("modules.services.%s").setup { %s }'):format(name, options))
    here.must("build", "init.lua", object, "--username", "root")
    return here.shell("ls -d root/store/obj/" .. object .. "-*").stdout:match("[^\n]+")
  end

  -- Words that mean something in some grammar.
  local hostile = { "a b", 'q"q', "semi;colon", "{brace}", "back\\slash", "#hash", "it's" }

  it("nginx", function()
    local options = [[
      servers = {
        ["www.example.org"] = {
          listen = { { 8080, "default_server" }, { "[::1]:8080" } },
          root = "/srv/www",
          autoindex = true,
          location = {
            ["/"] = { try_files = { "$uri", "=404" } },
            ["~ \\.php$"] = { deny = "all" },
          },
          add_header = { %s },
        },
      },
      user = "root",
      extra = { "server_tokens off;" },
    ]]
    local headers = {}
    for index, word in ipairs(hostile) do
      headers[index] = ('{ "X-%d", %q }'):format(index, word)
    end
    options = options:format(table.concat(headers, ", "))
    local found = evaluate("nginx", options)
    assert.has_service(found, "nginx", { scope = "system", on_switch = "reload" })
    assert.is_table(found.files["/etc/nginx/syslua.conf"])
    if not has("nginx") then
      return
    end
    local place = build("nginx", options, "nginx.conf")
    local text = here.read(place):gsub("pid /run", "pid " .. here.directory)
    here.write("checked.conf", text)
    local checked = here.shell("nginx -T -c $PWD/checked.conf 2>&1 || true").stdout
    contains(checked, "syntax is ok")
  end)

  it("sshd", function()
    local options = [[
      settings = { Port = { 22, 2222 }, PermitRootLogin = false, Subsystem = "sftp internal-sftp" },
      matches = { { match = "User git", X11Forwarding = false, ForceCommand = "echo 'a b'" } },
    ]]
    local found = evaluate("sshd", options)
    assert.has_service(found, "ssh", { contains = { "KillMode=process", "Type=notify" } })
    -- It insists on a directory, which only root makes.
    process.run_line("mkdir -p -m 755 /run/sshd")
    if not has("sshd") or process.run_line("test -d /run/sshd").code ~= 0 then
      return
    end
    local place = build("sshd", options, "sshd_config")
    here.shell("ssh-keygen -q -t ed25519 -N '' -f key")
    local told = here.shell(
      ("$(command -v sshd) -T -f %s -h $PWD/key -C user=git,host=x,addr=1.1.1.1 2>&1"):format(place)
    ).stdout
    for _, line in ipairs({ "port 2222", "permitrootlogin no", "forcecommand echo 'a b'" }) do
      assert.is_truthy(told:find("\n" .. line .. "\n", 1, true) or told:find(line, 1, true), told)
    end
    local failure = here.fail(
      'require("modules.services.sshd").setup { settings = { Banner = "a\\nb" } }',
      { username = "root", hostname = "other" }
    )
    contains(failure.message, "Banner has a control character")
  end)

  it("postgresql", function()
    local found =
      evaluate("postgresql", [[settings = { max_connections = 33, search_path = "it's" }]])
    assert.has_service(found, "postgresql", { contains = "User=postgres" })
    local place = build(
      "postgresql",
      [[settings = { max_connections = 33, application_name = "it's \\ #" }, user = nil]],
      "postgresql.conf"
    )
    local server =
      process.run_line("ls -d /usr/lib/postgresql/*/bin/postgres").stdout:match("[^\n]+")
    if server then
      -- The check of the service takes the file, and not one with a wrong value.
      local check = found.services.postgresql.check
      check = check:gsub("/usr/lib/postgresql/%d+/bin/postgres", server)
      for value, code in pairs({ ["33"] = 0, ["'many'"] = 1 }) do
        here.write("checked.conf", "max_connections = " .. value .. "\n")
        local line = check:gsub("/syslua%-placeholder/%w+", here.directory .. "/checked.conf")
        assert.are.equal(code, process.run_line(line).code, line)
      end
      for name, value in pairs({ max_connections = "33", application_name = "it's \\ #" }) do
        local line = ("%s -C %s -D %s -c config_file=$PWD/%s"):format(
          server,
          name,
          here.directory,
          place
        )
        assert.are.equal(value .. "\n", here.shell(line).stdout)
      end
    end
  end)

  it("syncthing", function()
    local found = here.evaluate([[require("modules.services.syncthing").setup {
      devices = { laptop = "ABC-DEF" },
      folders = { notes = { path = "~/a & b", devices = { "laptop" } } },
    }]])
    assert.has_service(found, "syncthing", { scope = "user", contains = "config.xml" })
    local place =
      build("syncthing", 'folders = { notes = { path = "~/a & \\"b\\"" } }', "config.xml")
    contains(here.read(place), 'path="~/a &amp; &quot;b&quot;"')
    if has("syncthing") then
      local check = found.services.syncthing.check
      local program = process.run_line("command -v syncthing").stdout:match("[^\n]+")
      check = check:gsub("/usr/bin/syncthing", program)
      for id, code in pairs({ [""] = 0, ['<device id="x"></device>'] = 1 }) do
        here.write("checked.xml", '<configuration version="36">' .. id .. "</configuration>")
        local line = check:gsub("/syslua%-placeholder/%w+", here.directory .. "/checked.xml")
        assert.are.equal(code, process.run_line(line, { environment = { HOME = here.home } }).code)
      end
    end
    local failure = here.fail([[require("modules.services.syncthing").setup {
        folders = { a = { path = "/a", devices = { "b" } } },
      }]])
    contains(failure.message, "names the device b, which is unknown")
  end)
end)
