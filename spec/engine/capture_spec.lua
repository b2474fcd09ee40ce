--- What makes two derivations the same: everything that `config` can see, and nothing else.

local contains = require("spec.support.text_checks").contains
local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")

describe("the hash of a derivation", function()
  local here = machine.for_each_test()

  -- Evaluates a config with these lines in `setup`; returns the hash of its derivation.
  local function get_hash(lines)
    here.write_config(lines)
    local result = here.script([[io.write(syslua.evaluate("init.lua").derivations[1].hash)]])
    assert.equal("", result.stderr)
    assert.equal(0, result.code)
    assert.equal(64, #result.stdout)
    return result.stdout
  end

  local function make(before, body, after)
    return ([[
      %s
      derive({
        name = "one",
        config = function(opts, ctx)
          %s
        end,
      })
      %s
    ]]):format(before, body, after or "")
  end

  local function is_same(first, second)
    assert.equal(get_hash(first), get_hash(second))
  end

  local function is_other(first, second)
    assert.not_equal(get_hash(first), get_hash(second))
  end

  it("follows the text of config", function()
    is_other(make("", "ctx.mkdir(ctx.out)"), make("", 'ctx.mkdir(ctx.out .. "/x")'))
  end)

  it("follows captured values, however deep", function()
    local body = "return x"
    is_other(make("local x = 1", body), make("local x = 2", body))
    is_other(make("local x = 1", body), make('local x = "1"', body))
    is_other(make("local x = nil", body), make("local x = false", body))
    is_other(make("local x = { a = { 1 } }", body), make("local x = { a = { 2 } }", body))
    is_other(
      make("local x = { a = 1 }", body),
      make("local x = setmetatable({ a = 1 }, { b = 1 })", body)
    )
    is_same(make("local x = { a = 1, b = 2 }", body), make("local x = { b = 2, a = 1 }", body))
    is_same(make("local x = {}; x.x = x", body), make("local x = {}; x.x = x", body))
  end)

  it("follows captured functions and what these capture", function()
    local before = "local y = %s\nlocal function f() return y end"
    is_other(make(before:format(1), "return f()"), make(before:format(2), "return f()"))
    is_other(
      make("local function f() return 1 end", "return f()"),
      make("local function f() return 2 end", "return f()")
    )
  end)

  it("follows modules that are captured", function()
    here.write("module.lua", "local m = {}\nfunction m.f()\n  return 1\nend\nreturn m")
    local config = make('local module = require("module")', "return module.f()")
    local first = get_hash(config)
    here.write("module.lua", "local m = {}\nfunction m.f()\n  return 2\nend\nreturn m")
    assert.not_equal(first, get_hash(config))
  end)

  it("follows constants of Lua 5.4", function()
    if interpreter.version == "5.4" then
      is_other(make("local x <const> = 1", "return x"), make("local x <const> = 2", "return x"))
    end
  end)

  it("follows the content of sources, and opts", function()
    local config = [[derive({ name = "one", opts = { source("text") }, config = function() end })]]
    here.write("text", "first")
    local first = get_hash(config)
    here.write("text", "second")
    assert.not_equal(first, get_hash(config))
    here.write("text", "first")
    assert.equal(first, get_hash(config))
    local with = [[derive({ name = "one", opts = { a = %s }, config = function() end })]]
    is_other(with:format("1"), with:format("2"))
    is_same(with:format("1"), with:format("1.0"))
    is_other(with:format("1"), with:format("1.5"))
    is_other(with:format("1"), with:format('"1"'))
    is_other(with:format("{}"), with:format("false"))
  end)

  it("follows name, version, outputs and dependencies", function()
    local function with(fields, dependency)
      return ([[
        derive({ name = "two", opts = { dependency }, config = function() end, %s })
      ]]):format(fields):gsub("dependency", dependency or "nil")
    end
    local plain = get_hash((with("")))
    assert.not_equal(plain, get_hash((with('version = "1"'))))
    assert.not_equal(plain, get_hash((with('outputs = { "out", "doc" }'))))
    local on = [[
      local d = derive({ name = "d", opts = { %d }, config = function() end })
      hash = derive({ name = "two", config = function() return d.out end }).hash
      derive({ name = "shown", opts = { hash = hash }, config = function() end })
    ]]
    local function get_last(lines)
      here.write_config(lines)
      return here.script([[
        local all = syslua.evaluate("init.lua").derivations
        io.write(all[#all].hash)
      ]]).stdout
    end
    assert.not_equal(get_last(on:format(1)), get_last(on:format(2)))
    assert.equal(get_last(on:format(1)), get_last(on:format(1)))
  end)

  it("does not follow what config cannot see", function()
    local body = "return x"
    is_same(make("local x = 1", body), make("local x = 1\n\n-- a comment\nlocal y = 2", body))
    is_same(
      make("local x = 1", body),
      make("local x = 1", body, 'file({ path = "~/.x", content = "" })')
    )
  end)

  it("refuses a captured value that changed before the build, naming it", function()
    here.write_config([[
      local list = { 1 }
      derive({ name = "one", config = function(_, ctx) ctx.write(ctx.out, tostring(#list)) end })
      list[2] = 2
    ]])
    local result = here.run("apply", "init.lua")
    assert.equal(1, result.code, result.stdout)
    contains(result.stderr, "list", "init.lua:3")
  end)

  it(
    "follows the text of a function among several under one chunk name, while it runs too",
    function()
      here.write_config([[
      local hashes = {}
      local text = "local derive = ... return derive({ name = 'n%d', config = function(_, ctx)\n"
        .. "local parts = {} "
        .. "for key, value in pairs({ x = '%d' }) do parts[#parts + 1] = key .. value end\n"
        .. "ctx.write(ctx.out, table.concat(parts)) end })"
      for _, name in ipairs({ "@part.lua", "@", "@@", "@" .. ("@"):rep(62),
        "@" .. ("n"):rep(300) }) do
        local made = {}
        for number = 1, 3 do
          made[number] = (loadstring or load)(text:format(number, number), name)
        end
        for number = 3, 1, -1 do
          local again = made[number](derive).hash
          assert(hashes[number] == nil or hashes[number] == again, name)
          hashes[number] = again
        end
      end
      assert(hashes[1] ~= hashes[2] and hashes[2] ~= hashes[3])
    ]])
      local result = here.run("build", "init.lua")
      assert.equal(0, result.code, result.stderr)
      assert.equal("x1x2x3", here.shell("cat root/store/obj/n?-*").stdout)
    end
  )

  it("refuses two functions that cannot be told apart", function()
    here.write_config([[
      local f, g = function() return 1 end, function() return 2 end
      derive({ name = "one", config = function() return f() end })
    ]])
    local result = here.run("plan", "init.lua")
    assert.equal(1, result.code, result.stdout)
    contains(result.stderr, "`f`", "init.lua:")
  end)

  it("refuses the user's own globals in config", function()
    here.write_config([[
      mine = 1
      derive({ name = "one", config = function() return mine end })
    ]])
    local result = here.run("plan", "init.lua")
    assert.equal(1, result.code, result.stdout)
    contains(result.stderr, "mine", "init.lua:3")
  end)

  it("follows the facts that a script sees by the global syslua", function()
    here.write(
      "script.lua",
      [[
      syslua = require("syslua")
      local function get_hash()
        return syslua.derive({ name = "one", config = function() return syslua.hostname end }).hash
      end
      local first = get_hash()
      assert(first == get_hash())
      local hostname = syslua.hostname
      syslua.hostname = "another"
      assert(first ~= get_hash())
      syslua.hostname = hostname
      assert(first == get_hash())
      syslua.mine = function() return 1 end
      local succeeded, failure = pcall(get_hash)
      assert(not succeeded and tostring(failure):find("`syslua.mine`", 1, true), tostring(failure))
    ]]
    )
    local result = here.lua("script.lua")
    assert.equal(0, result.code, result.stderr)
  end)

  it("has none for a function of the module, whose use a build is refused", function()
    here.write(
      "script.lua",
      [[
      syslua = require("syslua")
      local d = syslua.derive({ name = "d", config = function(_, ctx) ctx.write(ctx.out, "") end })
      assert(syslua.build(d))
      for _, verb in ipairs({ "build", "evaluate", "derive" }) do
        local one = syslua.derive({ name = "one", opts = { verb = verb }, config = function(opts)
          syslua[opts.verb]({ name = "x", config = print })
        end })
        local succeeded, failure = pcall(syslua.build, one)
        assert(not succeeded and tostring(failure):find("while a build runs", 1, true),
          tostring(failure))
      end
    ]]
    )
    local result = here.lua("script.lua")
    assert.equal(0, result.code, result.stderr)
  end)
end)

describe("a captured handle", function()
  local here = machine.for_each_test(function(here)
    here.write("text", "a text\n")
  end)

  it("is a path for ctx, as one in opts is", function()
    here.write_config([[
      local d = derive({ name = "d", config = function(_, ctx) ctx.write(ctx.out, "d\n") end })
      local s = source("text")
      local function declare(name, from)
        derive({ name = name, opts = { s = s, d = d }, config = function(opts, ctx)
          local given = { captured_source = s, captured_handle = d, source = opts.s,
            handle = opts.d }
          ctx.copy(given[from] or given[name], ctx.out)
        end })
      end
      for _, name in ipairs({ "captured_source", "captured_handle", "source", "handle" }) do
        declare(name)
      end
    ]])
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
    for name, text in pairs({
      captured_source = "a text\n",
      source = "a text\n",
      captured_handle = "d\n",
      handle = "d\n",
    }) do
      assert.equal(text, here.shell("cat root/store/obj/" .. name .. "-?????????").stdout)
    end
  end)

  it("shows its fields, and takes none", function()
    here.write(
      "script.lua",
      [[
      local syslua = require("syslua")
      local function declare()
        return syslua.derive({ name = "d", version = "1", outputs = { "lib", "doc" },
          config = function() end })
      end
      local d = declare()
      assert(d.name == "d" and d.version == "1" and #d.hash == 64)
      assert(#d.outputs == 2 and d.outputs[1] == "lib" and d.outputs.lib == d.out)
      assert(d.other == nil and d.kind == nil)
      assert(tostring(d) == "derivation d 1 (" .. d.hash:sub(1, 9) .. ")", tostring(d))
      assert(d == declare())
      local keys = {}
      for key in require("syslua.util.ordered_pairs")(d) do keys[#keys + 1] = key end
      assert(#keys == 5)
      assert(not pcall(function() d.name = "x" end))
      assert(not pcall(function() d.outputs.more = "x" end))
      assert(not pcall(setmetatable, d, {}))
      assert(d.name == "d")
      local s = syslua.source("text")
      assert(#s.sha256 == 64 and tostring(s):find("text", 1, true))
      assert(not pcall(function() return s.path end))
      -- One that is made by hand is a table like any other.
      local ok = pcall(syslua.build, setmetatable({}, { __index = d }))
      assert(not ok)
    ]]
    )
    local result = here.lua("script.lua")
    assert.equal(0, result.code, result.stderr)
  end)

  it(
    "tells no build the hash of its recipe, which may change while its content does not",
    function()
      local config = [[
      local d = derive({ name = "d", opts = { %d }, config = function(_, ctx)
        ctx.write(ctx.out, "")
      end })
      derive({ name = "one", opts = { d = d }, config = function(opts, ctx)
        local found = pcall(function() return opts.d.hash end)
          or pcall(function() return d.hash end)
        ctx.write(ctx.out, tostring(found) .. tostring(d):gsub("%%(", ""))
      end })
    ]]
      for number = 1, 2 do
        here.write_config(config:format(number))
        local result = here.run("apply", "init.lua")
        assert.equal(0, result.code, result.stderr)
        assert.equal("falsederivation d", here.shell("cat root/store/obj/one-*").stdout)
      end
    end
  )
end)
