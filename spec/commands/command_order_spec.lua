--- When commands of activations run: before files, after them, again when something changed, and as
--- whom.

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

describe("a command of an activation #once", function()
  local here = machine.for_each_test()

  local function apply(lines, code)
    here.write_config(lines)
    local result = here.run("apply", "init.lua")
    assert.equal(code or 0, result.code, result.stdout .. result.stderr)
    return result
  end

  -- Returns what was logged since the last call.
  local function take_log()
    local text = here.read("home/log") or ""
    os.remove(here.home .. "/log")
    return text
  end

  local function activate(lines)
    return "activate { config = function(_, ctx)\n" .. lines .. "\nend }"
  end

  it("say which directory is missing that they were to run in", function()
    for _, way in ipairs({ '"true"', '{ "true" }' }) do
      here.write_config(
        ('activate { config = function(_, ctx) ctx.run(%s, { cwd = "~/none" }) end }'):format(way)
      )
      local result = here.run("apply", "init.lua")
      assert.equal(1, result.code)
      local words = ("its directory %s/none does not exist"):format(here.home)
      contains(result.stderr, words, "at init.lua:2")
    end
  end)

  it("runs before files change with `before`, and its undo after them", function()
    local with = activate([[
      ctx.run("echo $(cat ~/f 2>&1) >>~/log",
        { before = true, undo = "echo undo $(cat ~/f) >>~/log", name = "early" })
      ctx.run("echo late $(cat ~/f) >>~/log")
    ]])
    apply('file { path = "~/f", content = "one" }\n' .. with)
    matches(take_log(), "No such file[^\n]*\nlate one\n$")
    here.write_config('file { path = "~/f", content = "two" }')
    local plan = here.must("plan", "init.lua").stdout
    contains(plan, "early: echo undo")
    here.must("apply", "init.lua")
    assert.equal("undo two\n", take_log())
    here.must("rollback", "--yes")
    assert.equal("two\nlate one\n", take_log())
  end)

  it("takes back what ran before files when one of them fails", function()
    apply('file { path = "~/f", content = "one" }')
    apply('file { path = "~/f", content = "two" }\n' .. activate([[
        ctx.run("echo before $(cat ~/f) >>~/log",
          { before = true, undo = "echo undo $(cat ~/f) >>~/log" })
        ctx.run("exit 1")
      ]]), 1)
    assert.equal("before one\nundo one\n", take_log())
  end)

  it(
    "runs again when a derivation, a source or a target in `on_change` changed, and only then",
    function()
      here.write("data", "one\n")
      local lines = [[
      local function write(opts, ctx) ctx.write(ctx.out, opts[1]) end
      local made = derive { name = "made", opts = { "%s" }, config = write }
      file { path = "~/dir/f", content = "%s" }
      file { path = "~/other", content = "%s" }
    ]] .. activate([[
      ctx.run("echo handle >>~/log", { on_change = { made } })
      ctx.run("echo source >>~/log", { on_change = { source("data") } })
      ctx.run("echo target $(cat ~/dir/f) >>~/log", { on_change = { "~/dir/f" } })
      ctx.run("echo directory >>~/log", { on_change = { "~/dir" } })
      ctx.run("echo plain >>~/log")
    ]])
      apply(lines:format("1", "1", "1"))
      assert.equal("handle\nsource\ntarget 1\ndirectory\nplain\n", take_log())
      apply(lines:format("1", "1", "2"))
      assert.equal("", take_log())
      apply(lines:format("2", "1", "2"))
      assert.equal("handle\n", take_log())
      apply(lines:format("2", "2", "2"))
      assert.equal("target 2\ndirectory\n", take_log())
      here.write("data", "two\n")
      apply(lines:format("2", "2", "2"))
      assert.equal("source\n", take_log())
      matches(here.must("apply", "init.lua").stdout, "^Nothing changed")
      assert.equal("", take_log())
      -- A target that somebody changed is put right, which changes it.
      os.remove(here.home .. "/dir/f")
      here.must("apply", "init.lua")
      assert.equal("target 2\ndirectory\n", take_log())
      here.must("rollback", "3", "--yes")
      assert.equal("source\ntarget 1\ndirectory\n", take_log():gsub("handle\n", ""))
      for _, wrong in ipairs({ '{ "relative" }', "{ 1 }", "{ {} }", '"text"', '{ "" }' }) do
        apply(activate(('ctx.run("true", { on_change = %s })'):format(wrong)), 1)
      end
    end
  )

  it(
    "runs for `on_change` of a file when that changed: made, changed, removed, rolled back",
    function()
      local function lines(text, rest)
        return (
          'file { path = "~/unit", content = "%s", on_change = "echo $(cat ~/unit 2>&-) '
          .. '>>~/log" }\n'
        ):format(text) .. (rest or "")
      end
      apply(lines("one"))
      assert.equal("one\n", take_log())
      apply(lines("one", 'file { path = "~/x", content = "x" }'))
      assert.equal("", take_log())
      apply(lines("two"))
      assert.equal("two\n", take_log())
      -- When the apply fails later, who was told of the new content is told of the old one.
      apply(lines("three", 'file { path = "~/y", content = "y", on_change = "exit 1" }'), 1)
      assert.equal("three\ntwo\n", take_log())
      here.must("rollback", "--yes")
      assert.equal("one\n", take_log())
      apply('file { path = "~/x", content = "x" }')
      assert.equal("\n", take_log())
      -- One command for many files.
      here.write("tree/a", "a")
      here.write("tree/b", "b")
      apply([[
      file { path = "~/tree", source = "tree", recursive = true,
        on_change = { "sh", "-c", "echo tree >>~/log" } }
      file { path = "~/a", content = "a", on_change = "echo both >>~/log" }
      file { path = "~/b", content = "b", on_change = "echo both >>~/log" }
    ]])
      assert.equal("both\ntree\n", take_log():gsub("tree\nboth\n", "both\ntree\n"))
      here.write("tree/a", "other")
      here.must("apply", "init.lua")
      assert.equal("tree\n", take_log())
      -- A file of the tree that is as it was did not change.
      local about_b = activate('ctx.run("echo b >>~/log", { on_change = { "~/tree/b" } })')
      local tree = 'file { path = "~/tree", source = "tree", recursive = true }\n' .. about_b
      apply(tree)
      take_log()
      here.write("tree/a", "once more")
      apply(tree)
      assert.equal("", take_log())
      here.write("tree/b", "new")
      apply(tree)
      assert.equal("b\n", take_log())
      for _, wrong in ipairs({ "1", "{}", '""', "{ 1 }", '{ "a", "" }' }) do
        apply(('file { path = "~/a", content = "a", on_change = %s }'):format(wrong), 1)
      end
    end
  )

  it("runs after removals too", function()
    local reload = activate(
      'ctx.run("echo run >>~/log; ls ~/units >>~/log 2>&1 || true", { on_change = { "~/units" }, '
        .. 'name = "reload" })'
    )
    apply(
      'file { path = "~/units/a", content = "a" } file { path = "~/units/b", content = "b" }\n'
        .. reload
    )
    assert.equal("run\na\nb\n", take_log())
    apply('file { path = "~/units/a", content = "a" }\n' .. reload)
    assert.equal("run\na\n", take_log())
    apply(reload)
    assert.equal("run\n", take_log())
  end)

  it("is named while it runs, and shows its output with --verbose and when it fails", function()
    here.write_config(activate([[
      ctx.run("echo shown; echo so >&2; printf rest", { name = "first" })
      ctx.run("for i in $(seq 1 500); do echo line $i; done", {})
    ]]))
    local result = here.run("apply", "init.lua")
    assert.equal(
      "running first\nrunning for i in $(seq 1 500); do echo line $i; done\n",
      result.stderr
    )
    here.must("destroy", "--yes")
    result = here.run("apply", "--verbose", "init.lua")
    contains(result.stderr, "  shown\n", "  so\n", "  rest\n", "  line 1\n", "  line 500\n")
    here.must("destroy", "--yes")
    assert.equal("", here.run("apply", "--quiet", "init.lua").stderr)
    here.write_config(
      activate('ctx.run("for i in $(seq 1 500); do echo line $i; done; exit 3", { name = "long" })')
    )
    result = here.run("apply", "--quiet", "init.lua")
    assert.equal(1, result.code)
    contains(result.stderr, "exit code 3", "line 500")
    contains_none(result.stderr, "line 400\n")
    for _, name in ipairs({ '""', '"a\\nb"', "1" }) do
      assert.equal(1, apply(activate(('ctx.run("true", { name = %s })'):format(name)), 1).code)
    end
  end)

  it("has its variables in no arguments, whatever they hold", function()
    here.write("slow.sh", "sleep 0.3; set -- x y z; HOSTILE=script\n")
    here.write_config(activate([[
      ctx.source_in_shell("]] .. here.directory .. [[/slow.sh")
      local line = "printf '%s|' \"$HOSTILE\" \"$TWO\" \"$#\" >~/out"
      ctx.run(line .. "; env | grep -c SYSLUA_V >>~/out; sleep 0.3", {
        env = { HOSTILE = "a 'b' \"c\" $(touch ~/wrong) `x`\n%s\\", TWO = "t0ken" },
      })
    ]]))
    local result = here.shell([[
      $LUA -l syslua apply --quiet init.lua &
      sys=$!
      while kill -0 $sys 2>/dev/null; do
        for process in /proc/[0-9]*; do
          tr '\0' ' ' <$process/cmdline 2>/dev/null; echo
        done | grep '[t]0ken' && echo found
        sleep 0.05
      done
      wait $sys
    ]])
    assert.equal(0, result.code, result.stderr)
    contains_none(result.stdout, "found")
    assert.equal("a 'b' \"c\" $(touch ~/wrong) `x`\n%s\\|t0ken|0|0\n", here.read("home/out"))
    assert.is_false(here.exists("home/wrong"))
  end)

  -- Runs apply in a terminal of its own, to which it types; returns its exit code, or "waits".
  local function apply_in_terminal(typed, seconds)
    here.write(
      "terminal.py",
      [[
import os, pty, signal, sys, time
typed, seconds = sys.argv[1].encode().decode("unicode_escape").encode(), float(sys.argv[2])
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[3], sys.argv[3:])
time.sleep(1)
os.write(terminal, typed)
end = time.time() + seconds
while time.time() < end:
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        print(os.waitstatus_to_exitcode(status)); sys.exit()
    time.sleep(0.05)
os.kill(pid, signal.SIGKILL); print("waits")
]]
    )
    local line = ("python3 terminal.py %s %s $LUA -l syslua apply init.lua"):format(
      process.quote(typed),
      seconds
    )
    return here.shell(line).stdout
  end

  it("asks on the terminal, where there is one", function()
    if here.shell("command -v python3").code ~= 0 then
      return
    end
    here.write_config(activate([[
      ctx.run("read answer </dev/tty; echo $answer >~/tty; read second; echo $second >>~/tty")
    ]]))
    assert.equal("0\n", apply_in_terminal("yes\\nagain\\n", 10))
    assert.equal("yes\nagain\n", here.read("home/tty"))
    -- The terminal is ours again after it.
    here.write_config(activate('ctx.run("stty -echo </dev/tty; exec kill -9 $$")'))
    assert.equal("1\n", apply_in_terminal("", 10))
  end)

  it("ends with Ctrl-C, and goes on when it is stopped", function()
    if here.shell("command -v python3").code ~= 0 then
      return
    end
    for _, command in ipairs({
      "sleep 30",
      "trap '' INT; sleep 30",
      "sh -c 'trap : INT; sleep 15; sleep 15'",
    }) do
      here.write_config(activate(("ctx.run(%q)"):format(command)))
      assert.equal("130\n", apply_in_terminal("\\x03", 10), command)
    end
    -- Nothing of it is left, nor what waits for the key.
    local left = here.shell([[sleep 0.2; for process in /proc/[0-9]*; do
      if [ "$(readlink $process/cwd)" = "$PWD" ] && grep -q lua $process/comm; then
        echo $process
      fi; done]])
    assert.equal("", left.stdout)
    here.write_config(activate('ctx.run("sleep 2; echo on >~/on")'))
    assert.equal("0\n", apply_in_terminal("\\x1a", 10))
    assert.equal("on\n", here.read("home/on"))
  end)

  it("has no terminal where nobody could answer", function()
    here.write_config(activate('ctx.run("read answer </dev/tty")'))
    local result = here.shell("timeout 20 setsid -w $LUA -l syslua apply init.lua </dev/null")
    assert.equal(1, result.code)
    -- In the background of one.
    result = here.shell(
      "timeout 20 script -qec 'set -m; $LUA -l syslua apply init.lua & wait $!; "
        .. "echo code $?' /dev/null </dev/null"
    )
    contains(result.stdout, "code 1")
  end)

  it("cannot change the root that it belongs to, and is told at once", function()
    local lua = here.shell("command -v $LUA").stdout:gsub("\n", "")
    local exports = {}
    for name, value in pairs(here.environment) do
      exports[#exports + 1] = name .. "=" .. process.quote(value)
    end
    here.write("inner", "exec " .. lua .. ' -l syslua "$@"\n')
    local cleared = ("env -i %s sh %s/inner "):format(table.concat(exports, " "), here.directory)
    here.write(
      "other.lua",
      'return { setup = function() file { path = "~/x", content = "x" } end }\n'
    )
    for _, inner in ipairs({
      "gc",
      "apply " .. here.directory .. "/other.lua",
      "rollback 0 --yes",
      "destroy --yes",
    }) do
      local ways = { "%s", "sh -c '%s; exit $?'", "(%s) | cat >&2; exit 1", "setsid -w %s" }
      for _, way in ipairs(ways) do
        local command =
          way:format(way:find("'%%s") and (cleared:gsub("'", "'\\''")) .. inner or cleared .. inner)
        here.write_config(activate(("ctx.run(%q)"):format(command)))
        local result = here.shell("timeout 20 $LUA -l syslua apply init.lua")
        assert.equal(1, result.code, command .. result.stdout .. result.stderr)
        contains(result.stderr, "this runs inside of the process")
      end
    end
    -- What changes nothing is answered.
    here.write_config(activate(("ctx.run(%q)"):format(cleared .. "history >&2")))
    here.must("apply", "init.lua")
  end)
end)

describe("a command of a user #root #once", function()
  local here

  before_each(function()
    here = machine.new()
    here.shell(
      "chmod 755 . home; mkdir -m 777 open; useradd -m syslua-spec-command 2>/dev/null || true"
    )
  end)

  after_each(function()
    here.shell("userdel -r syslua-spec-command 2>/dev/null || true")
    here.remove()
  end)

  it("is told at once that it is inside, also without /proc and in another namespace", function()
    local lua = here.shell("command -v $LUA").stdout:gsub("\n", "")
    local exports = {}
    for name, value in pairs(here.environment) do
      exports[#exports + 1] = name .. "=" .. process.quote(value)
    end
    here.write(
      "inner",
      ("exec env -i %s %s -l syslua gc\n"):format(table.concat(exports, " "), lua)
    )
    local inner = ("sh %s/inner"):format(here.directory)
    for _, way in ipairs({
      "unshare --pid --fork --mount-proc %s",
      "unshare --pid --fork %s",
      "unshare --mount sh -c 'umount -l /proc; %s'",
    }) do
      local run = ("ctx.run(%q)"):format(way:format(inner))
      here.write_config("activate { config = function(_, ctx) " .. run .. " end }")
      local result = here.shell("timeout 20 $LUA -l syslua apply init.lua")
      assert.equal(1, result.code, way .. result.stdout .. result.stderr)
      contains(result.stderr, "this runs inside of")
    end
  end)

  it("runs as that user, with nothing of root's", function()
    here.environment.SECRET_OF_ROOT = "t0ken"
    local open = here.directory .. "/open"
    local lines = [[
      env { OF_ALL = "all" }
      user { name = "syslua-spec-command", setup = function()
        env { OF_USER = "own" }
        activate { config = function(_, ctx)
          ctx.run("id -u >OPEN/id; id -G >OPEN/groups; pwd >OPEN/pwd; env >OPEN/env; "
            .. "echo ~ >OPEN/home",
            { undo = "id -un >OPEN/undo", env = { MINE = "m" } })
          ctx.run("pwd >OPEN/other", { cwd = "~/.." })
          ctx.run("cat /proc/self/fd/9 >OPEN/inherited 2>/dev/null || true")
        end }
        file { path = "~/.unit", content = "x", on_change = "id -un >OPEN/changed" }
      end }
    ]]
    here.write_config((lines:gsub("OPEN", open)))
    -- With a file open that only root may read.
    here.write("of-root", "t0ken")
    local applied = here.shell("chmod 600 of-root; $LUA -l syslua apply init.lua 9<of-root")
    assert.equal(0, applied.code, applied.stderr)
    assert.equal("", here.read("open/inherited"))
    local function read(name)
      return (here.read("open/" .. name) or ""):gsub("\n$", "")
    end
    local function ask(line)
      return (here.shell(line).stdout:gsub("\n$", ""))
    end
    local home = ask("getent passwd syslua-spec-command | cut -d: -f6")
    assert.equal(ask("id -u syslua-spec-command"), read("id"))
    assert.equal(ask("id -G syslua-spec-command"), read("groups"))
    assert.equal(home, read("pwd"))
    assert.equal(home, read("home"))
    assert.equal("syslua-spec-command", read("changed"))
    local environment = "\n" .. read("env") .. "\n"
    contains(
      environment,
      "\nHOME=" .. home .. "\n",
      "\nUSER=syslua-spec-command\n",
      "\nOF_ALL=all\n",
      "\nMINE=m\n",
      "\nOF_USER=own\n"
    )
    contains_none(environment, "t0ken")
    here.write_config("")
    here.must("apply", "init.lua")
    assert.equal("syslua-spec-command", read("undo"))
  end)
end)
