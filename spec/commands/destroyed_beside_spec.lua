--- Commands that wait for the lock of a root while another process destroys it.

local machine = require("spec.support.machine")
local random = require("spec.support.random")

local rounds = 12

describe("a root that is destroyed while other commands wait for it #once", function()
  local here = machine.for_each_test(function(here)
    here.write_config('file { path = "~/t", content = "1" }')
    here.write_config(
      [[
      file { path = "~/t", content = "2" }
      derive { name = "other", outputs = { "out" }, config = function(_, ctx)
        ctx.write(ctx.out, "other")
      end }]],
      "other.lua"
    )
  end)

  -- Each may fail only because there is nothing left to work on.
  local commands = {
    "apply init.lua",
    "apply other.lua",
    "build other.lua",
    "rollback --yes",
    "gc",
    "destroy --yes",
    "status",
    "verify",
  }

  it("leave a whole root or none, and fail only where nothing is left", function()
    local seed = tonumber(os.getenv("SYSLUA_SEED")) or os.time()
    local draw = random.new(seed)
    for round = 1, rounds do
      here.must("apply", "init.lua")
      local lines, names = { "$LUA -l syslua destroy --yes >log-0 2>&1 &" }, {}
      for number = 1, 3 do
        names[number] = commands[draw(number == 1 and 3 or #commands)]
        local line = "sleep 0.0%d; ($LUA -l syslua %s >log-%d 2>&1; echo $? >>log-%d) &"
        lines[#lines + 1] = line:format(draw(10) - 1, names[number], number, number)
      end
      lines[#lines + 1] = "wait"
      here.shell(table.concat(lines, "\n"))
      for number, name in ipairs(names) do
        local log = here.read("log-" .. number)
        local what = ("seed %d, round %d: %s: %s"):format(seed, round, name, log)
        assert.is_nil(log:find("No such file", 1, true), what)
        if name:find("^apply") or name:find("^build") then
          assert.truthy(log:find("\n?0\n$"), what)
        end
      end
      local what = ("seed %d, round %d: %s"):format(seed, round, table.concat(names, ", "))
      assert.equal(0, here.run("apply", "init.lua").code, what)
      local destroyed = here.run("destroy", "--yes")
      assert.equal(0, destroyed.code, what .. destroyed.stderr)
      assert.is_false(here.exists("root"), what .. destroyed.stdout)
      assert.is_false(here.exists("home/t"), what)
    end
  end)
end)
