--- Random hostile builds: what is outside of them stays as it is, and what they publish is clean.
-- `SYSLUA_SEED=7` repeats a run, `SYSLUA_SWEEP=all` builds many more. The other specs beside this
-- one try known attacks one by one; here they meet in one build.

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local random_numbers = require("spec.support.random")

local seed = tonumber(os.getenv("SYSLUA_SEED")) or os.time()
local is_whole = os.getenv("SYSLUA_SWEEP") == "all"
local builds = is_whole and 400 or 8

-- What a build works on: its outputs, its directories, and places where it has no business.
local own = {
  "$out",
  "$out/a",
  "$out/a/b",
  "$doc",
  "$doc/a",
  "$(dirname $out)/x",
  "$(dirname $out)",
  "$PWD/y",
  "$PWD",
  "$out/-n",
  "'$out/ b'",
  "/tmp/t",
}
local foreign = {
  "$G/home/file",
  "$G/home/open",
  "$G/home/dir",
  "$G/home",
  "$G/conf/init.lua",
  "$G/conf/source",
  "$G/root/store",
  "$G/root/store/obj",
  "$G/root/store/obj/*",
  "$G/root/store/metadata",
  "$G/root/store/info",
  "$G/root",
  "$G/outside/file",
  "$G/outside",
  "$out/../../../../outside/file",
  "$PWD/../../../../outside/file",
  "/proc/$VICTIM/root$G/outside/file",
  "/proc/$VICTIM/cwd/file",
  "/proc/self/root$G/outside",
  "/dev/shm/syslua-$MARK",
  "/etc",
  "/usr/bin/env",
}

local deep = 'import os\nfor i in range(%d):\n os.mkdir("d"); os.chdir("d")'
local socket_at = "import socket,sys\ns = socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[1])"
local socket_node = "import os,stat,sys; os.mknod(sys.argv[1], stat.S_IFSOCK | 0o777)"
local abstract = "import os,socket,time\ns = socket.socket(socket.AF_UNIX)\n"
  .. 's.bind("\\0" + os.environ["MARK"]); s.listen(); time.sleep(1)'
local trace = 'import ctypes,os\nvictim = int(os.environ["VICTIM"])\n'
  .. "l = ctypes.CDLL(None)\nif l.ptrace(16, victim, 0, 0) == 0: os.kill(victim, 9)"
local odd_name = 'import os; open(os.environb[b"out"] + b"/\\xff\\xfe\\n", "w")'
local python = "/usr/bin/python3 -c '%s' %s"

-- A process that swaps an output for a link, and back, for as long as it lives.
local swapper = "(setsid sh -c 'while :; do mv %s %s.t; ln -s %s %s; rm %s; mv %s.t %s; done' "
  .. "$MARK >/dev/null 2>&1 </dev/null &)"

-- The steps of a recipe. Each is a function of `pick`, which takes an item of a list, and of two
-- places; the step changes the second.
local steps = {
  function(_, a, b)
    return "cp -a " .. a .. " " .. b
  end,
  function(_, _, b)
    return "mkdir -p " .. b
  end,
  function(_, _, b)
    return "echo text >>" .. b
  end,
  function(_, _, b)
    return "rm -rf " .. b
  end,
  function(_, a, b)
    return "mv " .. a .. " " .. b
  end,
  function(_, a, b)
    return "mv -T " .. a .. " " .. b
  end,
  function(_, a, b)
    return "ln " .. a .. " " .. b
  end,
  function(_, a, b)
    return "ln -sfn " .. a .. " " .. b
  end,
  function(_, a, b)
    return ("rm -rf %s; ln -s %s %s; echo text >%s/new; chmod 777 %s"):format(b, a, b, b, b)
  end,
  function(pick)
    local way = pick({ "..", ".", "/dev/null", "/proc/self/root", "a/../../../..", "/proc/1/cwd" })
    return "ln -sfn " .. way .. " " .. pick(own)
  end,
  function(_, _, b)
    return "mkfifo " .. b
  end,
  function(pick, _, b)
    return "mknod " .. b .. " " .. pick({ "p", "c 1 3", "b 8 0" })
  end,
  function(pick, _, b)
    return python:format(pick({ socket_at, socket_node }), b)
  end,
  function(pick)
    return python:format(pick({ abstract, trace }), "")
  end,
  function(pick, _, b)
    local modes = { "000", "4755", "2755", "1777", "u+s", "777", "-R a-rwx", "-R 7777", "g+s" }
    return "chmod " .. pick(modes) .. " " .. b
  end,
  function(pick, _, b)
    return pick({ "chown -h 0:0 ", "chown 1000:100 ", "chgrp 1 " }) .. b
  end,
  function(_, _, b)
    return "touch -h -d 2100-01-01 " .. b
  end,
  function(pick, _, b)
    return "truncate -s " .. pick({ "0", "1", "300K", "9M" }) .. " " .. b
  end,
  function(_, _, b)
    return "dd if=/dev/zero bs=1 count=9 conv=notrunc of=" .. b
  end,
  function(pick, _, b)
    local name = pick({ "user.x", "trusted.x", "security.capability", "system.posix_acl_access" })
    return "setfattr -n " .. name .. " -v 0x0100 " .. b
  end,
  function(pick, _, b)
    return pick({ "chattr +i ", "setfacl -m u:0:rwx ", "setfattr -x user.guard " }) .. b
  end,
  function(pick)
    return "cd " .. pick(own) .. " && " .. python:format(deep:format(pick({ 40, 900 })), "")
  end,
  function(pick)
    return "cd " .. pick(own)
  end,
  function(pick)
    return "cd " .. pick(own) .. " && mkdir " .. ("n"):rep(pick({ 200, 255, 256 }))
  end,
  function()
    return python:format(odd_name, "")
  end,
  function(pick, a)
    local b = pick({ "$out", "$out/a", "$doc" })
    return swapper:format(b, b, a, b, b, b, b)
  end,
  function()
    return "(setsid sh -c 'sleep 300; :' $MARK >/dev/null 2>&1 </dev/null &)"
  end,
  function()
    return "(sh -c 'trap \"\" TERM HUP INT; while :; do echo x >>$out/a; sleep 0.01; done' $MARK &)"
  end,
  function(pick)
    return pick({ "kill -9 -1", "kill -9 $VICTIM", "kill -STOP $VICTIM", "kill -9 0" })
  end,
  function(pick)
    return pick({ "umask 000", "umask 777", "exec 0<&- 1>&- 2>&-", "ulimit -n 3", "ulimit -f 0" })
  end,
  function(pick, _, b)
    local unshared = { "unshare -Urm ", "unshare -Ur chroot /proc/1/root ", "nsenter -t 1 -m " }
    return pick(unshared) .. "sh -c 'echo x >" .. b .. "; rm -rf " .. b .. "'"
  end,
  function(_, a, b)
    return "mount --bind " .. a .. " " .. b .. "; umount -l " .. b
  end,
  function(_, _, b)
    return "tar -cf - -C / etc/hostname | tar -xf - -C " .. b
  end,
  function(_, a, b)
    return "i=0; while [ $i -lt 200 ]; do ln -sfn " .. a .. " " .. b .. "$i; i=$((i+1)); done"
  end,
}
-- These end the shell, or leave it without anything: more would follow in vain.
local beginnings = {
  "mkdir -p $out/a $doc; echo t >$out/a/b",
  "echo t >$out; echo t >$doc",
  "mkdir $out; ln -s $out/a $doc; echo t >$out/a",
  "ln -s $G/outside $out; ln -s $G/outside/file $doc",
  "mkdir $out $doc",
}

local function make_recipe(draw)
  local function pick(list)
    return list[draw(#list)]
  end
  local function place()
    return pick(draw(5) <= 2 and foreign or own)
  end
  local lines = {}
  if draw(6) > 1 then
    lines[1] = pick(beginnings)
  end
  for _ = 1, draw(8) do
    lines[#lines + 1] = pick(steps)(pick, place(), place())
  end
  lines[#lines + 1] = draw(3) > 1 and ":" or "mkdir -p $out $doc"
  return table.concat(lines, "\n")
end

-- Builds one recipe. `ops` is what `ctx` does after the program, in trees that its processes may
-- still change.
local builder = [==[
  local number, level, text, ops, variables = %d, %q, %q, %q, { G = %q, MARK = %q, VICTIM = %q }
  local succeeded, got = pcall(function()
    return syslua.build(syslua.derive({
      name = "odd",
      outputs = { "out", "doc" },
      opts = { number, text, ops, variables },
      config = function(opts, ctx)
        local out, doc = ctx.outputs.out, ctx.outputs.doc
        local succeeded, problem = pcall(function()
          ctx.run({ "/bin/sh", "-c", "out=$1 doc=$2; " .. opts[2], "sh", out, doc },
            { timeout = 2, env = opts[4] })
        end)
        local calls = {
          function() ctx.write(out .. "/a/b", "w") end,
          function() ctx.copy(out, "z") end,
          function() ctx.chmod(out, "755") end,
          function() ctx.list(out) end,
          function() ctx.read(out .. "/a") end,
          function() ctx.mkdir(out .. "/m/n") end,
          function() ctx.remove(out .. "/a") end,
          function() ctx.move(out .. "/a", out .. "/mv") end,
          function() ctx.copy(out .. "/a", doc .. "/c") end,
          function() ctx.write(out .. "/../x", "w") end,
        }
        for op in opts[3]:gmatch("%%d+") do
          pcall(calls[tonumber(op)])
        end
        -- A recipe that fails publishes what it has as well, in half of all cases.
        if not succeeded and opts[1] %% 2 == 0 then
          error(problem, 0)
        end
      end,
    }), { sandbox = level })
  end)
  print(succeeded and "built" or tostring(got))
]==]

-- The guarded files. Some are open to all, so that only the sandbox protects them.
local furnish = [[
  umask 022; mkdir -p home/dir outside/sub conf/source
  echo secret >home/file; echo open >home/open; chmod 600 home/file; chmod 666 home/open
  echo in >home/dir/in; ln -s ../file home/dir/link; mkfifo home/fifo
  echo 'return {}' >conf/init.lua
  echo out >outside/file; echo x >outside/sub/x; chmod 777 outside outside/sub
  echo source >conf/source/file; chmod 777 conf/source; chmod 666 outside/file conf/source/file
  setfattr -n user.guard -v x outside/file home/open 2>/dev/null; chmod 755 .
  cd outside; sleep 1000 >/dev/null 2>&1 & echo $! >../victim
]]

-- Level `landlock` does not protect the modes of files that the builds' user owns: gives the right
-- to read back to what took it from others, and leaves the objects read-only.
local open_again = [[
  chmod -R u+rX home conf outside root
  find root -path root/store/obj -prune -o -type d -exec \
    chmod u+w {} +; find root/store/obj -mindepth 1 ! -type l -exec chmod a-w {} +
]]

-- Prints what no build may change: `find` prints the rights and the times too, where `$FORM` names
-- them. Builds have their results, logs and records in some directories of the root. Without the
-- right to write there, the directory of a build stays.
local look = [[
  find home conf outside victim root -mindepth 1 -regextype posix-extended \
    -regex 'root/store/(drv.*|locks|log|staging|tmp|info|obj|b..|metadata|quarantine)' -prune -o \
    -printf "$FORM" |
    grep -v '^root/store ' | LC_ALL=C sort
  find home conf outside -type f -exec sha256sum {} + | LC_ALL=C sort
  ls -A . root; ls -A root/store | grep -v '^b..$\|quarantine'
  ls -A root/store/metadata | grep -v lock
  [ "$GUARDED" = no ] || ls -A root/store/staging root/store/tmp | grep -v :
  ls -A /tmp /dev/shm | grep -F "$MARK"
  kill -0 $VICTIM && sed 's/.*) \(.\).*/\1/; s/R/S/' /proc/$VICTIM/stat
  for p in /proc/[0-9]*/cmdline; do tr '\0' ' ' <$p 2>/dev/null | grep " $MARK \$" && echo $p; done
]]

-- Prints the objects, which only become more.
local list_objects = [[
  find root/store/obj root/store/info -mindepth 1 -printf "$FORM" | LC_ALL=C sort
  find root/store/obj root/store/info -type f -exec sha256sum {} + | LC_ALL=C sort
]]

-- Prints what no object may be: open to others or writable, or neither a file, directory nor link.
-- An object is set aside when another build publishes the same and finds it damaged.
local list_odd = [[
  find root/store/obj -mindepth 1 ! -type l \
    \( -perm /7222 -o ! -type f ! -type d -o ! -user "$(id -u)" \)
  [ "$GUARDED" = no ] || ls root/store/quarantine 2>/dev/null
]]

-- Returns the lines of one text that another does not have.
local function get_missing(from, to)
  local missing = {}
  for line in from:gmatch("[^\n]+") do
    if not ("\n" .. to):find("\n" .. line .. "\n", 1, true) then
      missing[#missing + 1] = line
    end
  end
  return table.concat(missing, "\n")
end

local function tests(is_root)
  local here = machine.for_each_test(function(here)
    assert(here.shell(furnish).code == 0)
  end)

  local function build_at_random(level)
    local draw = random_numbers.new(seed)
    local victim = here.read("victim"):match("%d+")
    local mark = ("syslua-%d-%s"):format(seed, victim)
    local is_guarded = is_root or level == "require"
    local variables = {
      GUARDED = is_guarded and "yes" or "no",
      FORM = "%p %y " .. (is_guarded and "%m %T@ " or "") .. "%U:%G %s %n %l\n",
      MARK = mark,
      VICTIM = victim,
    }
    -- The root and an object exist before.
    here.script(
      'syslua.build(syslua.derive({ name = "first", config = function(_, ctx) '
        .. 'ctx.mkdir(ctx.out); ctx.write(ctx.out .. "/file", "text") end }))'
    )
    local before, objects = nil, here.shell(list_objects, variables).stdout
    local built = 0
    for number = 1, builds do
      local recipe, ops = make_recipe(draw), {}
      for index = 1, draw(4) - 1 do
        ops[index] = draw(10)
      end
      local what = ("SYSLUA_SEED=%d, build %d:\n%s\nctx: %s\n"):format(
        seed,
        number,
        recipe,
        table.concat(ops, " ")
      )
      local script =
        builder:format(number, level, recipe, table.concat(ops, " "), here.directory, mark, victim)
      here.write("build.lua", 'local syslua = require("syslua")\n' .. script)
      before = before or here.shell(look, variables).stdout
      local result = here.lua("build.lua")
      assert.equal(0, result.code, what .. result.stderr)
      assert.is_nil(result.stdout:find("panic", 1, true), what .. result.stdout)
      if not is_guarded then
        here.shell(open_again)
      end
      built = built + (result.stdout == "built\n" and 1 or 0)
      local after, now =
        here.shell(look, variables).stdout, here.shell(list_objects, variables).stdout
      assert.equal("", get_missing(before, after) .. get_missing(after, before), what)
      assert.equal("", get_missing(objects, now), what)
      objects = now
      assert.equal("", here.shell(list_odd, variables).stdout, what)
    end
    -- The recipes are not so bad that nothing is published.
    assert.is_true(built > builds / 8, ("seed %d: %d of %d built"):format(seed, built, builds))
    if is_guarded then
      here.must("verify")
    end
    -- A program of a spec beside this one may name the same objects, which keeps them for a moment.
    local left
    for _ = 1, 20 do
      here.must("gc")
      left = here.shell("ls root/store/obj").stdout
      if left == "" then
        break
      end
      here.shell("sleep 0.2")
    end
    assert.equal("", left)
    here.shell("kill " .. victim)
  end

  it("change nothing outside", function()
    print("SYSLUA_SEED=" .. seed)
    build_at_random("require")
    process.run({ "kill", (here.read("victim"):match("%d+")) })
    here.renew()
    build_at_random("landlock")
  end)
end

describe("random hostile builds #once", function()
  tests(false)
end)

describe("random hostile builds of root #root #once", function()
  tests(true)
end)
