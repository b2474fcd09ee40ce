local path = require("syslua.util.path")

describe("util.path", function()
  it("joins", function()
    assert.equal("a/b/c", path.join("a", "b", "c"))
    assert.equal("/a/b", path.join("/a/", "b"))
    assert.equal("/b", path.join("a", "/b"))
    assert.equal("a", path.join("", "a", ""))
    assert.equal("", path.join())
    assert.equal("C:/x", path.join("a", "C:/x"))
  end)

  it("knows absolute paths", function()
    assert.is_true(path.is_absolute("/"))
    assert.is_true(path.is_absolute("C:\\x"))
    assert.is_true(path.is_absolute("C:/x"))
    assert.is_false(path.is_absolute("~/x"))
    assert.is_false(path.is_absolute("x"))
    assert.is_false(path.is_absolute(""))
  end)

  it("takes apart", function()
    for _, case in ipairs({
      { "/a/b", "/a", "b" },
      { "/a/b/", "/a", "b" },
      { "/a", "/", "a" },
      { "/", "/", "" },
      { "a", ".", "a" },
      { "a/b/c", "a/b", "c" },
      { "C:/a/b", "C:/a", "b" },
    }) do
      assert.equal(case[2], path.dirname(case[1]))
      assert.equal(case[3], path.basename(case[1]))
    end
  end)

  it("normalizes by text", function()
    for given, expected in pairs({
      ["/a/../../b/./c/"] = "/b/c",
      ["../a"] = "../a",
      ["a/.."] = ".",
      ["a/../.."] = "..",
      ["./a//b"] = "a/b",
      ["/"] = "/",
      ["C:/a/.."] = "C:/",
      -- What is above the home stays seen as that.
      ["~/.."] = "~/..",
      ["~/a/../../x"] = "~/../x",
      ["~/a/.."] = "~",
    }) do
      assert.equal(expected, path.normalize(given))
    end
  end)

  it("expands and shows the home directory", function()
    assert.equal("/home/u/x", path.expand("~/x", "/home/u"))
    assert.equal("/home/u", path.expand("~", "/home/u"))
    assert.equal("~v/x", path.expand("~v/x", "/home/u"))
    assert.equal("~/x", path.display("/home/u/x", "/home/u"))
    assert.equal("~", path.display("/home/u", "/home/u"))
    assert.equal("/home/user/x", path.display("/home/user/x", "/home/u"))
    assert.equal("/x", path.display("/x", "/"))
    assert.equal("/x", path.display("/x", nil))
  end)
end)
