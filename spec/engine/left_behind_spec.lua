--- What a config leaves behind in Lua has no effect on the command after its evaluation: hooks,
-- emptied tables, foreign metatables, errors that only look like those of sys.lua.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains_none, matches = text_checks.contains_none, text_checks.matches

-- Each runs in `setup`, and what it does is gone afterwards, or the command says what is wrong.
local pranks = {
  'package.loaded["syslua"] = nil',
  'package.loaded["syslua.bindings"] = nil',
  "package.loaded.string, package.loaded.table = nil, nil",
  "for key in next, _G do rawset(_G, key, nil) end",
  'debug.setmetatable("", nil)',
  'setmetatable(package.loaded, { __index = function() error("none") end })',
  "setmetatable(string, { __index = function() error('none') end }); string.format = nil",
  "getmetatable(io.stderr).__index = nil",
  "getmetatable(io.stderr).__index.write = nil",
  "io.stdout, io.write, io.output = nil, nil, nil",
  "io.output(io.tmpfile()):write('x')",
  "debug.sethook(function() os.exit(0) end, '', 1)",
  'error({ kind = "config", message = "mine", hint = 5 })',
  'error({ kind = "config", message = "mine", position = {} })',
  'error({ kind = "config", message = "mine", trace = { {} } })',
  'error({ kind = "config", message = "mine", mismatches = { 1 } })',
  'error(setmetatable({}, { __tostring = function() error("again") end }))',
}

describe("a command after an evaluation", function()
  local here = machine.for_each_test()

  for number, prank in ipairs(pranks) do
    it("goes on, or says what is wrong: " .. number, function()
      here.write_config(prank)
      local result = here.run("plan", "init.lua")
      assert.is_true(result.code == 0 or result.code == 1, tostring(result.code))
      local output = result.stdout .. result.stderr
      contains_none(output, "stack traceback")
      assert.is_true(#output < 4000, prank)
      if result.code == 1 then
        matches(result.stderr, "^error: ")
      end
    end)
  end

  it("runs no hook of the config, which could apply another one", function()
    here.write(
      "inner.lua",
      'return { setup = function() file({ path = "~/ran", content = "x" }) end }'
    )
    here.write_config([[
      local s, busy = syslua, false
      debug.sethook(function()
        if busy then return end
        busy = true
        local ok, manifest = pcall(s.evaluate, "inner.lua")
        if ok and pcall(s.apply, manifest) then debug.sethook() end
        busy = false
      end, "", 100)
    ]])
    here.run("plan", "init.lua")
    assert.is_false(here.exists("home/ran"))
  end)

  it("prints what it prints, and nothing that the config wrote", function()
    here.write_config([[
      io.write("raw", 1, 2.5, "\27[2J\n")
      io.stdout:write("raw\n")
      io.stdout:write("raw\n")
      io.output():write("raw\n")
      print("raw")
      assert(io.stdout:flush())
      local own = io.output(os.tmpname())
      io.write("kept")
      own:close()
      file { path = "~/file", content = "text" }
    ]])
    local result = here.run("plan", "--json", "init.lua")
    assert.equal(0, result.code, result.stderr)
    contains_none(result.stdout, "raw")
    matches(result.stdout, "^{.*}%s*$")
    local _, count = result.stderr:gsub("raw", "")
    assert.equal(5, count, result.stderr)
    contains_none(result.stderr, "\27")
  end)
end)
