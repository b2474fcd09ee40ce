--- Hostile directories: whatever stands in them, nothing of it runs. Each variant is tried by every
-- command and hook that looks at the directory; a canary file would tell.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local pane = require("spec.support.pane")
local process = require("spec.support.process")
local projects = require("spec.support.projects")

local is_root = process.run({ "id", "-u" }).stdout == "0\n"

describe("a hostile directory #once", function()
  local here
  local it = process.has("script") and it or pending

  before_each(function()
    here = machine.new()
    here.environment.SYSLUA_CONFIG = here.home .. "/.config/syslua/init.lua"
    here.write(
      "home/.config/syslua/init.lua",
      'return { setup = function() pcall(require, "evil") end }\n'
    )
    here.write(
      "home/.config/syslua/pkgs/hello.lua",
      [[return { name = "hello", setup = function()
        local hello = derive({ name = "hello", config = function(_, ctx)
          ctx.write(ctx.out .. "/bin/hello", "#!/bin/sh\necho hello\n")
          ctx.chmod(ctx.out .. "/bin/hello", "755")
        end })
        activate({ config = function(_, ctx) ctx.add_to_path(hello.out .. "/bin") end })
      end }
    ]]
    )
    here.shell(
      "mkdir -p outer web/lib elsewhere ~/.local/share/fish/generated_completions; umask 022"
    )
  end)

  after_each(function()
    pane.close_all(here)
    here.remove()
  end)

  -- Code that makes the canary as soon as it is loaded, and again in setup.
  local function evil()
    local touch = ("io.open(%q, 'w'):close()"):format(here.directory .. "/canary")
    return touch .. "\nreturn { setup = function() " .. touch .. " end }\n"
  end

  local function trusted()
    projects.write(here, "web", 'env({ PORT = require("lib.port") })')
    here.write("web/lib/port.lua", "return 1\n")
    local code, shown = projects.trust(here, "web")
    assert.equal(0, code, shown)
  end

  -- What makes a directory hostile, by a name. Each returns where the user stands, "web" unless
  -- given.
  local variants = {
    ["that is new"] = function()
      here.write("web/syslua.lua", evil())
    end,
    ["whose entry file changed"] = function()
      trusted()
      here.write("web/syslua.lua", evil())
    end,
    ["whose module changed"] = function()
      trusted()
      here.write("web/lib/port.lua", evil())
    end,
    ["whose module is another file than before"] = function()
      trusted()
      here.shell("rm web/lib/port.lua; mkdir web/lib/port")
      here.write("web/lib/port/init.lua", evil())
    end,
    ["whose entry file became a link"] = function()
      trusted()
      here.write("elsewhere/x.lua", evil())
      here.shell("ln -sf ../elsewhere/x.lua web/syslua.lua")
    end,
    ["whose entry file became a link to what it was"] = function()
      trusted()
      here.shell("mv web/syslua.lua elsewhere/x.lua; ln -s ../elsewhere/x.lua web/syslua.lua")
      here.write("elsewhere/x.lua", evil())
    end,
    ["whose module became a link"] = function()
      trusted()
      here.write("elsewhere/x.lua", evil())
      here.shell("ln -sf ../../elsewhere/x.lua web/lib/port.lua")
    end,
    ["whose lib became a link"] = function()
      trusted()
      here.write("elsewhere/port.lua", evil())
      here.shell("rm -r web/lib; ln -s ../elsewhere web/lib")
    end,
    ["that is reached through a link"] = function()
      here.write("elsewhere/syslua.lua", evil())
      here.shell("rm -r web; ln -s elsewhere web")
    end,
    ["whose lock came"] = function()
      trusted()
      here.write("web/syslua.lock", "{}")
      here.write("web/lib/port.lua", evil())
    end,
    ["inside a trusted one"] = function()
      trusted()
      here.write("web/inner/syslua.lua", evil())
      return "web/inner"
    end,
    ["around a trusted one"] = function()
      here.shell("mv web outer/web; ln -s outer/web web")
      trusted()
      here.write("outer/syslua.lua", evil())
    end,
    ["with modules that are named like ours"] = function()
      for _, name in ipairs({
        "syslua.lua",
        "syslua/init.lua",
        "syslua/cli.lua",
        "syslua/bindings.lua",
        "syslua/commands/env.lua",
        "syslua/cli/entering.lua",
        "argparse.lua",
        "evil.lua",
        "pkgs/hello.lua",
        "pkgs/init.lua",
        "modules/evil.lua",
      }) do
        here.write("web/" .. name, evil())
      end
    end,
    ["whose entry file is a pipe"] = function()
      here.shell("mkfifo web/syslua.lua")
    end,
    ["whose entry file is a directory"] = function()
      here.write("web/syslua.lua/init.lua", evil())
    end,
  }
  for name, path in pairs({
    ["entry file"] = "web/syslua.lua",
    module = "web/lib/port.lua",
    directory = "web",
    lib = "web/lib",
  }) do
    for who, mode in pairs({ group = "g+w", ["everybody"] = "o+w" }) do
      variants[("whose %s %s can write to"):format(name, who)] = function()
        trusted()
        here.shell(("chmod %s %s"):format(mode, path))
        here.write("web/lib/port.lua", here.read("web/lib/port.lua") .. evil():gsub("\n.*", ""))
      end
    end
    if is_root then
      variants[("whose %s another user owns"):format(name)] = function()
        trusted()
        here.shell("chown 12345 " .. path)
        here.write("web/lib/port.lua", evil())
      end
    end
  end
  -- Its own content, but never to be trusted.
  local function count_canaries()
    return here.exists("canary") and 1 or 0
  end

  local lines = {
    "env",
    "env --json",
    "env --shell bash",
    "shell -- true",
    "run hello",
    "shell -p hello -- true",
    -- A user who names the file wants it: that is no surprise of a directory.
    "plan",
    "plan .",
    "build",
    "status",
    "version",
  }

  for name, make in pairs(variants) do
    it(name .. " runs nothing", function()
      local place = make() or "web"
      for _, line in ipairs(lines) do
        local result = here.shell(("cd %s && timeout 60 $LUA -l syslua %s"):format(place, line))
        assert.equal(0, count_canaries(), line)
        if line:find("hello") then
          assert.equal(0, result.code, line .. result.stderr)
        elseif line == "shell -- true" and name ~= "around a trusted one" then
          assert.equal(1, result.code, line .. result.stderr)
        end
      end
      for shell in pairs(projects.shells) do
        if process.has(shell) then
          local shown, all = projects.run_shell(here, shell, {
            "cd " .. place,
            "true",
            'echo "<alive$EDITOR>"',
            "cd ..",
            "cd " .. here.directory .. "/" .. place,
            'echo "<alive$EDITOR>"',
          })
          assert.same({ "alive", "alive" }, shown, all)
          contains(all, "sys.lua: ")
          assert.equal(0, count_canaries(), shell)
        end
      end
      -- Nushell wants a terminal that answers.
      if pane.find("nushell") then
        here.write("home/hook.nu", here.must("env", "--shell", "nushell", "--hook").stdout)
        here.write("home/.config/nushell/env.nu", "")
        here.write(
          "home/.config/nushell/config.nu",
          "$env.config.show_banner = false\nsource ~/hook.nu\n"
        )
        local shell = pane.open(here, "nushell")
        for _, line in ipairs({ "cd " .. here.directory .. "/" .. place, "true", "cd .." }) do
          shell.run(line)
          assert.equal("", shell.get({ "EDITOR" }))
        end
        contains(shell.read(), "sys.lua: ")
        assert.equal(0, count_canaries(), "nushell")
        shell.close()
      end
      -- Nor does a user who says no, or who cannot trust it.
      projects.trust(here, place, "n")
      assert.equal(0, count_canaries())
    end)
  end

  it("whose files are replaced between the check and their use runs nothing", function()
    trusted()
    here.write("web/good.lua", here.read("web/lib/port.lua"))
    here.write("web/bad.lua", evil())
    -- Renames, as an attacker does it: each file is whole.
    here.write(
      "swap.sh",
      [[
      cd web
      while [ -e ../swapping ]; do
        cp bad.lua x && mv x lib/port.lua
        cp good.lua x && mv x lib/port.lua
      done
    ]]
    )
    here.write("swapping", "")
    here.shell([[
      sh swap.sh &
      for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        rm -rf root/cache/projects
        (cd web && $LUA -l syslua shell -- true >/dev/null 2>&1)
      done
      rm swapping; wait
    ]])
    assert.equal(0, count_canaries())
  end)
end)
