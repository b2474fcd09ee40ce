--- docs/reference/config.md has the table of list variables that the engine has.

local bindings = require("syslua.bindings")
local tree = require("spec.support.tree")

describe("the table of list variables #once", function()
  it("is that of the engine", function()
    local documented = {}
    for _, line in ipairs(tree.lines(tree.read("docs/reference/config.md"))) do
      local name, separator, default = line:match("^| `([A-Z0-9_]+)` | `([:;])` | (.-) | .* |$")
      if name then
        -- The separator before it and this make the two that stand for Lua's own.
        default = default:gsub("`", ""):gsub("^;;$", ";")
        documented[name] = { separator = separator, default = default }
      end
    end
    local known = {}
    for _, list in ipairs(bindings.call("lists")) do
      local default = list.default == "" and "an empty entry" or list.default or ""
      known[list.name] = { separator = list.separator, default = default }
    end
    assert.same(known, documented)
  end)
end)
