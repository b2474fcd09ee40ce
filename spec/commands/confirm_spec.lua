--- `apply --confirm`: what nobody confirms is taken back.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")

describe("apply --confirm #once", function()
  local here

  before_each(function()
    here = machine.new()
    here.write("home/.taken", "mine\n")
    here.write_config([[file({ path = "~/.one", content = "first\n" })]])
    assert.equal(0, here.run("apply", "init.lua").code)
    here.write_config([[
      file({ path = "~/.one", content = "second\n" })
      file({ path = "~/.taken", content = "ours\n" })
      env({ WHICH = "second" })
    ]])
  end)

  after_each(function()
    -- Whoever still waits must not find the directory gone.
    here.run("confirm")
    here.remove()
  end)

  local function wait_for(condition)
    for _ = 1, 100 do
      if condition() then
        return true
      end
      here.shell("sleep 0.05")
    end
    return false
  end

  local function is_back()
    return here.read("home/.one") == "first\n" and not here.exists("root/store/metadata/journal")
  end

  it("takes everything back when its time is over", function()
    local home = here.list("home")
    local result = here.run("apply", "init.lua", "--confirm", "1s")
    assert.equal(0, result.code, result.stderr)
    contains(result.stdout, "confirm` within 1 s")
    assert.equal("second\n", here.read("home/.one"))
    local status = here.run("status")
    contains(status.stdout, "waits to be confirmed")
    assert.is_true(wait_for(is_back))
    assert.equal(home, here.list("home"))
    assert.is_false(here.exists("root/store/metadata/snapshots/2"))
    assert.equal(0, here.run("status").code)
  end)

  it("keeps what is confirmed", function()
    assert.equal(0, here.run("apply", "init.lua", "--confirm", "1s").code)
    local result = here.run("confirm")
    assert.equal(0, result.code, result.stderr)
    contains(result.stdout, "snapshot 2 stays")
    here.shell("sleep 1.3")
    assert.equal("second\n", here.read("home/.one"))
    result = here.run("confirm")
    assert.equal(1, result.code)
    contains(result.stderr, "no apply waits")
  end)

  it("lets no other switch begin meanwhile", function()
    assert.equal(0, here.run("apply", "init.lua", "--confirm", "20s").code)
    for _, words in ipairs({ { "apply", "init.lua" }, { "rollback", "--yes" } }) do
      local result = here.run((unpack or table.unpack)(words))
      assert.equal(1, result.code, result.stdout)
      contains(result.stderr, "not confirmed yet")
    end
    assert.equal(0, here.run("confirm").code)
  end)

  it("survives the end of its terminal and session", function()
    here.shell(
      "script -qec '$LUA -l syslua apply init.lua --confirm 1s; kill -9 $PPID' /dev/null "
        .. "</dev/null >/dev/null 2>&1"
    )
    assert.is_true(wait_for(is_back))
    assert.equal("mine\n", here.read("home/.taken"))
  end)

  it("asks on a terminal", function()
    local line =
      "(sleep 1; echo y) | script -qec '$LUA -l syslua apply init.lua --confirm 20s' /dev/null"
    local result = here.shell(line)
    contains(result.stdout, "Keep the changes?", "Confirmed.")
    assert.equal("second\n", here.read("home/.one"))
  end)

  it("is taken back by the next command when nobody else did", function()
    assert.equal(0, here.run("apply", "init.lua", "--confirm", "20s").code)
    -- As after the machine was off for longer than that.
    local journal = here.read("root/store/metadata/journal")
    here.write(
      "root/store/metadata/journal",
      (journal:gsub('{"deadline":[%d.e]+}', '{"deadline":1.0}'))
    )
    local result = here.run("rollback", "1", "--yes")
    assert.equal(0, result.code, result.stderr)
    contains(result.stderr, "took back")
    assert.is_true(is_back())
  end)

  it("refuses what is no time", function()
    for _, word in ipairs({ "0", "x", "-1", "5 s", "5y" }) do
      assert.equal(2, here.run("apply", "init.lua", "--confirm", word).code, word)
    end
  end)
end)
