local contains = require("spec.support.text_checks").contains
local failure = require("syslua.util.failure")

describe("util.failure", function()
  it("renders itself in Lua's style", function()
    local value = failure.new({
      kind = "config",
      message = "unknown field `pth` in file{}",
      position = "init.lua:12",
      hint = "did you mean `path`?",
    })
    assert.equal(
      "init.lua:12: unknown field `pth` in file{}\n  hint: did you mean `path`?",
      tostring(value)
    )
    assert.equal("x", tostring(failure.new({ kind = "config", message = "x" })))
  end)

  it("is raised as a table, or as text where `lua` prints no tables", function()
    local ok, value = pcall(failure.raise, { kind = "usage", message = "x" })
    assert.is_false(ok)
    assert.equal("x", tostring(value))
    assert.equal("usage", failure.from(value).kind)
  end)

  it("is known again by what was caught, also when it is raised often", function()
    for _ = 1, 40 do
      local _, value = pcall(failure.raise, { kind = "usage", message = "often" })
      assert.equal("usage", failure.from(value).kind)
    end
  end)

  it("knows failures by their shape", function()
    assert.is_true(failure.is({ kind = "build", message = "x" }))
    assert.is_false(failure.is({ message = "x" }))
    assert.is_false(failure.is("x"))
    assert.is_false(failure.is(nil))
  end)

  it("makes a failure of anything that was raised", function()
    local value = failure.from("init.lua:3: attempt to call a nil value")
    assert.equal("init.lua:3", value.position)
    assert.equal("attempt to call a nil value", value.message)
    assert.equal("no position", failure.from("no position").message)
    assert.is_nil(failure.from("no position").position)
    contains(failure.from({}).message, "not a text")
    for _, empty in ipairs({ "", "init.lua:3: ", " \n" }) do
      assert.equal("the raised error has no text", failure.from(empty).message)
    end
    local same = failure.new({ kind = "build", message = "x" })
    assert.equal(same, failure.from(same))
  end)
end)
