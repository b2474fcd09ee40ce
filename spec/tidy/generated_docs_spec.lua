--- What is generated of the docs is what the commands say about themselves.

local generated_docs = require("spec.support.generated_docs")
local markdown = require("syslua.cli.markdown")
local tree = require("spec.support.tree")

describe("what `make docs` writes #once", function()
  for name, text in pairs(generated_docs.render()) do
    it("is what stands in " .. name, function()
      assert.is_true(
        tree.read(name) == text,
        name .. " is not what the commands say: edit lua/syslua/commands/, then run `make docs`"
      )
    end)
  end

  it("has a section for each command, and no other", function()
    local commands = require("syslua.cli.commands")
    local described = {}
    for title in tree.read("docs/reference/cli.md"):gmatch("\n## `(%l+)") do
      described[#described + 1] = title
    end
    assert.same(commands.list(), described)
  end)
end)

describe("Markdown of a command #once", function()
  it("becomes text with one line for each paragraph and item", function()
    local text = markdown.to_text([[
A [page](other.md#place) about
**all** of `it`.

- one
  more
- two

```lua
file { path = "~/x" }
```

| a | b |
|---|---|
| `x \| y` | what it is |

3. third
]])
    assert.equal(
      [[
A page about all of `it`.

- one more
- two

    file { path = "~/x" }

- `x | y`: what it is

3. third]],
      text
    )
  end)
end)
