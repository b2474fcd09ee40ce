--- `build` realizes and applies nothing; `--check` builds again and says what differs.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

local config = [[
  local low = derive({ name = "low", config = function(_, ctx) ctx.write(ctx.out, "low\n") end })
  local tool = derive({
    name = "tool",
    version = "1.0",
    outputs = { "out", "doc" },
    opts = { low = low },
    config = function(opts, ctx)
      ctx.write(ctx.out .. "/self", ("%s %s %s\n"):format(ctx.out, opts.low.out, ctx.outputs.doc))
      ctx.write(ctx.outputs.doc .. "/page", "text\n")
    end,
  })
  file({ path = "~/.tool", source = tool.out })
]]

local random = [[
  local random = derive({ name = "random", version = "2", config = function(_, ctx)
    ctx.write(ctx.out .. "/a", "the same\n")
    ctx.write(ctx.out .. "/dir/b", ctx.run("head -c 16 /dev/urandom | od -An -tx1"))
    ctx.write(ctx.out .. "/dir/c", ctx.run("head -c 16 /dev/urandom | od -An -tx1"))
  end })
]]

describe("build", function()
  local here = machine.for_each_test(function(here)
    here.write_config(config)
  end)

  local function expect(code, ...)
    local result = here.run("build", ...)
    assert.equal(code, result.code, result.stdout .. result.stderr)
    return result.stdout, result.stderr
  end

  -- The names of the objects that it printed, each checked to be there.
  local function get_objects(output)
    local objects = here.root .. "/store/obj/"
    local names = {}
    for line in output:gmatch("[^\n]+") do
      assert.equal(objects, line:sub(1, #objects))
      assert.is_true(here.exists(line), line)
      names[#names + 1] = line:sub(#objects + 1):match("^(.*)%-%x+$")
    end
    return names
  end

  it("prints the paths of all outputs, and applies nothing", function()
    local home = here.list("home")
    local output = expect(0, "init.lua")
    assert.same({ "low", "tool-1.0", "tool-1.0-doc" }, get_objects(output))
    assert.equal(home, here.list("home"))
    assert.is_false(here.exists("root/store/metadata/current"))
    assert.is_false(here.exists("root/env.sh"))
    local again, talk = expect(0, "init.lua")
    assert.equal(output, again)
    assert.equal("", talk)
    assert.equal("", (expect(0, "init.lua", "--quiet")))
  end)

  it("says what it builds", function()
    local _, talk = expect(0, "init.lua")
    assert.equal("building low\nbuilding tool 1.0\n", talk)
  end)

  it("builds one derivation, and what it needs", function()
    assert.same({ "low" }, get_objects(expect(0, "init.lua", "low")))
    assert.equal(1, #get_objects(here.shell("ls -d $SYSLUA_ROOT/store/obj/*").stdout))
    assert.same({ "tool-1.0", "tool-1.0-doc" }, get_objects(expect(0, "init.lua", "tool")))
  end)

  it("takes a word that is no file for a derivation of the default config", function()
    here.environment.SYSLUA_CONFIG = here.directory .. "/init.lua"
    assert.same({ "low" }, get_objects(expect(0, "low")))
    here.write_config([[file({ path = "~/.one", content = "one\n" })]], "low/init.lua")
    assert.same({ "one" }, get_objects(expect(0, "low")))
    for _, word in ipairs({ "nosuch.lua", "./low.d" }) do
      local _, talk = expect(1, word)
      contains(talk, "cannot open the config")
    end
  end)

  it("names what there is when nothing has that name", function()
    local _, talk = expect(2, "init.lua", "tol")
    contains(talk, "no derivation called `tol`", "did you mean `tool`?")
    _, talk = expect(2, "init.lua", "something")
    contains(talk, "it declares low and tool")
    here.write_config("")
    _, talk = expect(2, "init.lua", "something")
    contains(talk, "it declares none")
    assert.equal("", (expect(0, "init.lua")))
  end)

  it("builds all derivations of one name, and prints shared objects once", function()
    here.write_config([[
      for number = 1, 3 do
        derive({ name = "one", opts = { number = number }, config = function(opts, ctx)
          ctx.write(ctx.out, opts.number == 3 and "other\n" or "same\n")
        end })
      end
    ]])
    assert.same({ "one", "one" }, get_objects(expect(0, "init.lua", "one")))
  end)

  it("fails as apply does", function()
    here.write_config(
      [[derive({ name = "fails", config = function(_, ctx) ctx.run("echo no >&2; exit 7") end })]]
    )
    local output, talk = expect(1, "init.lua")
    assert.equal("", output)
    contains(talk, "cannot build fails", "exit code 7", "init.lua:2")
  end)

  it("stops what needs one that fails, and lets go on what runs beside it", function()
    here.write("home/.taken", "mine")
    local before = here.list("home")
    here.write_config([[
      local beside = derive({ name = "beside", config = function(_, ctx)
        ctx.run("sleep 0.2")
        ctx.run("sleep 0.4")
        ctx.write(ctx.out, "beside")
      end })
      local fails = derive({ name = "fails", config = function(_, ctx)
        ctx.run("sleep 0.3; exit 7")
      end })
      local above = derive({ name = "above", opts = { fails, beside }, config = function(_, ctx)
        ctx.run("echo begun >$out")
      end })
      local top = derive({ name = "top", opts = { above }, config = function(_, ctx)
        ctx.run("echo begun >$out")
      end })
      file({ path = "~/.taken", source = top.out })
    ]])
    local result = here.run("apply", "init.lua", "--jobs", "2")
    assert.equal(1, result.code, result.stdout)
    contains(result.stderr, "cannot build fails")
    local begun = result.stderr:match("building (%w+)\n.-cannot build")
    assert.truthy(begun == "beside" or begun == "fails", result.stderr)
    contains_none(result.stderr, "above", "top")
    assert.equal(before, here.list("home"))
    -- What ended well is recorded: it is not built again, and nothing else is left.
    assert.equal("beside", here.shell("cat root/store/obj/*").stdout)
    local left = "ls root/store/staging root/store/b?? root/store/tmp | grep -v ':$' | grep ."
    assert.equal("", here.shell(left).stdout)
    here.write_config(
      (
        here
          .read("init.lua")
          :match("setup = function%(%)\n(.*)\nend }")
          :gsub("exit 7", "echo >$out")
      )
    )
    local again = here.must("apply", "init.lua", "--jobs", "2")
    contains_none(again.stderr, "beside")
    contains(again.stderr, "building top")
  end)

  it("tells programs what was built", function()
    local output = expect(0, "init.lua", "tool", "--json")
    matches(
      output,
      '^{"command":"build","derivations":%[{"hash":"%x+","name":"tool","outputs":{"doc":"',
      '"version":"1.0"}],"version":1}\n$'
    )
    output = expect(0, "init.lua", "tool", "--check", "--json")
    contains(output, '"differ":0', '"reproducible":true')
    here.write_config("")
    assert.equal(
      '{"command":"build","derivations":[],"version":1}\n',
      (expect(0, "init.lua", "--json"))
    )
  end)

  it("builds again with --check, also what names its own path and its dependencies", function()
    local output, talk = expect(0, "init.lua", "--check")
    assert.same({ "low", "tool-1.0", "tool-1.0-doc" }, get_objects(output))
    contains(talk, "2 derivations built again: nothing differs\n")
    local before = here.list("root")
    assert.equal(output, (expect(0, "init.lua", "--check")))
    assert.equal(before, here.list("root"))
  end)

  it("names the first file that differs, and exits with 3", function()
    here.write_config(random .. config)
    local output, talk = expect(3, "init.lua", "--check")
    local names = get_objects(output)
    assert.equal("random-2", names[1])
    local object, content = machine.get_object(here, "random-2")
    contains(talk, "! random 2 is not reproducible", "/store/obj/" .. object .. "/dir/b: ")
    contains_none(talk, "/dir/c")
    contains(talk, "3 derivations built again: 1 differs\n")
    -- The first build stays as it is.
    local again = expect(3, "init.lua", "random", "--check")
    assert.same({ "random-2" }, get_objects(again))
    assert.equal(content, select(2, machine.get_object(here, "random-2")))
    assert.equal(0, here.run("verify").code)
    assert.equal("", here.shell("ls $SYSLUA_ROOT/store/bld").stdout)
    expect(0, "init.lua", "low", "--check")

    output = expect(3, "init.lua", "--check", "--json")
    contains(output, '"differ":1', '"reproducible":false')
    assert.truthy(output:find('"difference":{"file":"[./]*dir/b","how":"', 1), output)
  end)

  it("keeps what the config prints out of its own output", function()
    here.write_config([[print("evaluating", 1) derive({ name = "one", config = function(_, ctx)
      print("building")
      ctx.write(ctx.out, "")
    end })]])
    local output, talk = expect(0, "init.lua", "--json")
    assert.equal("{", output:sub(1, 1))
    contains(talk, "evaluating\t1\n", "building\n")
  end)

  it("finds files that only one of two builds has, other modes and other links", function()
    here.environment.SYSLUA_SANDBOX = "off" -- The builds count themselves.
    for what, line in pairs({
      ["only in the second build"] = "mkdir $out; [ $n = 1 ] || : >$out/new",
      ["only in the first build"] = "mkdir $out; [ $n = 2 ] || : >$out/old",
      ["executable"] = "mkdir $out; : >$out/file; [ $n = 1 ] || chmod +x $out/file",
      ["links elsewhere"] = "mkdir $out; ln -s $n $out/link",
      ["another kind"] = "mkdir $out; if [ $n = 1 ]; then : >$out/it; else mkdir $out/it; fi",
      ["longer"] = "printf ab >$out; [ $n = 1 ] || printf c >>$out",
    }) do
      local count = here.directory .. "/count"
      here.write("count", "")
      here.write_config(([[
        derive({ name = "one", opts = { what = %q }, config = function(_, ctx)
          ctx.run("echo >>%s; n=$(wc -l <%s); %s")
        end })
      ]]):format(what, count, count, line))
      local _, talk = expect(3, "init.lua", "--check")
      contains(talk, what)
    end
  end)

  it("is checked from a script too", function()
    local script = [[
      local derivation = syslua.derive({ name = "one", config = function(_, ctx)
        ctx.write(ctx.out .. "/file", ctx.run(%q))
      end })
      print(syslua.build(derivation).out)
      local succeeded, result = pcall(syslua.build, derivation, { check = true })
      if succeeded then
        print(result.out)
      else
        local failure = syslua.error(result)
        print(failure.kind, failure.message, failure.position)
      end
    ]]
    local result = here.script(script:format("echo same"))
    assert.equal(0, result.code, result.stderr)
    local first, second = result.stdout:match("^(.-)\n(.-)\n$")
    assert.equal(first, second)
    result = here.script(script:format("head -c 16 /dev/urandom | od -An -tx1"))
    assert.equal(0, result.code, result.stderr)
    local path, kind, message, position = result.stdout:match("^(.-)\n(.-)\t(.-)\t(.-)\n$")
    assert.equal("build", kind)
    contains(message, "one is not reproducible", path .. "/file differs")
    assert.equal("script.lua:6", position:match("[^/]*$"))
  end)
end)
