local closest = require("syslua.util.closest")

describe("util.closest", function()
  local commands = { "apply", "plan", "status", "help", "version" }

  it("finds the word that was meant", function()
    assert.equal("apply", closest("aply", commands))
    assert.equal("apply", closest("appyl", commands))
    assert.equal("status", closest("stauts", commands))
    assert.equal("version", closest("Version", commands))
    assert.equal("path", closest("pth", { "content", "path", "source" }))
  end)

  it("says nothing when no word is near", function()
    assert.is_nil(closest("frobnicate", commands))
    assert.is_nil(closest("x", commands))
    assert.is_nil(closest("", commands))
    assert.is_nil(closest("apply", {}))
  end)

  it("counts a swap of neighbours as one mistake", function()
    assert.equal("ab", closest("ba", { "ab" }))
  end)

  it("chooses by bytes between equally near words, whatever their order", function()
    assert.equal("bar", closest("baz", { "bat", "bar" }))
    assert.equal("bar", closest("baz", { "bar", "bat" }))
  end)
end)
