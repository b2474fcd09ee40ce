--- `syslua.lib`: what its functions give.

local lib = require("syslua").lib
local machine = require("spec.support.machine")
local process = require("spec.support.process")

describe("lib.toJSON and lib.fromJSON", function()
  it("give the same text again", function()
    for _, text in ipairs({
      [[{"a":[1,2.5,"x",true,null],"b":{},"c":[],"d":{"e":"ü\n"}}]],
      "[]",
      "null",
      '"x"',
      "9007199254740991",
      "-1.5e-7",
    }) do
      assert.equal(text, lib.toJSON(lib.fromJSON(text)))
    end
  end)

  it("sort keys, and write integral numbers as such", function()
    assert.equal(
      [[{"a":1,"b":2,"c":{"x":1,"y":2}}]],
      lib.toJSON({ c = { y = 2, x = 1 }, b = 2.0, a = 1 })
    )
    assert.equal("{}", lib.toJSON({}))
    assert.equal("[]", lib.toJSON(lib.array({})))
  end)

  it("can be pretty", function()
    assert.equal('{\n  "a": [\n    1\n  ]\n}', lib.toJSON({ a = { 1 } }, { pretty = true }))
  end)

  it("have a null", function()
    assert.equal(lib.null, lib.fromJSON("null"))
    assert.equal("null", tostring(lib.null))
    assert.equal('{"a":null}', lib.toJSON({ a = lib.null }))
  end)
end)

describe("lib.toTOML", function()
  it("puts plain values before tables, all sorted", function()
    local text = lib.toTOML({
      zebra = 1,
      table = { inner = { x = 1.5 }, name = 'a "b"' },
      list = { 1, 2 },
      tables = { { a = 1 }, { a = 2 } },
      yes = true,
    })
    local expected = {
      "list = [1, 2]",
      "yes = true",
      "zebra = 1",
      "",
      "[table]",
      "name = 'a \"b\"'",
      "",
      "[table.inner]",
      "x = 1.5",
      "",
      "[[tables]]",
      "a = 1",
      "",
      "[[tables]]",
      "a = 2",
      "",
    }
    assert.equal(table.concat(expected, "\n"), text)
  end)

  it("has lists on lines of their own when pretty", function()
    assert.equal(
      "list = [\n    1,\n    2,\n]\n",
      lib.toTOML({ list = { 1, 2 } }, { pretty = true })
    )
  end)
end)

describe("lib.toYAML", function()
  it("writes blocks with sorted keys", function()
    local text =
      lib.toYAML({ b = { 1, { c = 2 } }, a = "x", e = {}, l = lib.array({}), z = lib.null })
    assert.equal("a: x\nb:\n- 1\n- c: 2\ne: {}\nl: []\nz: null\n", text)
  end)

  local has_yaml = process.run_line('python3 -c "import yaml"').code == 0
  local it_with_yaml = has_yaml and it or pending

  it_with_yaml("is read back as it was by another program", function()
    local here = machine.new()
    local value = {
      words = {
        "yes",
        "no",
        "on",
        "off",
        "null",
        "~",
        "true",
        "1",
        "1.5",
        "1e3",
        "0x1f",
        "0o7",
        "2020-01-01",
      },
      odd = {
        "",
        " lead",
        "trail ",
        "a: b",
        "# c",
        "- d",
        "'q'",
        '"q"',
        "a\nb\n",
        "a\nb",
        "\n",
        "\ttab",
        "é",
        "?",
        "*x",
        "&x",
        "%x",
        "@x",
        "`x",
      },
      long = ("word "):rep(60),
      ["key: odd"] = 1,
      ["1"] = { deep = { { deeper = { 1, 2 } } } },
      number = 1.5,
      yes = true,
    }
    here.write("x.yaml", lib.toYAML(value))
    local script = 'import yaml, json; print(json.dumps(yaml.safe_load(open("x.yaml"))))'
    local result = process.run({ "python3", "-c", script }, { directory = here.directory })
    here.remove()
    assert.equal("", result.stderr)
    assert.equal(lib.toJSON(value), lib.toJSON(lib.fromJSON(result.stdout)))
  end)
end)

describe("lib.toINI", function()
  it("puts what is in no section first, and repeats keys for lists", function()
    local value = { top = 1, section = { on = true, path = { "/a", "/b" } }, other = { x = "y z" } }
    assert.equal(
      "top = 1\n\n[other]\nx = y z\n\n[section]\non = true\npath = /a\npath = /b\n",
      lib.toINI(value)
    )
    assert.equal("[a]\n\tb=1\n", lib.toINI({ a = { b = 1 } }, { indent = "\t", separator = "=" }))
  end)

  it("is what git and python read", function()
    local here = machine.new()
    here.write("config", lib.toINI({ core = { editor = "vim", pager = "less -R" } }))
    local options = { directory = here.directory }
    local git = process.run({ "git", "config", "-f", "config", "core.pager" }, options)
    assert.equal("less -R\n", git.stdout)
    here.remove()
  end)
end)

describe("lib.merge", function()
  it("lays tables over one another", function()
    local low = { a = 1, deep = { x = 1, y = 1 }, list = { 1, 2 } }
    local result = lib.merge(low, { deep = { y = 2 }, list = { 3 } }, { b = false })
    assert.same({ a = 1, b = false, deep = { x = 1, y = 2 }, list = { 3 } }, result)
    -- Neither shares anything with what it was made of.
    result.deep.x = 5
    assert.equal(1, low.deep.x)
  end)

  it("knows priorities", function()
    local defaults = { a = 1, b = lib.mkForce(1), c = 1, list = { "m" } }
    local given = {
      a = lib.mkDefault(2),
      b = 2,
      c = lib.mkForce(2),
      list = lib.mkAfter({ "z" }),
    }
    assert.same({ a = 1, b = 1, c = 2, list = { "m", "z" } }, lib.merge(defaults, given))
    assert.same({ "a", "m" }, lib.merge({ l = { "m" } }, { l = lib.mkBefore({ "a" }) }).l)
    assert.same({ "a" }, lib.merge({ l = { "m" } }, { l = lib.mkForce({ "a" }) }).l)
  end)

  it("keeps what is no plain table", function()
    local handle = setmetatable({}, {
      __tostring = function()
        return "handle"
      end,
    })
    assert.equal(handle, lib.merge({ a = { 1 } }, { a = handle }).a)
    assert.equal("[]", lib.toJSON(lib.merge({ a = 1 }, { a = lib.array({}) }).a))
  end)
end)

describe("lib.ref", function()
  it("is joined with texts from both sides", function()
    assert.equal("a/$HOME/b$X", tostring("a/" .. lib.ref("HOME") .. "/b" .. lib.ref("X")))
  end)
end)
