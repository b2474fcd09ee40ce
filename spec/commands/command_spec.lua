--- `ctx.run` of an activation: commands at the switch, and what takes them back.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

describe("ctx.run", function()
  local here = machine.for_each_test()

  local function apply(lines, code)
    here.write_config("activate({ config = function(_, ctx)\n" .. lines .. "\nend })")
    local result = here.run("apply", "init.lua")
    assert.equal(code or 0, result.code, result.stderr)
    return result
  end

  local function read_log()
    return here.read("home/log") or ""
  end

  local function log(word)
    return ('"echo %s >>~/log"'):format(word)
  end

  it("runs what is new, and undoes what is gone, in reverse", function()
    apply(
      ("ctx.run(%s, { undo = %s }) ctx.run(%s, { undo = %s })"):format(
        log("a"),
        log("-a"),
        log("b"),
        log("-b")
      )
    )
    assert.equal("a\nb\n", read_log())
    matches(here.run("apply", "init.lua").stdout, "^Nothing changed")
    assert.equal("a\nb\n", read_log())
    apply(("ctx.run(%s, { undo = %s })"):format(log("c"), log("-c")))
    assert.equal("a\nb\n-b\n-a\nc\n", read_log())
    assert.equal(0, here.run("rollback", "--yes").code)
    assert.equal("a\nb\n-b\n-a\nc\n-c\na\nb\n", read_log())
  end)

  it("runs equal commands once", function()
    apply(
      ("ctx.run(%s) ctx.run(%s) ctx.run(%s, { env = { X = 1 } })"):format(
        log("a"),
        log("a"),
        log("a")
      )
    )
    assert.equal("a\na\n", read_log())
  end)

  it("says so before", function()
    here.write_config('activate({ config = function(_, ctx) ctx.run("touch ~/made") end })')
    local result = here.run("plan", "init.lua")
    contains(result.stdout, "! run     touch ~/made  (runs a command)")
    local json = here.run("plan", "init.lua", "--json").stdout
    contains(json, '"runs_command":true')
    assert.is_false(here.exists("home/made"))
  end)

  it("runs what is for always at each apply, and makes no snapshot for it", function()
    apply(("ctx.run(%s, { always = true })"):format(log("a")))
    local result = here.run("apply", "init.lua")
    contains(result.stdout, "Nothing else changed")
    assert.equal("a\na\n", read_log())
    assert.is_false(here.exists("root/store/metadata/snapshots/2"))
    assert.is_false(here.exists("root/store/metadata/journal"))
    assert.equal(0, here.run("plan", "init.lua", "--exit-code").code)
    apply(('ctx.run("exit 3", { always = true })'):format(), 1)
  end)

  it("takes back what was done when a later one fails", function()
    local before = here.list("home")
    apply(
      [[
      ctx.run("touch ~/a", { undo = "rm ~/a" })
      ctx.run({ "sh", "-c", "exit 3" }, { undo = "touch ~/wrong" })
    ]],
      1
    )
    assert.equal(before, here.list("home"))
  end)

  it("runs with the new environment, in the home, with its own variables", function()
    here.write_config([[
      local tool = derive({ name = "tool", config = function(_, ctx)
        ctx.write(ctx.out .. "/bin/tool", "#!/bin/sh\necho tool $WHICH $OWN $PWD >~/out\n")
        ctx.chmod(ctx.out .. "/bin/tool", "755")
      end })
      env({ WHICH = "new" })
      activate({ config = function(_, ctx)
        ctx.add_to_path(tool.out .. "/bin")
        ctx.run({ "tool" }, { env = { OWN = "a b" }, cwd = "/tmp" })
        ctx.run("cp " .. tool.out .. "/bin/tool copied", { undo = "rm copied" })
      end })
    ]])
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
    assert.equal("tool new a b /tmp\n", here.read("home/out"))
    assert.is_true(here.exists("home/copied"))
  end)

  it("refuses what is no command", function()
    for _, arguments in ipairs({
      "",
      "{}",
      "{ 1 }",
      '"a", { undo = 1 }',
      '"a", { und = "b" }',
      '"a", { env = { ["a b"] = 1 } }',
    }) do
      local result = apply("ctx.run(" .. arguments .. ")", 1)
      contains(result.stderr, "init.lua:3")
    end
  end)
end)
