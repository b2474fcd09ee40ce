--- Tables and reports in a terminal of 80 columns, with long names and many entries; programs get
--- them whole.

local machine = require("spec.support.machine")
local text = require("syslua.util.text")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

local config = [[
  local inner = derive { name = "inner-library-with-a-name-that-is-long",
    version = "1.2.3-beta.4+@", config = function(_, ctx) ctx.write(ctx.out .. "/f", "@") end }
  for i = 1, 20 do
    local outer = derive {
      name = ("tool-number-%d-with-a-remarkably-long-name-indeed"):format(i), opts = { inner.out },
      version = "2026.11.@", config = function(o, ctx) ctx.write(ctx.out .. "/f", o[1] .. "@") end }
    local directory = "~/.config/some/very/deep/directory/with/many/components"
    file { path = ("%s/tool-%d/settings.toml"):format(directory, i), source = outer.out }
  end
  file { path = "~/.short", content = "@" }
  env { A_VARIABLE_WITH_A_LONG_NAME = ("value-@ "):rep(20) }
  env { PATH = { "/opt/some/where/deep/bin", "/opt/@" } }
  activate { config = function(_, ctx)
    ctx.run("true " .. ("words and "):rep(20) .. "@", { undo = "true" })
  end }
]]

-- Once: nothing here depends on the version of Lua.
if require("spec.support.interpreter").version ~= "5.4" then
  return
end

describe("in a terminal of 80 columns", function()
  local here

  setup(function()
    here = machine.new()
    for number = 1, 3 do
      local name = "a/configuration/directory/whose/path/is/rather/long/init.lua"
      here.write_config((config:gsub("@", number)), name)
      here.must("apply", name)
    end
    here.script(
      'syslua.apply(syslua.evaluate("a/configuration/directory/whose/path/is/rather/long"), { '
        .. 'description = "x" })'
    )
  end)

  teardown(function()
    here.remove()
  end)

  -- What a command shows, as lines; all of them fit, but for a path that stands alone.
  local function show(line)
    local lines = text.lines(here.show(line))
    for _, shown in ipairs(lines) do
      assert.is_true(
        text.width(shown) <= 80 or shown:find("^%s+%S+$") ~= nil,
        line .. ": " .. shown
      )
    end
    return lines
  end

  it("history has columns", function()
    local lines = show("history")
    assert.equal("  ID  APPLIED              TARGETS  CHANGES                 CONFIG", lines[1])
    matches(lines[2], "^%*  3  %d+%-%d%d%-%d%d %d%d:%d%d:%d%d       21  .*…%S*/init%.lua$")
    matches(lines[4], "^   1  ")
    assert.equal("   0  before the first apply", lines[5])
    assert.equal(5, #lines)
    local whole = here.must("history").stdout
    contains(whole, here.directory .. "/a/configuration/directory")
    contains_none(whole, "…")
    assert.equal(whole, here.must("history", "--verbose").stdout)
  end)

  it("history shows descriptions and damage on lines of their own", function()
    local other = machine.new()
    other.write_config('file { path = "~/.x", content = "1" }')
    other.script([[
      local manifest = syslua.evaluate("init.lua")
      syslua.apply(manifest, {
        description = "a description of many words\27[31m, which goes on for long",
      })
    ]])
    other.apply('file { path = "~/.x", content = "2" }')
    other.apply('file { path = "~/.x", content = "3" }')
    other.write("root/store/metadata/snapshots/2/snapshot.json", "{")
    local shown = other.show("history")
    for _, line in ipairs(text.lines(shown)) do
      -- A path is not cut where it is what is wrong.
      assert.truthy(text.width(line) <= 80 or line:find("snapshot.json", 1, true), line)
    end
    contains(shown, "  DESCRIPTION\n")
    matches(shown, "init%.lua  a descrip%S*…\n")
    contains_none(shown, "\27")
    contains(shown, "\n   2  cannot be used: ")
    local whole = other.must("history").stdout
    contains(whole, "a description of many words\\x1b[31m, which goes on for long\n")
    other.remove()
  end)

  it("list, diff, plan and status keep to the width", function()
    local lines = show("list --all")
    matches(lines[1], "^  NAME +VERSION +OBJECT +SIZE  REFERENCES$")
    lines = show("diff 1 3")
    matches(lines[1], "^~ build   tool%-number")
    matches(lines[#lines], "^Between snapshot 1 and 3: %d+ derivations, 25 actions$")
    show("diff 2 3")
    here.shell("rm -r ~/.config; echo x >~/.short.new; mv ~/.short.new ~/.short")
    lines = show("status")
    matches(lines[6], "^! missing  ~/%.config/%S*…%S*/settings%.toml$")
    matches(lines[7], "^          %(%-> …/tool%S*…%S*%)$")
    assert.equal("          init.lua:9", lines[8])
    show("plan a/configuration/directory/whose/path/is/rather/long")
  end)

  it("info, why and plan --verbose break lines at spaces, and leave names whole", function()
    local object = "tool-number-1-with-a-remarkably-long-name-indeed/2026.11.3"
    local plan = "plan a/configuration/directory/whose/path/is/rather/long --verbose"
    for _, command in ipairs({ "info " .. object, "why " .. object, plan }) do
      for _, line in ipairs(text.lines(here.show(command))) do
        local word = line:match("^%s+(%S+)$")
          or line:match("^%u%l+ +(%S+)$")
          or line:match("^[ ~+-] %l+ +(%S+)$")
          or line:match("^ +%-> (%S+)$")
        assert.is_true(text.width(line) <= 80 or word ~= nil, line)
        contains_none(line, "…")
      end
    end
    local root = here.show("info")
    matches(root, "\nSnapshot  3, applied [^\n]+, from\n          %S+/init%.lua\n")
  end)

  it("JSON is whole", function()
    for _, command in ipairs({ "list --all", "history" }) do
      local whole = here.shell("$LUA -l syslua " .. command .. " --json").stdout
      assert.is_true(#text.lines(whole)[1] > 80)
      assert.equal(whole, here.show(command .. " --json"))
    end
  end)
end)
