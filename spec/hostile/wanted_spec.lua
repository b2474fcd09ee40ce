--- What a build may do though it is confined, and what waits for a lock: programs that people use
-- must not notice the walls around them.

local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

if interpreter.name ~= "lua5.4" then
  return
end

describe("a program of a build #once", function()
  local here = machine.for_each_test(function(here)
    -- The user of a build of root has to come through.
    here.shell("chmod 755 .")
  end)

  -- Runs lines of the shell in a build that takes no level below `namespaces`; returns what they
  -- print.
  local function run(lines)
    here.write_config(([[
      local built = derive({ name = "ran", config = function(_, ctx)
        ctx.write(ctx.out, ctx.run(%q))
      end })
      file({ path = "~/.ran", source = built.out })
    ]]):format(lines))
    local result = here.run("apply", "--sandbox", "require", "init.lua")
    assert.equal(0, result.code, result.stderr)
    return here.read("home/.ran")
  end

  it("has POSIX semaphores and shared memory", function()
    local text = [[
python3 - <<'PY'
import multiprocessing, multiprocessing.shared_memory
lock, total = multiprocessing.Lock(), multiprocessing.Value("i", 0)
def add(_):
    for _ in range(50):
        with total.get_lock():
            total.value += 1
parts = [multiprocessing.get_context("fork").Process(target=add, args=(n,)) for n in range(4)]
[part.start() for part in parts]
[part.join() for part in parts]
block = multiprocessing.shared_memory.SharedMemory(create=True, size=4096)
block.buf[:4] = b"text"
print(total.value, bytes(block.buf[:4]).decode(), [part.exitcode for part in parts])
block.close(); block.unlink()
PY]]
    assert.equal("200 text [0, 0, 0, 0]\n", run(text))
  end)

  it("has terminals of its own", function()
    local text = [[
script -qec 'tty; stty cols 77; stty size' /dev/null </dev/null | tr -d '\r'
python3 - <<'PY'
import os, pty
parent, child = pty.openpty()
os.write(child, b"text\n")
print(os.read(parent, 10).decode().split(), os.ttyname(child).startswith("/dev/pts/"))
PY]]
    matches(run(text), "^/dev/pts/%d+\n%d+ 77\n%['text'%] True\n$")
  end)

  it("may give its files to itself, and to nobody else", function()
    local text = [[
umask; echo text >file; chown $(id -u):$(id -g) file && echo own
chown 12345 file 2>/dev/null || echo refused
chmod 4755 file 2>/dev/null || echo no set-id
python3 -c 'import os
try: os.setxattr("file", "user.x", b"y"); print("set")
except OSError: print("no attribute")']]
    assert.equal("0022\nown\nrefused\nno set-id\nno attribute\n", run(text))
  end)
end)

describe("a lock that another process holds #once", function()
  local here = machine.for_each_test(function(here)
    here.apply([[file({ path = "~/.one", content = "one" })]])
  end)

  -- Every lock below the root: each command that wants one says so in time.
  it("ends the wait of each command when its time is over, and at Ctrl-C", function()
    local locks = here.shell("find root -name '*.lock' -o -path '*/locks/*' -type f").stdout
    local waited = 0
    for lock in locks:gmatch("[^\n]+") do
      for _, words in ipairs({ "apply init.lua", "gc", "rollback --yes 0", "verify --repair" }) do
        local line = ([[
          (flock -x 9; exec sleep 60) 9>>%s & holder=$!
          sleep 0.2
          timeout 20 $LUA -l syslua %s --lock-timeout 0.3 </dev/null >said 2>&1; echo $? >code
          if grep -q "is locked" said; then
            timeout -s INT 3 $LUA -l syslua %s </dev/null >said2 2>&1; echo $? >code2
          fi
          kill $holder]]):format(process.quote(lock), words, words)
        here.shell("rm -f code2; " .. line)
        local code = tonumber(here.read("code"))
        local about = ("%s with %s: %s"):format(words, lock, here.read("said"))
        assert.is_true(code < 124, about)
        if here.exists("code2") then
          waited = waited + 1
          assert.equal(1, code, about)
          -- `timeout` says 124 when it had to send the signal.
          contains(here.read("said2"), "nterrupted")
        end
      end
    end
    assert.is_true(waited > 3, waited .. " commands waited")
  end)

  it("is taken on a descriptor that can be written", function()
    if not process.has("strace") then
      return
    end
    here.write_config([[file({ path = "~/.one", content = "two" })]])
    local line = "strace -f -y -e trace=flock,openat -o trace $LUA -l syslua apply init.lua"
    assert.equal(0, here.shell(line).code)
    local exclusive = 0
    local flags = {}
    for text in here.read("trace"):gmatch("[^\n]+") do
      local path, how, opened = text:match('openat%(.-"([^"]*)", ([%u_|]+).-= (%d+<[^>]*>)')
      if path then
        flags[opened] = how
      end
      local locked = text:match("flock%((%d+<[^>]*>), LOCK_EX")
      if locked then
        exclusive = exclusive + 1
        contains(flags[locked] or "", "O_RDWR")
      end
    end
    assert.is_true(exclusive > 0)
  end)
end)
