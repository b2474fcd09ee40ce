--- How derivations are built: in parallel, after what they need, whatever Lua allows inside them.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, contains_none = text_checks.contains, text_checks.contains_none

describe("a build", function()
  local here = machine.for_each_test()

  -- Runs a script that uses `build(spec)`; returns what it printed.
  local function run(text)
    local result = here.script([[
      local function build(spec)
        local file = assert(io.open(syslua.build(syslua.derive(spec)).out, "rb"))
        local content = file:read("*a")
        file:close()
        return content
      end
    ]] .. text)
    assert.equal("", result.stderr)
    assert.equal(0, result.code)
    return result.stdout
  end

  it("runs beside another one that does not need it", function()
    here.write_config([[
      for _, name in ipairs({ "one", "two" }) do
        derive({
          name = name,
          config = function(_, ctx)
            ctx.write(ctx.out, ctx.run("date +%s%N; sleep 0.5; date +%s%N"))
          end,
        })
      end
    ]])
    local result = here.shell("$LUA -l syslua apply init.lua >&2; cat root/store/obj/*")
    contains(result.stderr, "2 built")
    local first_begin, first_end, second_begin, second_end =
      result.stdout:match("(%d+)\n(%d+)\n(%d+)\n(%d+)\n")
    assert.is_true(tonumber(first_begin) < tonumber(second_end), result.stdout)
    assert.is_true(tonumber(second_begin) < tonumber(first_end), result.stdout)
  end)

  it("gets a dependency by its handle in opts", function()
    local stdout = run([[
      local one = syslua.derive({
        name = "one",
        version = "1.5",
        config = function(_, ctx) ctx.write(ctx.out .. "/text", "content of one") end,
      })
      io.write(build({
        name = "two",
        opts = { deps = { one } },
        config = function(opts, ctx)
          local dependency = opts.deps[1]
          local text = ctx.run({ "cat", dependency.out .. "/text" })
          ctx.write(ctx.out, dependency.name .. " " .. dependency.version .. ": " .. text)
        end,
      }))
    ]])
    assert.equal("one 1.5: content of one", stdout)
  end)

  it("gets dependencies by their paths inside longer strings", function()
    local stdout = run([[
      local function make(name)
        return syslua.derive({ name = name, config = function(_, ctx)
          ctx.write(ctx.out .. "/text", "built")
        end })
      end
      local one, two = make("one"), make("two")
      io.write(build({
        name = "three",
        opts = { line = "cat " .. one.out .. "/text " .. two.out .. "/text" },
        config = function(opts, ctx)
          assert(not opts.line:find("placeholder"))
          ctx.write(ctx.out, ctx.run(opts.line))
        end,
      }))
    ]])
    assert.equal("builtbuilt", stdout)
  end)

  it("gets a dependency that `config` captures", function()
    local stdout = run([[
      local one = syslua.derive({ name = "one", config = function(_, ctx)
        ctx.write(ctx.out, "captured")
      end })
      local text = build({
        name = "two",
        config = function(_, ctx)
          ctx.write(ctx.out, "see " .. one.out .. ": " .. ctx.run("cat " .. one.out))
        end,
      })
      assert(not text:find("placeholder"), text)
      local path = text:match("^see (.-): captured$")
      assert(io.open(path)):close()
      print("fine")
    ]])
    assert.equal("fine\n", stdout)
  end)

  it("may catch the failure of an operation", function()
    local stdout = run([[
      io.write(build({
        name = "one",
        config = function(_, ctx)
          ctx.run("echo before > scratch")
          local succeeded, failure = pcall(ctx.run, "echo oops; exit 3")
          local also, result = pcall(function() return ctx.run("cat scratch") end)
          local seen = { tostring(succeeded), tostring(failure ~= nil), tostring(also), result }
          ctx.write(ctx.out, table.concat(seen, " "))
        end,
      }))
    ]])
    assert.equal("false true true before\n", stdout)
  end)

  it("may wait for operations where Lua cannot yield", function()
    local stdout = run([[
      io.write(build({
        name = "one",
        config = function(_, ctx)
          local items = { "c", "a", "b" }
          table.sort(items, function(left, right)
            return ctx.run("printf " .. left) < ctx.run("printf " .. right)
          end)
          local text = ("x"):gsub("x", function() return ctx.run("printf y") end)
          ctx.write(ctx.out, table.concat(items) .. text)
        end,
      }))
    ]])
    assert.equal("abcy", stdout)
  end)

  it("may branch on what a program printed", function()
    local stdout = run([[
      io.write(build({
        name = "one",
        config = function(_, ctx)
          if ctx.run("uname"):find("^%u") then
            ctx.write(ctx.out, "upper")
          end
        end,
      }))
    ]])
    assert.equal("upper", stdout)
  end)

  it("has several outputs", function()
    local stdout = run([[
      local one = syslua.derive({
        name = "one",
        outputs = { "out", "doc" },
        config = function(_, ctx)
          ctx.write(ctx.outputs.out, "main")
          ctx.run('echo documentation > "$doc"')
        end,
      })
      local outputs = syslua.build(one)
      for _, name in ipairs({ "out", "doc" }) do
        for line in io.lines(outputs[name]) do print(line) end
      end
      assert(outputs.doc:find("one%-doc%-%x+$"), outputs.doc)
    ]])
    assert.equal("main\ndocumentation\n", stdout)
  end)

  it("copies, makes directories and sets modes", function()
    here.write("tree/file", "from the tree\n")
    here.write("tree/inner/other", "other\n")
    local stdout = run([[
      local path = syslua.build(syslua.derive({
        name = "one",
        opts = { tree = syslua.source("tree") },
        config = function(opts, ctx)
          ctx.mkdir(ctx.out .. "/empty")
          ctx.copy(opts.tree, ctx.out .. "/tree")
          ctx.write("scratch", "relative\n")
          ctx.copy("scratch", ctx.out .. "/scratch")
          ctx.write(ctx.out .. "/program", "#!/bin/sh\n")
          ctx.chmod(ctx.out .. "/program", "755")
        end,
      })).out
      print(path)
    ]])
    local path = stdout:gsub("\n", "")
    assert.equal("from the tree\n", here.read(path .. "/tree/file"))
    assert.equal("other\n", here.read(path .. "/tree/inner/other"))
    assert.equal("relative\n", here.read(path .. "/scratch"))
    local list = here.list(path)
    contains(list, "d 555 ./empty", "f 555 ./program", "f 444 ./scratch")
  end)

  it("runs once: the second time its result is there", function()
    local text = [[
      local count = 0
      local path = syslua.build(syslua.derive({
        name = "one",
        config = function(_, ctx) ctx.run("date +%s%N > $out") end,
      }), { on_event = function(event)
        if event.kind == "build_finished" then count = count + 1 end
      end }).out
      print(path, count)
    ]]
    local path = run(text):match("^(.-)\t1\n$")
    assert.truthy(path)
    assert.equal(path .. "\t0\n", run(text))
  end)

  it("keeps what it printed in the log", function()
    run([[
      build({ name = "one", config = function(_, ctx)
        ctx.run("echo said; echo so >&2; touch $out")
      end })
    ]])
    local log = here.shell("cat root/store/log/*").stdout
    contains(log, "said\n", "so\n")
  end)

  it("sees only its own environment", function()
    here.write_config([[
      derive({ name = "one", config = function(_, ctx) ctx.run("env > $out") end })
    ]])
    local result = here.shell("SECRET=1 $LUA -l syslua apply init.lua")
    assert.equal(0, result.code, result.stderr)
    local text = here.read("root/store/obj/" .. machine.get_object(here, "one"))
    contains_none(text, "SECRET", here.home)
    assert.truthy(text:find("\nout=", 1, true) or text:find("^out="), text)
  end)
end)
