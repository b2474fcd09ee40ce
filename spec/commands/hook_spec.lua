--- The hook: what interactive shells do at each prompt. They run in a terminal, as users have them.

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local random = require("spec.support.random")
local text_checks = require("spec.support.text_checks")

local contains, contains_none = text_checks.contains, text_checks.contains_none

describe("the hook of #once", function()
  local here = machine.for_each_test(function(here)
    -- Otherwise fish begins to make completions of its own in the background.
    here.shell("mkdir -p ~/.local/share/fish/generated_completions")
    here.shell("mkdir -p ~/web/deep/inner ~/other")
  end)

  local shells = {
    bash = { "bash --norc", 'eval "$($LUA -l syslua env --shell bash --hook)"' },
    zsh = { "zsh -f", 'eval "$($LUA -l syslua env --shell zsh --hook)"' },
    fish = { "fish -N", "$LUA -l syslua env --shell fish --hook | source" },
  }

  -- What a shell with the hook shows of lines.
  local function run(name, lines)
    here.write("lines", shells[name][2] .. "\n" .. table.concat(lines, "\n") .. "\nexit 0\n")
    local line = ("script -qec '%s' /dev/null <lines >shown"):format(shells[name][1])
    local result = here.shell(line, { TERM = "dumb", PS1 = "$ " })
    assert.equal(0, result.code)
    local shown = {}
    for text in here.read("shown"):gmatch("<([^<>\r\n]*)>") do
      -- The terminal shows lines too; those have references in them.
      if not text:find("$", 1, true) then
        shown[#shown + 1] = text
      end
    end
    return shown
  end

  for name in pairs(shells) do
    local it_there = process.has(name) and process.has("script") and it or pending
    -- An unset variable is nothing in each of them.
    local show = 'echo "<$EDITOR|$PORT|$INNER>"'

    it_there(name .. " follows snapshots", function()
      here.apply('env({ EDITOR = "vi" })')
      here.write_config('env({ EDITOR = "ed", PORT = 1 })', "next.lua")
      here.write_config("", "none.lua")
      local shown = run(name, {
        show,
        "$LUA -l syslua apply next.lua >/dev/null",
        show,
        "$LUA -l syslua apply none.lua >/dev/null",
        show,
      })
      assert.same({ "vi||", "ed|1|", "||" }, shown)
    end)

    it_there(name .. " enters and leaves projects, one inside another", function()
      here.apply([[
        env({ EDITOR = "vi" })
        project({ name = "web", path = "~/web", setup = function()
          env({ PORT = 8080, EDITOR = "web" })
        end })
        project({ name = "inner", path = "~/web/deep", setup = function()
          env({ INNER = "in", PORT = 1 })
        end })
      ]])
      local set = name == "fish" and "set -gx EDITOR mine" or "export EDITOR=mine"
      local shown = run(name, {
        show,
        "cd ~/web",
        show,
        "cd ~/web/deep/inner",
        show,
        "cd ..",
        show,
        "cd ~/web",
        show,
        "cd ~/other",
        show,
        "cd ~/web",
        set,
        "cd ~",
        show,
      })
      assert.same(
        { "vi||", "web|8080|", "web|1|in", "web|1|in", "web|8080|", "vi||", "mine||" },
        shown
      )
    end)

    it_there(name .. " gives back what aliases and functions of a project hid", function()
      here.apply([[
        alias { t = "echo \"<system>\"" }
        project({ name = "web", path = "~/web", setup = function()
          alias { t = "echo \"<web>\"", u = "echo \"<web u>\"" }
        end })
        project({ name = "inner", path = "~/web/deep", setup = function()
          alias { u = "echo \"<inner u>\"", f = "echo \"<inner f>\"" }
        end })
      ]])
      local fish = name == "fish"
      local shown = run(name, {
        fish and [[function u; echo "<mine u$none>"; end]] or [[alias u='echo "<mine u$none>"']],
        fish and [[function f; echo "<mine f$none>"; end]] or [[f() { echo "<mine f$none>"; }]],
        "t; u; f",
        "cd ~/web",
        "t; u; f",
        "cd ~/web/deep",
        "t; u; f",
        "cd ~/other",
        "t; u; f",
        "cd ~/web/deep",
        "t; u; f",
        "cd ~/web",
        "t; u; f",
        "cd ~",
        "t; u; f",
      })
      local out, web = { "system", "mine u", "mine f" }, { "web", "web u", "mine f" }
      local inner = { "web", "inner u", "inner f" }
      local expected = {}
      for _, part in ipairs({ out, web, inner, out, inner, web, out }) do
        for _, word in ipairs(part) do
          expected[#expected + 1] = word
        end
      end
      assert.same(expected, shown)
    end)

    it_there(name .. " shows the name of the innermost project, in the prompt too", function()
      here.apply([[
        project({ name = "web", path = "~/web", setup = function() env({ PORT = 1 }) end })
        project({ name = "inner", path = "~/web/deep", setup = function() env({ PORT = 2 }) end })
      ]])
      local name_of = 'echo "<$SYSLUA_PROJECT|$PORT>"'
      local lines = {}
      local places = { "~/web", "~/web/deep/inner", "~/web", "~/other", "~/web/deep", "~" }
      for _, place in ipairs(places) do
        lines[#lines + 1] = "cd " .. place
        lines[#lines + 1] = name_of
      end
      local shown = run(name, lines)
      assert.same({ "web|1", "inner|2", "web|1", "|", "inner|2", "|" }, shown)
      local text = here.read("shown")
      contains(text, "(web) ", "(inner) ")
      contains_none(text, "(web) (")
    end)

    it_there(name .. " ends every loop, whatever its variables hold", function()
      here.apply([[
        env({ EDITOR = "vi", PATH = { "~/bin" } })
        project({ name = "web", path = "~/web", setup = function() env({ PORT = 1 }) end })
      ]])
      local memory = here.read("root/env.sh"):match("(__SYSLUA_%x+)")
      local pick = random.new(os.time())
      local words =
        { "1/projects/web", " ", "  ", "\t", "web", "*", "left", "+1", "PATH+1", ":", "/" }
      for _ = 1, tonumber(os.getenv("SYSLUA_ROUNDS")) or 6 do
        local environment = { TERM = "dumb", PS1 = "$ " }
        for _, part in ipairs({ "", "_inside", "_shell", "_entered", "_PATH", "_aliases" }) do
          local value = {}
          for index = 1, pick(5) - 1 do
            value[index] = words[pick(#words)]
          end
          environment[memory .. part] = table.concat(value, pick(2) == 1 and " " or "")
        end
        here.write("lines", shells[name][2] .. "\ncd ~/web\ncd ~/other\necho '<end>'\nexit 0\n")
        local line = "timeout -s KILL 20 script -qec '" .. shells[name][1]
        local result = here.shell(line .. "' /dev/null <lines >shown", environment)
        local given = {}
        for key, value in pairs(environment) do
          given[#given + 1] = ("%s=%q"):format(key, value)
        end
        assert.equal(0, result.code, table.concat(given, " "))
      end
    end)

    it_there(name .. " starts no process when nothing changed, and is there once", function()
      if not process.has("strace") then
        pending("strace is not installed")
        return
      end
      here.apply([[
        env({ EDITOR = "vi" })
        project({ name = "web", path = "~/web", setup = function() env({ PORT = 1 }) end })
      ]])
      local lines = {
        shells[name][2],
        "echo begin >&2",
        "cd ~/web",
        "cd ~/other",
        "cd ~/web/deep",
        show,
        "echo end >&2",
      }
      here.write("lines", shells[name][2] .. "\n" .. table.concat(lines, "\n") .. "\nexit 0\n")
      local trace = "strace -f -o trace -e trace=fork,vfork,clone,clone3,execve,write "
      local line = ("script -qec '%s' /dev/null <lines >shown"):format(trace .. shells[name][1])
      here.shell(line, { TERM = "dumb", PS1 = "$ " })
      local text = here.read("trace")
      local part = text:match('write%(%d, "begin\\n".-write%(%d, "end\\n"')
      assert.truthy(part, text:sub(-2000))
      -- The prompt of fish itself asks git.
      part = part:gsub('[^\n]*execve%("[^"]*/git"[^\n]*', "")
      local found = part:match("[^\n]*execve%([^\n]*") or part:match("[^\n]*fork%([^\n]*")
      if name ~= "fish" then
        -- fish has threads.
        found = found or part:match("[^\n]*clone3?%([^\n]*")
      end
      assert.is_nil(found)
    end)
  end

  for _, command in ipairs({
    "PROMPT_COMMAND='X=$((X + 1))'",
    "PROMPT_COMMAND=('X=$((X + 1))' true)",
  }) do
    it("bash lives beside " .. command, function()
      here.apply('env({ EDITOR = "vi" })')
      local shown = run("bash", {
        command,
        shells.bash[2],
        shells.bash[2],
        "set -e",
        "X=0",
        "false || true",
        'echo "<$X $EDITOR>"',
        'echo "<${PROMPT_COMMAND[*]//[^h]/}>"',
      })
      assert.equal("2 vi", shown[1])
      -- Once: the letter h is in its name only.
      assert.equal("h", (shown[2]:gsub(" ", "")))
    end)
  end

  it("bash does nothing without a terminal", function()
    here.apply('env({ EDITOR = "vi" })')
    local line =
      [[bash -c 'eval "$($LUA -l syslua env --shell bash --hook)"; echo "<${PROMPT_COMMAND-}>"']]
    assert.equal("<>\n", here.shell(line).stdout)
  end)

  it("a shell that has none says so", function()
    local result = here.run("env", "--shell", "cmd", "--hook")
    assert.equal(2, result.code)
  end)
end)
