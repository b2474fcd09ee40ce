--- What an earlier version left on machines is read, rolled back, applied over, collected and
--- destroyed.

local json = require("dkjson")
local older_root = require("spec.support.older_root")
local text_checks = require("spec.support.text_checks")

local contains, contains_none = text_checks.contains, text_checks.contains_none

describe("a root that 14d1392 made #once", function()
  local here

  after_each(function()
    here.remove()
  end)

  local function open(name)
    here = older_root.new("14d1392", name)
  end

  local function ask(...)
    return json.decode(here.must(...).stdout)
  end

  local function apply(turn)
    here.environment.TURN = turn
    local result = here.must("apply", "config/init.lua")
    here.environment.TURN = nil
    return result
  end

  -- Objects may be built again, since recipes are hashed in another way now. They come out the
  -- same.
  local function assert_unchanged(result)
    local printed = result.stdout
    local is_unchanged = printed:find("Nothing changed", 1, true)
      or printed:find("nothing else changed", 1, true)
    assert.truthy(is_unchanged, printed)
  end

  -- Nothing of the home is lost or changed, and of the root only the edit of a managed file is
  -- left.
  local function assert_destroyed()
    here.must("destroy", "--yes")
    assert.equal(here.describe("homes/0"), here.describe("home"))
    assert.equal("backups\n", here.shell("ls -A root").stdout)
    assert.equal("edited\n", here.shell("cat root/backups/displaced/*.real").stdout)
    assert.equal("", here.shell("ls -A root/backups/originals 2>/dev/null").stdout)
  end

  it("is read, and not changed by that", function()
    open("root")
    local before = here.list(".")
    local status = ask("status", "--json")
    assert.equal("2", status.snapshot.id)
    local ids = {}
    for _, snapshot in ipairs(ask("history", "--json").snapshots) do
      ids[#ids + 1] = snapshot.id
    end
    assert.equal("0 1 2 3 4", table.concat(ids, " "))
    contains(here.must("diff", "1", "2").stdout, "TURN = 2")
    local objects = ask("list", "--all", "--json").objects
    assert.equal(27, #objects)
    for _, object in ipairs(objects) do
      assert.is_nil(object.problem, object.object)
      here.must("info", object.object)
    end
    local verified = json.decode(here.run("verify", "--json").stdout)
    assert.equal(27, verified.checked)
    assert.equal(1, #verified.damaged)
    assert.equal("damaged-6fd6cd20c", verified.damaged[1].object)
    local why = here.must("why", "~/.real").stdout
    contains(why, "init.lua:29")
    assert.equal(before, here.list("."))
  end)

  for id = 0, 4 do
    it("is rolled back to snapshot " .. id, function()
      open("root")
      here.must("rollback", "--yes", tostring(id))
      assert.equal(here.describe("homes/" .. id), here.describe("home"))
      assert.equal(0, here.run("status").code)
      assert_destroyed()
    end)
  end

  it("is applied over", function()
    open("root")
    assert_unchanged(apply("2"))
    apply("6")
    assert.equal("real in 6\n", here.read("home/.real"))
    assert.equal("linked in 6\n", here.read("home/.linked"))
    assert.equal("6\n", here.read("home/.ran"))
    here.must("rollback", "--yes", "3")
    assert.equal(here.describe("homes/3"), here.describe("home"))
    assert_destroyed()
  end)

  it("loses only what nothing needs to gc", function()
    open("root")
    local collected = ask("gc", "--json")
    assert.equal(1, collected.removed)
    local objects = here.shell("ls root/store/obj").stdout
    contains_none(objects, "garbage")
    contains(objects, "rooted", "imported")
    -- What the killed build left.
    assert.equal("", here.shell("find root/store -path '*killed*'; ls root/store/tmp").stdout)
    assert.equal("", here.shell("ls -A root/cache/git").stdout)
    assert.equal(0, here.run("verify").code)
    for _, id in ipairs({ "1", "4", "2" }) do
      here.must("rollback", "--yes", id)
      assert.equal(here.describe("homes/" .. id), here.describe("home"))
    end
    assert_destroyed()
  end)

  it("gives its objects to another root", function()
    open("root")
    here.must("export", "tree-dba93b093", "--output", here.directory .. "/closure")
    local other = here.directory .. "/other"
    here.must("import", "closure", here.directory .. "/closure", "--root", other)
    assert.equal("two\n", here.read("other/store/obj/tree-dba93b093/deep/two"))
  end)

  it("is recovered from an apply that was cut off before its commit", function()
    open("cut-before-commit")
    assert.equal("snapshots/2", here.read_link("root/store/metadata/current"))
    local result = apply("2")
    contains(result.stderr, "took back an apply that was cut off")
    assert.equal(here.describe("homes/2"), here.describe("home"))
    assert.is_false(here.exists("root/store/metadata/journal"))
    assert_destroyed()
  end)

  it("is recovered from one that was cut off after its commit", function()
    open("cut-after-commit")
    assert_unchanged(apply("5"))
    assert.is_false(here.exists("root/store/metadata/journal"))
    assert.equal("real in 5\n", here.read("home/.real"))
    assert.equal("", here.shell("find home -name '.syslua-*'").stdout)
    here.must("rollback", "--yes")
    assert.equal(here.describe("homes/2"), here.describe("home"))
    assert_destroyed()
  end)

  for _, name in ipairs({ "cut-before-commit", "cut-after-commit" }) do
    it("is destroyed right after an apply was " .. name:gsub("%-", " "), function()
      open(name)
      assert_destroyed()
    end)
  end
end)
