--- Signals end the programs of a build within two seconds, and leave everything as it was.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

describe("a signal", function()
  local here = machine.for_each_test(function(here)
    -- A build may have numbers of its own for its processes: they are found by an argument.
    local mark = here.shell("od -An -N5 -td1 /dev/urandom | tr -dc 0-9").stdout
    here.write("mark", "61." .. mark)
    here.write_config(([[
      derive({
        name = "slow",
        config = function(_, ctx) ctx.run("sleep 61.%s & sleep 61.%s; touch $out") end,
      })
    ]]):format(mark, mark))
  end)

  -- Runs a command, sends a signal when its program runs, and tells how it ended.
  local function interrupt(command, signal)
    return here.shell(([[
      $LUA -l syslua %s init.lua & own=$!
      # One that ended has no arguments, even if nobody asked yet how it ended.
      find_processes() { grep -lsaFf mark /proc/[0-9]*/cmdline; }
      i=0
      while [ $(find_processes | wc -l) -lt 3 ] && [ $i -lt 200 ]; do sleep 0.05; i=$((i + 1)); done
      [ $i -lt 200 ] || echo "the processes of the build were not found"
      begin=$(date +%%s%%N)
      kill -%s $own
      wait $own
      echo "code $?"
      [ $(($(date +%%s%%N) - begin)) -lt 2000000000 ] && echo "in time"
      find_processes
      ls root/store/staging root/store/b?? root/store/tmp | grep -v : | grep .
    ]]):format(command, signal))
  end

  for _, signal in ipairs({ "INT", "TERM", "HUP" }) do
    for _, command in ipairs({ "build", "apply" }) do
      it(("SIG%s ends `%s` and the programs that it runs"):format(signal, command), function()
        local result = interrupt(command, signal)
        assert.equal("code 130\nin time\n", result.stdout, result.stderr)
        contains(result.stderr, "error: interrupted: nothing was changed")
        assert.is_false(here.exists("root/store/metadata/current"))
      end)
    end
  end

  it("ends a config that waits for a program of its own", function()
    here.write_config([[
      os.execute("sleep 30")
      file({ path = "~/.a", content = "text" })
    ]])
    local result = here.shell(
      "timeout --preserve-status -s INT 1 env --default-signal=INT $LUA -l syslua apply init.lua"
    )
    assert.equal(130, result.code, result.stderr)
    contains(result.stderr, "interrupted: nothing was changed")
    assert.is_false(here.exists("home/.a"))
    here.write_config([[print(os.execute("exit 3")) print(os.execute("true")) print(os.execute())]])
    here.must("plan", "init.lua")
  end)

  it("ends a script too, which can go on", function()
    here.write(
      "script.lua",
      [[
      local syslua = require("syslua")
      local ok, caught = pcall(syslua.build, syslua.derive({
        name = "slow",
        config = function(_, ctx) ctx.run("touch ready; sleep 60") end,
      }))
      print(ok, syslua.error(caught).kind)
    ]]
    )
    local result = here.shell([[
      $LUA script.lua & own=$!
      while ! [ -e "$(echo root/store/tmp/*/ready)" ]; do sleep 0.05; done
      kill -TERM $own
      wait $own
      echo "code $?"
    ]])
    assert.equal("false\tinterrupted\ncode 0\n", result.stdout)
  end)

  it("is what Ctrl-C on a terminal sends, and takes the bars away", function()
    here.write(
      "terminal.py",
      [[
import os, pty, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
text = b""
while b"building slow" not in text:
    text += os.read(fd, 4096)
time.sleep(0.3)
begin = time.time()
os.write(fd, b"\x03")
try:
    while True:
        data = os.read(fd, 4096)
        if not data: break
        text += data
except OSError:
    pass
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.stdout.write("code %d, %s\n" % (code, "in time" if time.time() - begin < 2 else "late"))
sys.stdout.write(text.decode())
]]
    )
    local result = here.shell("TERM=xterm python3 terminal.py $LUA -l syslua apply init.lua")
    assert.equal(0, result.code, result.stderr)
    matches(result.stdout, "^code 130, in time\n")
    local last = result.stdout:gsub("\27%[[%d;]*m", ""):match(".*\27%[%d*%u(.*)$")
    matches(last, "^error: interrupted: nothing was changed")
  end)

  it("ends a loop of a build", function()
    here.write_config([[
      derive({ name = "endless", config = function(_, ctx)
        ctx.write("ready", "")
        while true do
          pcall(function() while true do end end)
        end
      end })
    ]])
    local result = here.shell([[
      $LUA -l syslua apply init.lua 2>/dev/null & own=$!
      while ! [ -e "$(echo root/store/tmp/*/ready)" ]; do sleep 0.05; done
      begin=$(date +%s%N)
      kill -TERM $own
      wait $own
      echo "code $?"
      [ $(($(date +%s%N) - begin)) -lt 2000000000 ] && echo "in time"
    ]])
    assert.equal("code 130\nin time\n", result.stdout)
  end)

  local loops = {
    ["in setup"] = "io.open('ready', 'w'):close() while true do end",
    ["in a pcall"] = "io.open('ready', 'w'):close() while true do pcall(function() while true do "
      .. "end end) end",
    ["in a coroutine"] = "coroutine.wrap(function() io.open('ready', "
      .. "'w'):close() while true do end end)()",
    ["in a coroutine of a coroutine"] = [[
      local inner = coroutine.create(function() io.open('ready', 'w'):close() while true do end end)
      local outer = coroutine.create(function() while true do coroutine.resume(inner) end end)
      while true do coroutine.resume(outer) end]],
    ["of calls"] = "io.open('ready', 'w'):close() local function f() return f() end f()",
    ["that compares"] = [[
      local list = {}
      for i = 1, 3000 do list[i] = i end
      io.open('ready', 'w'):close()
      while true do table.sort(list, function(a, b) return a > b end) end]],
    ["in the function of gsub"] = [[
      io.open('ready', 'w'):close()
      local s = ("x"):rep(100)
      while true do s:gsub(".", function() for _ = 1, 1000 do end end) end]],
    ["in a handler of xpcall"] = [[
      xpcall(function() error("x") end, function()
        io.open('ready', 'w'):close()
        while true do end
      end)]],
    ["whose handler of xpcall never ends"] = [[
      io.open('ready', 'w'):close()
      xpcall(function() while true do end end, function() while true do end end)]],
    ["in a finalizer"] = [[
      local function finalize()
        io.open('ready', 'w'):close()
        while true do end
      end
      if newproxy then
        getmetatable(newproxy(true)).__gc = finalize
      else
        setmetatable({}, { __gc = finalize })
      end
      collectgarbage()
      collectgarbage()]],
    ["of one call of a function of C"] = [[
      io.open('ready', 'w'):close()
      return ("a"):rep(10000):match(".-.-.-.-b")]],
    ["of a file of the config"] = "require('endless')()",
  }
  for name, loop in pairs(loops) do
    it("ends an evaluation: a loop " .. name, function()
      here.write(
        "endless.lua",
        "return function() io.open('ready', 'w'):close() repeat until false end"
      )
      here.write_config(loop)
      local result = here.shell([[
        $LUA -l syslua plan init.lua & own=$!
        i=0
        while ! [ -e ready ] && [ $i -lt 200 ]; do sleep 0.05; i=$((i + 1)); done
        # LuaJIT would have compiled it by now.
        sleep 0.2
        begin=$(date +%s%N)
        kill -INT $own
        wait $own
        echo "code $?"
        [ $(($(date +%s%N) - begin)) -lt 2000000000 ] && echo "in time"
      ]])
      assert.equal("code 130\nin time\n", result.stdout, result.stderr)
      assert.equal("error: interrupted: nothing was changed\n", result.stderr)
    end)
  end

  it(
    "of an evaluation in a script is a failure that can be caught, and the script goes on",
    function()
      here.write_config("io.open('ready', 'w'):close() while true do end")
      here.write(
        "script.lua",
        [[
      local syslua = require("syslua")
      local ok, caught = pcall(syslua.evaluate, "init.lua")
      print(ok, syslua.error(caught).kind)
      local count = 0
      for _ = 1, 1000000 do count = count + 1 end
      print(count)
    ]]
      )
      local result = here.shell([[
      $LUA script.lua & own=$!
      while ! [ -e ready ]; do sleep 0.05; done
      kill -INT $own
      wait $own
      echo "code $?"
    ]])
      assert.equal("false\tinterrupted\n1000000\ncode 0\n", result.stdout, result.stderr)
    end
  )

  it("has its old meaning outside of a verb", function()
    here.write(
      "script.lua",
      [[
      local syslua = require("syslua")
      syslua.build(syslua.derive({ name = "quick", config = function(_, ctx)
        ctx.write(ctx.out, "")
      end }))
      os.execute("kill -TERM $PPID; sleep 5")
    ]]
    )
    assert.equal(143, here.shell("$LUA script.lua").code)
  end)
end)
