--- What other users put where root's commands read: whatever it is, these end soon, need little
-- memory, and leave what belongs to others alone.

local json = require("dkjson")
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local text_checks = require("spec.support.text_checks")

local contains, contains_none = text_checks.contains, text_checks.contains_none

local user = "syslua-test"
-- The same again with SYSLUA_SEED; `SYSLUA_SWEEP=all` tries more.
local seed = tonumber(os.getenv("SYSLUA_SEED")) or os.time()
local rounds = os.getenv("SYSLUA_SWEEP") and 40 or 3

-- Limits of a command: far over what it needs, and far below what it would need for what lies
-- there.
local seconds, kilobytes = 120, 400000

local function new_random()
  local state = seed % 2147483647
  return function(most)
    state = (state * 48271) % 2147483647
    return state % most + 1
  end
end

-- What a user can leave in a directory of theirs, as lines of the shell; NAME is one that nothing
-- has, ROOT the root.
local pieces = {
  "truncate -s 8T NAME",
  "mkfifo NAME",
  "mkfifo NAME.json; mkfifo snapshot.json 2>/dev/null",
  "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"NAME\")'",
  "ln -s / NAME",
  "ln -s NAME NAME",
  "ln -s ROOT/store/obj NAME; ln -s ROOT/store/metadata/snapshots NAME.2",
  "ln -s ROOT/store/metadata/gc-roots/users NAME",
  "ln -s /dev/zero NAME; ln -s /proc/kmsg NAME.2; ln -s /dev/tty NAME.3",
  "mkdir NAME; chmod 0 NAME",
  "mkdir NAME; ln -s /etc/passwd NAME/a; chmod 111 NAME",
  "echo text >NAME; chmod 0 NAME",
  "head -c 3000000 /dev/urandom >NAME",
  'ln -s "$(printf "new\\nline \\033[31m \\377")" "$(printf "NAME\\n\\033")"',
  -- As long as names and targets can be, and many.
  'python3 -c \'import os\nfor n in range(6000): os.symlink("x" * 4000, '
    .. '"NAME" + "y" * 200 + str(n))\'',
  "python3 -c 'import os\nfor n in range(120000): os.symlink(str(n), \"NAME\" + str(n))'",
  -- Deeper than any path.
  'python3 -c \'import os\nfor n in range(3000): os.mkdir("d" * 100); os.chdir("d" * 100)\'',
  'python3 -c \'import os\nfor n in range(3000): os.mkdir("NAME" + str(n)); os.symlink("x", '
    .. '"NAME" + str(n) + "/x")\'',
}

-- Goes on until it is ended: entries come, go and become something else.
local swapping = [[
import os, random, time
source, end = random.Random(SEED), time.time() + 300
names = ["swap%d" % n for n in range(20)]
while time.time() < end:
    name = source.choice(names)
    try:
        choice = source.randrange(6)
        if choice == 0: os.mkdir(name)
        elif choice == 1: os.symlink("ROOT/store/obj/OBJECT", name)
        elif choice == 2: os.symlink("/", name)
        elif choice == 3: os.rename(name, source.choice(names))
        elif choice == 4: os.rmdir(name)
        else: os.unlink(name)
    except OSError:
        pass
]]

describe("what other users wrote #root #once", function()
  local here, roots, object

  before_each(function()
    here = machine.new()
    here.shell("chmod 755 .")
    here.apply([[
      local low = derive({ name = "low", config = function(_, ctx) ctx.write(ctx.out, "low") end })
      local high = derive({ name = "high", opts = { low }, config = function(_, ctx)
        ctx.write(ctx.out, "high")
      end })
      activate({ config = function(_, ctx) ctx.symlink(high.out, "~/.high") end })
    ]])
    local uid = here.shell("id -u " .. user).stdout:match("%d+")
    roots = here.root .. "/store/metadata/gc-roots/users/" .. uid
    here.shell(("mkdir -p %s && chown %s: %s && chmod 711 %s/.."):format(roots, user, roots, roots))
    object = machine.get_object(here, "low")
  end)

  after_each(function()
    -- Trees that are too deep for rm by one path.
    here.shell("find " .. process.quote(roots) .. " -mindepth 1 -depth -delete 2>/dev/null")
    here.remove()
  end)

  local function as_user(line)
    local words = "cd %s && setpriv --reuid=%s --regid=%s --init-groups sh -c %s"
    return here.shell(words:format(process.quote(roots), user, user, process.quote(line)))
  end

  local function fill(text, number)
    local function of(name)
      return ({ NAME = "n" .. number, ROOT = here.root, OBJECT = object, SEED = seed })[name]
    end
    return (text:gsub("%u%u%u%u+", of))
  end

  -- Runs a command of root within the limits.
  local function run(words, about)
    local line = "/usr/bin/time -f '%%M KB' timeout %d $LUA -l syslua %s"
    local result = here.shell(line:format(seconds, words))
    about = ("%s: %s\nseed %d\n%s"):format(words, about, seed, result.stderr)
    assert.is_true(result.code < 124, about)
    local memory = tonumber(result.stderr:match("(%d+) KB"))
    assert.is_true(memory < kilobytes, about)
    contains_none(result.stdout .. result.stderr, "\27")
    contains_none(result.stderr, "panic")
    return result, about
  end

  local function check_all(about)
    for _, words in ipairs({
      "gc --dry-run",
      "status",
      "verify",
      "why '~/.high'",
      "info " .. machine.get_object(here, "high"),
      "history",
    }) do
      local result, message = run(words, about)
      assert.is_true(result.code <= 1, message)
    end
    local result, message = run("gc --json", about)
    assert.equal(0, result.code, message)
    assert.equal("table", type(json.decode(result.stdout)), message)
    assert.equal("high", here.read("home/.high"), message)
  end

  it("in the directory of their roots is read with limits, and stays", function()
    local random = new_random()
    for round = 1, rounds do
      local chosen = {}
      for number = 1, 5 do
        local text = fill(pieces[random(#pieces)], round .. "x" .. number)
        chosen[#chosen + 1] = text
        as_user(text)
      end
      local about = table.concat(chosen, "\n")
      local before =
        here.shell("find " .. roots .. " | wc -l; find " .. roots .. " | md5sum").stdout
      check_all(about)
      local after = here.shell("find " .. roots .. " | wc -l; find " .. roots .. " | md5sum").stdout
      assert.equal(before, after, about)
      here.shell("find " .. roots .. " -mindepth 1 -depth -delete 2>/dev/null")
    end
  end)

  it("may change while it is read", function()
    here.write("swap.py", fill(swapping, 0))
    here.shell("chmod 644 swap.py")
    local line = "cd %s && setpriv --reuid=%s --regid=%s --init-groups python3 %s/swap.py "
      .. ">/dev/null 2>&1 & echo $!"
    local pid = here.shell(line:format(roots, user, user, here.directory)).stdout:match("%d+")
    here.write("home/precious", "precious")
    for _ = 1, rounds do
      check_all("names are exchanged")
    end
    here.shell("kill " .. pid)
    assert.equal("precious", here.read("home/precious"))
  end)

  it("holds objects by the words of processes, however many and long these are", function()
    -- Each with as much as the system takes, and one that names the object.
    local text = [[
import os, subprocess
long = {"V%d" % n: "x" * 120000 for n in range(14)}
for number in range(60):
    held = "ROOT/store/obj/OBJECT" if number == 30 else ""
    subprocess.Popen(["sleep", "300"], env=dict(long, HELD=held))
]]
    here.write("many.py", fill(text, 0))
    here.shell("chmod 644 many.py")
    -- All of them are in a session of their own, which is ended at the end.
    local line = "setsid setpriv --reuid=%s --regid=%s --init-groups python3 %s/many.py >/dev/null "
      .. "2>&1; pgrep -u %s -x sleep | tr '\\n' ' '"
    local pids = here.shell(line:format(user, user, here.directory, user)).stdout
    local result = run("gc --json", "many processes")
    here.shell("kill " .. pids)
    assert.equal(0, json.decode(result.stdout).removed, result.stdout)
    assert.equal(1, json.decode(here.must("gc", "--json").stdout).removed)
  end)

  it("is no root for root to work in", function()
    here.shell(("cp -a root theirs && chown -R -h %s theirs"):format(user))
    here.environment.SYSLUA_ROOT = here.directory .. "/theirs"
    for _, words in ipairs({ "gc", "status", "verify", "apply init.lua", "destroy --yes" }) do
      local result, message = run(words, "a root of another user")
      assert.is_true(result.code ~= 0, message)
      contains(result.stderr, user)
    end
  end)

  it("is no closure that costs more than its limits", function()
    local closures = {
      { "truncate -s 1T closure", "a file without end" },
      { "mkfifo closure; (sleep 5 >closure &)", "a pipe" },
      { "head -c 100000000 /dev/zero >closure", "zeros" },
      {
        'printf \'{"format":"syslua-closure","version":1,\' >closure; yes \'[\' | '
          .. "head -c 80000000 >>closure",
        "brackets",
      },
      { "head -c 30000000 /dev/zero | zstd -q >closure", "another format" },
      { "ln -s /dev/zero closure", "a device" },
    }
    for _, pair in ipairs(closures) do
      as_user("rm -f closure; " .. pair[1])
      local result = run("import closure " .. roots .. "/closure", pair[2])
      assert.equal(1, result.code, pair[2] .. result.stderr)
    end
  end)
end)
