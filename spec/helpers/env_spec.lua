--- `env{}`: how declarations merge, and what it refuses. What shells make of them is in
-- spec/commands/environment_spec.lua.

local machine = require("spec.support.machine")
local ordered_pairs = require("syslua.util.ordered_pairs")
local text_checks = require("spec.support.text_checks")

local contains, contains_none = text_checks.contains, text_checks.contains_none

describe("env{}", function()
  local here = machine.for_each_test()

  it("merges lists in the order of their declaration", function()
    here.write_config([[
      env({ PATH = "/one" })
      env({ PATH = { "/two", "/three" }, MANPATH = "/man" })
    ]])
    assert.equal(0, here.run("apply", "init.lua").code)
    local line = '. "$SYSLUA_ROOT/env.sh"; echo "$PATH"; echo "$MANPATH"'
    local path, man = here.shell(line).stdout:match("^(.-)\n(.-)\n$")
    assert.equal("/one:/two:/three:", path:sub(1, 17))
    assert.equal("/man:", man)
  end)

  it("accepts numbers, and equal values twice", function()
    here.write_config([[
      env({ COUNT = 3, EDITOR = "vi" })
      env({ EDITOR = "vi" })
    ]])
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
    assert.equal("3 vi\n", here.shell('. "$SYSLUA_ROOT/env.sh"; echo "$COUNT $EDITOR"').stdout)
  end)

  it("follows changes: a value, an entry, a variable", function()
    local function get(lines)
      here.write_config(lines)
      local result = here.run("apply", "init.lua")
      assert.equal(0, result.code, result.stderr)
      return here.shell('. "$SYSLUA_ROOT/env.sh"; echo "${EDITOR-none} ${MANPATH-none}"').stdout
    end
    assert.equal("vi /a:/b:\n", get([[env({ EDITOR = "vi", MANPATH = { "/a", "/b" } })]]))
    assert.equal("ed /a:/b:\n", get([[env({ EDITOR = "ed", MANPATH = { "/a", "/b" } })]]))
    assert.equal("ed /b:\n", get([[env({ EDITOR = "ed", MANPATH = { "/b" } })]]))
    assert.equal("ed none\n", get([[env({ EDITOR = "ed" })]]))
    assert.equal("none none\n", get(""))
  end)

  local refused = {
    ["a name that is none"] = { [[{ ["A-B"] = "x" }]], "`A-B`" },
    ["a list for a variable with one value"] = { [[{ EDITOR = { "vi" } }]], "`EDITOR`" },
    ["an entry with a separator"] = { [[{ PATH = { "/a:/b" } }]], "PATH" },
    ["an empty entry"] = { [[{ PATH = "" }]], "PATH" },
    ["a NUL byte"] = { [[{ EDITOR = "a\0b" }]], "`EDITOR`" },
    ["a value of another type"] = { [[{ EDITOR = true }]], "`EDITOR`" },
    ["infinity"] = { [[{ COUNT = 1 / 0 }]], "finite" },
    ["minus infinity"] = { [[{ COUNT = -1 / 0 }]], "finite" },
    ["what is no number"] = { [[{ COUNT = 0 / 0 }]], "finite" },
    ["a relative entry of PATH"] = { [[{ PATH = "bin" }]], "relative" },
    ["the current directory in PATH"] = { [[{ PATH = { "/a", "." } }]], "relative" },
    ["a relative entry of XDG_DATA_DIRS"] = { [[{ XDG_DATA_DIRS = "./share" }]], "relative" },
    ["a literal reference as an entry"] = { [[{ PATH = "$GOPATH/bin" }]], 'lib.ref("GOPATH")' },
    ["another literal reference"] = { [[{ PATH = "${GOPATH}/bin" }]], 'lib.ref("GOPATH")' },
    ["the home of another user"] = { [[{ PATH = "~bob/bin" }]], "`~bob`" },
    ["the home of another user in any list"] = { [[{ PYTHONPATH = "~bob" }]], "`~bob`" },
    ["the home of another user in a value"] = { [[{ NOTES = "~bob/notes" }]], "`~bob`" },
    ["a newline in an entry"] = { [[{ PATH = "/a\nb" }]], "newline" },
    ["a value that is too long"] = { [[{ LONG = ("x"):rep(131067) }]], "LONG" },
    ["a list that is too long"] = {
      [[{ PATH = (function()
        local entries = {}
        for index = 1, 2000 do entries[index] = "/opt/" .. ("d"):rep(60) .. index end
        return entries
      end)() }]],
      "PATH",
    },
    ["variables that are too long together"] = {
      [[(function()
        local variables = {}
        for index = 1, 10 do variables["LONG" .. index] = ("x"):rep(60000) end
        return variables
      end)()]],
      "together",
    },
    ["no table"] = { [["EDITOR"]], "expected a table" },
  }
  -- Some of those that shells keep: the list is the engine's, and tested there.
  local names = { "UID", "PPID", "LINENO", "SHLVL", "PWD", "IFS", "path", "argv", "status" }
  for _, name in ipairs(names) do
    refused["the name " .. name] = { ("{ %s = 'x' }"):format(name), name }
  end
  for _, name in ipairs({ "__SYSLUA_LISTS", "__syslua_x", "__SysLua" }) do
    refused["the name " .. name] = { ("{ %s = 'x' }"):format(name), "sys.lua reserves it" }
  end
  for name, case in ordered_pairs(refused) do
    it("refuses " .. name, function()
      here.write_config("env(" .. case[1] .. ")")
      local result = here.run("apply", "init.lua")
      assert.equal(1, result.code, result.stdout)
      contains(result.stderr, "at init.lua:2\n", case[2])
      assert.is_false(here.exists("root"))
    end)
  end

  it("writes numbers as Lua prints integers", function()
    local numbers = {
      ["3"] = "3",
      ["3.0"] = "3",
      ["-0.0"] = "0",
      ["1e15"] = "1000000000000000",
      ["2 ^ 53"] = "9007199254740992",
      ["0.5"] = "0.5",
      ["-12"] = "-12",
    }
    for number, shown in ordered_pairs(numbers) do
      local declared = here.evaluate(("env({ COUNT = %s })"):format(number))
      assert.has_variable(declared, "COUNT", shown)
      declared = here.evaluate(("env({ COUNT = syslua.lib.ref('A') .. %s })"):format(number))
      assert.has_variable(declared, "COUNT", "$A" .. shown)
    end
  end)

  it("takes the longest value with which programs start", function()
    here.apply([[env({ LONG = ("x"):rep(131066) })]])
    local result = here.shell('. "$SYSLUA_ROOT/env.sh"; /bin/true')
    assert.equal(0, result.code, result.stderr)
  end)

  it("hints at lib.ref where a reference is literal text", function()
    local declared =
      here.evaluate([[env({ A = "x$BAR", B = "${FOO}/x", C = "$HOME/x", D = "5 $", E = "$1" })]])
    assert.equal(2, #declared.notices)
    contains(declared.notices[1], "`$BAR` in the value of A")
    contains(declared.notices[2], 'lib.ref("FOO")')
  end)

  describe("with a colon", function()
    local function apply(home, root, lines)
      here.write_config(lines)
      local line = '$LUA -l syslua apply "$PWD/init.lua"'
      return here.shell(line, { HOME = home, SYSLUA_ROOT = root })
    end

    it("in the home refuses entries below it, once", function()
      local home = here.directory .. "/ho:me"
      here.write("ho:me/.keep", "")
      local result = apply(home, here.root, 'env({ PATH = { "~/a", "~/b" }, MANPATH = "~/man" })')
      assert.equal(1, result.code)
      local _, count = result.stderr:gsub("home directory", "")
      assert.equal(1, count, result.stderr)
      contains(result.stderr, "init.lua:2")
      result = apply(home, here.root, 'env({ NOTES = "~/a", PATH = "/opt/bin" })')
      assert.equal(0, result.code, result.stderr)
    end)

    it("in the root refuses entries in the store, once", function()
      local lines = [[
        local tool = derive({ name = "tool", config = function(_, ctx)
          ctx.mkdir(ctx.out .. "/bin")
        end })
        activate({ config = function(_, ctx) ctx.add_to_path(tool.out .. "/bin") end })
        env({ XDG_DATA_DIRS = tool.out .. "/share" })
      ]]
      local result = apply(here.home, here.directory .. "/ro:ot", lines)
      assert.equal(1, result.code)
      local _, count = result.stderr:gsub("the root", "")
      assert.equal(1, count, result.stderr)
      assert.is_false(here.exists("ro:ot"))
    end)
  end)

  it("has no more names than a program can be started with", function()
    local stopped, started = 0, 0
    local cases = { { 1000, 20 }, { 3000, 36 }, { 4200, 36 }, { 900, 120 }, { 1500, 100 } }
    for _, case in ipairs(cases) do
      local count, length = case[1], case[2]
      for _, value in ipairs({ '"1"', '{ "/a" }' }) do
        here.write_config(
          ([[
          local names = {}
          for index = 1, %d do
            local name = ("X%%06d"):format(index)
            names[name .. ("Y"):rep(%d - #name)] = %s
          end
          for name in pairs(names) do
            syslua.lib.env[%q](name)
          end
          env(names)
        ]]):format(
            count,
            length,
            value,
            value == '"1"' and "defineSingular" or "defineMergeable"
          )
        )
        local result = here.run("apply", "init.lua")
        if result.code == 0 then
          started = started + 1
          local line =
            'env -i PATH=/usr/bin:/bin sh -c \'. "$1/env.sh"; /bin/echo alive\' sh "$SYSLUA_ROOT"'
          assert.equal("alive\n", here.shell(line).stdout, count .. " of " .. length)
        else
          stopped = stopped + 1
          contains(result.stderr, "no program could be started", "init.lua")
        end
      end
    end
    assert.is_true(stopped > 2 and started > 2, stopped .. " " .. started)
  end)

  it("checks what activate{} adds too", function()
    local wrong = {
      'ctx.add_to_path("bin")',
      'ctx.add_to_path("/a:/b")',
      'ctx.set_variable("UID", "1")',
      'ctx.set_variable("LIST", { entries = { "/a" }, separator = "" })',
      'ctx.source_in_shell("relative.sh")',
      'ctx.source_in_shell("/x.sh", { shells = { "tcsh" } })',
      'ctx.source_in_shell("/x.sh", { shells = {} })',
      'ctx.source_in_shell("/x.sh", { shells = { {} } })',
      'ctx.set_variable("A", 1)',
      'ctx.set_variable("A", true)',
      'ctx.set_variable("A")',
      'ctx.set_variable("A", {})',
      'ctx.set_variable("A", { entries = { "/a" } })',
      'ctx.set_variable("A", { entries = {}, separator = ":" })',
      'ctx.set_variable("A", { entries = { 1 }, separator = ":" })',
      'ctx.set_variable("A", { entries = "/a", separator = ":" })',
      'ctx.set_variable("A", { entries = { "/a" }, separator = 1 })',
    }
    for _, call in ipairs(wrong) do
      local failure = here.fail(("activate({ config = function(_, ctx) %s end })"):format(call))
      assert.equal("config", failure.kind, call)
      contains(failure.position, "init.lua:2")
      contains_none(failure.message, "the engine")
    end
  end)

  it("names a field that is not there", function()
    for field, near in pairs({ persistnt = "persistent", other = false }) do
      local failure = here.fail(("env.%s { A = 1 }"):format(field))
      assert.equal(("there is no `env.%s`"):format(field), failure.message)
      assert.equal("init.lua:2", failure.position)
      assert.equal(near and ("did you mean `%s`?"):format(near) or nil, failure.hint)
    end
    for _, name in ipairs({ "tools.reslove", "sops.laod", "age.laod" }) do
      local failure = here.fail("\n" .. name .. " {}")
      assert.equal(("there is no `%s`"):format(name), failure.message)
      assert.equal("init.lua:3", failure.position)
    end
  end)
end)
