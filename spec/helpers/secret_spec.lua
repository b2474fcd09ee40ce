--- Secrets in configs: read without an identity, decrypted at the switch, and shown nowhere.

local process = require("spec.support.process")
local secret_place = require("spec.support.secret_place")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

local recipient = secret_place.recipient
local canary = secret_place.canary

describe("secrets in configs", function()
  local here

  before_each(function()
    here = secret_place.new()
    here.set("db.password", canary)
    here.set("db.port", "5432", "--type", "int")
  end)

  after_each(function()
    here.remove()
  end)

  local function mode(path)
    return (here.shell("stat -c %a " .. process.quote(path)).stdout:gsub("\n", ""))
  end

  local link = 'file { path = "~/pass", secret = "postgres:" .. s.db.port .. ":" .. s.db.password }'

  it("writes a private file and links it", function()
    here.declare(link)
    here.without_identity()
    local plan = here.run("plan", "--diff", "init.lua")
    assert.equal(0, plan.code, plan.stderr)
    contains(plan.stdout, "db.password of secrets.yaml")
    here.with_identity()
    local applied = here.run("apply", "--json", "init.lua")
    assert.equal(0, applied.code, applied.stderr)
    assert.equal("postgres:5432:" .. canary, here.read("home/pass"))
    local kept = here.read_link("home/pass")
    assert.equal("600", mode(kept))
    assert.equal("700", mode(kept:match("^(.*)/")))
    assert.equal("711", mode("root/secrets"))
    assert.equal("600", mode("root/secrets/.key"))
    -- What is applied needs no identity.
    here.without_identity()
    local again = here.run("apply", "init.lua")
    assert.equal(0, again.code, again.stderr)
    contains(again.stdout, "Nothing changed")
    assert.equal(0, here.run("status").code)
    here.check_nowhere(
      plan,
      applied,
      again,
      here.run("status", "--json"),
      here.run("history", "--json")
    )
    here.must("destroy", "--yes")
    assert.is_false(here.exists("root"))
    assert.is_false(here.exists("home/pass"))
  end)

  it("writes in place, and a change of the value is one of the target", function()
    local body = 'file { path = "~/pass", secret = s.db.password, copy = true, '
      .. 'on_change = "echo told >> ~/log" }'
    here.declare(body)
    here.must("apply", "init.lua")
    assert.equal(canary, here.read("home/pass"))
    assert.equal("600", mode("home/pass"))
    assert.equal("told\n", here.read("home/log"))
    here.set("db.password", canary .. "-2")
    local plan = here.run("plan", "--json", "--diff", "--exit-code", "init.lua")
    assert.equal(3, plan.code)
    here.must("apply", "init.lua")
    assert.equal(canary .. "-2", here.read("home/pass"))
    assert.equal("told\ntold\n", here.read("home/log"))
    -- Another encryption of the same is none.
    here.must("secrets", "rotate", "--file", "secrets.yaml")
    here.must("apply", "init.lua")
    assert.equal("told\ntold\n", here.read("home/log"))
    local diff = here.run("diff", "1", "2", "--text", "--json")
    assert.equal(0, diff.code, diff.stderr)
    here.check_nowhere(plan, diff)
    here.declare("")
    here.must("apply", "init.lua")
    assert.is_false(here.exists("home/pass"))
    here.check_nowhere()
  end)

  it("goes back without the config", function()
    here.declare(link)
    here.must("apply", "init.lua")
    here.set("db.password", canary .. "-2")
    here.must("apply", "init.lua")
    assert.equal("postgres:5432:" .. canary .. "-2", here.read("home/pass"))
    here.shell("rm init.lua secrets.yaml")
    here.without_identity()
    local refused = here.run("rollback", "--yes")
    assert.equal(1, refused.code)
    contains(refused.stderr, recipient)
    assert.equal("postgres:5432:" .. canary .. "-2", here.read("home/pass"))
    here.with_identity()
    here.must("rollback", "--yes")
    assert.equal("postgres:5432:" .. canary, here.read("home/pass"))
    assert.equal("1\n", here.shell("find root/secrets -type f -not -name .key | wc -l").stdout)
    here.check_nowhere(refused)
  end)

  it("fails before anything is touched", function()
    here.declare('file { path = "~/other", content = "x" }\n' .. link)
    here.without_identity()
    local failed = here.run("apply", "init.lua")
    assert.equal(1, failed.code)
    contains(failed.stderr, "db.port of secrets.yaml", "init.lua:4", recipient, "none.txt")
    assert.is_false(here.exists("home/other"))
    assert.is_false(here.exists("home/pass"))
    assert.is_false(here.exists("root/store/metadata/current"))
    here.declare('file { path = "~/pass", secret = s.db.pasword }')
    local misspelt = here.run("plan", "init.lua")
    assert.equal(1, misspelt.code)
    contains(
      misspelt.stderr,
      "there is no `pasword` in `db` of secrets.yaml",
      "did you mean `password`?"
    )
    -- One that was altered.
    here.with_identity()
    here.declare(link)
    here.write(
      "secrets.yaml",
      (here.read("secrets.yaml"):gsub('lastmodified: "2', 'lastmodified: "1'))
    )
    local altered = here.run("apply", "init.lua")
    assert.equal(1, altered.code)
    contains(altered.stderr, "altered")
    here.check_nowhere(failed, altered)
  end)

  it("keeps edits private, and restores what it wrote", function()
    here.declare(link .. '\nfile { path = "~/copy", secret = s.db.password, copy = true }')
    here.must("apply", "init.lua")
    for _, file in ipairs({ "pass", "copy" }) do
      here.write("home/" .. file, "edited " .. canary)
      here.shell("chmod 644 home/" .. file)
    end
    local status = here.run("status", "--json")
    assert.equal(3, status.code)
    contains(status.stdout, '"content"')
    local plan = here.run("plan", "--diff", "--json", "init.lua")
    local applied = here.run("apply", "init.lua")
    assert.equal(0, applied.code, applied.stderr)
    assert.equal("postgres:5432:" .. canary, here.read("home/pass"))
    assert.equal(canary, here.read("home/copy"))
    local rights = here.shell("stat -c %a root/backups/displaced/*").stdout
    assert.equal("600\n600\n", rights)
    assert.equal("700", mode("root/backups/displaced"))
    here.check_nowhere(status, plan, applied)
  end)

  it("writes the private file of a link again", function()
    here.declare(link)
    here.must("apply", "init.lua")
    here.shell("rm -r root/secrets")
    assert.equal(3, here.run("status").code)
    here.must("apply", "init.lua")
    assert.equal("postgres:5432:" .. canary, here.read("home/pass"))
    assert.equal(0, here.run("status").code)
  end)

  it("refuses secrets where everybody reads, by the name of the field", function()
    for _, case in ipairs({
      { 'file { path = "~/x", content = s.db.password }', "`content` in file{}" },
      { 'file { path = "~/x", source = s.db.password }', "`source` in file{}" },
      { 'file { path = s.db.password, content = "x" }', "`path` in file{}" },
      { "env { TOKEN = s.db.password }", "`TOKEN` in env{} is a secret" },
      { "env { PATH = { s.db.password } }", "`PATH[1]` in env{} is a secret" },
      { "alias { x = s.db.password }", "`x` in alias{}" },
      { "alias { x = { sh = s.db.password } }", "`x` in alias{}" },
      {
        'derive { name = "x", opts = { a = { t = s.db.password } }, config = function() end }',
        "`opts.a.t` is a secret",
      },
      {
        'local t = s.db.password\nderive { name = "x", config = function(_, ctx) '
          .. 'ctx.write(ctx.out, "a" .. t) end }',
        "`config` captures `t`",
      },
      {
        "activate { config = function(_, ctx) ctx.run({ 'echo', s.db.password }) end }",
        "`cmd[2]` in ctx.run",
      },
      {
        "activate { config = function(_, ctx) ctx.run('x', { env = { T = s.db.port } }) end }",
        "`env.T` in ctx.run",
      },
      { "activate { config = function(_, ctx) ctx.run(s.db.password) end }", "`cmd` in ctx.run" },
      {
        "activate { config = function(_, ctx) ctx.add_to_path(s.db.password) end }",
        "`directory` in ctx.add_to_path: expected a path, got a secret",
      },
      {
        "activate { opts = { a = { s.db.password } }, config = function() end }",
        "`opts.a[1]` in activate{} is a secret",
      },
      { "source(s.db.password)", "source(): expected a path, got a secret" },
      {
        "tools { node = s.db.password }",
        "`node` in tools{}: a version is a string, got a secret",
      },
      { "alias { [s.db.password] = 'x' }", "an alias has a name, got a secret" },
      { "error(s.db.password)", "the raised error is not a text: a secret" },
      { "syslua.lib.toJSON({ t = s.db.password })", "`value.t` is a secret" },
      {
        'file { path = "~/x", merge = "json", values = { a = { b = s.db.password } } }',
        "`values.a.b` is a secret",
      },
      {
        'file { path = "~/x", merge = "lines", values = { "x", s.db.password } }',
        "`values[2]` is a secret",
      },
      {
        'file { path = "~/x", secret = "plain" }',
        "`secret` in file{}: expected secret, got string",
      },
      {
        'file { path = "~/x", secret = s.db.password, content = "x" }',
        "both `secret` and `content`",
      },
      {
        'file { path = "~/x", secret = s.db.password, mutable = true }',
        "both `secret` and `mutable`",
      },
      { "error('it is ' .. s.db.password)", "the raised error is not a text" },
      { "error(('it is %s'):format(tostring(s.db.password)))", "it is <secret>" },
      { "return s.db.password.x", "a secret has no field `x`" },
    }) do
      local body, part = case[1], case[2]
      here.declare(body)
      local refused = here.run("plan", "init.lua")
      assert.equal(1, refused.code, body .. ": " .. refused.stdout)
      contains(refused.stderr, part)
      here.check_nowhere(refused)
    end
  end)

  it("refuses secrets as inputs, except in `auth`", function()
    for _, case in ipairs({
      {
        "a = s.db.password",
        "the input `a`: expected an address or a table with `url`, got a secret",
      },
      { "a = { url = s.db.password }", "`url` in the input `a`: expected string, got a secret" },
      { 'a = "git:https://" .. s.db.password .. "@x.invalid/y"', "got a secret" },
    }) do
      here.write(
        "init.lua",
        ('local s = sops.load("secrets.yaml")\nreturn { inputs = { %s }, setup = print }\n'):format(
          case[1]
        )
      )
      local refused = here.run("plan", "init.lua")
      assert.equal(1, refused.code, case[1])
      contains(refused.stderr, case[2])
      here.check_nowhere(refused)
    end
  end)

  it("reads files of age, lists and binary documents, beside the calling file", function()
    if not process.has("age") then
      pending("age is not installed")
    end
    here.shell("mkdir -p modules")
    here.shell(("printf %%s %s-age | age -r %s -a -o modules/token.age"):format(canary, recipient))
    here.must("secrets", "set", "users[0].key", canary .. "-list", "--file", "modules/s.json")
    here.write(
      "modules/m.lua",
      [[
      local s = sops.load("s.json")
      return { token = age.load("token.age"), first = s.users[1].key, count = #s.users }
    ]]
    )
    here.write(
      "init.lua",
      [[
      local m = require("modules.m")
      return { setup = function()
        file { path = "~/token", secret = m.token }
        file { path = "~/list", secret = m.first }
        file { path = "~/count", content = tostring(m.count) }
      end }
    ]]
    )
    here.must("apply", "init.lua")
    assert.equal(canary .. "-age", here.read("home/token"))
    assert.equal(canary .. "-list", here.read("home/list"))
    assert.equal("1", here.read("home/count"))
    -- The copy of the config has all that it takes.
    here.shell("rm -r init.lua modules")
    assert.equal(0, here.run("status").code)
    here.check_nowhere()
  end)

  it("leaves no trace of a value, whatever is cut off #once", function()
    here.declare(
      link
        .. '\nfile { path = "~/copy", secret = s.db.password, copy = true, '
        .. 'on_change = "sleep 0.05" }'
    )
    here.shell("cp secrets.yaml one.yaml")
    here.set("db.password", canary .. "-2")
    here.shell("cp secrets.yaml two.yaml")
    -- What other processes see of ours.
    here.write("pattern", canary .. "\n")
    here.write(
      "watch.sh",
      [[
      while [ -e watch.sh ] && [ ! -e stop ]; do
        for process in /proc/[0-9]*; do
          tr '\0' '\n' <$process/cmdline
          tr '\0' '\n' <$process/environ
        done 2>/dev/null | grep -aF -f pattern >>seen
        sleep 0.02
      done
    ]]
    )
    here.shell("sh watch.sh >/dev/null 2>&1 &")
    for number = 1, 12 do
      here.shell(("cp %s.yaml secrets.yaml"):format(number % 2 == 0 and "one" or "two"))
      local line = "timeout -s KILL %.2f $LUA -l syslua apply init.lua >out 2>&1"
      here.shell(line:format(0.1 * number))
      here.check_nowhere({ stdout = here.read("out"), stderr = "" })
      if number % 4 == 0 then
        local done = here.run("apply", "init.lua")
        assert.equal(0, done.code, done.stderr)
        local value = canary .. (number % 2 == 0 and "" or "-2")
        assert.equal("postgres:5432:" .. value, here.read("home/pass"))
        assert.equal(value, here.read("home/copy"))
        local files = here.shell("find root/secrets -type f -not -name .key").stdout
        matches(files, "^root/secrets/[^/]+/%x+\n$")
        here.check_nowhere(done)
      end
    end
    local back = here.run("rollback", "--yes")
    local gone = here.run("destroy", "--yes")
    assert.equal(0, gone.code, gone.stderr)
    here.shell("touch stop; sleep 0.1")
    assert.equal("", here.read("seen"))
    here.check_nowhere(back, gone)
  end)

  it("makes secrets of templates, which are tried while the config is evaluated", function()
    here.set("hosts[0]", "a.example")
    here.set("hosts[1]", "b.example")
    here.write(
      "app.j2",
      [[
password={{ db.password }}
port={{ db.port + 1 }}
{% for host in hosts %}host={{ host | sh }}
{% endfor %}name={{ name }}
]]
    )
    here.write(
      "init.lua",
      [[
      local lib, s = syslua.lib, sops.load("secrets.yaml")
      local values = { db = s.db, hosts = s.hosts, name = "it's" }
      local text = lib.secret.template(lib.read("app.j2"), values)
      return { setup = function()
        file { path = "~/app", secret = "# made\n" .. text }
      end }
    ]]
    )
    here.without_identity()
    assert.equal(0, here.run("plan", "init.lua").code)
    here.with_identity()
    local applied = here.run("apply", "init.lua")
    assert.equal(0, applied.code, applied.stderr)
    assert.equal(
      "# made\npassword=" .. canary .. "\nport=5433\nhost=a.example\nhost=b.example\nname=it's\n",
      here.read("home/app")
    )
    here.declare(
      'file { path = "~/app", secret = syslua.lib.secret.template("{{ db.pasword }}", s) }'
    )
    local refused = here.run("plan", "init.lua")
    assert.equal(1, refused.code)
    contains(refused.stderr, "pasword")
    here.check_nowhere(applied, refused)
  end)

  it("declares variables whose values are in a private file", function()
    here.set("quoted", "it's \"" .. canary .. '" $HOME')
    here.declare("syslua.lib.secret.env { TOKEN = s.quoted, PORT = s.db.port }")
    local applied = here.run("apply", "init.lua")
    assert.equal(0, applied.code, applied.stderr)
    local shown = here.shell('. root/env.sh; printf "%s|%s" "$TOKEN" "$PORT"').stdout
    assert.equal("it's \"" .. canary .. '" $HOME|5432', shown)
    local inner = here.shell(". root/env.sh; sh -c 'printf %s \"$PORT\"'").stdout
    assert.equal("5432", inner)
    -- One line for all languages of shells.
    local _, lines = applied.stdout:gsub("TOKEN %(secret quoted of [^\n]*", "")
    assert.equal(1, lines, applied.stdout)
    contains(applied.stdout, "PORT (secret db.port of secrets.yaml)")
    local why = here.run("why", "TOKEN")
    contains(why.stdout, "TOKEN = <secret>\n  at init.lua:")
    here.check_nowhere(applied, here.run("env"), why)
    here.declare("")
    here.must("apply", "init.lua")
    assert.equal("0\n", here.shell("find root/secrets -type f -not -name .key | wc -l").stdout)
    here.declare("syslua.lib.secret.env { TOKEN = 'plain' }")
    contains(here.run("plan", "init.lua").stderr, "`TOKEN` in lib.secret.env: expected a secret")
  end)

  it("takes what a program prints, once for a declaration", function()
    here.write("value", canary .. "\n\n")
    here.write(
      "print.sh",
      "echo ran >>$HOME/runs; cat " .. process.quote(here.directory .. "/value") .. "\n"
    )
    local function declare(more)
      here.declare(
        ('file { path = "~/pass", secret = syslua.lib.secret.command { "sh", %q } }\n%s'):format(
          here.directory .. "/print.sh",
          more or ""
        )
      )
    end
    declare()
    assert.equal(0, here.run("plan", "init.lua").code)
    assert.is_false(here.exists("home/runs"))
    local first = here.run("apply", "init.lua")
    assert.equal(0, first.code, first.stderr)
    assert.equal(canary, here.read("home/pass"))
    here.write("value", canary .. "-2\n")
    declare('file { path = "~/other", content = "x" }')
    here.must("apply", "init.lua")
    assert.equal("ran\n", here.read("home/runs"))
    local again = here.run("apply", "--refresh-secrets", "init.lua")
    assert.equal(0, again.code, again.stderr)
    assert.equal("ran\nran\n", here.read("home/runs"))
    assert.equal(canary .. "-2", here.read("home/pass"))
    -- The value of then, without running anything and without an identity of the user.
    here.without_identity()
    here.must("rollback", "--yes")
    assert.equal(canary, here.read("home/pass"))
    here.shell("rm -r root/secrets/*")
    here.must("apply", "init.lua")
    assert.equal("ran\nran\n", here.read("home/runs"))
    here.check_nowhere(first, again)
    here.write("print.sh", "exit 3\n")
    local failed = here.run("apply", "--refresh-secrets", "init.lua")
    assert.equal(1, failed.code)
    contains(failed.stderr, "`sh` failed: exit status: 3")
    here.must("gc", "--keep", "1")
    assert.equal("1\n", here.shell("ls root/secrets/.values | wc -l").stdout)
    here.must("destroy", "--yes")
    assert.is_false(here.exists("root"))
  end)

  it("knows the documents under --pure", function()
    here.declare(link)
    assert.equal(0, here.run("plan", "--pure", "init.lua").code)
    here.write("init.lua", 'sops.load("/etc/secrets.yaml")\nreturn { setup = function() end }\n')
    local refused = here.run("plan", "--pure", "init.lua")
    assert.equal(1, refused.code)
    contains(refused.stderr, "sops.load: /etc/secrets.yaml is outside of the config")
  end)
end)
