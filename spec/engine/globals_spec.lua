--- What the files of a config find: the globals, `require`, `load` and its kin; and what --pure
--- hides.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local ordered_pairs = require("syslua.util.ordered_pairs")
local syslua = require("syslua")

describe("a config", function()
  local here = machine.for_each_test()

  it("has its globals in setup, opts, config and modules", function()
    here.write(
      "module.lua",
      [[
      for _, name in ipairs({ "derive", "activate", "file", "env", "user", "project", "source" }) do
        -- `env` has a second form.
        assert(type(_G[name]) == (name == "env" and "table" or "function"), name)
      end
      return true
    ]]
    )
    here.evaluate([[
      local names = { "derive", "activate", "file", "env", "user", "project", "source" }
      local function check() for _, name in ipairs(names) do assert(_G[name], name) end end
      check()
      assert(require("module"))
      derive { name = "x", opts = function() check() return {} end, config = function() end }
      activate { config = check }
      assert(syslua.lib and syslua.version)
    ]])
    for _, name in ipairs({ "derive", "activate", "file", "env", "user", "project", "source" }) do
      assert.is_nil(rawget(_G, name), name)
    end
  end)

  it("keeps them in texts and files that it loads", function()
    here.write("more/part.lua", [[file { path = "~/.part", content = "part" } return 5]])
    local found = here.evaluate([[
      assert((load or loadstring)('file { path = "~/.text", content = "text" } return 7')() == 7)
      assert(dofile("more/part.lua") == 5)
      assert(loadfile("more/part.lua")() == 5)
      assert(select("#", load("x =")) == 2 and not load("x ="))
      assert(not loadfile("nowhere.lua"))
    ]])
    assert.has_file(found, "~/.text", "text")
    assert.has_file(found, "~/.part", "part")
  end)

  it("sees the machine that is evaluated for, also through require", function()
    local found = here.evaluate(
      [[
        local syslua = require("syslua")
        local facts = { syslua.os, syslua.arch, syslua.hostname, syslua.username }
        file { path = "~/.x", content = table.concat(facts, " ") }
      ]],
      { platform = "aarch64-darwin", hostname = "mac", username = "ada" }
    )
    assert.has_file(found, "~/.x", "darwin aarch64 mac ada")
    assert.not_equal("darwin", syslua.os)
  end)

  it("may require again a module that failed", function()
    here.write("broken.lua", [[error("broken")]])
    local found = here.evaluate([[
      local first, problem = pcall(require, "broken")
      local second = pcall(require, "broken")
      file { path = "~/.x", content = tostring(first) .. tostring(second)
        .. tostring(problem):match("broken") }
    ]])
    assert.has_file(found, "~/.x", "falsefalsebroken")
  end)

  it("comes before what is shipped", function()
    here.write("modules/programs/git.lua", [[return "mine"]])
    here.write("pkgs/cli/ripgrep/init.lua", [[return "mine too"]])
    local found = here.evaluate([[
      file { path = "~/.x", content = require("modules.programs.git")
        .. require("pkgs.cli.ripgrep") }
    ]])
    assert.has_file(found, "~/.x", "minemine too")
  end)

  it("is kept whole in a snapshot, with the shipped modules that it used", function()
    here.write_config([[require("modules.programs.git").setup { user_name = "Ada" }]])
    assert.equal(0, here.run("apply", "init.lua").code)
    local copy = here.root .. "/store/metadata/snapshots/1/config"
    local index = here.read(copy .. "/index.json")
    contains(index, "modules/programs/git.lua")
    -- The copy by itself makes the same objects.
    local object = here.shell("readlink -f home/.config/git/config").stdout:gsub("\n", "")
    local before = here.read(object)
    here.shell(("chmod u+w '%s' && echo damage >'%s' && rm init.lua"):format(object, object))
    local result = here.run("verify", "--repair")
    assert.equal(0, result.code, result.stdout .. result.stderr)
    assert.equal(before, here.read(object))
  end)

  describe("with --pure", function()
    it("has what is pure", function()
      here.write("module.lua", "return { value = 1 }")
      local found = here.evaluate(
        [[
          assert(io == nil and os == nil and package == nil and debug == nil)
          assert(require("module").value == 1)
          assert(require("syslua.lib") == syslua.lib)
          require("modules.programs.git").setup { user_name = "Ada" }
          file { path = "~/.x", content = string.upper("pure") }
        ]],
        { pure = true }
      )
      assert.has_file(found, "~/.x", "PURE")
      assert.has_file(found, "~/.config/git/config")
    end)

    local hidden = {
      ["io"] = { [[io.open("/etc/passwd")]], "--pure hides `io` from configs" },
      ["os"] = { [[os.getenv("HOME")]], "--pure hides `os` from configs" },
      ["package"] = { [[package.loadlib("x", "y")]], "--pure hides `package` from configs" },
    }
    for name, case in ordered_pairs(hidden) do
      it("has no " .. name, function()
        local failure = here.fail(case[1], { pure = true })
        assert.equal(case[2], failure.hint)
        assert.equal("init.lua:2", failure.position)
        here.evaluate("local _ = " .. name)
      end)
    end

    it("requires nothing that is installed elsewhere", function()
      for _, name in ipairs({ "io", "os", "ffi", "argparse", "busted" }) do
        local failure = here.fail(("require(%q)"):format(name), { pure = true })
        contains(failure.message, "--pure hides others")
      end
    end)

    it("is a flag of every command that evaluates", function()
      here.write_config([[io.open("/etc/passwd")]])
      assert.equal(0, here.run("plan", "init.lua").code)
      for _, command in ipairs({ "plan", "apply", "build" }) do
        local result = here.run(command, "init.lua", "--pure")
        assert.equal(1, result.code)
        contains(result.stderr, "--pure hides `io`")
      end
    end)
  end)

  it("name what other tools call otherwise", function()
    for word, says in pairs({
      text = "did you mean `content`?",
      target = "did you mean `path`?",
      home = "user { name",
      dotfiles = "recursive = true",
      systemd = "service {",
    }) do
      here.write("init.lua", ("return { setup = function()\n  %s('x')\nend }"):format(word))
      local result = here.run("plan", "init.lua")
      assert.equal(1, result.code)
      contains(result.stderr, "init.lua:2", says)
    end
  end)
end)
