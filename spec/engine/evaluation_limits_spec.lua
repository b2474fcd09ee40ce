--- What no config can do while it is evaluated, and what no directory can do to the command line.

local contains = require("spec.support.text_checks").contains
local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local process = require("spec.support.process")

describe("an evaluation", function()
  local here = machine.for_each_test(function(here)
    here.write(
      "inner.lua",
      [[
      return { setup = function()
        file { path = "~/inner", content = "x" }
        activate { config = function(_, ctx) ctx.run("echo >~/ran") end }
      end }
    ]]
    )
    here.apply('file { path = "~/managed", content = "text" }')
  end)

  -- All ways to reach the module, and what acts through it.
  local ways = {
    "syslua",
    'require("syslua")',
    'package.loaded["syslua"]',
    '(select(2, pcall(require, "syslua")))',
  }
  local calls = {
    '%s.apply(syslua.evaluate("inner.lua"))',
    '%s.plan(syslua.evaluate("inner.lua"))',
    "%s.snapshots.destroy()",
    "%s.snapshots.rollback(0)",
    "%s.snapshots.list()",
    "%s.store.gc({ keep = 1 })",
    "%s.store.list()",
    "%s.store.verify()",
    "error(select(2, %s.bindings.destroy({})), 0)",
    'error(select(2, %s.bindings.rollback("0")), 0)',
    "error(select(2, %s.bindings.gc({})), 0)",
    'error(select(2, %s.bindings.rewrite("init.lua", "")), 0)',
  }
  local places = {
    "return { setup = function() %s end }",
    "%s return { setup = function() end }",
    "return { setup = function() activate { config = function() %s end } end }",
    'return { setup = function() derive { name = "a", opts = function() %s end, '
      .. "config = function() end } end }",
    "return { setup = function() coroutine.wrap(function() %s end)() end }",
  }

  it("refuses what acts on the system, however it is reached", function()
    local home, root = here.list("home"), here.list("root/store/metadata")
    for number, call in ipairs(calls) do
      -- Each call in one place, each place with some call.
      local place = places[number % #places + 1]
      for _, way in ipairs({ ways[1], ways[number % #ways + 1] }) do
        local config = place:format(call:format(way))
        here.write("bad.lua", config)
        local result = here.run("plan", "bad.lua")
        assert.equal(1, result.code, config .. result.stdout .. result.stderr)
        contains(result.stderr, "cannot be used while a config is evaluated", "bad.lua:1")
        assert.equal(home, here.list("home"), config)
        assert.equal(root, here.list("root/store/metadata"), config)
      end
    end
  end)

  it("builds nothing", function()
    here.write_config([[
      local one = derive { name = "x", config = function(_, ctx) ctx.write(ctx.out, "x") end }
      syslua.build(one)
    ]])
    local result = here.run("plan", "init.lua")
    assert.equal(1, result.code, result.stdout)
    contains(result.stderr, "cannot be used while a config is evaluated", "init.lua:3")
  end)

  it("does not end the process", function()
    for _, place in ipairs(places) do
      local exits = { "os.exit(0)", "os.exit()", "os.exit(true)", "local e = os.exit e(0)" }
      for _, call in ipairs(exits) do
        here.write("bad.lua", place:format(call))
        local result = here.run("plan", "bad.lua")
        assert.equal(1, result.code, place:format(call))
        contains(result.stderr, "os.exit was called", "bad.lua:1")
      end
    end
    local result = here.script([[
      local exit = os.exit
      pcall(syslua.evaluate, "bad.lua")
      print(os.exit == exit)
    ]])
    assert.equal("true\n", result.stdout, result.stderr)
  end)

  it("works where unknown globals are errors", function()
    here.write(
      "strict.lua",
      [[
      setmetatable(_G, {
        __index = function(_, name)
          error("variable " .. tostring(name) .. " is not declared", 2)
        end,
        __newindex = function(_, name)
          error("variable " .. tostring(name) .. " is not declared", 2)
        end,
      })
    ]]
    )
    here.write_config([[
      env { EDITOR = "vim" }
      file { path = "~/built", source = derive { name = "b", config = function(_, ctx)
        ctx.write(ctx.out, ctx.run("echo hello"))
      end }.out }
    ]])
    here.environment.LUA_INIT = "@" .. here.directory .. "/strict.lua"
    for _, command in ipairs({
      "plan init.lua",
      "apply init.lua",
      "status",
      "history",
      "list",
      "env",
      "why EDITOR",
      "diff",
      "verify",
      "rollback --yes",
      "gc",
      "completions bash",
      "help apply",
      "version",
      "destroy --yes",
    }) do
      local result = here.shell("$LUA -l syslua " .. command)
      assert.equal(0, result.code, command .. ": " .. result.stderr)
    end
  end)
end)

describe("the current directory", function()
  it("has no part in sys.lua", function()
    local here = machine.new()
    here.write_config('file { path = "~/managed", content = "text" }', "config/init.lua")
    local sys = process.run_line("pwd").stdout:gsub("\n", "") .. "/lua/bin/sys"
    local names = {
      "syslua.lua",
      "syslua/init.lua",
      "syslua/cli.lua",
      "syslua/cli/main.lua",
      "syslua/util/text.lua",
      "syslua/evaluate.lua",
      "syslua/helpers/file.lua",
      "argparse.lua",
      "syslua.so",
    }
    for _, name in ipairs(names) do
      here.write("hostile/" .. name, 'io.open("canary", "w"):close()\n')
    end
    for _, command in ipairs({ "version", "plan ../config", "apply ../config", "status" }) do
      for _, program in ipairs({ "-l syslua", sys }) do
        local result = here.shell(("cd hostile && $LUA %s %s"):format(program, command))
        assert.equal(0, result.code, program .. " " .. command .. ": " .. result.stderr)
        assert.is_false(here.exists("hostile/canary"), program .. " " .. command)
      end
    end
    -- A field that the module does not have is not looked for elsewhere.
    here.write("hostile/syslua/other.lua", 'io.open("canary", "w"):close()\n')
    local result = here.shell([[cd hostile && $LUA -e 'print(require("syslua").other)']])
    assert.equal("nil\n", result.stdout, interpreter.name .. result.stderr)
    here.remove()
  end)
end)
