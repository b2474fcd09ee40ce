--- `rollback` and `history`. What they print is in the transcript `rollback`.

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

-- A network namespace of its own has no network at all.
local it_unshared = process.run({ "unshare", "-rn", "true" }).code == 0 and it or pending

describe("rollback #once", function()
  local here = machine.for_each_test()

  local function run(...)
    local result = here.run(...)
    assert.equal(0, result.code, result.stderr)
    return result
  end

  local function apply(lines)
    here.write_config(lines)
    return run("apply", "init.lua")
  end

  local function get_variable()
    return here.shell('. "$SYSLUA_ROOT/env.sh"; printf %s "${WHICH-none}"').stdout
  end

  before_each(function()
    apply([[
      file({ path = "~/.one", content = "first\n" })
      file({ path = "~/.gone", content = "gone\n" })
      env({ WHICH = "first" })
      derive({ name = "tool", version = "1.0", config = function(_, ctx)
        ctx.write(ctx.out, "1")
      end })
    ]])
    apply([[
      file({ path = "~/.one", content = "second\n" })
      file({ path = "~/.come", content = "come\n" })
      env({ WHICH = "second" })
      derive({ name = "tool", version = "2.0", config = function(_, ctx)
        ctx.write(ctx.out, "2")
      end })
    ]])
  end)

  it("goes back to the one before, files and environment", function()
    assert.equal("second", get_variable())
    local result = run("rollback", "--yes")
    contains(result.stdout, "Snapshot 1 is in force again")
    assert.equal("first\n", here.read("home/.one"))
    assert.equal("gone\n", here.read("home/.gone"))
    assert.is_false(here.exists("home/.come"))
    assert.equal("first", get_variable())
    assert.equal("snapshots/1", here.read_link("root/store/metadata/current"))
    assert.equal(0, here.run("status").code)
  end)

  it("makes no snapshot, and numbers are not used again", function()
    run("rollback", "--yes")
    assert.is_false(here.exists("root/store/metadata/snapshots/3"))
    apply([[file({ path = "~/.one", content = "third\n" })]])
    local history = run("history", "--json").stdout
    local entry = '"current":true,"derivations":1,"description":"","id":"3","parent":"1"'
    contains(history, entry)
    run("rollback", "1", "--yes")
    here.shell(
      "chmod -R u+w $SYSLUA_ROOT/store/metadata; rm -r $SYSLUA_ROOT/store/metadata/snapshots/3"
    )
    apply([[file({ path = "~/.one", content = "fourth\n" })]])
    assert.equal("snapshots/4", here.read_link("root/store/metadata/current"))
  end)

  it("does nothing with --dry-run", function()
    local home = here.list("home")
    run("rollback", "--dry-run")
    assert.equal(home, here.list("home"))
    assert.equal("snapshots/2", here.read_link("root/store/metadata/current"))
  end)

  it("goes back to the beginning, and forward again", function()
    run("rollback", "0", "--yes")
    assert.equal("none", get_variable())
    assert.is_false(here.exists("home/.one"))
    run("rollback", "2", "--yes")
    assert.equal("second\n", here.read("home/.one"))
    assert.equal("second", get_variable())
  end)

  it_unshared("needs neither the config nor the network", function()
    os.remove(here.directory .. "/init.lua")
    local result = here.shell("unshare -rn $LUA -l syslua rollback --yes")
    assert.equal(0, result.code, result.stderr)
    assert.equal("first\n", here.read("home/.one"))
    assert.equal("first", get_variable())
  end)

  it("refuses snapshots that are not there, and objects that are missing", function()
    for _, id in ipairs({ "7", "01", "x" }) do
      local result = here.run("rollback", id, "--yes")
      assert.equal(2, result.code, result.stderr)
    end
    local object =
      here.read("root/store/metadata/snapshots/1/snapshot.json"):match("obj/(one%-%x+)")
    here.shell("chmod -R u+w $SYSLUA_ROOT/store/obj; rm -r $SYSLUA_ROOT/store/obj/" .. object)
    local home = here.list("home")
    local result = here.run("rollback", "1", "--yes")
    assert.equal(1, result.code)
    contains(result.stderr, object)
    assert.equal(home, here.list("home"))
  end)

  it("lists the commands that it runs, and no others", function()
    local lines = [[
      file { path = "~/.f", content = "%s" }
      activate { config = function(_, ctx)
        ctx.run("echo always >>~/log", { always = true })
        ctx.run("echo changed >>~/log", { on_change = { "~/.f" } })
      end }
    ]]
    apply(lines:format("1"))
    apply(lines:format("2"))
    for _, id in ipairs({ "3", "4", "4" }) do
      here.shell("rm -f ~/log; echo edited >~/.f")
      local shown = run("rollback", id, "--yes").stdout
      local log = here.read("home/log") or ""
      for _, word in ipairs({ "always", "changed" }) do
        local is_listed = shown:find("! run     echo " .. word, 1, true) ~= nil
        assert.equal(log:find(word, 1, true) ~= nil, is_listed, id .. shown .. log)
      end
    end
  end)

  it("has nothing to go back to before the first apply", function()
    local result = here.run("rollback", "--root", "other", "--yes")
    assert.equal(1, result.code)
    contains(result.stderr, "nothing was applied")
    assert.is_false(here.exists("other"))
  end)

  describe("history", function()
    it("says of a snapshot that only puts right which one it is as", function()
      here.shell("rm ~/.one; echo mine >~/.one")
      run("apply", "init.lua")
      matches(run("history").stdout, "\n%*  3  [%d-]+ [%d:]+ +2  as 2 ")
    end)

    it("goes on when a snapshot is damaged", function()
      here.write("root/store/metadata/snapshots/1/snapshot.json", "{")
      contains(run("history").stdout, "  1  cannot be used")
      assert.equal(1, here.run("rollback", "1", "--yes").code)
      assert.equal("second\n", here.read("home/.one"))
    end)
  end)
end)
