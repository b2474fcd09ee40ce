--- Random archives: what GNU tar and unzip make of each is what comes of it here.

local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local matches_none = require("spec.support.text_checks").matches_none
local tree = require("spec.support.tree")

-- `SYSLUA_SWEEP=all` tries more.
local count = os.getenv("SYSLUA_SWEEP") and 400 or 40

local script = [[
for name in io.lines(arg[1]) do
  local built, problem = pcall(function()
    return syslua.build(syslua.derive({
      name = "unpacked",
      opts = { archive = syslua.source(name) },
      config = function(opts, ctx)
        ctx.unpack(opts.archive)
      end,
    })).out
  end)
  print(name .. "\t" .. (built and problem or "FAILED " .. tostring(problem):gsub("\n", " ")))
end
]]

-- Once is enough: nothing of it depends on the Lua.
if interpreter.version == "5.4" then
  describe("random archives #once", function()
    it("are unpacked as GNU tar and unzip do it", function()
      local here = machine.new()
      local support = "python3 " .. tree.root .. "spec/support/random_archives.py "
      -- Another seed finds other archives: SYSLUA_SEED.
      local seed = os.getenv("SYSLUA_SEED") or "1"
      local made =
        here.shell(("mkdir archives && %smake archives %s %d"):format(support, seed, count))
      assert.equal(0, made.code, made.stderr)
      here.write("names", here.shell("ls archives/*.tar archives/*.zip").stdout)
      local result = here.script(script, "names")
      assert.equal(0, result.code, result.stderr)
      local seen, refused = 0, 0
      for name, outcome in result.stdout:gmatch("(archives/%d+%.%a+)\t([^\n]*)\n") do
        seen = seen + 1
        local expected = name:gsub("%.%a+$", ".expected")
        -- The tool refused it.
        if here.shell("test -d " .. expected).code ~= 0 then
          expected, refused = nil, refused + 1
        end
        if expected then
          matches_none(outcome, "^FAILED")
          local difference = here.shell(("%scompare %s %s"):format(support, expected, outcome))
          assert.equal("", difference.stdout .. difference.stderr, name .. " of seed " .. seed)
        end
      end
      assert.equal(count, seen)
      assert.is_true(refused < count / 5, refused .. " were refused: " .. made.stderr)
      here.remove()
    end)
  end)
end
