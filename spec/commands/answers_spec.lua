--- `lib.ask`: answers given, asked, kept, and defaults; and another machine's view.

local machine = require("spec.support.machine")
local syslua = require("syslua")
local text_checks = require("spec.support.text_checks")

local contains, contains_none = text_checks.contains, text_checks.contains_none

describe("lib.ask", function()
  local here = machine.for_each_test()

  local two = [[
    local email = syslua.lib.ask("email", { prompt = "Your e-mail address" })
    local shell = syslua.lib.ask("shell", { choices = { "bash", "zsh" }, default = "zsh" })
    assert(email:find("@") or email == "", "no address")
    file({ path = "~/.answers", content = email .. " " .. shell .. "\n" })
  ]]

  -- Runs a command on a terminal, with lines typed into it.
  local function type_into(command, lines)
    here.write("lines", lines)
    here.write("run.sh", ("#!/bin/sh\nexec $LUA -l syslua %s\n"):format(command))
    local line = "script -qec 'sh run.sh' /dev/null <lines | tr -d '\\r'; cat code 2>/dev/null"
    return here.shell(line, { TERM = "xterm", NO_COLOR = "1" }).stdout
  end

  it("is answered by a flag, and kept by apply", function()
    here.write_config(two)
    local plan = here.must("plan", "init.lua", "--answer", "email=a@b=c")
    contains(plan.stdout, "answer  shell = zsh  (the default; --answer shell=VALUE)")
    assert.is_nil(here.read("syslua.local.json"))
    here.must("apply", "init.lua", "--answer=email=a@b=c", "--answer", "shell=bash")
    assert.equal("a@b=c bash\n", here.read("home/.answers"))
    local kept = here.read("syslua.local.json")
    assert.same({ email = "a@b=c", shell = "bash" }, syslua.lib.fromJSON(kept))
    contains(here.must("apply", "init.lua").stdout, "Nothing changed")
    -- The snapshot's copy has the file as it was.
    local index = here.read("root/store/metadata/snapshots/1/config/index.json")
    contains(index, "syslua.local.json")
    -- A flag counts for more than what is kept.
    here.must("apply", "init.lua", "--answer", "shell=zsh")
    assert.equal("a@b=c zsh\n", here.read("home/.answers"))
    here.must("rollback", "1", "--yes")
    assert.equal("a@b=c bash\n", here.read("home/.answers"))
  end)

  it("takes a default where nobody can answer, and does not keep it", function()
    here.write_config([[
      local name = syslua.lib.ask("name", { default = "Ada" })
      local wide = syslua.lib.ask("wide", { default = true })
      local size = syslua.lib.ask("size", { default = 12 })
      assert(wide == true and size + 1 == 13)
      file({ path = "~/.x", content = name })
    ]])
    local plan = syslua.lib.fromJSON(here.must("plan", "init.lua", "--json").stdout)
    assert.equal("default", plan.answers[1].origin)
    assert.equal("init.lua:2", plan.answers[1].position)
    here.must("apply", "init.lua")
    assert.equal("Ada", here.read("home/.x"))
    assert.is_nil(here.read("syslua.local.json"))
    here.must("apply", "init.lua", "--answer", "wide=yes", "--answer", "size=12")
    assert.same({ wide = true, size = 12 }, syslua.lib.fromJSON(here.read("syslua.local.json")))
  end)

  it("is an error that names all open questions, and the flag", function()
    here.write_config([[
      local a = syslua.lib.ask("a", { prompt = "The first" })
      local b = syslua.lib.ask("b", { choices = { "x", "y" } })
      error("a stand-in came here")
    ]])
    for _, command in ipairs({ "plan", "apply", "build" }) do
      local result = here.run(command, "init.lua")
      assert.equal(1, result.code)
      contains(
        result.stderr,
        "asks for `a` and `b`",
        "--answer a=VALUE --answer b=VALUE",
        "The first",
        "init.lua:2"
      )
      contains_none(result.stderr, "stand-in")
    end
    local result = here.run("plan", "init.lua", "--answer", "a=1", "--answer", "b=x")
    contains(result.stderr, "a stand-in came here")
  end)

  it("refuses what is not allowed, wherever it comes from", function()
    here.write_config([[syslua.lib.ask("b", { choices = { "x", "y" } })]])
    local result = here.run("plan", "init.lua", "--answer", "b=z")
    assert.equal(1, result.code)
    contains(result.stderr, "expected x or y")
    here.write("syslua.local.json", '{"b": "z"}')
    contains(here.run("plan", "init.lua").stderr, "in syslua.local.json")
    for _, text in ipairs({ "", "{", "[]", '"x"', '{"b": "x"' }) do
      here.write("syslua.local.json", text)
      result = here.run("plan", "init.lua")
      assert.equal(1, result.code, text)
      contains(result.stderr, "syslua.local.json")
    end
    assert.equal(2, here.run("plan", "init.lua", "--answer", "b").code)
    for _, line in ipairs({
      [[syslua.lib.ask("")]],
      [[syslua.lib.ask("a b")]],
      [[syslua.lib.ask("a", { choices = {} })]],
      [[syslua.lib.ask("a", { choices = { "x" }, default = "y" })]],
      [[syslua.lib.ask("a", { promt = "x" })]],
    }) do
      assert.equal("init.lua:2", here.fail(line).position, line)
    end
    here.write_config([[file({ path = "~/.x", content = "x" })]])
    local plan = here.must("plan", "init.lua", "--answer", "nobody=1")
    contains(plan.stdout, "nobody is not used")
  end)

  it("is asked by apply on a terminal, all at once, and evaluated again", function()
    if not require("spec.support.process").has("script") then
      pending("there is no script(1)")
    end
    here.write_config(two)
    local shown = type_into("apply init.lua", "ada@x\nfish\nbash\n")
    contains(
      shown,
      "The config asks 2 questions",
      "Your e-mail address: ",
      "shell (bash, zsh) [zsh]: ",
      "Please answer with bash or zsh"
    )
    assert.equal("ada@x bash\n", here.read("home/.answers"))
    assert.same(
      { email = "ada@x", shell = "bash" },
      syslua.lib.fromJSON(here.read("syslua.local.json"))
    )
    -- Once is enough.
    contains_none(type_into("apply init.lua", ""), "asks")
    -- A plan never asks.
    here.shell("rm syslua.local.json")
    contains(type_into("plan init.lua", "x\n"), "--answer email=VALUE")
  end)

  it("is for tests too, and in inputs", function()
    here.write(
      "dots/init.lua",
      [[return function()
      local name = syslua.lib.ask("name")
      file({ path = "~/.x", content = name })
    end]]
    )
    here.write(
      "init.lua",
      [[return {
        inputs = { dots = "path:./dots" },
        setup = function() require("inputs.dots")() end,
      }]]
    )
    local declared = syslua.testing.evaluate(here.directory, { answers = { name = "Ada" } })
    assert.equal("Ada", declared.files["~/.x"].content)
    assert.is_false((pcall(syslua.testing.evaluate, here.directory)))
  end)

  it("has a line in the .gitignore that init writes", function()
    here.must("init", "config")
    assert.equal("/syslua.local.json\n", here.read("config/.gitignore"))
    here.write("other/.gitignore", "x")
    here.must("init", "other")
    assert.equal("x\n/syslua.local.json\n", here.read("other/.gitignore"))
    here.must("init", "other", "--force")
    assert.equal("x\n/syslua.local.json\n", here.read("other/.gitignore"))
  end)
end)

describe("--hostname, --system and --username", function()
  local here = machine.for_each_test(function(here)
    here.write_config([[
      file({
        path = "~/.x",
        content = table.concat({ syslua.hostname, syslua.username, syslua.platform }, " "),
      })
      if syslua.is_darwin then
        file({ path = "~/.mac", content = "mac" })
      end
    ]])
  end)

  it("show what another machine would get", function()
    local plan = here.must(
      "plan",
      "init.lua",
      "--diff",
      "--hostname",
      "box",
      "--username",
      "ada",
      "--system",
      "aarch64-darwin"
    )
    contains(plan.stdout, "box ada aarch64-darwin", ".mac")
    plan = here.must("plan", "init.lua", "--diff", "--hostname", "box")
    contains(plan.stdout, "box " .. syslua.username .. " " .. syslua.platform)
    contains_none(plan.stdout, ".mac")
    local built = here.must("build", "init.lua", "--hostname", "box", "--system", "x86_64-darwin")
    local found = {}
    for name in built.stdout:gmatch("[^\n]+") do
      found[#found + 1] = here.read(name)
    end
    table.sort(found)
    assert.same({ "box " .. syslua.username .. " x86_64-darwin", "mac" }, found)
  end)

  it("refuse what is no machine", function()
    local result = here.run("plan", "init.lua", "--system", "x86_64-linus")
    assert.equal(2, result.code)
    contains(result.stderr, "x86_64-linux")
    assert.equal(2, here.run("plan", "init.lua", "--hostname", "a b").code)
  end)
end)
