--- No target may be, hold, or be reached through a file that the config reads, whichever way it
--- reads it.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

describe("what a config reads #once", function()
  local here = machine.for_each_test(function(here)
    here.shell([[
      mkdir -p ~/conf/mods/deep ~/real ~/installed/rock; cd ~/conf
      echo 'return "module"' |
        tee mods/one.lua mods/deep/init.lua ~/real/linked.lua ~/real/single.lua >mods/run.lua
      echo 'return "module"' >~/installed/plain.lua
      echo 'return require("plain")' >~/installed/rock/init.lua
      ln -s ../real/single.lua single.lua; ln -s ~/real via; echo '{}' >syslua.local.json
    ]])
    here.environment.LUA_PATH = ("%s/home/installed/?.lua;%s/home/installed/?/init.lua;%s"):format(
      here.directory,
      here.directory,
      here.environment.LUA_PATH or os.getenv("LUA_PATH") or ";;"
    )
  end)

  local function list_home()
    return here.shell(
      "cd ~; find . -printf '%y %m %p %l\n' | LC_ALL=C sort; find . -type f -exec cat {} +"
    ).stdout
  end

  -- How a file is read, and targets that are one with it.
  local cases = {
    { 'require("mods.one")', "conf/mods/one.lua", "conf/mods", "conf", "conf/mods/one.lua/below" },
    { 'require("mods.deep")', "conf/mods/deep/init.lua", "conf/mods/deep", "conf/mods" },
    { 'dofile("mods/run.lua")', "conf/mods/run.lua", "conf/mods" },
    { 'loadfile("mods/run.lua")', "conf/mods/run.lua", "conf/mods" },
    { 'require("single")', "conf/single.lua", "real/single.lua", "real", "conf/via/single.lua" },
    { 'require("via.linked")', "conf/via", "real", "real/linked.lua", "conf/via/linked.lua" },
    { 'require("plain")', "installed/plain.lua", "installed" },
    {
      'require("rock")',
      "installed/rock/init.lua",
      "installed/rock",
      "installed/plain.lua",
      "installed",
    },
    { "local _ = 1", "conf/init.lua", "conf/syslua.lock", "conf/syslua.local.json" },
  }

  for _, case in ipairs(cases) do
    it("is no target: " .. case[1], function()
      local before
      for index = 2, #case do
        for _, form in ipairs({
          'content = "ours"',
          'content = "ours", copy = true',
          "absent = true",
        }) do
          here.write(
            "home/conf/init.lua",
            ("%s\nreturn { setup = function() file { path = '~/%s', %s } end }\n"):format(
              case[1],
              case[index],
              form
            )
          )
          before = list_home()
          for _, command in ipairs({ "plan", "apply" }) do
            local result = here.run(command, here.directory .. "/home/conf/init.lua")
            local which = case[index] .. ", " .. form
            assert.equal(1, result.code, which .. result.stdout)
            contains(result.stderr, "which the config reads", "init.lua:2")
          end
          assert.equal(before, list_home())
        end
      end
    end)
  end

  it("may lie beside targets", function()
    here.write(
      "home/conf/init.lua",
      [[
      require("mods.one"); require("single"); require("rock")
      return { setup = function()
        file { path = "~/conf/mods/two.lua", content = "ours" }
        file { path = "~/real/other", content = "ours" }
        file { path = "~/installed/rock/other", content = "ours" }
      end }
    ]]
    )
    local before = list_home()
    here.must("apply", here.directory .. "/home/conf/init.lua")
    assert.equal("ours", here.read("home/conf/mods/two.lua"))
    here.must("destroy", "--yes")
    assert.equal(before, list_home())
  end)
end)

describe("a root in what the config reads", function()
  local here = machine.for_each_test(function(here)
    here.environment.SYSLUA_ROOT = here.home .. "/.local/share/syslua"
    here.shell("cd ~; mkdir -p dots/bin/.local/bin; echo b >dots/bin/.local/bin/b")
  end)

  for _, extra in ipairs({ "", ", mutable = true" }) do
    it("is refused before it is made, and the remedy works" .. extra, function()
      -- GNU Stow folds the directory in which the root is to be.
      here.shell("cd ~; ln -s dots/bin/.local .local")
      here.write_config(
        ('file { path = "~", source = "bin", recursive = true%s }'):format(extra),
        "home/dots/init.lua"
      )
      local before = here.shell("cd ~; find . | sort").stdout
      for _, command in ipairs({ "plan", "apply" }) do
        local result = here.run(command, "home/dots")
        assert.equal(1, result.code, result.stdout)
        contains(result.stderr, "home/dots/bin, which the config reads", "init.lua:")
        assert.equal(before, here.shell("cd ~; find . | sort").stdout)
      end
      local remedy = here.run("plan", "home/dots").stderr:match("%((rm .-)%), or")
      assert.equal(0, here.shell(remedy).code, remedy)
      here.must("apply", "home/dots")
      assert.equal("b\n", here.read("home/.local/bin/b"))
      matches(here.must("apply", "home/dots").stdout, "^Nothing changed")
      here.must("destroy", "--yes")
      assert.equal("", here.shell("ls -A ~/.local").stdout)
    end)
  end
end)

describe("a config that is refused #once", function()
  it("locks no inputs", function()
    local here = machine.new()
    finally(here.remove)
    here.write("home/input/init.lua", "return {}")
    local config = [[
      return { inputs = { i = "path:~/input" }, setup = function() %s end }
    ]]
    for _, line in ipairs({
      'file { path = "~/dots/s", source = "s" }',
      'file { path = "~/dots/s/x", content = "1" }',
      'file { path = "~/a", content = "1" } file { path = "~/a/b", content = "1" }',
      'file { path = "~/root/x", content = "1" }',
    }) do
      here.environment.SYSLUA_ROOT = here.home .. "/root"
      here.write("home/dots/s", "1")
      here.write("home/dots/init.lua", config:format(line))
      for _, command in ipairs({ "plan", "apply" }) do
        assert.equal(1, here.run(command, "home/dots").code, line)
        assert.equal("init.lua\ns\n", here.shell("ls ~/dots").stdout, line)
      end
    end
    here.write("home/dots/init.lua", config:format('file { path = "~/b", source = "s" }'))
    here.must("apply", "home/dots")
    assert.is_true(here.exists("home/dots/syslua.lock"))
  end)
end)
