--- What hostile programs of a build try against the machine, its user, and other builds: at each
-- level, and as root. docs/reference/security.md says what holds each of them.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local process = require("spec.support.process")

-- A C program that makes each system call it is told, by the native way, by `int 0x80` and as x32.
local calls = [[
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static long compat(long n, long a, long b, long c) {
  long r;
  __asm__ volatile("int $0x80" : "=a"(r) : "a"(n), "b"(a), "c"(b), "d"(c)
    : "memory", "r8", "r9", "r10", "r11");
  return r;
}
static long compat_or_native(const char *way, long *n) {
  if (!strcmp(way, "compat")) return compat(n[0], n[1], n[2], n[3]);
  long r = syscall(n[0], n[1], n[2], n[3]);
  return r == -1 ? -errno : r;
}
int main(int count, char **words) {
  long n[4] = {0};
  for (int i = 0; i < 4 && i + 2 < count; i++) n[i] = strtol(words[i + 2], NULL, 0);
  long r = compat_or_native(words[1], n);
  printf("%s\n", r < 0 ? strerrorname_np((int)-r) : "allowed");
}
]]

-- Builds lines of `config` at a level. Returns what it wrote, or raises.
local function build(here, level, lines)
  here.write_config(
    ([[
    derive({ name = "hostile", config = function(_, ctx)
      local level = %q
      local function try(line)
        return (ctx.run("(" .. line .. ") 2>/dev/null && echo || echo; exit 0"):gsub("%%s+$", ""))
      end
      local results = {}
      %s
      ctx.write(ctx.out, table.concat(results, "\n"))
    end })
  ]]):format(level, lines),
    "conf/init.lua"
  )
  local result = here.run("build", "conf/init.lua", "--sandbox", level)
  assert.equal(0, result.code, result.stderr)
  return here.read(result.stdout:match("[^\n]+"))
end

local function attempts(levels, is_root)
  local here, victim

  before_each(function()
    here = machine.new()
    -- At level `landlock` a build of root is a user to whom a closed directory is closed.
    here.shell("chmod 755 .")
    here.write("home/secret", "treasure\n")
    victim =
      process.run_line("TREASURE=treasure sleep 100 >/dev/null 2>&1 & echo $!").stdout:match("%d+")
  end)

  after_each(function()
    process.run({ "kill", victim })
    here.remove()
  end)

  -- Runs each line of shell in a build. None of them may print what the pattern matches.
  local function try_all(level, ways, pattern)
    local lines = {}
    for _, way in ipairs(ways) do
      lines[#lines + 1] = ("results[#results + 1] = %q .. '\\t' .. try(%q)"):format(way, way)
    end
    local got = build(here, level, table.concat(lines, "\n"))
    for line in got:gmatch("[^\n]+") do
      assert.is_nil(line:match("\t" .. pattern), level .. ": " .. line)
    end
  end

  it("reads no secret, whatever the way", function()
    local secret = here.home .. "/secret"
    local ways = {
      "cat " .. secret,
      "cat /proc/1/root" .. secret,
      "cat /proc/self/root" .. secret,
      "cat /proc/self/cwd/../../../.." .. secret,
      "cat /proc/" .. victim .. "/root" .. secret,
      "cat /proc/*/environ | tr '\\0' '\\n' | grep TREASURE",
      "ln -s " .. secret .. " l && cat l",
      "ln " .. secret .. " h && cat h",
      "unshare -Ur cat " .. secret,
      "unshare -Urm sh -c 'umount -l /; mount --bind / /mnt; cat " .. secret .. "'",
      "unshare -Ur chroot /proc/1/root cat " .. secret,
      "nsenter -t 1 -m cat " .. secret,
      "tar -cf - " .. secret .. " | tar -xOf -",
      "find / -name secret -exec cat {} +",
    }
    for _, level in ipairs(levels) do
      try_all(level, ways, ".*[Tt]reasure")
    end
  end)

  it("writes nothing of the machine", function()
    local ways = {
      "echo x >/proc/sys/kernel/core_pattern && cat /proc/sys/kernel/core_pattern",
      "echo x >/proc/sys/kernel/hostname && echo written",
      "echo x >/proc/sysrq-trigger && echo written",
      "echo x >/etc/written && echo written",
      "echo x >/usr/written && echo written",
      "echo x >" .. here.root .. "/store/obj/written && echo written",
      "echo x >" .. here.root .. "/store/written",
      "mount -t tmpfs none /usr && echo written",
      "mount -o remount,rw /usr && touch /usr/written && echo written",
      "umount /etc/passwd && echo written",
      "mknod disk b 8 0 && echo written",
      "cp /bin/sh own && chmod u+s own && echo written",
      "cp /bin/sh own2 && chmod 2755 own2 && echo written",
      "touch attr && setfattr -n user.x -v y attr && echo written",
      "python3 -c 'import os; os.open(\"m\", os.O_CREAT | os.O_WRONLY, 0o4755)' && echo written",
      "kill -9 " .. victim .. " && echo written",
      "touch own3; chown 0:0 own3 && echo written",
    }
    for _, level in ipairs(levels) do
      try_all(level, ways, "written")
      -- What it wrote there was in its own directory.
      assert.is_nil(io.open(here.root .. "/store/written"))
      assert.equal(0, process.run({ "kill", "-0", victim }).code)
    end
  end)

  it("makes no call that a filter refuses, by any way into the kernel", function()
    if is_root or process.run_line("uname -m").stdout ~= "x86_64\n" then
      pending("the numbers are those of x86_64, and root may read no program of a closed home")
      return
    end
    here.write("home/calls.c", calls)
    here.shell("cc -o home/calls home/calls.c && chmod 755 home home/calls")
    -- Each with its number natively and for 32-bit programs.
    local refused = {
      { "socket", 41, 359, "1 1 0" },
      { "keyctl", 250, 288, "0 0 0" },
      { "add_key", 248, 286, "0 0 0" },
      { "bpf", 321, 357, "0 0 0" },
      { "perf_event_open", 298, 336, "0 0 0" },
      { "userfaultfd", 323, 374, "0 0 0" },
      { "io_uring_setup", 425, 425, "1 0 0" },
      { "syslog", 103, 103, "3 0 0" },
      { "fchmod", 91, 94, "1 0x9ed 0" },
      { "open_by_handle_at", 304, 342, "0 0 0" },
    }
    for _, level in ipairs(levels) do
      local lines = {
        ("local read = { read = { %q } }"):format(here.home .. "/calls"),
        ("local program = %q"):format(here.home .. "/calls"),
        "local function call(...) return (ctx.run({ program, ... }, read):gsub('%s', '')) end",
      }
      for _, case in ipairs(refused) do
        local words = '"' .. case[4]:gsub(" ", '", "') .. '"'
        local numbers = { native = case[2], compat = case[3], x32 = case[2] + 0x40000000 }
        for kind, number in pairs(numbers) do
          lines[#lines + 1] = ("results[#results + 1] = '%s %s\\t' .. call(%q, '%d', %s)"):format(
            case[1],
            kind,
            kind == "compat" and "compat" or "native",
            number,
            words
          )
        end
      end
      local got = build(here, level, table.concat(lines, "\n"))
      for line in got:gmatch("[^\n]+") do
        assert.truthy(line:match("\tE[PAN][ECO][RCS]%w+$"), level .. ": " .. line)
      end
    end
  end)

  it("leaves no process behind, whatever it does to be forgotten", function()
    local mark = "83.0" .. math.random(100000, 999999)
    for _, level in ipairs(levels) do
      build(
        here,
        level,
        ([[
        ctx.run("for i in 1 2 3; do (setsid sleep %s &) ; "
          .. "setsid -f sleep %s </dev/null >/dev/null 2>&1; done")
        ctx.run({ "python3", "-c", table.concat({
          "import os",
          "for i in range(50):",
          " if os.fork() == 0:",
          "  os.setsid()",
          "  os.closerange(0, 2000)",
          "  if os.fork(): os._exit(0)",
          "  os.execvp('sleep', ['sleep', '%s'])",
        }, "\n") })
      ]]):format(mark, mark, mark)
      )
      assert.equal("", process.run_line("pgrep -f '[s]leep " .. mark .. "'").stdout, level)
    end
  end)
end

describe("a hostile build #once", function()
  attempts({ "require", "landlock" })
end)

describe("a hostile build of root #root #once", function()
  before_each(function()
    process.run_line('chmod a+rx "${TMPDIR:-/tmp}" 2>/dev/null')
  end)

  attempts({ "require", "landlock" }, true)
end)

describe("a build in namespaces #once", function()
  it("is the same user on the same host everywhere, and ends with its process", function()
    local here = machine.new()
    local got = build(
      here,
      "require",
      [[results = { (ctx.run("id -un; id -u; id -g; hostname; umask; pgrep -c . || ]]
        .. [[true"):gsub("\n", " ")) }]]
    )
    contains(got, "build 1000 100 build 0022")
    local mark = "84.0" .. math.random(100000, 999999)
    here.write_config(([[
      derive({ name = "slow", config = function(_, ctx) ctx.run("sleep %s & sleep %s") end })
    ]]):format(mark, mark))
    here.shell(([[
      $LUA -l syslua build init.lua --sandbox require >/dev/null 2>&1 &
      for i in 1 2 3 4 5 6 7 8 9; do
        sleep 0.3; if pgrep -f '[s]leep %s' >/dev/null; then break; fi
      done
      kill -9 $!
      sleep 0.5
    ]]):format(mark))
    assert.equal("", process.run_line("pgrep -f '[s]leep " .. mark .. "'").stdout)
    here.remove()
  end)
end)
