--- What a jail of a build holds: its network, what `read` shows in it, and what others keep in the
-- kernel. Each attempt runs at both levels, also as root.

local machine = require("spec.support.machine")
local process = require("spec.support.process")

-- Calls that no program of the shell makes; prints `NAME: what it got`.
local attempts = [[
import ctypes, fcntl, os, resource, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
victim, key = int(sys.argv[1]), int(sys.argv[2])
def call(*words):
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in words]
    if libc.syscall(*words) < 0:
        raise OSError(ctypes.get_errno(), "")
def by_name(name, *words):
    function = getattr(libc, name)
    if function(*words) == -1:
        raise OSError(ctypes.get_errno(), "")
def push():
    for path in ("/dev/tty", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"):
        try:
            fcntl.ioctl(os.open(path, os.O_RDWR | os.O_NOCTTY), 0x5412, b"x")
            return
        except OSError as error:
            last = error
    raise last
def abstract(kind):
    socket.socket(socket.AF_UNIX, kind).connect("\0syslua-" + str(key))
limit = struct.pack("QQ", 16, 16)
tries = {
    "abstract stream": lambda: abstract(socket.SOCK_STREAM),
    "abstract datagram": lambda: abstract(socket.SOCK_DGRAM),
    "shared memory": lambda: by_name("shmget", key, 0, 0),
    "semaphores": lambda: by_name("semget", key, 0, 0),
    "messages": lambda: by_name("msgget", key, 0),
    "posix messages": lambda: by_name("mq_open", b"/syslua-%d" % key, os.O_RDONLY),
    "terminal": push,
    "keys": lambda: by_name("syscall", ctypes.c_long(NR["keyctl"]), ctypes.c_long(0),
        ctypes.c_long(-3), 0),
    "limits": lambda: resource.prlimit(victim, resource.RLIMIT_NOFILE, (16, 16)),
    "limits of the first": lambda: resource.prlimit(1, resource.RLIMIT_NOFILE, (16, 16)),
    "priority": lambda: os.setpriority(os.PRIO_PROCESS, victim, 19),
    "priority of a user": lambda: os.setpriority(os.PRIO_USER, 0, 19),
    "processors": lambda: os.sched_setaffinity(victim, {0}),
    "scheduler": lambda: os.sched_setscheduler(victim, os.SCHED_IDLE, os.sched_param(0)),
    "disk": lambda: by_name("syscall", ctypes.c_long(NR["ioprio_set"]), 1, victim, 3 << 13),
    "signal": lambda: os.kill(victim, 0),
    "memory": lambda: open("/proc/%d/mem" % victim, "rb"),
    "users": lambda: by_name("unshare", 0x10000000),
}
for name in sorted(tries):
    try:
        tries[name]()
        print(name + ": allowed")
    except OSError as error:
        print(name + ": " + os.strerror(error.errno))
]]

local numbers = {
  x86_64 = 'NR = { "keyctl": 250, "ioprio_set": 251 }\n',
  aarch64 = 'NR = { "keyctl": 219, "ioprio_set": 30 }\n',
}

-- A process with everything that a build could reach: prints its number, then waits.
local others = [[
import ctypes, os, socket, sys, time
key = int(sys.argv[1])
libc = ctypes.CDLL(None)
assert libc.shmget(key, 4096, 0o1666) >= 0
assert libc.semget(key, 1, 0o1666) >= 0 and libc.msgget(key, 0o1666) >= 0
assert libc.mq_open(b"/syslua-%d" % key, os.O_CREAT | os.O_RDWR, 0o666, None) >= 0
sockets = []
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    sockets.append(socket.socket(socket.AF_UNIX, kind))
    sockets[-1].bind("\0syslua-" + str(key) + str(kind))
print(os.getpid(), flush=True)
sys.stdin.read()
libc.shmctl(libc.shmget(key, 0, 0), 0, None); libc.semctl(libc.semget(key, 0, 0), 0, 0)
libc.msgctl(libc.msgget(key, 0), 0, None); libc.mq_unlink(b"/syslua-%d" % key)
]]

local function build(here, level, lines, ...)
  here.write_config(
    ([[
    derive({ name = "jailed", opts = { level = %q }, config = function(_, ctx)
      %s
    end })
  ]]):format(level, lines),
    "conf/init.lua"
  )
  return here.run("build", "conf/init.lua", "--sandbox", level, ...)
end

local function tests(levels)
  local here = machine.for_each_test(function(here)
    -- Root's builds at level `landlock` are users to whom a closed directory is closed.
    here.shell("chmod 755 .")
    here.write("home/secret", "treasure\n")
  end)

  local function must_build(level, lines)
    local result = build(here, level, lines)
    assert.equal(0, result.code, result.stderr)
    return here.read(result.stdout:match("[^\n]+"))
  end

  it("reaches nothing that other processes keep in the kernel", function()
    local machine_numbers = numbers[process.run_line("uname -m").stdout:match("%S+")]
    if not machine_numbers then
      pending("the numbers of system calls are not known here")
      return
    end
    local key = math.random(0x10000000, 0x7fffffff)
    here.write("tools/attempts.py", machine_numbers .. attempts)
    here.write("others.py", others)
    here.shell("mkfifo wait")
    here.shell(
      (
        "python3 others.py %d <wait >number 2>error & exec 9>wait; sleep 100 >/dev/null 2>&1 & "
        .. "echo $! >holder"
      ):format(key)
    )
    local number
    for _ = 1, 100 do
      number = (here.read("number") or ""):match("%d+")
      if number then
        break
      end
      here.shell("sleep 0.02")
    end
    assert.truthy(number, here.read("error"))
    local before =
      here.shell(("cat /proc/%s/limits; ps -o ni= -p %s"):format(number, number)).stdout
    for _, level in ipairs(levels) do
      local tool = here.directory .. "/tools"
      local got = must_build(
        level,
        ([[
        local tool = { read = { %q } }
        ctx.write(ctx.out, ctx.run({ "/usr/bin/python3", %q, %q, %q }, tool))
      ]]):format(tool, tool .. "/attempts.py", number, tostring(key))
      )
      local count = 0
      for name, what in got:gmatch("([^\n:]+): ([^\n]+)") do
        count = count + 1
        -- Other processes of the build are its own: their priority is too.
        local is_own = level == "require" and name == "priority of a user"
        assert.is_true(what ~= "allowed" or is_own, level .. ": " .. name .. ": " .. what)
      end
      assert.equal(18, count, got)
    end
    assert.equal(
      before,
      here.shell(("cat /proc/%s/limits; ps -o ni= -p %s"):format(number, number)).stdout
    )
    here.shell("kill $(cat holder); sleep 0.2; kill " .. number)
  end)

  it("shows what `read` names, and no more", function()
    here.write("home/tree/file", "in the tree\n")
    here.shell("ln -s ../secret home/tree/link; ln -s tree home/linked; ln -s loop home/loop")
    local home = here.home
    for _, level in ipairs(levels) do
      local got = must_build(
        level,
        ([[
        local home, lines = %q, {}
        local function try(line, path)
          local succeeded, got = pcall(ctx.run, line, { read = { path } })
          lines[#lines + 1] = succeeded and got:gsub("\n$", "") or "refused"
        end
        try("cat " .. home .. "/linked/file", home .. "/linked")
        try("cat " .. home .. "/tree/file", home .. "/linked")
        try("cat " .. home .. "/tree/link", home .. "/tree")
        try("cat " .. home .. "/tree/link", home .. "/tree/link")
        try("cat " .. home .. "/tree/file", home .. "/tree/link")
        try("true", home .. "/loop")
        try("echo x >" .. home .. "/tree/file", home .. "/tree")
        -- It is over when its command is.
        try("cat " .. home .. "/tree/file", "/usr")
        ctx.write(ctx.out, table.concat(lines, "\n"))
      ]]):format(home)
      )
      assert.same({
        "in the tree",
        "in the tree",
        "refused",
        "treasure",
        "refused",
        "refused",
        "refused",
        "refused",
      }, {
        got:match(("([^\n]*)\n?"):rep(8)),
      }, level)
    end
    assert.equal("in the tree\n", here.read("home/tree/file"))
  end)

  it("keeps what is its own when `read` names all around it", function()
    for _, level in ipairs(levels) do
      for _, path in ipairs({ "/", here.directory, here.root, here.root .. "/store" }) do
        -- A build of root reads no directory that is closed to its user.
        local is_open = process.run_line("[ $(stat -c %a " .. path .. " | tail -c 2) -ge 5 ]").code
          == 0
        if is_open then
          local got = must_build(
            level,
            ([[
            local line = "echo own >file && echo mine >$out && ! echo x 2>/dev/null >%s/new"
            ctx.run({ "/bin/sh", "-c", line }, { read = { %q } })
            ctx.run("[ $(cat file) = own ]")
          ]]):format(path == "/" and "" or path, path)
          )
          assert.equal("mine\n", got, level .. " " .. path)
          if level == "require" and path == "/" then
            got = must_build(
              level,
              [[ctx.write(ctx.out, ctx.run("ls /tmp /dev/shm; ls -d /proc/[0-9]* | wc -l", { ]]
                .. [[read = { "/" } }))]]
            )
            -- Its shell, `ls`, `wc` and what the shell made for them.
            assert.truthy(
              got:match("/dev/shm:\n\n/tmp:\n") and tonumber(got:match("(%d+)%s*$")) < 8,
              got
            )
          end
        end
      end
    end
  end)

  it("is for each build as for the first, whatever those before it did", function()
    local look = [[
      # The kernel tells how many processes the machine has, and the user that a build of root is.
      for d in / /dev /dev/shm /tmp . $(dirname $out); do
        cd $d && ls -lan --time-style=+ | grep -v "^total\\| proc$" | tr -s " "; cd - >/dev/null
      done
      cut -d " " -f 5- /proc/self/mountinfo |
        sed "s,/store/b[0-9a-f]*,/store/B,; s,/store/tmp/[0-9a-f]*,/store/T,; s/[ug]id=[0-9]*//g"
      hostname; id; umask; echo $$; ls -d /proc/[0-9]*
      cat /proc/sysvipc/shm /proc/sysvipc/sem /proc/sysvipc/msg
    ]]
    local leave = [[
      here=$PWD; own=$(dirname $out)
      for d in / /dev /dev/pts /dev/shm /tmp /usr /etc /home /proc $own/.. $here/..; do
        mkdir $d/left-dir; echo left >$d/left-file; ln -s left $d/left-link; chmod 711 $d
        mv $d $d-moved
      done 2>/dev/null
      chmod 711 $own $here; chattr +A $own $here; touch -d @0 $own $here
      ipcmk -M 4096; ipcmk -S 1; ipcmk -Q; setsid sleep 1000 & echo left >$here/left; true
    ]]
    -- One after the other, by the same thread; each second one reads more than the others.
    local result = here.script(([[
      local syslua = require("syslua")
      local builds = {}
      for number = 1, 6 do
        builds[number] = syslua.derive({
          name = "jailed",
          opts = { number = number, last = builds[number - 1] },
          config = function(opts, ctx)
            local seen = ctx.run(%q)
            ctx.run(%q .. " >/dev/null 2>&1", opts.number %% 2 == 0 and { read = { %q } } or nil)
            ctx.write(ctx.out, seen)
          end,
        })
      end
      syslua.build(builds[#builds], { jobs = 1, sandbox = "require" })
    ]]):format(look, leave, here.home))
    assert.equal(0, result.code, result.stderr)
    -- All six became one object, since each of them saw the same.
    local found =
      here.shell("cat root/store/obj/*; ls root/store/obj | wc -l; ls root/store/drv-out | wc -l")
    local first, objects, recipes = found.stdout:match("^(.*\n)(%d+)\n(%d+)\n$")
    assert.equal("1", objects, first)
    assert.truthy(tonumber(recipes) >= 6)
    assert.truthy(first:match("build"), first)
    assert.falsy(first:match("left") or first:match("secret") or first:match("moved"), first)
  end)

  it(
    "has the network of the machine with `output_sha256`, and everything else of its own",
    function()
      local line = "for n in net pid ipc uts mnt user; do readlink /proc/self/ns/$n; done"
      local files = { "resolv.conf", "hosts", "nsswitch.conf", "services" }
      local function split(text)
        local lines = {}
        for found in text:gmatch("[^\n]+") do
          lines[#lines + 1] = found
        end
        return lines
      end
      local expected = split(process.run_line(line).stdout)
      for _, level in ipairs(levels) do
        here.write_config(
          ([[
        derive({ name = "jailed", output_sha256 = ("0"):rep(64), opts = { %q },
          config = function(_, ctx)
          local got = {}
          local function run(line) got[#got + 1] = (ctx.run(line .. " || true"):gsub("\n$", "")) end
          run(%q)
          for _, name in ipairs({ "resolv.conf", "hosts", "nsswitch.conf", "services" }) do
            run("sha256sum </etc/" .. name .. " | cut -c 1-64")
          end
          run("ls /etc/ssl/certs | wc -l")
          run("cat %s/secret 2>&1 | grep -c treasure")
          local sockets = "import socket; socket.socket(); print(1); socket.socket(socket.AF_UNIX)"
          run("/usr/bin/python3 -c '" .. sockets .. "' 2>&1 | grep -c 'Permission\\|^1'")
          error("<<<" .. table.concat(got, "\n") .. ">>>")
        end })
      ]]):format(level, line, here.home),
          "conf/init.lua"
        )
        local result = here.run("build", "conf/init.lua", "--sandbox", level)
        local text = result.stderr:match("<<<(.-)>>>")
        assert.truthy(text, result.stderr)
        local got = split((text:gsub("\n +", "\n")))
        for place = 1, 6 do
          local is_shared = place == 1 or level == "landlock"
          assert.equal(is_shared, got[place] == expected[place], level .. ": " .. got[place])
        end
        for index, name in ipairs(files) do
          local sum = process.run_line("sha256sum </etc/" .. name .. " | cut -c 1-64").stdout
          assert.equal(sum, got[6 + index] .. "\n", level .. ": " .. name)
        end
        assert.equal(process.run_line("ls /etc/ssl/certs | wc -l").stdout, got[11] .. "\n", level)
        assert.equal("0", got[12], level)
        assert.equal("2", got[13], level)
      end
    end
  )
end

describe("a jail #once", function()
  tests({ "require", "landlock" })
end)

describe("a jail of root #root #once", function()
  tests({ "require", "landlock" })
end)
