--- `syslua.testing`: what it shows of a config, and what its assertions say.

local machine = require("spec.support.machine")
local testing = require("syslua.testing")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

local config = [[
  file { path = "~/.text", content = "a\nb\n" }
  file { path = "~/.source", source = "beside" }
  file { path = "~/.own", source = "beside", mutable = true }
  file { path = "~/bin/run", content = "#!/bin/sh\n", executable = true }
  env { EDITOR = "vim", PATH = { "/declared" }, X = syslua.lib.ref("HOME") .. "/x" }
  local tool = derive {
    name = "tool",
    version = "1.0",
    config = function(_, ctx) ctx.write(ctx.out .. "/bin/tool", "") end,
  }
  file { path = "~/.tool", source = tool.out .. "/share/x" }
  activate { config = function(_, ctx) ctx.add_to_path(tool.out .. "/bin") end }
  user { name = "ada", setup = function()
    file { path = "~/.ada", content = "ada" }
    env { EDITOR = "ed" }
  end }
  project { name = "web", path = "~/web", setup = function() env { PORT = 80 } end }
]]

describe("testing.evaluate", function()
  local here, found

  setup(function()
    here = machine.new()
    here.write("beside", "beside\n")
    found = here.evaluate(config, { platform = "aarch64-darwin", username = "root" })
  end)

  teardown(function()
    here.remove()
  end)

  it("shows files", function()
    assert.equal("a\nb\n", found.files["~/.text"].content)
    assert.equal("beside\n", found.files["~/.source"].content)
    assert.is_true(found.files["~/.own"].mutable)
    assert.equal("beside\n", found.files["~/.own"].content)
    assert.is_true(found.files["~/bin/run"].executable)
    assert.is_false(found.files["~/.text"].executable)
    assert.is_nil(found.files["~/.tool"].content)
    assert.same({ "init.lua:2" }, found.files["~/.text"].positions)
  end)

  it("shows the environment", function()
    assert.equal("vim", found.environment.EDITOR)
    assert.equal("$HOME/x", found.environment.X)
    assert.equal("/declared", found.path[1])
    matches(found.path[2], "/bin$")
  end)

  it("shows packages, users and projects", function()
    assert.equal("1.0", found.packages.tool.version)
    assert.is_true(found.packages.tool.on_path)
    assert.equal("ada", found.users.ada.files["~/.ada"].content)
    assert.equal("ed", found.users.ada.environment.EDITOR)
    assert.equal("80", found.projects.web.environment.PORT)
    assert.is_nil(found.environment.PORT)
  end)

  it("shows what the evaluation had to say", function()
    local other = here.evaluate(config, { username = "bob" })
    assert.same({}, other.users)
    assert.equal(1, #other.notices)
    contains(other.notices[1], "for the user ada is left out")
  end)

  it("refuses platforms that are none", function()
    local succeeded, problem = pcall(testing.evaluate, here.directory, { platform = "mac" })
    assert.is_false(succeeded)
    assert.equal("usage", require("syslua").error(problem).kind)
  end)

  describe("with assertions", function()
    -- What an assertion that does not hold says.
    local function fail(name, ...)
      local succeeded, problem = pcall(assert[name], found, ...)
      assert.is_false(succeeded, name)
      return tostring(type(problem) == "table" and problem.message or problem)
    end

    it("that hold", function()
      assert.has_file(found, "~/.text")
      assert.has_file(found, "~/.text", "a\nb\n")
      assert.has_file(
        found,
        "~/.text",
        { contains = { "a", "b" }, kind = "symlink", mutable = false }
      )
      assert.has_no_file(found, "~/.absent")
      assert.has_variable(found, "EDITOR", "vim")
      assert.has_variable(found, "PATH", { "/declared" })
      assert.has_package(found, "tool", "1.0")
      assert.has_no_service(found, "nginx")
      assert.has_file(found.users.ada, "~/.ada", "ada")
    end)

    it("that name the closest", function()
      assert.equal(
        "the config declares no file ~/.txt: did you mean ~/.text?",
        fail("has_file", "~/.txt")
      )
      assert.equal(
        "the config declares no variable EDITR: did you mean EDITOR?",
        fail("has_variable", "EDITR")
      )
      assert.equal(
        "the config declares no package nothing: it has tool",
        fail("has_package", "nothing")
      )
      assert.equal(
        "the config declares no service nginx: it has none",
        fail("has_service", "nginx")
      )
    end)

    it("that show both sides", function()
      assert.equal(
        "the variable EDITOR is not as expected:\n  expected: nano\n  given:    vim",
        fail("has_variable", "EDITOR", "nano")
      )
      assert.equal(
        "the variable PATH is not as expected:\n  expected: { /x }\n  given:    { /declared }",
        fail("has_variable", "PATH", { "/x" })
      )
      assert.equal(
        "the version of tool is not as expected:\n  expected: 2\n  given:    1.0",
        fail("has_package", "tool", "2")
      )
      assert.equal(
        "`executable` of ~/.text is not as expected:\n  expected: true\n  given:    false",
        fail("has_file", "~/.text", { executable = true })
      )
      local message = fail("has_file", "~/.text", { contains = "c" })
      contains(message, "~/.text does not contain:\n    c\n")
      message = fail("has_file", "~/.tool", { contains = "c" })
      contains(message, "known only once it is built")
    end)

    it("that are not to hold", function()
      assert.equal(
        "the config declares the file ~/.text, at init.lua:2",
        fail("has_no_file", "~/.text")
      )
    end)

    it("of what is no machine", function()
      local succeeded, problem = pcall(assert.has_file, "init.lua", "~/.text")
      assert.is_false(succeeded)
      contains(tostring(problem), "expected what testing.evaluate returns")
    end)
  end)
end)
