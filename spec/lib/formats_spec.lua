--- `lib.fromTOML`, `fromYAML` and `fromINI`: texts of other programs as data.

local machine = require("spec.support.machine")
local syslua = require("syslua")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

local lib = syslua.lib

describe("lib", function()
  it("reads TOML", function()
    local text =
      "a = 1\nb = 1.5\nlist = [1, 'x', true]\nday = 1979-05-27\n[t.u]\nv.w = 'x'\n[[r]]\n[[r]]\n"
    assert.same({
      a = 1,
      b = 1.5,
      list = { 1, "x", true },
      day = "1979-05-27",
      t = { u = { v = { w = "x" } } },
      r = { {}, {} },
    }, lib.fromTOML(text))
    local value = { a = { b = { "x", 1, true } }, c = "größe\n" }
    assert.same(value, lib.fromTOML(lib.toTOML(value)))
  end)

  it("reads YAML", function()
    local text = "base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nlist:\n- yes\n- ~\n- 'it''s'\n"
      .. "text: |\n  a\n   b\n"
    assert.same({
      base = { x = 1, y = 2 },
      use = { x = 1, y = 3 },
      list = { "yes", lib.null, "it's" },
      text = "a\n b\n",
    }, lib.fromYAML(text))
    assert.same({ 1, 2 }, lib.fromYAML("[1, 2]"))
    assert.equal(lib.null, lib.fromYAML(""))
    local value = { a = { { b = "c: d" }, "- x", 1.5 }, ["#"] = lib.null }
    assert.same(value, lib.fromYAML(lib.toYAML(value)))
  end)

  it("reads floats that JSON does not have", function()
    for text, expected in pairs({
      ["a = inf\nb = -inf\n"] = "fromTOML",
      ["a: .inf\nb: -.INF\n"] = "fromYAML",
    }) do
      assert.same({ a = math.huge, b = -math.huge }, lib[expected](text))
    end
    for text, name in pairs({ ["a = [nan]"] = "fromTOML", ["a: [.NaN]"] = "fromYAML" }) do
      local number = lib[name](text).a[1]
      assert.equal("number", type(number))
      assert.not_equal(number, number)
    end
    assert.same({ a = ".inf", b = "inf" }, lib.fromYAML("a: '.inf'\nb: inf\n"))
    assert.same({ ["$float"] = "inf" }, lib.fromJSON('{"$float": "inf"}'))
  end)

  it("reads INI", function()
    local text = 'top=1\n[core]\n\tbare\n\teditor = vi ; why\n[remote "o"]\nfetch = a\nfetch = b\n'
    assert.same({
      top = "1",
      core = { bare = true, editor = "vi" },
      ['remote "o"'] = { fetch = { "a", "b" } },
    }, lib.fromINI(text))
  end)

  it("names the place of what does not parse, and the file that it is from", function()
    for format, text in pairs({
      fromJSON = '{\n  "a": }',
      fromTOML = "a = 1\nb = = 2",
      fromYAML = "a: 1\nb: ]",
      fromINI = "[a]\n[b",
    }) do
      local succeeded, problem = pcall(lib[format], text, "x.conf")
      assert.is_false(succeeded)
      matches(tostring(problem), "x.conf:2:%d+: this is not ")
    end
    for _, case in ipairs({
      { "fromJSON", "", "1:1: this is not JSON" },
      { "fromJSON", '{"é": ]', "1:7: this is not JSON" },
      { "fromJSON", "{\n", "%d:1: this is not JSON" },
      { "fromTOML", "é = 1\nü = \255", "2:5: this is not TOML: the text is not UTF%-8" },
      { "fromINI", "[a]\nx = \233", "2:5: this is not INI: the text is not UTF%-8" },
      { "fromYAML", "é: \233", "1:4: this is not YAML: the text is not UTF%-8" },
    }) do
      -- As the second result of `gsub` is.
      local succeeded, problem = pcall(lib[case[1]], case[2], 1)
      assert.is_false(succeeded)
      matches(" " .. tostring(problem), "[^%d]" .. case[3])
    end
    assert.same({ a = 1 }, lib.fromJSON('\239\187\191{"a": 1}'))
    assert.equal("aGk=", lib.fromYAML("a: !!binary aGk=").a)
    local here = machine.new()
    here.write("settings.toml", "a = 1\nb = = 2\n")
    here.write_config([[
      local lib = require("syslua").lib
      local text = lib.read("settings.toml")
      file({ path = "~/x", content = lib.toJSON(lib.fromTOML(text)) })
    ]])
    local result = here.run("plan", "init.lua")
    assert.equal(1, result.code)
    contains(result.stderr, "settings.toml:2:5: this is not TOML")
    here.remove()
  end)
end)
