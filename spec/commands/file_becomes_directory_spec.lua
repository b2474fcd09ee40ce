--- A file that replaced one of the user's becomes a directory, and the other way round.

local machine = require("spec.support.machine")
local random = require("spec.support.random")

local rounds = 10

describe("a file with an original that becomes a directory #once", function()
  local here = machine.for_each_test(function() end)

  it("gives way to the directory, and the original comes back", function()
    local seed = tonumber(os.getenv("SYSLUA_SEED")) or os.time()
    local draw = random.new(seed)
    local declared = 'file { path = "~/t", source = "src", recursive = true }'
    for round = 1, rounds do
      here.shell("rm -rf ~/t src; mkdir -p ~/t src/deep")
      local name = ({ "a", "deep/a" })[draw(2)]
      here.write("home/t/" .. name, "mine\n")
      if draw(2) == 1 then
        here.shell("chmod 600 ~/t/" .. name)
      end
      local before = here.list("home")
      here.write("src/" .. name, "one\n")
      local lines = {
        declared,
        ('file { path = "~/t/%s", content = "one\\n" }'):format(name),
        ('file { path = "~/t/%s", content = "one\\n", copy = true }'):format(name),
      }
      here.apply(lines[draw(#lines)])
      local inner = ({ "b", "b/c", "b/c/d" })[draw(3)]
      here.shell("rm -rf src/" .. name)
      here.write(("src/%s/%s"):format(name, inner), "two\n")
      local is_removed = draw(3) == 1
      if is_removed then
        here.shell("rm ~/t/" .. name)
      end
      local next_lines =
        { declared, ('file { path = "~/t/%s/%s", content = "two\\n" }'):format(name, inner) }
      here.apply(next_lines[draw(2)])
      local what = ("seed %d, round %d: %s, %s"):format(seed, round, name, inner)
      local place = ("home/t/%s/%s"):format(name, inner)
      assert.equal("two\n", here.read(place), what)
      assert.equal(0, here.run("status").code, what)
      assert.truthy(here.must("apply", "init.lua").stdout:find("Nothing changed", 1, true), what)
      local way = draw(4)
      if way == 1 then
        here.must("rollback", "--yes")
        assert.equal("one\n", here.read("home/t/" .. name), what)
        here.must("rollback", "--yes", "2")
        assert.equal("two\n", here.read(place), what)
      elseif way == 2 then
        here.apply("")
        assert.equal(before, here.list("home"), what)
      elseif way == 3 then
        here.shell("rm -rf src/" .. name)
        here.write("src/" .. name, "three\n")
        here.apply(declared)
        assert.equal("three\n", here.read("home/t/" .. name), what)
      end
      here.must("destroy", "--yes")
      assert.equal(before, here.list("home"), what)
    end
  end)
end)
