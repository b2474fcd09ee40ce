--- `user{}` applied by root: two real users get their files, owned by them, and their environment.

local machine = require("spec.support.machine")
local process = require("spec.support.process")

local names = { "syslua-one", "syslua-two" }

describe("user{} of two users #root", function()
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
    assert.truthy(result.stderr:find("use `secret`", 1, true), result.stderr)

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
    assert.truthy(here.run("apply", "init.lua").stdout:find("^Nothing changed"))
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

  it("refuses a user that is not there", function()
    here.write_config([[user { name = "no-such-user", setup = function() end }]])
    local result = here.run("plan", "init.lua")
    assert.equal(1, result.code)
    assert.truthy(
      result.stderr:find("there is no user `no-such-user` on this machine", 1, true),
      result.stderr
    )
  end)
end)
