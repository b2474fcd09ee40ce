--- `env{}`: how declarations merge, and what it refuses. What shells make of them is in
-- spec/commands/environment_spec.lua.

local machine = require("spec.support.machine")
local ordered_pairs = require("syslua.util.ordered_pairs")

describe("env{}", function()
  local here

  before_each(function()
    here = machine.new()
  end)

  after_each(function()
    here.remove()
  end)

  it("merges lists in the order of their declaration", function()
    here.write_config([[
      env({ PATH = "/one" })
      env({ PATH = { "/two", "/three" }, MANPATH = "/man" })
    ]])
    assert.equal(0, here.run("apply", "init.lua").code)
    local line = '. "$SYSLUA_ROOT/env.sh"; echo "$PATH"; echo "$MANPATH"'
    local path, man = here.shell(line).stdout:match("^(.-)\n(.-)\n$")
    assert.equal("/one:/two:/three:", path:sub(1, 17))
    assert.equal("/man", man)
  end)

  it("accepts numbers, and equal values twice", function()
    here.write_config([[
      env({ COUNT = 3, EDITOR = "vi" })
      env({ EDITOR = "vi" })
    ]])
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
    assert.equal("3 vi\n", here.shell('. "$SYSLUA_ROOT/env.sh"; echo "$COUNT $EDITOR"').stdout)
  end)

  it("follows changes: a value, an entry, a variable", function()
    local function get(lines)
      here.write_config(lines)
      local result = here.run("apply", "init.lua")
      assert.equal(0, result.code, result.stderr)
      return here.shell('. "$SYSLUA_ROOT/env.sh"; echo "${EDITOR-none} ${MANPATH-none}"').stdout
    end
    assert.equal("vi /a:/b\n", get([[env({ EDITOR = "vi", MANPATH = { "/a", "/b" } })]]))
    assert.equal("ed /a:/b\n", get([[env({ EDITOR = "ed", MANPATH = { "/a", "/b" } })]]))
    assert.equal("ed /b\n", get([[env({ EDITOR = "ed", MANPATH = { "/b" } })]]))
    assert.equal("ed none\n", get([[env({ EDITOR = "ed" })]]))
    assert.equal("none none\n", get(""))
  end)

  local refused = {
    ["a name that is none"] = { [[{ ["A-B"] = "x" }]], "`A-B`" },
    ["a list for a variable with one value"] = { [[{ EDITOR = { "vi" } }]], "`EDITOR`" },
    ["an entry with a separator"] = { [[{ PATH = { "/a:/b" } }]], "PATH" },
    ["an empty entry"] = { [[{ PATH = "" }]], "PATH" },
    ["a NUL byte"] = { [[{ EDITOR = "a\0b" }]], "`EDITOR`" },
    ["a value of another type"] = { [[{ EDITOR = true }]], "`EDITOR`" },
    ["no table"] = { [["EDITOR"]], "expected a table" },
  }
  for name, case in ordered_pairs(refused) do
    it("refuses " .. name, function()
      here.write_config("env(" .. case[1] .. ")")
      local result = here.run("apply", "init.lua")
      assert.equal(1, result.code, result.stdout)
      assert.truthy(result.stderr:find("at init.lua:2\n", 1, true), result.stderr)
      assert.truthy(result.stderr:find(case[2], 1, true), result.stderr)
      assert.is_false(here.exists("root"))
    end)
  end
end)
