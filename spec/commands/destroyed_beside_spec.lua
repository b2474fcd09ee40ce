--- Commands that wait for the lock of a root while another process destroys it.

local machine = require("spec.support.machine")
local random = require("spec.support.random")

-- A sweep has as many rounds as SYSLUA_ROUNDS says.
local rounds = tonumber(os.getenv("SYSLUA_ROUNDS")) or 2

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

  it("is named by what reads, repairs or receives objects", function()
    local seed = tonumber(os.getenv("SYSLUA_SEED")) or os.time()
    local draw = random.new(seed)
    here.write_config(
      [[
      for number = 1, 40 do
        file { path = "~/many/" .. number, source = derive { name = "many" .. number,
          config = function(_, ctx) ctx.write(ctx.out, ("x"):rep(1e5) .. number) end } }
      end
      derive { name = "loose", config = function(_, ctx) ctx.write(ctx.out, "loose") end }]],
      "many.lua"
    )
    here.must("apply", "many.lua")
    here.shell("$LUA -l syslua export many1 many2 many3 -o closure")
    here.must("destroy", "--yes")
    local objects = here.shell("seq -f many%.0f 40 | tr '\\n' ' '").stdout
    local readers = {
      "export " .. objects .. "-o exported",
      "import closure closure",
      "verify --repair many.lua",
      "verify",
    }
    -- Also what a command says that began when all was gone, or that found the damage before.
    local allowed =
      { "was destroyed while this waited for it", "no object", "is damaged", "are damaged" }
    for round = 1, rounds do
      here.must("apply", "many.lua")
      here.shell("f=$(ls -d root/store/obj/loose-*); chmod u+w $f; echo more >>$f")
      local lines =
        { ("(sleep 0.%03d; $LUA -l syslua destroy --yes >log-0 2>&1) &"):format(draw(90)) }
      for number, reader in ipairs(readers) do
        local line = "(sleep 0.%03d; $LUA -l syslua %s >log-%d 2>&1; echo $? >>log-%d) &"
        lines[#lines + 1] = line:format(draw(150), reader, number, number)
      end
      here.shell(table.concat(lines, "\n") .. "\nwait")
      for number, reader in ipairs(readers) do
        local log = here.read("log-" .. number)
        local what = ("seed %d, round %d: %s: %s"):format(seed, round, reader, log)
        local is_allowed = log:find("\n0\n$") ~= nil
        for _, text in ipairs(allowed) do
          is_allowed = is_allowed or log:find(text, 1, true) ~= nil
        end
        assert.is_true(is_allowed, what)
        assert.is_nil(log:find("No such file", 1, true), what)
      end
      here.must("destroy", "--yes")
      assert.is_false(here.exists("root"), here.read("log-0"))
    end
  end)
end)
