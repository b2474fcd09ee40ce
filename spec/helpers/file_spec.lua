--- `file{}`: what it declares, and what it refuses.

local machine = require("spec.support.machine")
local ordered_pairs = require("syslua.util.ordered_pairs")

describe("file{}", function()
  local here

  before_each(function()
    here = machine.new()
  end)

  after_each(function()
    here.remove()
  end)

  local function apply(lines)
    here.write_config(lines)
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
    return result
  end

  it("writes content byte for byte", function()
    local bytes = {}
    for byte = 0, 255 do
      bytes[#bytes + 1] = string.char(byte)
    end
    here.write("bytes", table.concat(bytes))
    apply([[
      local text = ""
      for byte = 0, 255 do text = text .. string.char(byte) end
      file({ path = "~/.bytes", content = text })
      file({ path = "~/.copy", source = "bytes" })
      file({ path = "~/.empty", content = "" })
    ]])
    assert.equal(table.concat(bytes), here.read("home/.bytes"))
    assert.equal(table.concat(bytes), here.read("home/.copy"))
    assert.equal("", here.read("home/.empty"))
  end)

  it("takes a directory as source, and links it as one", function()
    here.write("tree/inner/file", "inner\n")
    apply([[file({ path = "~/.tree", source = "tree" })]])
    assert.equal("inner\n", here.read("home/.tree/inner/file"))
    assert.truthy(here.read_link("home/.tree"))
  end)

  it("finds sources beside the config, in the home, and anywhere", function()
    here.write("config/text", "beside\n")
    here.write("home/text", "home\n")
    here.write("anywhere", "anywhere\n")
    here.write_config(
      ([[
        file({ path = "~/.one", source = "./text" })
        file({ path = "~/.two", source = "~/text" })
        file({ path = "~/.three", source = %q })
      ]]):format(here.directory .. "/anywhere"),
      "config/init.lua"
    )
    local result = here.run("apply", "config")
    assert.equal(0, result.code, result.stderr)
    assert.equal("beside\n", here.read("home/.one"))
    assert.equal("home\n", here.read("home/.two"))
    assert.equal("anywhere\n", here.read("home/.three"))
  end)

  it("takes what a derivation built as source", function()
    apply([[
      local one = derive({ name = "one", config = function(_, ctx) ctx.write(ctx.out .. "/deep/file", "built\n") end })
      file({ path = "~/.one", source = one.out .. "/deep/file" })
    ]])
    assert.equal("built\n", here.read("home/.one"))
  end)

  it("links names with spaces, quotes and bytes that are no UTF-8", function()
    apply([[
      for _, name in ipairs({ "a b", "it's", "\233t\233", "-dash", "$HOME" }) do
        file({ path = "~/" .. name, content = name })
      end
    ]])
    for _, name in ipairs({ "a b", "it's", "\233t\233", "-dash", "$HOME" }) do
      assert.equal(name, here.read("home/" .. name))
    end
    assert.truthy(here.run("apply", "init.lua").stdout:find("^Nothing changed"))
  end)

  local refused = {
    ["neither source nor content"] = { [[{ path = "~/.x" }]], "neither `source` nor `content`" },
    ["both source and content"] = {
      [[{ path = "~/.x", source = "init.lua", content = "" }]],
      "both",
    },
    ["a missing source"] = { [[{ path = "~/.x", source = "no/such" }]], "no/such" },
    ["a missing mutable source"] = {
      [[{ path = "~/.x", source = "no/such", mutable = true }]],
      "no/such",
    },
    ["a relative target"] = { [[{ path = "x", content = "" }]], "relative", "~/ or /" },
    ["no target"] = { [[{ content = "" }]], "`path` is missing" },
    ["an unknown field"] = {
      [[{ path = "~/.x", contnet = "" }]],
      "`contnet`",
      "did you mean `content`",
    },
    ["a field of the wrong type"] = {
      [[{ path = "~/.x", content = 1 }]],
      "`content`",
      "expected string, got number 1",
    },
    ["no table"] = { [["~/.x"]], "expected a table of options" },
  }
  for name, case in ordered_pairs(refused) do
    it("refuses " .. name, function()
      here.write_config("file(" .. case[1] .. ")")
      local before = here.list(".")
      local result = here.run("apply", "init.lua")
      assert.equal(1, result.code, result.stdout)
      assert.truthy(result.stderr:find("at init.lua:2\n", 1, true), result.stderr)
      for index = 2, #case do
        assert.truthy(result.stderr:find(case[index], 1, true), result.stderr)
      end
      assert.equal(before, here.list("."))
    end)
  end
end)
