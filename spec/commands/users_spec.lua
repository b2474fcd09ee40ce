--- `user{}` applied by root: two real users get their files, owned by them, and their environment.

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

local names = { "syslua-one", "syslua-two" }

describe("user{} of two users #root #once", function()
  local here, homes

  before_each(function()
    here, homes = machine.new(), {}
    -- Users have to reach their environment.
    here.shell("chmod 755 .")
    for _, name in ipairs(names) do
      process.run({ "userdel", name })
      homes[name] = here.directory .. "/" .. name
      local words =
        { "useradd", "--create-home", "--skel", "/dev/null", "--home-dir", homes[name], name }
      local result = process.run(words)
      assert.equal(0, result.code, result.stderr)
    end
  end)

  after_each(function()
    here.shell("chattr -R -f -i . 2>/dev/null")
    here.remove()
    for _, name in ipairs(names) do
      process.run({ "userdel", name })
    end
  end)

  local config = [[
    env { EDITOR = "vi", PATH = "~/general" }
    for _, name in ipairs({ "syslua-one", "syslua-two" }) do
      user {
        name = name,
        setup = function()
          file { path = "~/.config/own", content = name }
          file { path = "~/.real", content = "real " .. name, mode = "640" }
          env { WHO = name, PATH = "~/own" }
          if name == "syslua-one" then env { EDITOR = "ed" } end
        end,
      }
    end
  ]]

  local function owner(path)
    return (here.shell("stat -c '%U %a' " .. path).stdout:gsub("\n", ""))
  end

  local function as(name, line)
    local command =
      "setpriv --reuid=%s --regid=%s --init-groups env -i HOME=%s PATH=/usr/bin:/bin sh -c %s"
    local result = here.shell(command:format(name, name, homes[name], process.quote(line)))
    assert.equal("", result.stderr)
    return (result.stdout:gsub("\n$", ""))
  end

  it("gives each their own", function()
    here.write_config(config)
    local result = here.run("apply", "init.lua")
    assert.equal(1, result.code, "a mode that others cannot read is refused in the system's root")
    contains(result.stderr, "use `secret`")

    here.write_config((config:gsub("640", "644")))
    result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
    for _, name in ipairs(names) do
      local home = homes[name]
      assert.equal(name, here.read(home .. "/.config/own"))
      assert.equal("real " .. name, here.read(home .. "/.real"))
      assert.equal(name, owner(home .. "/.config"):match("^%S+"))
      assert.equal(name .. " 644", owner(home .. "/.real"))
      assert.equal(
        name,
        (here.shell("stat -c %U " .. home .. "/.config/own").stdout:gsub("\n", ""))
      )
      assert.equal(name .. " 700", owner(here.root .. "/users/" .. name))

      local script = here.root .. "/users/" .. name .. "/env.sh"
      local editor = name == "syslua-one" and "ed" or "vi"
      local line = (". %s; echo $WHO $EDITOR; echo $PATH"):format(script)
      local expected = ("%s %s\n%s/own:%s/general:/usr/bin:/bin"):format(name, editor, home, home)
      assert.equal(expected, as(name, line))
    end
    -- Nobody else may look into it.
    local other = as(
      "syslua-two",
      ("cat %s/users/syslua-one/env.sh 2>/dev/null || echo refused"):format(here.root)
    )
    assert.equal("refused", other)
    -- Root's own environment has nothing of theirs.
    result = here.shell([[. "$SYSLUA_ROOT/env.sh"; echo "$EDITOR ${WHO-nobody}"]])
    assert.equal("vi nobody\n", result.stdout)
    matches(here.run("apply", "init.lua").stdout, "^Nothing changed")
  end)

  it("takes it back, and rolls back to it", function()
    here.write_config((config:gsub("640", "644")))
    assert.equal(0, here.run("apply", "init.lua").code)
    here.write_config([[env { EDITOR = "vi" }]])
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
    for _, name in ipairs(names) do
      assert.is_false(here.exists(homes[name] .. "/.config"))
      assert.is_false(here.exists(homes[name] .. "/.real"))
    end
    result = here.run("rollback", "--yes")
    assert.equal(0, result.code, result.stderr)
    assert.equal(
      "syslua-two",
      as("syslua-two", (". %s/users/syslua-two/env.sh; echo $WHO"):format(here.root))
    )
    assert.equal("syslua-two 644", owner(homes["syslua-two"] .. "/.real"))
  end)

  it("gives each their secrets, which others cannot read", function()
    here.copy("src/secrets/tests/vectors/key.txt", "key.txt")
    here.shell("chmod 600 key.txt")
    here.environment.SOPS_AGE_KEY_FILE = here.directory .. "/key.txt"
    here.environment.SOPS_AGE_RECIPIENTS =
      "age1fm04afyk2yvux4cluqw83g4vx5cqvfdkle3r7qpx6nsm8yw6vcvstu8dzn"
    for _, name in ipairs(names) do
      here.must("secrets", "set", name, "value of " .. name, "--file", "secrets.yaml")
    end
    here.write(
      "init.lua",
      [[
      local s = sops.load("secrets.yaml")
      return { setup = function()
        for _, name in ipairs({ "syslua-one", "syslua-two" }) do
          user { name = name, setup = function()
            file { path = "~/.linked", secret = s[name] }
            file { path = "~/.copied", secret = s[name], copy = true }
            file { path = "~/.whoami", secret = syslua.lib.secret.command { "id", "-un" } }
            syslua.lib.secret.env { TOKEN = s[name] }
          end }
        end
      end }
    ]]
    )
    local applied = here.run("apply", "init.lua")
    assert.equal(0, applied.code, applied.stderr)
    for index, name in ipairs(names) do
      local own = ("value of " .. name):rep(2) .. name
      assert.equal(own, as(name, "cat ~/.linked ~/.copied ~/.whoami"))
      local token = as(name, (". %s/users/%s/env.sh; echo $TOKEN"):format(here.root, name))
      assert.equal("value of " .. name, token)
      assert.equal(name .. " 600", owner(homes[name] .. "/.copied"))
      assert.equal(name .. " 600", owner("$(readlink " .. homes[name] .. "/.linked)"))
      assert.equal(name .. " 700", owner(here.root .. "/secrets/" .. name))
      -- Neither by the link nor by the place.
      local other = names[3 - index]
      local peek = "for f in $(readlink -f %s/.linked) %s/.copied %s/secrets/%s/* %s/secrets/.key; "
        .. "do cat $f 2>/dev/null && echo read; done; ls %s/secrets 2>/dev/null"
      local home, root = homes[name], here.root
      assert.equal("", as(other, peek:format(home, home, root, name, root, root)))
    end
    here.write_config("")
    here.must("apply", "init.lua")
    local left = here.shell("find $SYSLUA_ROOT/secrets -type f -not -path '*/.*'")
    assert.equal("", left.stdout)
    here.must("rollback", "--yes")
    assert.equal("value of syslua-twosyslua-two", as("syslua-two", "cat ~/.linked ~/.whoami"))
    here.must("destroy", "--yes")
    assert.is_false(here.exists("root"))
  end)

  -- What a user applies with a root of their own.
  local function apply_as(name, lines)
    local path = homes[name] .. "/own.lua"
    here.write(path, "return { setup = function()\n" .. lines .. "\nend }\n")
    local line = "env LUA_PATH=%s LUA_CPATH=%s %s -l syslua apply ~/own.lua; echo code $?"
    local environment = here.environment
    local command =
      "setpriv --reuid=%s --regid=%s --init-groups env -i HOME=%s PATH=/usr/bin:/bin sh -c %s"
    local quoted = line:format(
      process.quote(environment.LUA_PATH),
      process.quote(environment.LUA_CPATH),
      require("spec.support.interpreter").name
    )
    local result = here.shell(command:format(name, name, homes[name], process.quote(quoted)))
    return tonumber(result.stdout:match("code (%d+)")), result.stdout .. result.stderr
  end

  local both = {
    link = 'file { path = "~/.config/own", content = "theirs" }',
    file = 'file { path = "~/.real", content = "theirs", mode = "644" }',
    below = 'file { path = "~/.tree", source = "tree" }',
  }

  it("refuses what a user's own root manages", function()
    here.write(homes["syslua-one"] .. "/tree/inner", "inner\n")
    here.shell("chmod -R a+rX " .. homes["syslua-one"] .. "/tree")
    local code, said = apply_as("syslua-one", both.link .. both.file .. both.below)
    assert.equal(0, code, said)
    local before = here.list(homes["syslua-one"])
    for _, line in ipairs({
      'file { path = "~/.config/own", content = "root\'s" }',
      'file { path = "~/.real", content = "root\'s", mode = "644" }',
      'file { path = "~/.real", content = "root\'s" }',
      'file { path = "~/.tree/inner", content = "root\'s" }',
    }) do
      here.write_config(('user { name = "syslua-one", setup = function()\n%s\nend }'):format(line))
      local result = here.run("apply", "init.lua")
      assert.equal(1, result.code, line .. result.stdout)
      local root = homes["syslua-one"] .. "/.local/share/syslua"
      contains(result.stderr, "is managed by the root " .. root, "init.lua:3", "--root " .. root)
    end
    assert.equal(before, here.list(homes["syslua-one"]))
  end)

  it("is not overruled by a user's own root", function()
    here.write_config((config:gsub("640", "644")))
    here.must("apply", "init.lua")
    local before = here.list(homes["syslua-one"])
    for _, name in ipairs({ "link", "file" }) do
      local code, said = apply_as("syslua-one", both[name])
      assert.equal(1, code, said)
      contains(said, "is managed by the root " .. here.root)
    end
    os.remove(homes["syslua-one"] .. "/own.lua")
    assert.equal(before, here.list(homes["syslua-one"]))
    -- A copy of root's file is the user's own.
    here.shell(("cp -a %s/.real %s/.copy"):format(homes["syslua-one"], homes["syslua-one"]))
    local code, said =
      apply_as("syslua-one", 'file { path = "~/.copy", content = "x", copy = true }')
    assert.equal(0, code, said)
    -- And what root gives up is free.
    here.write_config("")
    here.must("apply", "init.lua")
    code, said = apply_as("syslua-one", both.link .. both.file)
    assert.equal(0, code, said)
  end)

  it("is destroyed for all of them", function()
    here.write(homes["syslua-two"] .. "/.real", "mine\n")
    local before = { here.list(homes["syslua-one"]), here.list(homes["syslua-two"]) }
    here.write_config((config:gsub("640", "644")))
    here.must("apply", "init.lua")
    here.shell("echo own >$SYSLUA_ROOT/users/syslua-one/own")
    local result = here.must("destroy", "--yes")
    assert.same(before, { here.list(homes["syslua-one"]), here.list(homes["syslua-two"]) })
    contains(result.stdout, "users/syslua-one/own: sys.lua did not make it")
    assert.equal("./users/syslua-one/own\n", here.shell("cd $SYSLUA_ROOT && find . -type f").stdout)
  end)

  it("refuses a user that is not there", function()
    here.write_config([[user { name = "no-such-user", setup = function() end }]])
    local result = here.run("plan", "init.lua")
    assert.equal(1, result.code)
    contains(result.stderr, "there is no user `no-such-user` on this machine")
  end)
end)
