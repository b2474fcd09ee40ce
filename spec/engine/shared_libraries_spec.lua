--- What configs replace in Lua's own libraries harms neither messages nor later evaluations; and
-- what is said of a name that a config does not have.

local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

describe("a config that replaces", function()
  local here = machine.for_each_test()

  -- Every function of every library, by what would end any message about it.
  local replacements = {
    "nil",
    "function() error('boo') end",
    "function() return nil end",
    "function() return {} end",
  }

  it("any function of a library gets a message, not a traceback", function()
    for number, name in ipairs({ "string", "table", "math", "os", "io" }) do
      local library = _G[name]
      local functions = {}
      for key, value in pairs(library) do
        if type(value) == "function" then
          functions[#functions + 1] = key
        end
      end
      table.sort(functions)
      for index, key in ipairs(functions) do
        local value = replacements[(index + number) % #replacements + 1]
        here.write_config(("%s.%s = %s\nlocal x = nil .. 'y'"):format(name, key, value))
        local result = here.run("plan", "init.lua")
        assert.equal(1, result.code, name .. "." .. key)
        contains_none(result.stderr, "traceback")
        matches(result.stderr, "^error: attempt to concatenate a nil value\n  at init.lua:3\n")
      end
    end
  end)

  it("the global functions of Lua is told by its own line", function()
    local globals = 'package.loaded["_G"]'
    local ways = {
      "for name in next, %s do rawset(%s, name, nil) end",
      "for name in next, %s do if name ~= '_G' then rawset(%s, name, nil) end end",
      "local all = %s\nall.require, all.rawget, all.type, all.ipairs, all._G = nil",
      "rawset(%s, 'rawget', function() return 'x' end)",
      "rawset(%s, 'collectgarbage', nil)",
    }
    local rests =
      { "", 'file { path = "~/x", content = "y" }', "require('absent')", "local x = y.z" }
    for _, way in ipairs(ways) do
      for _, rest in ipairs(rests) do
        here.write_config(way:gsub("%%s", globals) .. "\n" .. rest)
        local result = here.run("plan", "init.lua")
        contains_none(result.stderr, "traceback", "evaluate.lua", "loader.lua")
        if result.code ~= 0 then
          matches(result.stderr, "\n  at init%.lua:%d")
        end
      end
    end
  end)

  it("functions of libraries leaves them as they were", function()
    here.write_config("")
    here.write(
      "other.lua",
      [[
      local format, index = string.format, getmetatable("").__index
      string.format, table.concat = nil, nil
      string.trim = function(text) return text:match("^%s*(.-)%s*$") end
      return { setup = function() assert((" x "):trim() == "x") end }
    ]]
    )
    local result = here.script([[
      local before = { string.format, table.concat, getmetatable("").__index, os.exit }
      local ok = pcall(syslua.evaluate, "other.lua")
      local after = { string.format, table.concat, getmetatable("").__index, os.exit }
      for index = 1, 4 do
        assert(before[index] == after[index], index)
      end
      assert(getmetatable("").__metatable == nil)
      syslua.evaluate("init.lua")
      print("fine")
    ]])
    assert.equal("fine\n", result.stdout .. result.stderr)
  end)

  it("the methods of strings is refused by the line, and may add operators", function()
    local problem = here.fail('\ngetmetatable("").__index = function() return "x" end')
    assert.equal("init.lua:3", problem.position)
    contains(problem.message, "cannot replace `__index` in the metatable of strings")
    local manifest = here.evaluate([[
      getmetatable("").__mod = function(text, value) return text:format(value) end
      file { path = "~/x", content = "%d" % 3 }
    ]])
    assert.is_table(manifest)
    assert.is_false(pcall(function()
      return "%d" % 3
    end))
  end)

  it("all memory gets a message", function()
    here.write_config([[local all = {} while true do all[#all + 1] = ("x"):rep(1e6) .. #all end]])
    local result = here.shell("ulimit -v 1000000; exec $LUA -l syslua plan init.lua")
    -- LuaJIT has its own limit, and a way of its own to end.
    if result.code == 1 or interpreter.name ~= "luajit" then
      assert.equal(1, result.code, result.stderr)
      matches(result.stderr, "^error: the config needs more memory than is available\n")
      contains_none(result.stderr, "traceback")
    end
  end)

  it("nothing, and names a global that there is not, is told what there is", function()
    local cases = {
      { 'home("x")', "user { name = ..., setup = ... } is the home of another user" },
      { "programs.git.enable()", 'require%("modules.programs.git"%)' },
      { "fiel { path = 1 }", "did you mean `file`?" },
      { "quux()", "a config has `activate`, `age`, `alias`, " },
      { 'file { path = "~/x", text = "y" }', "did you mean `content`?" },
      { 'file { target = "~/x", content = "y" }', "did you mean `path`?" },
    }
    for _, case in ipairs(cases) do
      local problem = here.fail(case[1])
      assert.equal("init.lua:2", problem.position)
      matches(problem.hint or "", case[2])
    end
  end)
end)

describe("output that is not taken #once", function()
  local here = machine.for_each_test(function(here)
    here.write_config('file { path = "~/x", content = "y" }')
  end)

  it("makes every command fail, and says that the command itself did not", function()
    for _, words in ipairs({
      "apply init.lua",
      "plan init.lua",
      "status --json",
      "list --json",
      "history",
      "env --shell bash",
      "help",
      "version",
      "completions zsh",
    }) do
      local full = here.shell("$LUA -l syslua " .. words .. " >/dev/full")
      assert.equal(1, full.code, words)
      local name = words:match("^%S+")
      assert.equal(
        "error: cannot write the output: No space left on device\n  `"
          .. name
          .. "` itself succeeded\n",
        full.stderr
      )
      here.shell(
        ("(sleep 0.1; $LUA -l syslua %s 2>errors; echo $? >code) | true"):format(words)
          .. "; while [ ! -s code ]; do sleep 0.05; done"
      )
      assert.equal("1\n", here.read("code"), words)
      contains(here.read("errors"), "cannot write the output: Broken pipe")
      here.shell("rm code errors")
    end
    assert.equal("y", here.read("home/x"))
  end)

  it("is noticed also when it is larger than what is kept back", function()
    here.write_config([[for number = 1, 3000 do env { ["NAME_" .. number] = ("x"):rep(50) } end]])
    assert.equal(0, here.run("apply", "--quiet", "init.lua").code)
    for _, words in ipairs({ "env --shell bash", "env --json", "plan --json /dev/null" }) do
      if words:find("^env") then
        assert.equal(1, here.shell("$LUA -l syslua " .. words .. " >/dev/full").code, words)
      end
    end
  end)
end)
