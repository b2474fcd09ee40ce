local failure = require("syslua.util.failure")
local schema = require("syslua.schema")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

local fields = {
  path = { type = "string", required = true },
  outputs = { type = "list", items = "string" },
  opts = { type = { "table", "function" } },
  mutable = { type = "boolean" },
  jobs = { type = "integer" },
  env = { type = "map" },
}

local function get_failure(value, where)
  local ok, caught = pcall(schema.check, "file{}", value, fields, where)
  assert.is_false(ok)
  return failure.from(caught)
end

describe("schema", function()
  it("accepts what fits", function()
    schema.check("file{}", { path = "x" }, fields)
    schema.check("file{}", {
      path = "x",
      outputs = { "out", "dev" },
      opts = function() end,
      mutable = false,
      jobs = 2,
      env = { A = "b" },
    }, fields)
  end)

  it("names an unknown field and the closest one", function()
    local caught = get_failure({ pth = "x" })
    assert.equal("config", caught.kind)
    assert.equal("unknown field `pth` in file{}", caught.message)
    assert.equal("did you mean `path`?", caught.hint)
  end)

  it("lists the fields when none is near", function()
    local caught = get_failure({ path = "x", frobnicate = true })
    assert.equal(
      "its fields are `env`, `jobs`, `mutable`, `opts`, `outputs` and `path`",
      caught.hint
    )
    assert.equal("unknown field `[1]` in file{}", get_failure({ "x" }).message)
  end)

  it("names the same one of several mistakes every time", function()
    for _ = 1, 20 do
      assert.equal(
        "unknown field `a` in file{}",
        get_failure({ d = 1, c = 1, b = 1, a = 1 }).message
      )
      contains(get_failure({ mutable = 1, jobs = "x" }).message, "`jobs`")
    end
  end)

  it("says what was expected and what was given", function()
    local messages = {
      ["`path` in file{}: expected string, got number 42"] = { path = 42 },
      ['`opts` in file{}: expected table or function, got string "x"'] = { path = "x", opts = "x" },
      ['`mutable` in file{}: expected boolean, got string "yes"'] = { path = "x", mutable = "yes" },
      ["`jobs` in file{}: expected integer, got number 1.5"] = { path = "x", jobs = 1.5 },
      ["`outputs` in file{}: expected list, got table"] = { path = "x", outputs = { a = 1 } },
      ["`outputs[2]` in file{}: expected string, got boolean true"] = {
        path = "x",
        outputs = { "a", true },
      },
      ["`env` in file{}: expected map, got table"] = { path = "x", env = { "a" } },
      ["`path` is missing in file{}: expected string"] = {},
    }
    for message, value in pairs(messages) do
      assert.equal(message, get_failure(value).message)
    end
    assert.equal('file{}: expected a table of options, got string "x"', get_failure("x").message)
  end)

  it("gives the user's line", function()
    matches(get_failure({}).position, "schema_spec.lua:%d+$")
    assert.equal("init.lua:7", get_failure({}, "init.lua:7").position)
  end)
end)
