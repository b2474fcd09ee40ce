local text = require("syslua.util.text")

describe("util.text", function()
  it("splits into lines", function()
    assert.same({ "a", "", "b" }, text.lines("a\r\n\nb\n"))
    assert.same({ "" }, text.lines(""))
  end)

  it("counts characters, not bytes", function()
    assert.equal(3, text.width("a→b"))
    assert.equal("a→b  |", text.pad("a→b", 5) .. "|")
    assert.equal("abc", text.pad("abc", 2))
  end)

  it("shortens between characters", function()
    assert.equal("abc", text.shorten("abc", 3))
    assert.equal("ab…", text.shorten("abcd", 3))
    assert.equal("→→…", text.shorten("→→→→", 3))
  end)

  it("cuts in the middle, between characters", function()
    assert.equal("short", text.squeeze("short", 5))
    assert.equal("abc…mnopq", text.squeeze("abcdefghijklmnopq", 9))
    assert.equal("ü…öö", text.squeeze("üüüöööö", 4))
    for width = 1, 10 do
      assert.equal(width, text.width(text.squeeze(("ü"):rep(20), width)))
    end
  end)

  it("folds at spaces", function()
    assert.same({ "link    a -> b" }, text.fold("link    a -> b", 14, 2))
    assert.same({ "link    a", "  -> b" }, text.fold("link    a -> b", 13, 2))
    assert.same({ "set a", "  -> b", "  c" }, text.fold("set a -> b  c", 7, 2))
    assert.same({ "one two", "  three" }, text.fold("one two three", 8, 2))
    assert.same({ "long    abcdefghijkl" }, text.fold("long    abcdefghijkl", 10, 2, true))
    assert.same({ "long    abc…ijkl" }, text.fold("long    abcdefghijkl", 16, 2))
    assert.same({ "" }, text.fold("", 10, 2))
  end)

  it("counts and enumerates", function()
    assert.equal("1 target", text.count(1, "target"))
    assert.equal("0 targets", text.count(0, "target"))
    assert.equal("", text.enumerate({}))
    assert.equal("a", text.enumerate({ "a" }))
    assert.equal("a, b or c", text.enumerate({ "a", "b", "c" }))
    assert.equal("a and b", text.enumerate({ "a", "b" }, "and"))
  end)

  it("shows sizes", function()
    for bytes, shown in pairs({
      [0] = "0 B",
      [999] = "999 B",
      [1000] = "1.0 kB",
      [9949] = "9.9 kB",
      [9950] = "10 kB",
      [999499] = "999 kB",
      [999500] = "1.0 MB",
      [123456789] = "123 MB",
      [5e15] = "5000 TB",
    }) do
      assert.equal(shown, text.size(bytes))
    end
  end)

  it("describes values on one line", function()
    assert.equal('string "a b"', text.describe("a\nb"))
    assert.equal("number 1", text.describe(1))
    assert.equal("boolean true", text.describe(true))
    assert.equal("table", text.describe({}))
    assert.equal("nil", text.describe(nil))
  end)
end)
