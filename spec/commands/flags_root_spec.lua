--- Files with flags (chattr(1)) that keep even root from renaming them: refused before anything is
-- changed.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")

describe("a flag of a file system #root #once", function()
  local here

  before_each(function()
    here = machine.new()
  end)

  after_each(function()
    here.shell("chattr -R -i -a home")
    here.remove()
  end)

  local kinds = {
    { "chattr +i home/d/f", "d/f is immutable", "chattr -i " },
    { "chattr +a home/d/f", "d/f is append-only", "chattr -a " },
    { "chattr +i home/d", "home/d", "init.lua:3" },
    { "chattr +a home/d", "d is append-only", "chattr -a " },
  }

  for _, kind in ipairs(kinds) do
    it("is named, with what lifts it: " .. kind[1], function()
      here.shell("mkdir -p home/d; echo mine >home/d/f")
      if here.shell(kind[1]).code ~= 0 then
        return pending("the file system has no flags")
      end
      for _, declared in ipairs({
        'file({ path = "~/d/f", content = "ours" })',
        'file({ path = "~/d/f", content = "ours", mode = "644" })',
        'file({ path = "~/d/f", absent = true })',
        'directory({ path = "~/d/f" })',
      }) do
        here.write_config('file({ path = "~/other", content = "x" })\n' .. declared)
        for _, command in ipairs({ "plan", "apply" }) do
          local result = here.run(command, "init.lua")
          assert.equal(1, result.code, declared)
          contains(result.stderr, kind[2], kind[3], "init.lua:3")
        end
        assert.equal("mine\n", here.read("home/d/f"))
        assert.is_false(here.exists("home/other"))
      end
    end)
  end
end)
