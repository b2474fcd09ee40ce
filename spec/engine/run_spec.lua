--- `ctx.run`: what a program gets, what becomes of its output, and that nothing of it is left.

local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")
local tree = require("spec.support.tree")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

describe("ctx.run", function()
  local here = machine.for_each_test()

  -- Builds with lines of `config`; the first is line 3 of the file.
  local function build(lines, ...)
    here.write_config(
      ('derive({ name = "one", config = function(_, ctx)\n%s\nend })'):format(lines)
    )
    return here.run("build", "init.lua", ...)
  end

  -- What a build wrote to its output.
  local function output_of(lines)
    local result = build(lines)
    assert.equal(0, result.code, result.stderr)
    return here.read(result.stdout:match("[^\n]+"))
  end

  -- The error of a build that fails.
  local function error_of(lines, ...)
    local result = build(lines, ...)
    assert.equal(1, result.code, result.stdout)
    assert.equal(
      "",
      here.shell(
        "ls root/store/staging root/store/b?? root/store/obj root/store/tmp | grep -v : | grep ."
      ).stdout
    )
    return result.stderr:gsub("^building one\n", "")
  end

  it("gives back what the program printed, byte for byte", function()
    local text =
      output_of([[ctx.write(ctx.out, ctx.run("printf 'a\\0b\\r\\n\\377'; echo error >&2"))]])
    assert.equal("a\0b\r\n\255", text)
  end)

  it("takes a list of arguments that no shell touches", function()
    local text =
      output_of([[ctx.write(ctx.out, ctx.run({ "printf", "%s|", "a b", "$HOME", "'*'", "" }))]])
    assert.equal("a b|$HOME|'*'||", text)
  end)

  it("gives a program its three streams and nothing else that is open", function()
    here.write_config([[
      held = os.getenv("HOLD") and assert(io.open("/dev/zero"))
      derive({ name = "closed", config = function(_, ctx)
        ctx.write(ctx.out, ctx.run("ls /proc/self/fd; cat; echo x >&2"))
      end })]])
    here.write("run.lua", "local s = require('syslua'); s.apply(s.evaluate('init.lua'))")
    -- The last one is of `ls` itself, which reads a directory.
    local result = here.shell("HOLD=1 $LUA run.lua && cat root/store/obj/closed-*")
    assert.equal("0\n1\n2\n3\n", result.stdout, result.stderr)
    here.shell("chmod -R u+w root; rm -rf root")
    result = here.shell("$LUA run.lua <&- >&- 2>&-; echo $?; cat root/store/obj/closed-*")
    assert.equal("0\n0\n1\n2\n3\n", result.stdout)
    -- In many containers nobody gets a table of descriptors of their own.
    here.shell("chmod -R u+w root; rm -rf root")
    local wrapper = "python3 " .. tree.root .. "spec/support/without_unshare.py"
    result = here.shell("HOLD=1 " .. wrapper .. " $LUA run.lua && cat root/store/obj/closed-*")
    assert.equal("0\n1\n2\n3\n", result.stdout, result.stderr)
  end)

  it("feeds a program more than a pipe holds, while it answers", function()
    local text = output_of([[
      local text = ("0123456789abcde\n"):rep(100000)
      assert(ctx.run("cat", { stdin = text }) == text)
      ctx.write(ctx.out, ctx.run("wc -c", { stdin = text }) .. ctx.run("true", { stdin = text }))
    ]])
    assert.equal("1600000\n", text)
  end)

  it("has the directory, the variables and the shell that it is told", function()
    local text = output_of([[
      ctx.mkdir("inner")
      ctx.env.ONE, ctx.env.TWO = "1", 2
      local got = ctx.run('echo "$PWD $ONE $TWO $THREE"',
        { cwd = "inner", env = { TWO = "two", THREE = "it's" } })
      ctx.write(ctx.out, got:match("[^/]*$")
        .. ctx.run("echo ${BASH_VERSION:+bash}", { shell = "bash" }))
    ]])
    assert.equal("inner 1 two it's\nbash\n", text)
  end)

  it("names the exit code and shows the last lines of both streams", function()
    local text =
      error_of("ctx.run('for i in $(seq 30); do echo line $i; done; echo oops >&2; exit 7')")
    matches(text, "cannot build one: `for i in [^\n]*` failed with exit code 7\n  at init.lua:3\n")
    contains_none(text, "| line 11\n")
    contains(text, "| line 30\n", "| oops")
    local log = text:match("all of its output is in (%S+)")
    contains(here.read(log), "\nline 1\n")
  end)

  it("names the signal that ended the program", function()
    contains(
      error_of("ctx.run('kill -SEGV $$')"),
      "`kill -SEGV $$` was ended by signal 11 (SIGSEGV)"
    )
    contains(error_of("ctx.run('kill -9 $$')"), "was ended by signal 9 (SIGKILL)")
  end)

  it("ends a program whose time is over, with all it started", function()
    local text = error_of("ctx.run('echo begun; sleep 100 & sleep 100', { timeout = 0.3 })")
    contains(text, "`echo begun; sleep 100 & sleep 100` did not end within 0.3 s", "| begun")
  end)

  it("says which program is missing, and why one does not start", function()
    for lines, words in pairs({
      ['ctx.run({ "no-such-program", "x" })'] = "there is no program no-such-program in the PATH "
        .. "of the build",
      ['ctx.run({ "./none" })'] = "/none",
      ['ctx.write("script", "x"); ctx.run({ "./script" })'] = "script is not executable",
      ['ctx.write("s", "#!/no\\n"); ctx.chmod("s", "755"); ctx.run({ "./s" })'] = "is missing",
      ['ctx.run("true", { cwd = "none" })'] = "cannot run a program in none: there is no such "
        .. "directory",
      ['ctx.run("true", { cwd = "no/way" })'] = "cannot run a program in no/way: there is no such "
        .. "directory",
      ['ctx.write("f", ""); ctx.run("true", { cwd = "f" })'] = "cannot run a program in f: it is a "
        .. "file",
      ['ctx.run("true", { cwd = "/" })'] = "/ is outside of the build",
      ['ctx.run("true", { shell = "no-such-shell" })'] = "there is no program "
        .. "no-such-shell in the PATH",
    }) do
      local text = error_of(lines)
      contains(text, words, "at init.lua:3\n")
    end
  end)

  it("refuses options that it does not know, with the line", function()
    for lines, words in pairs({
      ["ctx.run(1)"] = "ctx.run: expected a line for the shell or a list of arguments",
      ["ctx.run({})"] = "ctx.run: expected a line for the shell or a list of arguments",
      ['ctx.run({ "a", 1 })'] = "ctx.run: argument 2 is a number: expected strings",
      ['ctx.run("a\\0b")'] = "a NUL byte",
      ['ctx.run({ "a\\0b" })'] = "a NUL byte",
      ['ctx.run("a", { env = { A = "\\0" } })'] = "a NUL byte",
      ['ctx.run("true", { timeout = 0 })'] = "`timeout` in ctx.run: expected a number of seconds "
        .. "above 0, got 0",
      ['ctx.run("true", { time = 1 })'] = "unknown field `time` in the options of ctx.run",
      ['ctx.run("true", { stdin = {} })'] = "`stdin` in the options of ctx.run: expected string",
      ['ctx.run("true", { read = "/x" })'] = "`read` in the options of ctx.run: expected list",
      ['ctx.run("true", { env = { ["A=B"] = "" } })'] = "`A=B` cannot be the name of an "
        .. "environment variable",
      ['ctx.run("true", { env = { A = {} } })'] = "the variable A: expected a string, got a table",
    }) do
      local text = error_of(lines)
      contains(text, words, "at init.lua:3\n")
    end
  end)

  it("ends what a program leaves running, wherever it went", function()
    output_of([[
      ctx.run("sleep 7777 & :")
      ctx.run("nohup sleep 7777 >/dev/null 2>&1 & :")
      ctx.run("setsid sleep 7777 & sleep 0.1")
      local line = "cd /; trap : TERM HUP INT; (sleep 7777; :) & exec sleep 7777"
      ctx.run("env -i setsid sh -c '" .. line .. "' & sleep 0.2")
      ctx.write(ctx.out, "")
    ]])
    local found =
      here.shell("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -o 'sleep 77[7]7'")
    assert.equal("", found.stdout)
  end)

  it("leaves the daemons of other builds alone", function()
    here.write_config([[
      derive({ name = "daemon", config = function(_, ctx)
        ctx.run("(setsid sleep 50 & echo $! >pid); sleep 1; kill -0 $(cat pid) && touch $out")
      end })
      derive({ name = "quick", config = function(_, ctx)
        for i = 1, 5 do ctx.run("setsid sleep 40 & sleep 0.05") end
        ctx.write(ctx.out, "")
      end })
    ]])
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
    assert.truthy(
      result.stdout:find("2 built", 1, true) or result.stderr:find("2 built", 1, true),
      result.stdout
    )
  end)

  it("keeps little in memory of what goes to the log only", function()
    here.write_config([[
      derive({ name = "loud", config = function(_, ctx)
        ctx.run("head -c 150000000 /dev/zero >&2; touch $out")
      end })
    ]])
    local result = here.shell("/usr/bin/time -f %M $LUA -l syslua build init.lua --quiet")
    assert.equal(0, result.code, result.stderr)
    assert.is_true(tonumber(result.stderr:match("(%d+)\n$")) < 60000, result.stderr)
    local size = here.shell("stat -c %s root/store/log/*").stdout
    assert.is_true(tonumber(size) < 64 * 1024 * 1024 + 100, size)
    contains(
      here.shell("tail -n 1 root/store/log/*").stdout,
      "[the log ends here, at its limit of 64 MiB: SYSLUA_LOG_LIMIT]"
    )
  end)

  it("has no leftovers with the sandbox switched off either", function()
    local result = build(
      [[ctx.run("setsid sleep 7778 & nohup sleep 7778 >/dev/null 2>&1 & sleep 0.1; touch $out")]],
      "--sandbox",
      "off"
    )
    assert.equal(0, result.code, result.stderr)
    local found =
      here.shell("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -o 'sleep 77[7]8'")
    assert.equal("", found.stdout)
  end)

  it("cuts the log at the limit that is set, and says so in the failure", function()
    here.write_config([[
      derive({ name = "loud", config = function(_, ctx)
        ctx.run("i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i + 1)); done")
        ctx.run("head -c 5000 /dev/zero | tr '\\0' x; echo; exit 3")
      end })
    ]])
    local result = here.shell("SYSLUA_LOG_LIMIT=1000 $LUA -l syslua build init.lua --quiet")
    assert.equal(1, result.code)
    contains(result.stderr, "the first 1000 bytes that the build printed are in", " [...]")
    local log = here.shell("cat root/store/log/*").stdout
    assert.equal(1000, log:find("\n[the log ends here, at its limit of 1000 bytes", 1, true) - 1)
  end)

  it("refuses a string that is longer than the limit that is set", function()
    here.write_config([[
      derive({ name = "loud", config = function(_, ctx)
        ctx.run("head -c 1001 /dev/zero; touch $out")
      end })
    ]])
    -- It may end before what it printed is read.
    for _ = 1, 5 do
      local result = here.shell("SYSLUA_OUTPUT_LIMIT=1000 $LUA -l syslua build init.lua")
      contains(result.stderr, "printed more than 1000 bytes to stdout")
    end
    assert.equal(
      0,
      here.shell("SYSLUA_OUTPUT_LIMIT=1001 $LUA -l syslua build init.lua --quiet").code
    )
  end)

  it("refuses to return more than memory should hold", function()
    if interpreter.name ~= "lua5.4" then
      return
    end
    local text = error_of("ctx.run('yes')")
    contains(text, "`yes` printed more than 256 MiB to stdout, which `ctx.run` returns")
  end)

  it("builds a program in the usual way, fully confined", function()
    here.write(
      "src/configure",
      [[#!/bin/sh
set -e
prefix=/usr/local
for word; do case $word in --prefix=*) prefix=${word#*=} ;; esac; done
echo "checking for a C compiler... ${CC=cc}"
echo 'int main(void) { return 0; }' >conftest.c
$CC -o conftest conftest.c && ./conftest
rm -f conftest*
tmp=$(mktemp) && echo "checking whether mktemp works... yes" && rm "$tmp"
sed "s|@prefix@|$prefix|; s|@CC@|$CC|" Makefile.in >Makefile
echo "#define PREFIX \"$prefix\"" >config.h
]]
    )
    here.write(
      "src/Makefile.in",
      [[
prefix = @prefix@
all: hello libhello.a
hello: main.o libhello.a
	@CC@ -o $@ main.o libhello.a -lm
libhello.a: hello.o
	ar rcs $@ hello.o
%.o: %.c config.h
	@CC@ -O2 -c -o $@ $<
check: hello
	./hello | grep -q 'Hello from'
install: all
	install -d $(prefix)/bin $(prefix)/lib
	install -m 755 hello $(prefix)/bin
	install -m 644 libhello.a $(prefix)/lib
	ranlib $(prefix)/lib/libhello.a
	strip $(prefix)/bin/hello
]]
    )
    here.write(
      "src/hello.c",
      '#include <stdio.h>\n#include "config.h"\nvoid hello(void) { puts("Hello from " PREFIX); }\n'
    )
    here.write(
      "src/main.c",
      "#include <math.h>\nvoid hello(void);\nint main(int n, char **v) { hello(); "
        .. "return sqrt(n) < 0; }\n"
    )
    here.shell("chmod +x src/configure")
    here.write_config([[
      derive({ name = "hello", opts = { src = source("src") }, config = function(opts, ctx)
        ctx.copy(opts.src, "src")
        ctx.run("./configure --prefix=$out", { cwd = "src" })
        ctx.run({ "make", "-j2" }, { cwd = "src" })
        ctx.run("make check && make install", { cwd = "src" })
      end })
    ]])
    local result = here.run("build", "init.lua", "--sandbox", "require")
    assert.equal(0, result.code, result.stderr)
    local path = result.stdout:match("[^\n]+")
    assert.equal("Hello from " .. path .. "\n", here.shell(path .. "/bin/hello").stdout)
  end)
end)
