--- What a program of a build may touch: each attempt, and what it got.

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

-- What sockets need is at hand in Python only.
local python = [[
import os, socket, sys
what = sys.argv[1]
def attempt():
    if what == "tcp":
        socket.create_connection(("127.0.0.1", int(sys.argv[2])), 2)
    elif what == "listen":
        socket.socket().bind(("127.0.0.1", 0))
    elif what == "udp":
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))
    elif what == "raw":
        socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58)
    elif what == "vsock":
        socket.socket(40, socket.SOCK_STREAM)
    elif what == "ring":
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall(425, 1, 0) < 0: raise OSError(ctypes.get_errno(), "")
    elif what == "ptrace":
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.ptrace(16, int(sys.argv[2]), 0, 0) != 0: raise OSError(ctypes.get_errno(), "")
    elif what == "pair":
        a, b = socket.socketpair(); a.send(b"x"); assert b.recv(1) == b"x"
    elif what == "unix":
        socket.socket(socket.AF_UNIX)
    elif what == "datagrams":
        socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
try:
    attempt()
    print("allowed")
except OSError as error:
    print("refused:", os.strerror(error.errno))
]]

-- `require` is level `namespaces`.
local levels = { "require", "landlock" }

describe("the sandbox #once", function()
  local here, victim

  before_each(function()
    here = machine.new()
    here.write("home/.netrc", "secret\n")
    here.write("home/attempt.py", python)
    -- A process of the same user that is no part of any build.
    victim = process.run_line("sleep 100 >/dev/null 2>&1 & echo $!").stdout:match("%d+")
  end)

  after_each(function()
    process.run({ "kill", victim })
    here.remove()
  end)

  -- Builds with lines of `config`; `...` are words for the command.
  local function build(lines, ...)
    here.write_config(
      ([[
      local HOME, PYTHON, VICTIM = %q, { "python3", %q }, %q
      derive({ name = "one", config = function(_, ctx)
        local function sh(line)
          local _, failure = pcall(ctx.run, line)
          return failure and tostring(failure) or "allowed"
        end
        local function python(...)
          return (ctx.run({ PYTHON[1], PYTHON[2], ... }, { read = { PYTHON[2] } }):gsub("\n", ""))
        end
        %s
      end })
    ]]):format(here.home, here.home .. "/attempt.py", victim, lines),
      -- The home is not below the config's directory: such paths are refused.
      "conf/init.lua"
    )
    return here.run("build", "conf/init.lua", ...)
  end

  -- What each attempt got, as a table.
  local function try(attempts, level)
    -- Another recipe for each level.
    local lines = { "local results = {}", ("local _ = %q"):format(level) }
    for name, code in pairs(attempts) do
      lines[#lines + 1] = ("results[#results + 1] = %q .. ': ' .. (%s)"):format(name, code)
    end
    lines[#lines + 1] = 'ctx.write(ctx.out, table.concat(results, "\\n") .. "\\n")'
    local result = build(table.concat(lines, "\n"), "--sandbox", level)
    assert.equal(0, result.code, result.stderr)
    local text = here.read(result.stdout:match("[^\n]+"))
    local got = {}
    for name, what in text:gmatch("([^\n:]+): ([^\n]+)") do
      got[name] = what
    end
    return got
  end

  local function shell(line)
    return ("sh(%q)"):format("(" .. line .. ") >output 2>error || { cat error; exit 1; }")
  end

  it("lets a program do what builds need", function()
    local allowed = {
      ["write in the build directory"] = "sh('echo x >file && mkdir d && mv file d && rm -r d')",
      ["write an output"] = "sh('echo x >$out && rm $out && mkdir $out && echo x >$out/y && "
        .. "rm -r $out')",
      ["run a program of its own"] = "sh([[printf '#!/bin/sh\\nexit 0\\n' >p && "
        .. "chmod +x p && ./p]])",
      ["use /dev/null, zero and urandom"] = "sh('head -c 9 /dev/zero /dev/urandom >/dev/null')",
      ["read /etc and /usr"] = "sh('cat /etc/passwd /usr/bin/env >/dev/null && "
        .. "ls /etc >/dev/null')",
      ["read /proc/self"] = "sh('cat /proc/self/status >/dev/null && echo x | "
        .. "cat /dev/stdin >/dev/null')",
      ["find HOME in the build directory"] = 'sh(\'[ "$HOME" = "$PWD" ] && '
        .. '[ "$TMPDIR" = "$PWD" ]\')',
      ["end its own children"] = "sh('sleep 100 & kill $! && ! wait $!')",
      ["talk to its own children"] = "python('pair')",
    }
    for _, level in ipairs(levels) do
      for name, got in pairs(try(allowed, level)) do
        assert.equal("allowed", got, level .. ": " .. name)
      end
    end
  end)

  it("refuses files that are not the build's", function()
    local attempts = {
      ["write in HOME"] = shell("echo x >" .. here.home .. "/new"),
      ["write over a file of HOME"] = shell("echo x >>" .. here.home .. "/.netrc"),
      ["cut off a file of HOME"] = shell("truncate -s 0 " .. here.home .. "/.netrc"),
      ["remove a file of HOME"] = shell("rm -f " .. here.home .. "/.netrc"),
      ["write over an object"] = shell("echo x >" .. here.root .. "/store/obj/new"),
      ["write the database"] = shell("echo x >" .. here.root .. "/store/drv-out/new"),
      ["read HOME"] = shell("cat " .. here.home .. "/.netrc"),
      ["list HOME"] = shell("ls " .. here.home),
      ["read through a link"] = shell("ln -s " .. here.home .. "/.netrc link && cat link"),
      ["read through a hard link"] = shell("ln " .. here.home .. "/.netrc hard"),
      ["read /etc/shadow"] = shell("cat /etc/shadow"),
      ["read the memory of a process"] = shell("cat /proc/" .. victim .. "/environ"),
      ["read the disk"] = shell("ls /sys/block || cat /dev/mem || cat /dev/sda || cat /dev/vda"),
      ["run a program of HOME"] = shell(here.home .. "/attempt.py"),
    }
    for _, level in ipairs(levels) do
      for name, got in pairs(try(attempts, level)) do
        contains(name .. ": " .. got, "exit code")
      end
    end
    assert.equal("secret\n", here.read("home/.netrc"))
  end)

  it("refuses networks of every kind", function()
    local attempts = { ring = "python('ring')" }
    for _, what in ipairs({ "tcp", "listen", "udp", "raw", "vsock", "unix", "datagrams" }) do
      attempts[what] = ("python(%q, '9')"):format(what)
    end
    for _, level in ipairs(levels) do
      for what, got in pairs(try(attempts, level)) do
        local reason = what == "ring" and "Function not implemented" or "Permission denied"
        assert.equal("refused: " .. reason, got, level .. ": " .. what)
      end
    end
  end)

  it("refuses processes that are not the build's", function()
    local attempts = {
      ptrace = "python('ptrace', VICTIM)",
      kill = shell("kill " .. victim),
      limits = shell("prlimit --pid " .. victim .. " --nofile=16:16"),
      priority = shell("renice -n 19 -p " .. victim),
      processors = shell("taskset -p 1 " .. victim),
    }
    for _, level in ipairs(levels) do
      local got = try(attempts, level)
      -- It is not there, or it is not theirs.
      local reason = level == "require" and "No such process" or "Operation not permitted"
      assert.equal("refused: " .. reason, got.ptrace)
      for _, what in ipairs({ "kill", "limits", "priority", "processors" }) do
        contains(got[what], "exit code 1")
      end
    end
    assert.equal(0, process.run({ "kill", "-0", victim }).code)
  end)

  it("refuses what is in the directory of another build", function()
    here.write_config([[
      derive({ name = "secret", config = function(_, ctx)
        ctx.run("echo secret >note; sleep 1; touch $out")
      end })
      derive({ name = "curious", config = function(_, ctx)
        ctx.mkdir(ctx.out)
        ctx.run("sleep 0.5; cat ../*/note >$out/note 2>/dev/null; "
          .. "ls .. $out/../.. >$out/list 2>/dev/null; :")
      end })
    ]])
    for mode, note in pairs({ off = "secret\n", landlock = "", require = "" }) do
      local result = here.run("apply", "init.lua", "--jobs", "2", "--sandbox", mode)
      assert.equal(0, result.code, result.stderr)
      local path = "root/store/obj/" .. machine.get_object(here, "curious")
      assert.equal(note, here.read(path .. "/note"))
      local list = here.read(path .. "/list")
      assert.equal(mode == "landlock", list == "")
      -- The directories of both builds, or its own.
      local _, slots = list:gsub("%f[%w]%x%x%f[^%w]", "")
      assert.equal(({ off = 2, landlock = 0, require = 1 })[mode], slots, mode .. ": " .. list)
      here.shell("chmod -R u+w root; rm -rf root")
    end
  end)

  it("lets a program read what `read` names, and execute it", function()
    local result =
      build([[ctx.run(HOME .. "/attempt.py pair >$out", { read = { HOME .. "/attempt.py" } })]])
    assert.equal(1, result.code)
    here.write("home/tool", "#!/bin/sh\necho works\n")
    here.shell("chmod +x home/tool")
    result =
      build([[ctx.write(ctx.out, ctx.run({ HOME .. "/tool" }, { read = { HOME .. "/tool" } }))]])
    assert.equal(0, result.code, result.stderr)
    result = build([[ctx.run({ HOME .. "/tool" })]])
    contains(result.stderr, "home/tool is outside of what a build may read: name it in `read`")
    result = build([[ctx.run("true", { read = { "/no/such" } })]])
    contains(result.stderr, "cannot read /no/such: ")
  end)

  it("lets a program read sources, without what a filter left out", function()
    here.write("src/main", "main\n")
    here.write("src/deep/used", "used\n")
    here.write("src/deep/secret", "left out\n")
    here.write_config([[
      local src = source("src", { filter = function(path) return not path:find("secret") end })
      derive({ name = "one", opts = { src = src }, config = function(opts, ctx)
        ctx.run("cat $src/main $src/deep/used >$out; ! cat $src/deep/secret",
          { env = { src = opts.src } })
      end })
    ]])
    local result = here.run("build", "init.lua", "--sandbox", "require")
    assert.equal(0, result.code, result.stderr)
    assert.equal("main\nused\n", here.read(result.stdout:match("[^\n]+")))
  end)

  it("gives a program no file that Lua has open", function()
    here.write(
      "script.lua",
      [[
      local syslua = require("syslua")
      local file = assert(io.open(os.getenv("HOME") .. "/.netrc"))
      print(io.open(syslua.build(syslua.derive({ name = "one", config = function(_, ctx)
        ctx.run("ls /proc/self/fd >$out")
      end })).out):read("*a"))
      file:close()
    ]]
    )
    -- 3 is the directory that `ls` reads.
    assert.equal("0\n1\n2\n3\n\n", here.shell("$LUA script.lua").stdout)
  end)

  it("can be switched off, by flag and by variable", function()
    local lines = [[ctx.run("cat " .. HOME .. "/.netrc >$out")]]
    assert.equal(1, build(lines).code)
    assert.equal(0, build(lines, "--sandbox", "off").code)
    here.shell("chmod -R u+w root; rm -rf root")
    here.environment.SYSLUA_SANDBOX = "off"
    assert.equal(0, build(lines).code)
    here.environment.SYSLUA_SANDBOX = "on"
    local result = build(lines)
    assert.equal(2, result.code)
    contains(
      result.stderr,
      "SYSLUA_SANDBOX is `on`: the sandbox is `auto`, `require`, `landlock` or `off`"
    )
  end)

  it("is recorded with the object", function()
    for mode, level in pairs({ off = "off", landlock = "landlock", require = "namespaces" }) do
      local lines = ([[ctx.run("echo %s >$out")]]):format(mode)
      local path = build(lines, "--sandbox", mode).stdout:match("[^\n]+")
      local info = here.read("root/store/info/" .. path:match("[^/]+$") .. ".json")
      contains(info, '"sandbox": "' .. level .. '"')
      local shown = here.run("info", path:match("[^/]+$")).stdout
      matches(shown, "Sandbox +" .. level .. "\n")
    end
  end)
end)

describe("the level of a derivation #once", function()
  local here = machine.for_each_test(function(here)
    here.write_config([[
      local base = derive({ name = "base", config = function(_, ctx)
        ctx.run("echo base >$out")
      end })
      derive({ name = "plain", config = function(_, ctx) ctx.write(ctx.out, "plain") end })
      derive({ name = "top", opts = { base = base }, config = function(opts, ctx)
        ctx.write(ctx.out, ctx.read(opts.base))
      end })
    ]])
  end)

  local function recorded_levels()
    local found = {}
    for _, name in ipairs({ "base", "plain", "top" }) do
      local object = machine.get_object(here, name)
      found[name] = here.run("info", object).stdout:match("Sandbox +(%a+)")
    end
    return found
  end

  it("is the weakest of its own and of what it was built from", function()
    assert.equal(0, here.run("build", "init.lua", "--sandbox", "landlock").code)
    assert.same({ base = "landlock", plain = "namespaces", top = "landlock" }, recorded_levels())
  end)

  it("is raised by `require`, which builds again what is weaker", function()
    for _, verb in ipairs({ "build", "apply" }) do
      assert.equal(0, here.run(verb, "init.lua", "--sandbox", "off").code)
      assert.same({ base = "off", plain = "namespaces", top = "off" }, recorded_levels())
      local result = here.run(verb, "init.lua", "--sandbox", "require")
      assert.equal(0, result.code, result.stderr)
      contains(result.stderr, "building base", "building top")
      contains_none(result.stderr, "building plain")
      assert.same(
        { base = "namespaces", plain = "namespaces", top = "namespaces" },
        recorded_levels()
      )
      contains_none(here.run(verb, "init.lua", "--sandbox", "require").stderr, "building")
      here.shell("chmod -R u+w root; rm -rf root")
    end
  end)

  it("is unknown in a root that does not tell, and then built again by `require`", function()
    assert.equal(0, here.run("build", "init.lua").code)
    here.shell([[sed -i 's/,"@sandbox":"[a-z]*"//' root/store/drv-out/*]])
    assert.equal("", here.run("build", "init.lua").stderr)
    local result = here.run("build", "init.lua", "--sandbox", "require")
    contains(result.stderr, "building base")
    assert.same(
      { base = "namespaces", plain = "namespaces", top = "namespaces" },
      recorded_levels()
    )
  end)
end)

describe("the sandbox of root #root #once", function()
  it("keeps passwords and keys of the machine from builds", function()
    local here = machine.new()
    here.write_config([[
      derive({ name = "one", config = function(_, ctx)
        ctx.run("cat /etc/passwd /etc/ssl/openssl.cnf >/dev/null; ls /etc >/dev/null")
        ctx.run("! cat /etc/shadow 2>/dev/null && ! ls /root 2>/dev/null")
        ctx.run("! mknod disk b 8 0 2>/dev/null && ! mount -t tmpfs none . 2>/dev/null && "
          .. "! hostname x 2>/dev/null")
        ctx.run("chown $(id -u):$(id -g) . && ! chown 1:1 . 2>/dev/null && touch $out")
      end })
    ]])
    local result = here.run("build", "init.lua", "--sandbox", "require")
    assert.equal(0, result.code, result.stderr)
    here.remove()
  end)
end)

-- A filter of system calls, without those that its first argument names, as in an old kernel.
local old_kernel = [[
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
numbers = [int(number) for number in sys.argv[1].split(",")]
code = struct.pack("HBBI", 0x20, 0, 0, 0)
for index, number in enumerate(numbers):
    code += struct.pack("HBBI", 0x15, len(numbers) - index, 0, number)
code += struct.pack("HBBI", 0x06, 0, 0, 0x7fff0000)
code += struct.pack("HBBI", 0x06, 0, 0, 0x00050000 | 38)
buffer = ctypes.create_string_buffer(code)
program = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program) == 0
os.execvp(sys.argv[2], sys.argv[2:])
]]

local landlock, namespaces = "444,445,446", "442"

describe("on a kernel that lacks something, the sandbox #once", function()
  local here = machine.for_each_test(function(here)
    here.write("old.py", old_kernel)
    here.write_config([[
      for _, name in ipairs({ "one", "two" }) do
        derive({ name = name, config = function(_, ctx) ctx.run("echo " .. name .. " >$out") end })
      end
    ]])
  end)

  local function build(missing, words)
    return here.shell(("python3 old.py %s $LUA -l syslua build init.lua %s"):format(missing, words))
  end

  local function level()
    return here.shell("cat root/store/info/one-*.json").stdout:match('"sandbox": "(%a+)"')
  end

  it("warns once with `auto`, and goes on with what there is", function()
    for _, case in ipairs({
      { landlock, "namespaces" },
      { namespaces, "landlock", "this system refuses [^\n]* %(Function not implemented%)" },
      { landlock .. "," .. namespaces, "partial", "this system has no Landlock" },
    }) do
      local missing, expected, warning = case[1], case[2], case[3]
      local result = build(missing, "")
      assert.equal(0, result.code, result.stderr)
      local start = "warning: programs of builds are not confined as they should be: "
      local _, count = result.stderr:gsub(start, "")
      assert.equal(warning and 1 or 0, count, result.stderr)
      assert.truthy(
        result.stderr:find(start .. "[^\n]*" .. (warning or ""), 1) or not warning,
        result.stderr
      )
      assert.equal(expected, level())
      here.shell("chmod -R u+w root; rm -rf root")
    end
  end)

  it("refuses to run programs with `require`", function()
    local result = build(namespaces, "--sandbox require")
    assert.equal(1, result.code)
    local message = "programs cannot be confined, and the sandbox is required: "
      .. "this system refuses [^\n]* %(Function not"
    matches(result.stderr, message)
    contains(result.stderr, "init.lua:3")
  end)

  it("ends what a build left running, and no other process of its user", function()
    local mark = "85.0" .. math.random(100000, 999999)
    local victim = process.run_line("sleep 100 >/dev/null 2>&1 & echo $!").stdout:match("%d+")
    here.write_config(([[
      derive({ name = "restless", config = function(_, ctx)
        ctx.run("for i in 1 2 3; do setsid -f sleep %s >/dev/null 2>&1 </dev/null; done; "
          .. "touch $out")
      end })
    ]]):format(mark))
    local result = build(landlock .. "," .. namespaces, "")
    assert.equal(0, result.code, result.stderr)
    assert.equal("", process.run_line("pgrep -f '[s]leep " .. mark .. "'").stdout)
    assert.equal(0, process.run({ "kill", victim }).code)
  end)

  it("says that it finds no processes without /proc", function()
    local result = here.shell([[unshare -mc --keep-caps sh -c '
      mount -t tmpfs none /proc && exec $LUA -l syslua build init.lua --sandbox landlock']])
    assert.equal(0, result.code, result.stderr)
    local _, count = result.stderr:gsub("warning: [^\n]*without /proc, processes are not found", "")
    assert.equal(1, count, result.stderr)
  end)

  it("names the setting where a container has no users for builds of root", function()
    local result = here.shell("unshare -r $LUA -l syslua build init.lua")
    assert.equal(1, result.code)
    contains(
      result.stderr,
      "not among the users of this container: set another with SYSLUA_BUILD_USERS"
    )
  end)

  it("says nothing with `off`", function()
    local result = build(landlock .. "," .. namespaces, "--sandbox off --quiet")
    assert.same({ code = 0, stdout = "", stderr = "" }, result)
  end)
end)
