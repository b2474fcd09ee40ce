--- A file that replaced one of the user's becomes a directory, and the other way round.

local machine = require("spec.support.machine")
local random = require("spec.support.random")

local rounds = 10

describe("a file with an original that becomes a directory #once", function()
  local here = machine.for_each_test(function() end)

  it("gives way to the directory, and the original comes back", function()
    local seed = tonumber(os.getenv("SYSLUA_SEED")) or os.time()
    local draw = random.new(seed)
    for round = 1, rounds do
      here.shell("rm -rf ~/t ~/real src; mkdir -p src/deep")
      -- The directory of targets may be a link of the user's, and written in another way.
      here.shell(draw(3) == 1 and "mkdir -p ~/real/deep; ln -s real ~/t" or "mkdir -p ~/t")
      local top = ({ "~/t", "~/t", "~/t/../t", "~/t/deep/.." })[draw(4)]
      if top == "~/t/deep/.." then
        here.shell("mkdir -p ~/t/deep")
      end
      local declared = ('file { path = "%s", source = "src", recursive = true }'):format(top)
      local name = ({ "a", "deep/a" })[draw(2)]
      here.write("home/t/" .. name, "mine\n")
      if draw(2) == 1 then
        here.shell("chmod 600 ~/t/" .. name)
      end
      local before = here.list("home")
      here.write("src/" .. name, "one\n")
      local lines = {
        declared,
        ('file { path = "%s/%s", content = "one\\n" }'):format(top, name),
        ('file { path = "%s/%s", content = "one\\n", copy = true }'):format(top, name),
      }
      here.apply(lines[draw(#lines)])
      local inner = ({ "b", "b/c", "b/c/d" })[draw(3)]
      here.shell("rm -rf src/" .. name)
      here.write(("src/%s/%s"):format(name, inner), "two\n")
      local is_removed = draw(3) == 1
      if is_removed then
        here.shell("rm ~/t/" .. name)
      end
      local below = ('file { path = "%s/%s/%s", content = "two\\n" }'):format(top, name, inner)
      local next_lines = { declared, below }
      here.apply(next_lines[draw(2)])
      local what = ("seed %d, round %d: %s, %s, %s"):format(seed, round, top, name, inner)
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
