--- docs/reference/json.md has the list of the kinds of failures that the engine has, and the Lua
-- side uses no others.

local tree = require("spec.support.tree")

-- Kind -> what it means, in the order of the file; and the names of the variants by kind.
local function read_kinds()
  local meanings, order, variants = {}, {}, {}
  local text = tree.read("src/engine/src/failure.rs"):match("\nkinds! {\n(.-)\n}\n")
  for meaning, variant, word in text:gmatch('/// ([^\n]+)\n%s+(%w+) = "([%w_-]+)",') do
    meanings[word], variants[word], order[#order + 1] = meaning, variant, word
  end
  return meanings, order, variants
end

describe("the kinds of failures #once", function()
  local meanings, order, variants = read_kinds()

  it("are sorted by their words", function()
    assert.is_true(#order > 20)
    local sorted = { (table.unpack or unpack)(order) }
    table.sort(sorted)
    assert.same(sorted, order)
  end)

  it("are those of the reference", function()
    local documented = {}
    local section = tree.read("docs/reference/json.md"):match("\n## Errors\n(.*)$")
    for word, meaning in section:gmatch("\n%- `([%w_-]+)`: ([^\n]+)") do
      documented[word] = meaning
    end
    assert.same(meanings, documented)
  end)

  it("are used, and no others", function()
    local used = {}
    for _, name in ipairs(tree.list({ "lua/syslua" }, ".lua")) do
      for word in tree.read(name):gmatch('failure%.%l+%({%s*kind = "([%w_-]+)"') do
        assert.truthy(meanings[word], ("%s raises the unknown kind `%s`"):format(name, word))
        used[word] = true
      end
    end
    for _, name in ipairs(tree.list({ "src/engine/src", "src/module/src" }, ".rs")) do
      if name ~= "src/engine/src/failure.rs" then
        for variant in tree.read(name):gmatch("FailureKind::(%u%w+)") do
          used[variant] = true
        end
      end
    end
    for _, word in ipairs(order) do
      assert.is_true(used[word] or used[variants[word]], ("no failure is of `%s`"):format(word))
    end
  end)
end)
