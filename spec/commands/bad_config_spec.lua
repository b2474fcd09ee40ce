--- Configs that are wrong: one clear message with file and line, exit code 1, an unchanged system.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local ordered_pairs = require("syslua.util.ordered_pairs")
local process = require("spec.support.process")

local is_root = process.run({ "id", "-u" }).stdout == "0\n"

-- What the config is (a text for init.lua), what is applied, and what the message must hold.
local cases = {
  ["is missing"] = { argument = "nowhere.lua", says = { "nowhere.lua", "No such file" } },
  ["is a directory without init.lua"] = {
    argument = "home",
    says = { "home/init.lua", "No such file" },
  },
  ["has a syntax error"] = {
    text = "return {\n  setup = function(\n}\n",
    says = { "syntax error", "at init.lua:3\n" },
  },
  ["is empty"] = {
    text = "",
    says = { "init.lua returned nil", "at init.lua:1\n", "setup = function" },
  },
  ["returns a string"] = {
    text = 'return "text"',
    says = { 'returned string "text"', "expected a table", "at init.lua:1\n", "setup = function" },
  },
  ["returns a table without setup"] = {
    text = "return {}",
    says = { "no function `setup`", "setup = function" },
  },
  ["returns a setup that is no function"] = {
    text = "return { setup = 1 }",
    says = { "no function `setup`", "number 1" },
  },
  ["raises an error"] = {
    text = 'return { setup = function()\n\n  error("went wrong") end }',
    says = { "error: went wrong\n", "at init.lua:3\n" },
  },
  ["raises an error when it is loaded"] = {
    text = 'local x = 1\nerror("went wrong")',
    says = { "error: went wrong\n", "at init.lua:2\n" },
  },
  ["uses a nil value"] = {
    text = "return { setup = function()\n  local x\n  x.y = 1\nend }",
    says = { "attempt to index", "at init.lua:3\n" },
  },
  ["raises something that is no text"] = {
    text = "return { setup = function() error({}) end }",
    says = { "error: " },
  },
  ["requires a module that is missing"] = {
    text = 'return { setup = function()\n  require("no.such.module")\nend }',
    says = { "no.such.module", "init.lua:2" },
  },
  ["requires a module with a syntax error"] = {
    text = 'return { setup = function() require("broken") end }',
    says = { "syntax error", "at broken.lua:2\n" },
  },
  ["requires itself"] = {
    text = 'return { setup = function() require("circle") end }',
    says = { "circle", "requires itself", "at circle.lua:1\n" },
  },
}

describe("a config that", function()
  local here = machine.for_each_test(function(here)
    here.write("broken.lua", "local x = 1\nlocal = 2\n")
    here.write("circle.lua", 'require("circle")')
  end)

  for name, case in ordered_pairs(cases) do
    it(name, function()
      if case.text then
        here.write("init.lua", case.text)
      end
      local before = here.list(".")
      for _, command in ipairs({ "apply", "plan" }) do
        local result = here.run(command, case.argument or "init.lua")
        assert.equal(1, result.code)
        assert.equal("", result.stdout)
        assert.equal("error: ", result.stderr:sub(1, 7))
        for _, text in ipairs(case.says) do
          contains(result.stderr, text)
        end
        local _, lines = result.stderr:gsub("\n", "")
        assert.is_true(lines <= 15, result.stderr)
      end
      assert.equal(before, here.list("."))
    end)
  end

  local it_refused = is_root and pending or it

  it_refused("cannot be read", function()
    here.write_config("")
    here.shell("chmod 000 init.lua")
    local result = here.run("apply", "init.lua")
    assert.equal(1, result.code)
    contains(result.stderr, "init.lua", "Permission denied")
  end)

  it("is not named, and there is no default", function()
    local result = here.shell("$LUA -l syslua apply", { SYSLUA_CONFIG = "/no/such/config.lua" })
    assert.equal(1, result.code)
    contains(result.stderr, "/no/such/config.lua", "SYSLUA_CONFIG")
  end)
end)

describe("a command line that is wrong", function()
  local here = machine.for_each_test(function(here)
    here.write_config("")
  end)

  it("exits with 2, and names what was meant", function()
    for line, text in pairs({
      ["aply"] = "apply",
      ["apply init.lua --dry-rn"] = "--dry-run",
      ["apply init.lua more.lua"] = "usage:",
      ["plan --jobs none init.lua"] = "--jobs",
      ["status init.lua"] = "usage:",
      ["plan init.lua --color red"] = "always",
    }) do
      local result = here.shell("$LUA -l syslua " .. line)
      assert.equal(2, result.code, line)
      assert.equal("", result.stdout)
      contains(result.stderr, text)
    end
    assert.is_false(here.exists("root"))
  end)
end)
