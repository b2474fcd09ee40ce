--- Files with modes by which their owner cannot read them: they settle, and come and go as others.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

describe("a file that its owner cannot read #once", function()
  local here = machine.for_each_test()

  for _, mode in ipairs({ "200", "000", "111", "300", "044" }) do
    it("is written once, with the mode " .. mode, function()
      local function get_line(content)
        return ('file { path = "~/k", content = %q, mode = "%s", public = true }'):format(
          content,
          mode
        )
      end
      here.write_config(get_line("x"))
      assert.equal(0, here.run("apply", "init.lua").code)
      for _ = 1, 2 do
        matches(here.must("apply", "init.lua").stdout, "^Nothing changed")
        assert.equal(0, here.run("status").code)
      end
      -- Others of the same length are other files.
      here.apply(get_line("y"))
      assert.equal("y", here.shell("chmod 600 ~/k; cat ~/k").stdout)
      assert.equal(3, here.run("status").code)
      here.must("apply", "init.lua")
      here.shell("chmod 600 ~/k; echo longer >~/k; chmod " .. mode .. " ~/k")
      assert.equal(3, here.run("status").code)
      here.must("apply", "init.lua")
      assert.equal("y", here.shell("chmod 600 ~/k; cat ~/k; chmod " .. mode .. " ~/k").stdout)
      -- What is undone leaves nothing.
      here.write_config(get_line("y") .. [[
        file { path = "~/l", content = "z", mode = "200", public = true }
        activate { config = function(_, ctx) ctx.run("false") end }
      ]])
      assert.equal(1, here.run("apply", "init.lua").code)
      assert.is_false(here.exists("home/l"))
      here.must("destroy", "--yes")
      assert.is_false(here.exists("home/k"))
    end)
  end

  it("is kept when its declaration goes, and the report says so", function()
    here.apply('file { path = "~/k", content = "x", mode = "200", public = true }')
    -- Root can read it.
    local expected = here.shell("cat ~/k").code ~= 0 and "kept +%S+/displaced/%S+ +%(from ~/k%)"
      or "1 removed"
    matches(here.apply("").stdout, expected)
    if expected ~= "1 removed" then
      local status = here.must("status").stdout
      matches(status, expected)
      contains(status, "1 copy of edits stays until you remove it")
    end
  end)
end)
