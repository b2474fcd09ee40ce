--- Projects: directories with an entry file of their own. What is trusted is entered, and nothing
-- else is run.

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local projects = require("spec.support.projects")
local text_checks = require("spec.support.text_checks")

local contains, contains_none = text_checks.contains, text_checks.contains_none

local has_terminal = process.has("script")

describe("a directory with an entry file #once", function()
  local here
  local it = has_terminal and it or pending

  before_each(function()
    here = machine.new()
    here.shell("mkdir -p web/deep")
  end)

  after_each(function()
    here.remove()
  end)

  local function enter(words, directory, environment)
    local line = ("cd %s && $LUA -l syslua shell %s"):format(directory or "web", words or "")
    return here.shell(line, environment)
  end

  it("is entered once it is trusted, also from below, and nothing is applied", function()
    projects.write(
      here,
      "web",
      [[
      local tool = derive({ name = "tool", config = function(_, ctx)
        ctx.write(ctx.out .. "/bin/tool", "#!/bin/sh\necho tool $PORT \"$@\"\n")
        ctx.chmod(ctx.out .. "/bin/tool", "755")
      end })
      env({ PORT = require("lib.port") })
      activate({ config = function(_, ctx) ctx.add_to_path(tool.out .. "/bin") end })
    ]]
    )
    here.write("web/lib/port.lua", "return 8080\n")
    local result = enter("-- tool")
    assert.equal(1, result.code)
    contains(result.stderr, "is not trusted", "sys shell --trust")
    local code, shown = projects.trust(here, "web")
    assert.equal(0, code, shown)
    contains(shown, "+ syslua.lua", "+ lib/port.lua")
    assert.equal("tool 8080 -x\n", enter("-- tool -x").stdout)
    assert.equal("web 8080\n", enter("-- sh -c 'echo $SYSLUA_PROJECT $PORT'", "web/deep").stdout)
    assert.is_false(here.exists("root/store/metadata/current/projects"))
    assert.equal("700\n", here.shell("stat -c %a root/trust").stdout)
  end)

  it("passes exit codes on", function()
    projects.write(here, "web", "env({ PORT = 1 })")
    projects.trust(here, "web")
    for _, code in ipairs({ 0, 1, 7, 255 }) do
      assert.equal(code, enter(("-- sh -c 'exit %d'"):format(code)).code)
    end
    assert.equal(127, enter("-- no-such-program").code)
  end)

  it("is not trusted by a no, and not without a terminal", function()
    projects.write(here, "web", 'io.open("../canary", "w"):close()')
    local code, shown = projects.trust(here, "web", "n")
    assert.equal(1, code, shown)
    local result = enter("--trust -- true")
    assert.equal(2, result.code)
    contains(result.stderr, "terminal")
    assert.equal(1, enter("-- true").code)
    assert.is_false(here.exists("canary"))
  end)

  it("declares an environment, and nothing else", function()
    for lines, message in pairs({
      ['file({ path = "~/x", content = "" })'] = "scopes only an environment",
      ['directory({ path = "~/x" })'] = "scopes only an environment",
      ['user({ name = "root", setup = function() end })'] = "user{} inside of project{}",
      ['project({ name = "x", setup = function() end })'] = "project{} inside of project{}",
      ['activate({ config = function(_, c) c.run("true") end })'] = "scopes only an environment",
    }) do
      projects.write(here, "web", lines)
      local code, shown = projects.trust(here, "web")
      assert.equal(1, code, lines)
      contains(shown, message, "syslua.lua:2")
    end
    here.write("web/syslua.lua", 'file({ path = "~/x", content = "" })\nreturn { setup = print }\n')
    assert.equal(1, (projects.trust(here, "web")))
    assert.is_false(here.exists("home/x"))
  end)

  it("inside another lies on top of it", function()
    projects.write(here, "web", 'env({ PORT = 1, OUTER = "o", PATH = "/outer" })')
    projects.write(here, "web/deep", 'env({ PORT = 2, INNER = "i", PATH = "/inner" })')
    local code, shown = projects.trust(here, "web/deep")
    assert.equal(0, code, shown)
    local result =
      enter([[-- sh -c 'echo $PORT $OUTER $INNER $SYSLUA_PROJECT "$PATH"']], "web/deep")
    assert.equal("2 o i deep /inner:/outer:", result.stdout:match("^(.-:.-:)"), result.stderr)
    assert.equal("1 o\n", enter("-- sh -c 'echo $PORT $OUTER $INNER'").stdout)
    -- The outer one alone is left out when it changes; the inner one alone is an error.
    projects.write(here, "web", "env({ PORT = 3 })")
    result = enter("-- sh -c 'echo $PORT $OUTER $INNER'", "web/deep")
    assert.equal("2 i\n", result.stdout)
    contains(result.stderr, "warning")
  end)

  it("loads no libraries of C, which no trust compares", function()
    for _, way in ipairs({ "package", 'require("package")', "_G.package" }) do
      projects.write(here, "web", way .. '.loadlib("./extra.so", "*")')
      local code, shown = projects.trust(here, "web")
      assert.equal(1, code, way)
      contains(shown, "a project loads no libraries of C")
    end
  end)

  it(
    "stops where a file is wanted that was not trusted, whatever the config makes of that",
    function()
      here.write("web/extra.lua", 'io.open("../canary", "w"):close()\nreturn 1\n')
      -- A library that reads what it is told to, and one that uses it.
      here.write(
        "installed/outside.lua",
        "local io = package.loaded.io\nreturn { read = function(name) "
          .. 'return (assert(io.open(name)):read("*a")) end }\n'
      )
      here.write("installed/outside/deep.lua", 'return require("outside").read\n')
      here.environment.LUA_PATH = here.directory .. "/installed/?.lua;" .. here.environment.LUA_PATH
      for _, way in ipairs({
        'require(("ex") .. "tra")',
        'dofile("ex" .. "tra.lua")',
        'local f = loadfile("ex" .. "tra.lua"); if f then f() end',
        'package.path = DIRECTORY .. "/?.lua;" .. package.path; require(("ex") .. "tra")',
        'load(io.open(DIRECTORY .. "/extra" .. ".lua"):read("*a"))()',
        'for line in io.lines(DIRECTORY .. "/extra" .. ".lua") do load(line)() end',
        'io.input(DIRECTORY .. "/extra" .. ".lua"); load(io.read("*a"))()',
        'io.input(DIRECTORY .. "/extra" .. ".lua"); load(io.input():read("*a"))()',
        'io.input("ex" .. "tra.lua"); for line in io.lines() do load(line)() end',
        'io.input(io.open("ex" .. "tra.lua", "rb")); load(io.read("*a"))()',
        'local io = require("io"); load(io.open("ex" .. "tra.lua"):read("*a"))()',
        'load(_G.io.open("./ex" .. "tra.lua"):read("*a"))()',
        'load(package.loaded.io.open("ex" .. "tra.lua"):read("*a"))()',
        'load(package.loaded._G.io.open("ex" .. "tra.lua"):read("*a"))()',
        'load(require("_G").io.open("ex" .. "tra.lua"):read("*a"))()',
        'for name, one in pairs(package.loaded) do if name == "io" then '
          .. 'load(one.open("ex" .. "tra.lua"):read("*a"))() end end',
        'load(require("outside").read("ex" .. "tra.lua"))()',
        'load(require("outside.deep")("ex" .. "tra.lua"))()',
      }) do
        way = way:gsub("DIRECTORY", ("%q"):format(here.directory .. "/web"))
        projects.write(here, "web", ("env({ PORT = 1 }) pcall(function() %s end)"):format(way))
        -- One yes for what is listed, then noes.
        here.write("answers", "y\nn\nn\nn\n")
        local line =
          "cd web && script -qec '$LUA -l syslua shell --trust -- true' /dev/null <../answers"
        local result = here.shell(line, { TERM = "dumb" })
        assert.equal(1, result.code, way .. result.stdout)
        contains(result.stdout, "extra.lua")
        result = enter("-- true")
        assert.equal(1, result.code, way)
        contains(result.stderr, "not among the files")
        assert.is_false(here.exists("canary"), way)
      end
      -- With a yes for it, it runs.
      local code, shown = projects.trust(here, "web")
      assert.equal(0, code, shown)
      assert.is_true(here.exists("canary"))
    end
  )

  it("reaches nothing of Lua that reads or runs what no trust compares", function()
    for call, message in pairs({
      ["debug.getregistry()"] = "debug.getregistry",
      ["require('debug').getupvalue(print, 1)"] = "debug.getupvalue",
      ["return (package.searchers or package.loaders)[2]"] = "package.searchers",
      ["require('syslua.evaluate')"] = "a library of C or a part of sys.lua",
      ["require('syslua.bindings')"] = "a library of C or a part of sys.lua",
    }) do
      projects.write(here, "web", call)
      local code, shown = projects.trust(here, "web")
      assert.equal(1, code, call)
      contains(shown, message)
    end
    projects.write(
      here,
      "web",
      "env({ PORT = #debug.traceback() > 0 and type(package.loaded.string.rep) })"
    )
    assert.equal(0, (projects.trust(here, "web")))
    assert.equal("function\n", enter("-- sh -c 'echo $PORT'").stdout)
  end)

  it("starts no programs, whose files no trust compares", function()
    here.write("web/code.sh", "touch " .. here.directory .. "/canary\n")
    for _, call in ipairs({
      'io.popen("sh code.sh")',
      'os.execute("sh code.sh")',
      'require("io").popen("sh code.sh")',
      'require("os").execute("sh code.sh")',
      'local popen = io.popen; popen("sh code.sh"):read("a")',
      'package.loaded.io.popen("sh code.sh")',
      'package.loaded.os.execute("sh code.sh")',
      'require("package").loaded.os.execute("sh code.sh")',
      'require("_G").os.execute("sh code.sh")',
    }) do
      projects.write(here, "web", "local fine = os.time()\n" .. call)
      local _, shown = projects.trust(here, "web")
      local name = call:find("popen") and "io.popen" or "os.execute"
      contains(shown, name .. ": a syslua.lua starts no programs", "syslua.lua:3")
      assert.is_false(here.exists("canary"), call)
    end
    -- The config of a user does.
    here.write(
      "init.lua",
      'return { setup = function() env({ A = io.popen("echo x"):read("*l") }) end }'
    )
    here.must("plan", "init.lua")
  end)

  it("opens its files to be read, or to be written, but not for both", function()
    here.write("web/extra.lua", "one")
    for _, mode in ipairs({ "r+", "r+b", "a+", "a+b" }) do
      projects.write(here, "web", ('io.open("extra.lua", %q)'):format(mode))
      local code, shown = projects.trust(here, "web")
      assert.equal(1, code, mode)
      contains(shown, "to be read and written", "syslua.lua:2")
    end
    -- What io.input reads is what others read no longer.
    projects.write(
      here,
      "web",
      [[
      io.input("extra.lua")
      local text = io.read(3)
      io.close(io.input())
      local ok = pcall(io.input, "missing")
      env({ PORT = text .. tostring(ok) })
    ]]
    )
    projects.trust(here, "web")
    local result = enter("-- sh -c 'echo $PORT; cat'")
    assert.equal("onefalse\n", result.stdout, result.stderr)
  end)

  it("is evaluated again when what it looked at is otherwise", function()
    here.shell("mkdir -p web/d/deep outside web/later")
    here.write("web/d/a", "")
    here.write("outside/a", "")
    -- What the config asks, and what changes the answer.
    local looks = {
      { '#syslua.lib.list("./d")', "touch web/d/b" },
      { '#syslua.lib.list("./d", "**/*.x")', "touch web/d/deep/b.x" },
      { '#syslua.lib.list("../outside")', "touch outside/b" },
      { 'tostring(syslua.lib.exists("./flag"))', "touch web/flag" },
      { 'tostring(syslua.lib.exists("./d/a"))', "rm web/d/a" },
      { 'tostring(pcall(syslua.lib.read, "./text"))', "echo x > web/text" },
      { 'tostring(pcall(syslua.lib.list, "./made"))', "mkdir web/made" },
      { 'tostring(io.open("opened") ~= nil)', "touch web/opened" },
      { 'tostring((pcall(require, "later")))', "echo 'return 1' > web/later/init.lua" },
    }
    local lines = {}
    for index, look in ipairs(looks) do
      lines[index] = ("env({ V%d = %s })"):format(index, look[1])
    end
    local counter = ("%q"):format(here.directory .. "/counter")
    lines[#lines + 1] = ('local f = io.open(%s, "a"); f:write("x"); f:close()'):format(counter)
    projects.write(here, "web", table.concat(lines, "\n"))
    projects.trust(here, "web")
    local function read_all()
      local result = enter("-- sh -c 'echo $V1 $V2 $V3 $V4 $V5 $V6 $V7 $V8 $V9'")
      local values = {}
      for value in result.stdout:gmatch("%S+") do
        values[#values + 1] = value
      end
      return values, result.stderr
    end
    assert.same({ "2", "0", "1", "false", "true", "false", "false", "false", "false" }, read_all())
    assert.equal("x", here.read("counter"))
    for index, look in ipairs(looks) do
      here.shell(look[2])
      local values, problem = read_all()
      -- A text or a module that is new is not trusted yet.
      if index == 6 or index == 8 or index == 9 then
        contains(problem, "not among the files that were trusted")
        projects.trust(here, "web", "y\ny")
        values, problem = read_all()
      end
      assert.equal(
        ({ "3", "1", "2", "true", "false", "true", "true", "true", "true" })[index],
        values[index],
        problem
      )
      local count = #here.read("counter")
      read_all()
      assert.equal(count, #here.read("counter"), look[1])
    end
  end)

  it("is evaluated once for a content", function()
    local counter = ("%q"):format(here.directory .. "/counter")
    projects.write(
      here,
      "web",
      ('local f = io.open(%s, "a"); f:write("x"); f:close(); env({ PORT = 1 })'):format(counter)
    )
    projects.trust(here, "web")
    for _ = 1, 3 do
      assert.equal("1\n", enter("-- sh -c 'echo $PORT'").stdout)
    end
    assert.equal("x", here.read("counter"))
    here.write("web/syslua.lua", here.read("web/syslua.lua"):gsub("PORT = 1", "PORT = 2"))
    projects.trust(here, "web")
    assert.equal("2\n", enter("-- sh -c 'echo $PORT'").stdout)
    assert.equal("xx", here.read("counter"))
  end)

  it("is trusted with what sys.lua itself writes into its lock, and with nothing else", function()
    projects.write(here, "web", "env({ PORT = 1 })")
    projects.trust(here, "web")
    local lock = here.directory .. "/web/syslua.lock"
    here.write(
      "follow.lua",
      ([[
      local bindings = require("syslua.bindings")
      print(bindings.call("trust_follow", %q, ..., '{"version": 1}'))
    ]]):format(lock)
    )
    assert.equal("true\n", here.lua("follow.lua").stdout)
    here.write("web/syslua.lock", '{"version": 1}')
    assert.equal(0, enter("-- true").code)
    here.write("web/syslua.lock", '{ "version": 1 }')
    assert.equal(1, enter("-- true").code)
    -- What is written over a lock that was not trusted is not trusted either.
    assert.equal("false\n", here.lua("follow.lua", '{ "version": 1 }').stdout)
    here.write("web/syslua.lock", '{"version": 1}')
    assert.equal(0, enter("-- true").code)
  end)

  it("locks its inputs, whose files in the directory are trusted like all others", function()
    here.write(
      "web/syslua.lua",
      [[return { inputs = { ports = "path:./ports" }, setup = function()
        env({ PORT = require("inputs.ports").web })
      end }
    ]]
    )
    here.write("web/ports/init.lua", "return { web = 1 }\n")
    local code, shown = projects.trust(here, "web")
    assert.equal(0, code, shown)
    contains(here.read("web/syslua.lock"), "path:./ports")
    local result = enter("-- sh -c 'echo $PORT'")
    assert.equal("1\n", result.stdout, result.stderr)
    here.write("web/ports/init.lua", "return { web = 2 }\n")
    result = enter("-- sh -c 'echo $PORT'")
    assert.equal(1, result.code, result.stdout)
    contains(result.stderr, "ports/init.lua has changed")
    here.write("web/ports/init.lua", "return { web = 1 }\n")
    here.write("web/syslua.lock", here.read("web/syslua.lock") .. "\n")
    assert.equal(1, enter("-- true").code)
  end)

  it("counts sources only where they reach more than confined builds", function()
    here.write("web/data", "one\n")
    projects.write(
      here,
      "web",
      [[
      local data = derive({ name = "data", opts = { source = source("data") },
        config = function(opts, ctx)
        ctx.copy(opts.source, ctx.out .. "/data")
      end })
      env({ DATA = data.out .. "/data" })
    ]]
    )
    projects.trust(here, "web")
    here.write("web/data", "two\n")
    assert.equal("two\n", enter("-- sh -c 'cat $DATA'").stdout)
    local result = enter("--sandbox off -- true")
    assert.equal(1, result.code)
    contains(result.stderr, "the source")
    assert.equal(1, enter("-- true", "web", { SYSLUA_SANDBOX = "off" }).code)
    -- A script that shells source is run by them.
    here.write("web/data", "touch ../canary\n")
    projects.write(
      here,
      "web",
      [[
      local data = derive({ name = "data", opts = { source = source("data") },
        config = function(opts, ctx)
        ctx.copy(opts.source, ctx.out .. "/data")
      end })
      activate({ config = function(_, ctx) ctx.source_in_shell(data.out .. "/data") end })
    ]]
    )
    local code, shown = projects.trust(here, "web")
    assert.equal(0, code, shown)
    here.write("web/data", "touch ../canary # again\n")
    assert.equal(1, enter("-- true").code)
    projects.write(
      here,
      "web",
      'activate({ config = function(_, ctx) ctx.source_in_shell("/x.sh") end })'
    )
    code, shown = projects.trust(here, "web")
    assert.equal(1, code)
    contains(shown, "only scripts of the store")
  end)

  it("keeps its objects from gc while it is trusted, and those of what runs", function()
    projects.write(
      here,
      "web",
      [[
      local tool = derive({ name = "tool", config = function(_, ctx)
        ctx.write(ctx.out .. "/data", "text\n")
      end })
      env({ TOOL = tool.out })
    ]]
    )
    projects.trust(here, "web")
    here.must("gc")
    local object = machine.get_object(here, "tool")
    contains(here.must("why", object).stdout, "web")
    -- A shell that runs goes on when the directory is gone.
    local line = [[
      cd web && mkfifo ../begun ../end
      $LUA -l syslua shell -- sh -c 'echo >../begun; read line <../end; cat $TOOL/data' >../read &
      read line <../begun; cd ..; rm -r web
      $LUA -l syslua gc >/dev/null
      echo >end; wait
    ]]
    local result = here.shell(line)
    assert.equal("text\n", here.read("read"), result.stderr)
    here.must("gc")
    assert.is_false(here.exists("root/store/obj/" .. object))
    assert.is_false(here.exists("root/cache/projects/" .. "x"))
  end)

  it("goes with the root, and so does what was trusted", function()
    projects.write(here, "web", "env({ PORT = 1 })")
    projects.trust(here, "web")
    here.must("destroy", "--yes")
    assert.is_false(here.exists("root"))
  end)

  for name, shell in pairs(projects.shells) do
    local it_there = process.has(name) and it or pending
    local show = 'echo "<$EDITOR|$PORT|$INNER|$SYSLUA_PROJECT>"'

    it_there(name .. " enters and leaves by its hook", function()
      here.apply('env({ EDITOR = "vi" })')
      projects.write(here, "web", 'env({ PORT = 1, EDITOR = "web" })')
      projects.write(here, "web/deep", "env({ PORT = 2, INNER = 'in' })")
      projects.trust(here, "web/deep")
      local set = name == "fish" and "set -gx EDITOR mine" or "export EDITOR=mine"
      local shown, all = projects.run_shell(here, name, {
        show,
        "cd web",
        show,
        "cd deep",
        show,
        "cd ..",
        show,
        "cd ..",
        show,
        "cd web/deep",
        set,
        "cd " .. here.home,
        show,
      })
      assert.same({
        "vi|||",
        "web|1||web",
        "web|2|in|deep",
        "web|1||web",
        "vi|||",
        "mine|||",
      }, shown, all)
    end)

    it_there(name .. " marks its prompt while it is in a project", function()
      projects.write(here, "web", "env({ PORT = 1 })")
      projects.trust(here, "web")
      local _, all = projects.run_shell(here, name, {
        "cd web",
        "true",
        "cd ..",
        "echo left",
        "true",
      })
      local inside, outside = all:match("^(.*)left(.*)$")
      contains(inside, "(web) ")
      contains_none(outside, "(web) ")
    end)

    it_there(name .. " notices what changes, and says why once for each content", function()
      projects.write(here, "web", "env({ PORT = 1 })")
      local sys = "$LUA -l syslua"
      local trust = "echo y | " .. sys:gsub("%$LUA", "$LUA") .. " --version >/dev/null"
      assert.truthy(trust)
      here.write("second.lua", "return { setup = function()\nenv({ PORT = 2 })\nend }\n")
      here.write(
        "trust.sh",
        "echo y | script -qec '$LUA -l syslua shell --trust -- true' /dev/null >/dev/null"
      )
      local shown, all = projects.run_shell(here, name, {
        "cd web",
        show,
        "cd ..",
        "cd web",
        "sleep 0.1",
        "sh ../trust.sh",
        show,
        "sleep 0.1; cp ../second.lua syslua.lua",
        show,
        "true",
        "sleep 0.1; sh ../trust.sh",
        show,
        "rm syslua.lua",
        show,
      })
      assert.same({ "|||", "|1||web", "|||", "|2||web", "|||" }, shown, all)
      local _, said = all:gsub("sys%.lua: [^\n]* is not trusted", "")
      assert.equal(1, said, all)
      _, said = all:gsub("sys%.lua: [^\n]* has changed", "")
      assert.equal(1, said, all)
    end)

    it_there(name .. " starts no process in a project as long as nothing changed", function()
      if not process.has("strace") then
        pending("strace is not installed")
        return
      end
      projects.write(here, "web", "env({ PORT = 1 })")
      projects.trust(here, "web")
      here.shell("mkdir -p ~/.local/share/fish/generated_completions")
      local lines = { shell[2], "cd web", "sleep 0.1", "true", "echo begin >&2" }
      local rest = { "true", "cd deep", show, "cd ..", "true", "echo end >&2", "exit 0" }
      for _, line in ipairs(rest) do
        lines[#lines + 1] = line
      end
      here.write("lines", table.concat(lines, "\n") .. "\n")
      local trace = "strace -f -o trace -e trace=fork,vfork,clone,clone3,execve,write "
      here.shell(("script -qec '%s' /dev/null <lines >shown"):format(trace .. shell[1]), {
        TERM = "dumb",
        PS1 = "$ ",
      })
      local text = here.read("trace")
      local part = text:match('write%(%d, "begin\\n".-write%(%d, "end\\n"')
      assert.truthy(part, text:sub(-2000))
      contains(here.read("shown"), "<|1||web>")
      part = part:gsub('[^\n]*execve%("[^"]*/git"[^\n]*', "")
      local found = part:match("[^\n]*execve%([^\n]*") or part:match("[^\n]*fork%([^\n]*")
      if name ~= "fish" then
        found = found or part:match("[^\n]*clone3?%([^\n]*")
      end
      assert.is_nil(found)
    end)
  end
end)
