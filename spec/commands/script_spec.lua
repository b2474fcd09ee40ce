--- `syslua.store` and `syslua.snapshots`, by which a script does what commands do.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

describe("a script", function()
  local here = machine.for_each_test(function(here)
    here.apply('file { path = "~/.one", content = "1" }')
    here.apply('file { path = "~/.two", content = "2" }')
  end)

  it("collects garbage, after it asked what would go", function()
    local result = here.script([[
      local store = syslua.store
      local function count() return #store.list().objects end
      local planned = store.gc({ keep = 1, dry_run = true })
      print(planned.applied, planned.removed, planned.kept, planned.snapshots[1], count())
      for _, object in ipairs(planned.objects) do
        print(object.object:match("^%a+"), object.kept, object.held_by and object.held_by[1].id)
      end
      print(store.gc().removed, store.gc({ older_than = 3600 }).removed, count())
      local done = store.gc({ keep = 1 })
      print(done.applied, done.removed, done.freed > 0, count())
    ]])
    assert.equal(
      "false\t1\t1\t1\t2\none\tfalse\tnil\ntwo\ttrue\t2\n0\t0\t2\ntrue\t1\ttrue\t1\n",
      result.stdout,
      result.stderr
    )
  end)

  it("asks what keeps an object, checks all, and moves some", function()
    local result = here.script([[
      local store = syslua.store
      local name = store.list().objects[1].object
      local held = store.hold(name)
      print(held.holders[1].kind, held.holders[1].id, held.closure[1] == name)
      print(store.verify().checked, store.verify().broken)
      print(store.export({ name }, "one.closure").file:match("[^/]+$"))
      local other = { root = os.getenv("HOME") .. "/other" }
      print(store.import("one.closure", other).imported[1].object == name,
        #store.list(other).objects)
    ]])
    assert.equal("snapshot\t1\ttrue\n2\t0\none.closure\ntrue\t1\n", result.stdout, result.stderr)
  end)

  it("is told of a misspelt option, and nothing is done", function()
    local result = here.script([[
      local manifest = syslua.evaluate("init.lua")
      for _, call in ipairs({
        function() syslua.apply(manifest, { dryrun = true }) end,
        function() syslua.plan(manifest, { biuld = true }) end,
        function() syslua.snapshots.rollback("1", { dryrun = true }) end,
        function() syslua.snapshots.destroy({ dry_run = "yes" }) end,
        function() syslua.store.gc({ dryrun = true, keep = 1 }) end,
        function() syslua.store.gc({ keep = 0 }) end,
        function() syslua.store.gc({ keep = 1.5 }) end,
        function() syslua.store.gc({ older_than = -1 }) end,
        function() syslua.store.gc({ older_than = 0 / 0 }) end,
        function() syslua.store.gc({ older_than = "30d" }) end,
        function() syslua.store.gc("1") end,
        function() syslua.store.hold("../../x") end,
      }) do
        local ok, caught = pcall(call)
        local problem = syslua.error(caught)
        print(ok, problem.position, problem.message, problem.hint)
      end
      print(#syslua.snapshots.list().snapshots, #syslua.store.list().objects)
    ]])
    local lines = {}
    for line in result.stdout:gmatch("[^\n]+") do
      lines[#lines + 1] = line
    end
    contains(lines[1], "script.lua:4\tunknown field `dryrun` in the options of syslua.apply\t")
    contains(lines[1], "\tdid you mean `dry_run`?")
    contains(lines[2], "syslua.plan\tdid you mean `build`?")
    contains(lines[3], "syslua.snapshots.rollback\tdid you mean `dry_run`?")
    contains(lines[4], "`dry_run` in the options of syslua.snapshots.destroy: ")
    contains(lines[5], "script.lua:8\tunknown field `dryrun` in the")
    contains(lines[6], "script.lua:9\t`keep`: expected a number of snapshots, 1 or more")
    contains(lines[7], "`keep` in the options of syslua.store.gc: expected")
    contains(lines[8], "`older_than`: expected a number of seconds, 0 or more")
    contains(lines[9], "`older_than`: expected a number of seconds, 0 or more")
    contains(lines[10], "`older_than` in the options of syslua.store.gc: ")
    contains(lines[11], "syslua.store.gc: expected a table of options, got ")
    contains(lines[12], "script.lua:15\t")
    for index = 1, 12 do
      matches(lines[index], "^false\t")
    end
    assert.equal("3\t2", lines[13], result.stderr)
  end)
end)
