--- When `lua -l syslua` is the command line, and when it is only a module.

local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

local unpack = table.unpack or unpack -- luacheck: ignore 143

describe("lua -l syslua", function()
  local here = machine.for_each_test()

  local function starts(result)
    return result.code == 0 and result.stdout:find("^sys%.lua %d") ~= nil
  end

  it("runs the command that follows, in every way to write it", function()
    assert.is_true(starts(here.lua("-l", "syslua", "version")))
    assert.is_true(starts(here.lua("-lsyslua", "version")))
    assert.is_true(starts(here.lua("-e", "x = 1", "-lsyslua", "version")))
    assert.is_true(starts(here.lua("-l", "string", "-l", "syslua", "--", "version")))
    -- Lua 5.4.4 and later.
    if here.lua("-l", "text=string", "-e", "text.len('')").code == 0 then
      assert.is_true(starts(here.lua("-l", "name=syslua", "version")))
    end
  end)

  it("starts nothing without a word after it", function()
    for _, words in ipairs({ { "-l", "syslua" }, { "-lsyslua" } }) do
      local result = here.lua(unpack(words))
      assert.same({ code = 0, stdout = "", stderr = "" }, result)
    end
  end)

  it("runs code instead", function()
    local code = "print(package.loaded.syslua.version)"
    for _, words in ipairs({ { "-e", code }, { "-e" .. code }, { "-e", code, "version" } }) do
      here.write("version", "")
      local result = here.lua("-l", "syslua", unpack(words))
      assert.equal(0, result.code)
      matches(result.stdout, "^%d+%.%d+%.%d+\n$")
    end
  end)

  it("runs a script with its arguments", function()
    here.write("script.lua", "print(package.loaded.syslua ~= nil, arg[0], ...)")
    assert.equal("true\tscript.lua\tapply\tx\n", here.run("script.lua", "apply", "x").stdout)
    here.write("tools/aply", "print(...)")
    assert.equal("1\n", here.run("tools/aply", "1").stdout)
  end)

  it("runs a script from its input", function()
    local result = here.shell("echo 'print(package.loaded.syslua ~= nil)' | $LUA -l syslua -")
    assert.same({ code = 0, stdout = "true\n", stderr = "" }, result)
  end)

  it("does not take a file of that name for the command", function()
    for _, name in ipairs({ "version", "apply" }) do
      here.write(name, 'error("the file was run")')
    end
    assert.is_true(starts(here.run("version")))
    local result = here.run("apply", "nowhere.lua")
    assert.equal(1, result.code)
    contains(result.stderr, "nowhere.lua")
    contains_none(result.stderr, "the file was run")
  end)

  it("names the closest command, and exits with 2", function()
    local result = here.run("aply")
    assert.equal(2, result.code)
    assert.equal("", result.stdout)
    contains(result.stderr, "lua -l syslua apply")
  end)

  it("hands the exit code to the shell", function()
    assert.equal(1, here.run("apply", "nowhere.lua").code)
    assert.equal(2, here.run("apply", "--no-such-flag").code)
    here.write_config("file({ path = '~/.x', content = '' })")
    assert.equal(3, here.run("plan", "init.lua", "--exit-code").code)
  end)
end)

describe("sys", function()
  it("is the same program", function()
    local environment = interpreter.get_environment()
    environment.HOME = "/nowhere"
    local function run(...)
      return process.run({ interpreter.name, "lua/bin/sys", ... }, { environment = environment })
    end
    local result = run("--version")
    assert.equal(0, result.code, result.stderr)
    matches(result.stdout, "^sys%.lua %d")
    assert.same(result, run("version"))
    assert.equal(2, run("aply").code)
    contains(run("aply").stderr, "sys apply")
  end)
end)

describe('require("syslua")', function()
  local here = machine.for_each_test()

  it("starts no command, whatever the script's arguments are", function()
    local result = here.script("print(syslua.version ~= nil, ...)", "apply", "x")
    assert.same({ code = 0, stdout = "true\tapply\tx\n", stderr = "" }, result)
    here.write("script.lua", 'print(require("syslua").platform)')
    result = here.lua("script.lua", "-l", "syslua", "version")
    matches(result.stdout, "^[%w_]+%-%w+\n$")
  end)

  it("adds no global and no output", function()
    here.write(
      "script.lua",
      [[
      local before = {}
      for name in pairs(_G) do before[name] = true end
      require("syslua")
      for name in pairs(_G) do
        if not before[name] then print(name) end
      end
      ]]
    )
    assert.same({ code = 0, stdout = "", stderr = "" }, here.lua("script.lua"))
  end)

  it("knows the machine", function()
    local result = here.script([[
      assert(syslua.platform == syslua.arch .. "-" .. syslua.os)
      assert(syslua.is_linux == (syslua.os == "linux"))
      assert(#syslua.hostname > 0 and #syslua.username > 0)
      assert(syslua.no_such_field == nil)
    ]])
    assert.same({ code = 0, stdout = "", stderr = "" }, result)
  end)

  it("raises failures that Lua itself can print", function()
    local result = here.script('\nsyslua.evaluate("nowhere.lua")')
    assert.equal(1, result.code)
    contains(result.stderr, "nowhere.lua")
    contains_none(result.stderr, "table")
    result = here.script([[
      local succeeded, problem = pcall(syslua.evaluate, "nowhere.lua")
      assert(not succeeded and tostring(problem):find("nowhere.lua"))
      local failure = syslua.error(problem)
      print(type(failure), failure.kind, type(failure.message))
    ]])
    assert.same({ code = 0, stdout = "table\tconfig\tstring\n", stderr = "" }, result)
  end)

  it("runs on " .. interpreter.name, function()
    local result = here.run("version")
    contains(result.stdout, interpreter.is_jit and "LuaJIT" or interpreter.version)
  end)
end)
