--- What `config` may not capture is refused where it is declared, with the variable, the line and
-- what to do instead.

local machine = require("spec.support.machine")
local interpreter = require("spec.support.interpreter")
local ordered_pairs = require("syslua.util.ordered_pairs")
local text_checks = require("spec.support.text_checks")

local contains, contains_none = text_checks.contains, text_checks.contains_none

-- Lines above derive{}, the body of `config`, and what the message must hold. `line` is that of
-- derive{}, 3 unless given.
local refused = {
  ["an open file"] = { "local x = io.stdout", "return x", "`x`", "opts" },
  ["a function that opens files"] = { "local x = io.open", "return x", "`x`", "a build may use" },
  ["a function that tells the time"] = {
    "local x = os.time",
    "return x",
    "`x`",
    "a build may use",
  },
  ["the library io"] = { "local x = io", "return x", "`x.", "a build may use" },
  ["the library os"] = { "local x = os", "return x", "`x.", "a build may use" },
  ["the library coroutine"] = { "local x = coroutine", "return x", "`x.", "a build may use" },
  ["the library package"] = { "local x = package", "return x", "all globals" },
  ["all loaded modules"] = { "local x = package.loaded", "return x", "all globals" },
  ["all globals"] = { "local x = _G", "return x", "all globals" },
  ["require"] = { "local x = require", "return x", "a build may use" },
  ["dofile"] = { "local x = dofile", "return x", "`x`", "a build may use" },
  ["collectgarbage"] = { "local x = collectgarbage", "return x", "`x`", "a build may use" },
  ["a function of the library debug"] = {
    "local x = debug.getinfo",
    "return x",
    "`x`",
    "a build may use",
  },
  ["random numbers"] = { "local x = math.random", "return x()", "`x`", "math without random" },
  ["the seed of random numbers"] = {
    "local x = math.randomseed",
    "return x(1)",
    "`x`",
    "math without random",
  },
  ["a coroutine"] = {
    "local x = coroutine.create(function() end)",
    "return x",
    "`x`",
    "coroutine",
    "opts",
  },
  ["a coroutine in the shape of a function"] = {
    "local x = coroutine.wrap(function() end)",
    "return x",
    "`x`",
    "a build may use",
  },
  ["an open file deep in a table"] = {
    "local x = { a = { {}, { io.stdout } } }",
    "return x",
    "`x.a[2][1]`",
    "opts",
  },
  ["an open file as a key"] = { "local x = { [io.stdout] = 1 }", "return x", "`x`", "opts" },
  ["a function in a metatable"] = {
    "local x = setmetatable({}, { __index = os.getenv })",
    "return x.HOME",
    "metatable of x",
    "a build may use",
  },
  ["an open file in a captured function"] = {
    "local y = io.stdout\nlocal function x() return y end",
    "return x()",
    "`y`",
    "opts",
    line = 4,
  },
  ["a module in another language"] = {
    'local x = require("lfs")',
    "return x",
    "`x.",
    "a build may use",
  },
  ["a global of the user"] = { "mine = 1", "return mine", "`mine`", "local mine = " },
  ["a global that config sets"] = { "", "mine = 1", "`mine`", "local mine = " },
  ["a global in a captured function"] = {
    "mine = 1\nlocal function x() return mine end",
    "return x()",
    "`x`",
    "`mine`",
    "local mine = ",
    line = 4,
  },
  ["the table of all globals"] = { "", "return _G.tostring(1)", "`_G`" },
  ["a derivation in a derivation"] = { "", "derive({})", "`derive`" },
  ["a global of Lua that was replaced"] = {
    'tostring = function() return "" end',
    "return tostring(1)",
    "`tostring`",
  },
  ["a global of Lua that was replaced for a captured function"] = {
    'tostring = function() return "" end\nlocal function x() return tostring(1) end',
    "return x()",
    "`tostring`",
    line = 4,
  },
  ["a library of Lua that was replaced"] = {
    "string = { rep = string.rep }",
    'return string.rep("x", 2)',
    "string",
  },
  ["a function that was added to a library"] = {
    'string.mine = function() return "" end',
    "return string.mine()",
    "string",
    "mine",
  },
  ["a function of a library that was replaced"] = {
    'string.rep = function() return "" end',
    'return string.rep("x", 2)',
    "string",
    "rep",
  },
  ["a method that was added to strings"] = {
    'function string.greet() return "" end',
    'return ("x"):greet()',
    "`string.greet`",
    "`local`",
  },
  ["a method that was added to strings, in a captured function"] = {
    'function string.greet() return "" end\nlocal function x(s) return s:greet() end',
    'return x("x")',
    "`string.greet`",
    "`x`",
    line = 4,
  },
  ["a captured library that was added to"] = {
    'function string.greet() return "" end\nlocal s = string',
    "return s",
    "`string.greet`",
    "`s`",
    line = 4,
  },
  ["a library of Lua with a metatable"] = {
    'setmetatable(string, { __index = { greet = function() return "" end } })',
    "return string.greet()",
    "the metatable of string",
  },
  ["strings with another metatable"] = {
    'debug.getmetatable("").__index = function(_, k) return string[k] or tostring end',
    'return ("x"):greet()',
    "metatable of strings",
  },
  ["a number of a library that was replaced"] = {
    "math.pi = 3",
    "return math.pi",
    "`math.pi`",
  },
  ["a function that was added to our library"] = {
    "syslua.lib.bar = function() end\nlocal x = syslua.lib",
    "return x.bar()",
    "`syslua.lib.bar`",
    line = 4,
  },
  ["a function that was added to our library, by the global name"] = {
    "syslua.lib.bar = function() end",
    "return syslua.lib.bar()",
    "`syslua.lib.bar`",
  },
  ["the engine"] = {
    'local x = require("syslua").bindings',
    "return x",
    "`x.",
    "a build may use",
  },
  ["a verb of sys.lua"] = { 'local x = require("syslua").build', "return x", "`x`", "sys.lua" },
  ["evaluate"] = { 'local x = require("syslua").evaluate', "return x", "`x`", "sys.lua" },
  ["the function derive"] = { "local x = derive", "return x", "`x`", "sys.lua" },
  ["the bindings"] = {
    'local x = require("syslua.bindings").call',
    "return x",
    "`x`",
    "sys.lua",
  },
  ["a guarded global that the config keeps"] = { "os = os", "return os.time()", "`os`" },
  ["a guarded global that the config sets"] = {
    "io = { open = io.open }",
    "return io.open",
    "`io`",
  },
  ["a guarded global behind a metatable"] = {
    "local o = os\nsetmetatable(_G, { __index = function(_, k) return k == 'os' and o end })",
    "return os.time()",
    "`os`",
    line = 4,
  },
  ["two keys that look alike, one of which is used elsewhere"] = {
    "local k = {}; local x = { [{}] = 1, [{}] = 1, [k] = 1, ref = k }",
    "return x",
    "`x`",
    "cannot be told apart",
    "use strings",
  },
  ["a path below the config's directory"] = {
    'local x = { io.popen("pwd"):read("*l") .. "/init.lua" }',
    "return x",
    "`x[1]`",
    "source()",
  },
  ["a handle that was added to"] = {
    'local x = derive({ name = "d", config = function() end })\nrawset(x, "flags", 1)',
    "return x",
    "`x`",
    "handle",
    line = 4,
  },
  ["the outputs of a handle that were changed"] = {
    'local x = derive({ name = "d", config = function() end })\nx.outputs.out = "/x"',
    "return x",
    "`x.outputs`",
    line = 4,
  },
  ["an open file very deep in a table"] = {
    "local x = io.stdout; for _ = 1, 500 do x = { next = x } end",
    "return x",
    "`x.next.next",
    "userdata",
    "opts",
  },
  ["two functions on one line"] = {
    "local x, y = function() return 1 end, function() return 2 end",
    "return x(), y()",
    "`x`",
    "line 2",
    "on separate lines",
  },
  ["two functions on one line that capture the same"] = {
    "local z = 1\nlocal x, y = function() return z end, function() return -z end",
    "return x(), y()",
    "`x`",
    "line 3",
    "on separate lines",
    line = 4,
  },
  ["a function without a file"] = {
    'local x = assert((loadstring or load)("return 1"))',
    "return x()",
    "`x`",
    "in a file",
  },
}

if interpreter.version == "5.4" then
  refused["two functions on one line with different constants"] = {
    "local t = {}\ndo local v <const> = 1; t[1] = function() return v end end "
      .. "do local v <const> = 2; t[2] = function() return v end end",
    "return t[1]()",
    "`t[1]`",
    "line 3",
    "on separate lines",
    line = 4,
  }
end

if interpreter.is_jit then
  refused["a value of the library ffi"] = {
    'local x = require("ffi").new("int", 1)',
    "return x",
    "`x`",
    "opts",
  }
  refused["a number of 64 bits"] = { "local x = 1LL", "return x", "`x`", "opts" }
end

describe("config may not use", function()
  local here

  setup(function()
    here = machine.new()
  end)

  teardown(function()
    here.remove()
  end)

  for name, case in ordered_pairs(refused) do
    it(name, function()
      here.write_config(
        ('%s\nderive({ name = "one", config = function(opts, ctx)\n%s\nend })'):format(
          case[1],
          case[2]
        )
      )
      local result = here.run("plan", "init.lua")
      assert.equal(1, result.code, result.stdout)
      local position = ("at init.lua:%d\n"):format(case.line or 3)
      for index = 3, #case + 1 do
        local text = case[index] or position
        contains(result.stderr, text)
      end
      contains_none(result.stderr, "real_")
    end)
  end
end)

describe("what config captures", function()
  local here = machine.for_each_test()

  -- Each changes `x`, which `config` captures, after derive{}; the name that the message gives.
  local changes = {
    ["a number"] = { "local x = 1", "x = 2" },
    ["a value to nil"] = { "local x = 1", "x = nil" },
    ["a list"] = { "local x = { 1 }", "x[2] = 2" },
    ["a nested table"] = { "local x = { a = { b = 1 } }", "x.a.b = 2" },
    ["a metatable"] = { "local x = {}", "setmetatable(x, {})" },
    ["what a captured function uses"] = {
      "local y = 1\nlocal function x() return y end",
      "y = 2",
    },
    ["a function"] = {
      "local x = function()\nreturn 1 end\nlocal y = function()\nreturn 2 end",
      "x = y",
    },
    ["a handle"] = {
      'local function make(o)\nreturn derive({ name = "d", opts = { o },\n'
        .. 'config = function(_, ctx) ctx.write(ctx.out, "") end })\nend\n'
        .. "local x = make(1)",
      "x = make(2)",
    },
  }

  for name, case in ordered_pairs(changes) do
    it("may not change before the build: " .. name, function()
      local declaration =
        'derive({ name = "one", config = function(_, ctx) ctx.write(ctx.out, tostring(x)) end })'
      here.write_config(("%s\n%s\n%s"):format(case[1], declaration, case[2]))
      local result = here.run("apply", "init.lua")
      assert.equal(1, result.code, result.stdout)
      local _, lines = case[1]:gsub("\n", "")
      local position = ("at init.lua:%d\n"):format(lines + 3)
      contains(result.stderr, "`x`", "changed", position, "hint: ", "opts")
      assert.is_nil(here.read_link("root/store/metadata/current"))
    end)
  end

  -- Bodies of builds; the first line of derive{} is line 2, as is that of the next one, on line 3.
  local function build(first, second)
    here.write_config(([[
      local t = { v = "clean" } derive({ name = "a", config = function(_, ctx) %s end })
      derive({ name = "b", config = function(_, ctx) %s end })
    ]]):format(first, second))
    return here.run("apply", "init.lua", "--jobs", "2")
  end

  it("may not change while a build beside it runs", function()
    local result = build(
      'ctx.run("sleep .1") t.v = "dirty" ctx.write(ctx.out, "")',
      'ctx.run("sleep .4") ctx.write(ctx.out, t.v)'
    )
    assert.equal(1, result.code, result.stdout)
    contains(result.stderr, "`t`", "changed", "hint: ", "local variable")
    assert.equal("", here.shell("ls root/store/obj").stdout)
  end)

  it("may not change by way of a build that cannot wait, which starts over", function()
    local result = build(
      't.v = "dirty" pcall(ctx.run, "true") ctx.write(ctx.out, t.v)',
      'ctx.write(ctx.out, "")'
    )
    assert.equal(1, result.code, result.stdout)
    contains(result.stderr, "`t`", "by this build", "at init.lua:2\n")
  end)

  it("may be NaN", function()
    here.write_config([[
      local nan = 0 / 0
      derive({ name = "one", config = function(_, ctx)
        ctx.write(ctx.out, nan ~= nan and "nan" or "")
      end })
    ]])
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
    assert.equal("nan", here.shell("cat root/store/obj/one-*").stdout)
  end)

  it("may be nested as deeply as it likes, and is named when it changes there", function()
    here.write_config([[
      local x = { 1 }
      local last = x
      for _ = 1, 5000 do x = { next = x } end
      derive({ name = "one", config = function(_, ctx)
        local count, at = 0, x
        while at.next do count, at = count + 1, at.next end
        ctx.write(ctx.out, tostring(count))
      end })
      if CHANGE then last[1] = 2 end
    ]])
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
    assert.equal("5000", here.shell("cat root/store/obj/one-*").stdout)
    local text = here.read("init.lua"):gsub("CHANGE", "true"):gsub("5000", "4999")
    here.write("init.lua", text)
    result = here.run("apply", "init.lua")
    assert.equal(1, result.code, result.stdout)
    contains(result.stderr, "`x` has changed")
  end)

  it("may nest tables as keys in tables", function()
    here.write_config([[
      local k = {}
      for i = 1, 200 do k = { [k] = i } end
      local wide = {}
      for i = 1, 200 do wide = { [wide] = i, [{ i }] = i } end
      derive({ name = "one", config = function() return k end })
      if WIDE then derive({ name = "two", config = function() return wide end }) end
    ]])
    assert.equal(0, here.run("plan", "init.lua").code)
    here.write("init.lua", (here.read("init.lua"):gsub("WIDE", "true")))
    local begin = os.time()
    local result = here.run("plan", "init.lua")
    assert.is_true(os.time() - begin <= 10)
    -- It has a hash, or is refused: in a time that is bounded.
    assert.truthy(result.code == 0 or result.stderr:find("`wide", 1, true), result.stderr)
  end)

  it("is found in files whose lines end in any way", function()
    for _, ending in ipairs({ "\r", "\r\n" }) do
      local text = "-- a comment\nreturn { setup = function()\n"
        .. 'derive({ name = "one", config = function()\nend })\nend }\n'
      here.write("init.lua", (text:gsub("\n", ending)))
      local result = here.run("plan", "init.lua")
      assert.equal(0, result.code, result.stderr)
    end
  end)

  it("may be changed by a build only for itself", function()
    here.write_config([[
      local x = { 0 }
      for index = 1, 3 do
        derive({
          name = "one",
          opts = { index },
          config = function(_, ctx)
            x[1] = x[1] + 1
            ctx.write(ctx.out, tostring(x[1]))
          end,
        })
      end
    ]])
    local result = here.run("apply", "init.lua", "--jobs", "1")
    -- All three see what was declared, or the second one is refused.
    if result.code == 0 then
      assert.equal("1\n", here.shell("ls root/store/obj | wc -l").stdout)
    else
      contains(result.stderr, "`x` was changed")
    end
  end)

  it("by a function whose environment shows what the guard hides is refused", function()
    if not rawget(_G, "setfenv") then
      return
    end
    here.write_config([[
      local function config(_, ctx) ctx.write(ctx.out, tostring(os.time())) end
      setfenv(config, setmetatable({}, { __index = { os = os, tostring = tostring } }))
      derive({ name = "one", config = config })
    ]])
    local result = here.run("plan", "init.lua")
    assert.equal(1, result.code, result.stdout)
    contains(result.stderr, "global `os`")
    here.write("init.lua", (here.read("init.lua"):gsub("__index = %b{}", "__index = _G")))
    result = here.run("apply", "init.lua")
    assert.equal(1, result.code, result.stdout)
    contains(result.stderr, "`os` is not available")
  end)

  it("is refused when the file of a function is not the one that was loaded", function()
    here.write("lib/installed.lua", "return {\n  f = function() return 1 end,\n}\n")
    here.write_config([[
      local x = require("installed")
      local file = assert(io.open("lib/installed.lua", "w"))
      file:write("-- another\n-- file\n-- altogether\nreturn {}\n")
      file:close()
      derive({ name = "one", config = function(_, ctx) ctx.write(ctx.out, tostring(x.f())) end })
    ]])
    local path = here.directory .. "/lib/?.lua;" .. here.environment.LUA_PATH
    local result = here.shell("$LUA -l syslua plan init.lua", { LUA_PATH = path })
    assert.equal(1, result.code, result.stdout)
    local texts = { "`x.f`", "lib/installed.lua", "line 2", "changed", "at init.lua:6\n" }
    for _, text in ipairs(texts) do
      contains(result.stderr, text)
    end
  end)

  local function run(text)
    local result = here.script(text)
    assert.equal("", result.stderr)
    assert.equal(0, result.code)
    return result.stdout
  end

  local build_and_print = [[
    local function show(manifest)
      local path = syslua.build(manifest.derivations[1].hash).out
      io.write(io.open(path):read("*a"))
    end
  ]]

  it("stays known when another config of the same name is evaluated", function()
    local config = [[
      local text = %q
      derive({ name = "one", config = function(_, ctx) ctx.write(ctx.out, text) end })
    ]]
    here.write_config(config:format("first\n"), "a/init.lua")
    here.write_config("\n\n\n" .. config:format("second\n"), "b/init.lua")
    local stdout = run(build_and_print .. [[
      local first, second = syslua.evaluate("a"), syslua.evaluate("b")
      show(first)
      show(second)
    ]])
    assert.equal("first\nsecond\n", stdout)
  end)

  it("stays known when the config is edited", function()
    local config = [[
      derive({ name = "one", config = function(_, ctx) ctx.write(ctx.out, %q) end })
    ]]
    here.write_config(config:format("first\n"), "a/init.lua")
    here.write_config(config:format("second\n"), "b/init.lua")
    local stdout = run(build_and_print .. [[
      os.rename("a/init.lua", "init.lua")
      local first = syslua.evaluate("init.lua")
      os.rename("b/init.lua", "init.lua")
      local second = syslua.evaluate("init.lua")
      assert(first.derivations[1].hash ~= second.derivations[1].hash)
      show(first)
      show(second)
    ]])
    assert.equal("first\nsecond\n", stdout)
  end)
end)
