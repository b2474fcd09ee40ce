--- `why`: the whole way from the entry file to a declaration three modules deep, and what lost
--- against it there.

local machine = require("spec.support.machine")
local matches = require("spec.support.text_checks").matches
local syslua = require("syslua")

describe("why, three modules deep #once", function()
  local here

  setup(function()
    here = machine.new()
    here.write("modules/editor.lua", 'require("modules.shared.tools")\n')
    here.write(
      "modules/shared/tools.lua",
      [[
local settings = require("modules.shared.settings")
settings.declare("vim")
]]
    )
    here.write(
      "modules/shared/settings.lua",
      [[
local lib = syslua.lib
env { PAGER = lib.mkDefault("more") }
file { path = "~/.config/deep", content = lib.mkDefault("low") }
return {
  declare = function(editor)
    env { EDITOR = lib.mkForce(editor), PAGER = "less" }
    file { path = "~/.config/deep", content = "high" }
  end,
}
]]
    )
    here.write(
      "init.lua",
      [[
return {
  setup = function()
    env { EDITOR = "nano" }
    require("modules.editor")
  end,
}
]]
    )
    here.must("apply", "init.lua")
  end)

  teardown(function()
    here.remove()
  end)

  local way = { "modules/shared/tools.lua:2", "modules/editor.lua:1", "init.lua:4" }

  -- The lines that lead to one of the innermost module.
  local function render(indent, line, from)
    local lines = { ("%sat modules/shared/settings.lua:%d"):format(indent, line) }
    for index = from, #way do
      lines[#lines + 1] = indent .. "through " .. way[index]
    end
    return table.concat(lines, "\n") .. "\n"
  end

  it("tells of a variable", function()
    assert.equal(
      "EDITOR = vim\n"
        .. render("  ", 6, 1)
        .. "  with the priority 50\n"
        .. "  overrides nano, with the priority 900\n"
        .. "    at init.lua:3\n",
      here.must("why", "EDITOR").stdout
    )
    local loser = render("    ", 2, 1):gsub("tools.lua:2", "tools.lua:1")
    assert.equal(
      "PAGER = less\n"
        .. render("  ", 6, 1)
        .. "  overrides more, with the priority 1000\n"
        .. loser,
      here.must("why", "PAGER").stdout
    )
  end)

  it("tells of a file", function()
    local shown = here.must("why", "~/.config/deep").stdout
    local first, rest = shown:match("^([^\n]+)\n(.*)$")
    matches(first, "^~/%.config/deep %-> ")
    local loser = render("    ", 3, 1):gsub("tools.lua:2", "tools.lua:1")
    assert.equal(
      render("  ", 7, 1) .. '  overrides content "low", with the priority 1000\n' .. loser,
      rest
    )
  end)

  it("gives the same in JSON", function()
    local document = syslua.lib.fromJSON(here.must("why", "EDITOR", "--json").stdout)
    assert.equal("variable", document.way)
    assert.equal(1, #document.actions)
    local action = document.actions[1]
    assert.equal("vim", action.value)
    assert.equal(50, action.priority)
    assert.same({ "modules/shared/settings.lua:6", way[1], way[2], way[3] }, action.positions)
    assert.equal(1, #action.overridden)
    local loser = action.overridden[1]
    assert.equal("nano", loser.value)
    assert.equal(900, loser.priority)
    assert.same({ "init.lua:3" }, loser.positions)

    document = syslua.lib.fromJSON(here.must("why", "~/.config/deep", "--json").stdout)
    assert.equal("target", document.way)
    action = document.actions[1]
    assert.same({ "modules/shared/settings.lua:7", way[1], way[2], way[3] }, action.positions)
    loser = action.overridden[1]
    assert.equal(1000, loser.priority)
    assert.same(
      { "modules/shared/settings.lua:3", "modules/shared/tools.lua:1", way[2], way[3] },
      loser.positions
    )
  end)
end)
