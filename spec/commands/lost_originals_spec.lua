--- `status` lists what is kept of the user's and would never come back.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local syslua = require("syslua")

describe("originals #once", function()
  it("that no target gets back are listed, with or without the index", function()
    local here = machine.new()
    here.write("home/.rc", "mine\n")
    here.write("home/.dir/file", "mine too\n")
    here.shell("ln -s nowhere ~/.link")
    here.apply([[
      file { path = "~/.rc", content = "text" }
      file { path = "~/.link", content = "text" }
      directory { path = "~/.dir" }
      file { path = "~/.dir/file", content = "text", copy = true }
    ]])
    local function list_lost()
      local result = here.run("status", "--json")
      assert.equal(0, result.code, result.stderr)
      local paths = {}
      for _, original in ipairs(syslua.lib.fromJSON(result.stdout).lost_originals or {}) do
        paths[#paths + 1] = original.path:match("[^/]*$")
      end
      return table.concat(paths, " ")
    end
    assert.equal("", list_lost())
    here.write("root/backups/originals/0123456789abcdef-old", "old\n")
    assert.equal("0123456789abcdef-old", list_lost())
    contains(here.run("status").stdout, "no target gets it back")
    here.shell("rm root/backups/index.json")
    assert.equal("0123456789abcdef-old", list_lost())
    here.shell("rm root/backups/originals/0123456789abcdef-old")
    here.must("destroy", "--yes")
    assert.equal("mine\n", here.read("home/.rc"))
    assert.equal("mine too\n", here.read("home/.dir/file"))
    assert.equal("nowhere", here.read_link("home/.link"))
    here.remove()
  end)
end)
