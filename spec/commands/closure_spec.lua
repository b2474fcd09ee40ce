--- `export` and `import closure`: what was built here runs in another root, and as another user.

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

-- A script that calls a program that needs a library: each finds the next one beside itself.
local config = [[
  local function beside(path) return "../../" .. path:match("[^/]+$") end
  local library = derive({
    name = "libgreet",
    version = "1.0",
    config = function(_, ctx)
      ctx.write("greet.c", '#include <stdio.h>\n'
        .. 'void greet(char *n) { printf("hello, %s\\n", n); }\n')
      ctx.mkdir(ctx.out .. "/lib")
      ctx.run({ "cc", "-shared", "-fPIC", "-o", ctx.out .. "/lib/libgreet.so", "greet.c" })
    end,
  })
  local program = derive({
    name = "greet",
    version = "1.0",
    opts = { library = library },
    config = function(opts, ctx)
      ctx.write("main.c", "void greet(char *);\n"
        .. "int main(int c, char **v) { greet(v[1]); return 0; }\n")
      ctx.mkdir(ctx.out .. "/bin")
      ctx.run({
        "cc", "-o", ctx.out .. "/bin/greet", "main.c",
        "-L" .. opts.library.out .. "/lib", "-lgreet",
        "-Wl,-rpath,$ORIGIN/" .. beside(opts.library.out) .. "/lib",
      })
    end,
  })
  local script = derive({
    name = "greeter",
    opts = { program = program },
    config = function(opts, ctx)
      local path = ctx.out .. "/bin/greeter"
      ctx.write(path, '#!/bin/sh\nhere=$(dirname "$(readlink -f "$0")")\nexec "$here/'
        .. beside(opts.program.out) .. '/bin/greet" "$@"\n')
      ctx.chmod(path, "755")
    end,
  })
  derive({
    name = "fixed",
    opts = { script = script },
    config = function(opts, ctx)
      ctx.write(ctx.out .. "/etc/conf", opts.script.out .. "/bin/greeter\n")
    end,
  })
]]

describe("a closure #once", function()
  local here, there, script, library

  local function expect(code, who, ...)
    local result = who.run(...)
    assert.equal(code, result.code, result.stdout .. result.stderr)
    return result.stdout, result.stderr
  end

  setup(function()
    here = machine.new()
    here.write_config(config)
    expect(0, here, "build", "init.lua")
    script, library = machine.get_object(here, "greeter"), machine.get_object(here, "libgreet-1.0")
  end)

  teardown(function()
    here.remove()
  end)

  before_each(function()
    there = machine.new()
  end)

  after_each(function()
    there.remove()
  end)

  it("works in another root, where it is kept and whole", function()
    local told = expect(0, here, "export", "greeter", "-o", "greeter.closure")
    contains(
      told,
      "Exported 3 objects, ",
      "to "
        .. here.directory
        .. "/greeter.closure:\n  "
        .. script
        .. "\n  and 2 objects they refer to\n"
    )
    told = expect(0, there, "import", "closure", here.directory .. "/greeter.closure")
    contains(told, "Imported 3 objects, ")
    local kept = there.root .. "/store/metadata/gc-roots/import-" .. script
    contains(told, script .. " stays until you remove " .. kept .. "\n")
    assert.equal(there.root .. "/store/obj/" .. script, there.read_link(kept))
    -- Nothing of the other root is needed.
    here.shell("mv root away")
    local ran = there.shell("root/store/obj/" .. script .. "/bin/greeter moved")
    here.shell("mv away root")
    assert.equal("hello, moved\n", ran.stdout, ran.stderr)
    contains(expect(0, there, "verify"), "3 objects checked")
    local objects = "root/store/obj"
    local function get_tree(who)
      return who.shell(
        "cd "
          .. objects
          .. " && find "
          .. script
          .. " "
          .. library
          .. " -printf '%p %y %m %s %T@ %l\\n' | sort"
      ).stdout
    end
    assert.equal(get_tree(here), get_tree(there))
    assert.equal(
      "../../../obj/" .. library,
      there.read_link("root/store/pkg/libgreet/1.0/" .. require("syslua").platform)
    )
    -- A second time nothing is new; one that is damaged is replaced.
    told = expect(0, there, "import", "closure", here.directory .. "/greeter.closure")
    contains(told, "Nothing is new: all 3 objects in the closure are here already.")
    there.shell(
      "chmod -R u+w "
        .. objects
        .. "/"
        .. library
        .. " && echo x >"
        .. objects
        .. "/"
        .. library
        .. "/lib/libgreet.so"
    )
    told = expect(0, there, "import", "closure", here.directory .. "/greeter.closure")
    contains(told, "Imported 1 object, ", "; 2 more are here already:")
    contains(expect(0, there, "verify"), "3 objects checked")
  end)

  it("goes through pipes", function()
    local line = '"$LUA" -l syslua export libgreet/1.0 greeter -o - | '
      .. 'SYSLUA_ROOT=%s "$LUA" -l syslua import closure - --json'
    local result = here.shell(line:format(process.quote(there.root)))
    assert.equal(0, result.code, result.stderr)
    contains(
      result.stdout,
      '"kind":"closure"',
      '"command":"import"',
      '"present":[]',
      '"object":"' .. library .. '"',
      '"gc_root":"' .. there.root .. "/store/metadata/gc-roots/import-" .. library .. '"'
    )
    -- What is said about it goes to the other stream.
    contains(result.stderr, "Exported 3 objects")
  end)

  it("is told about as JSON", function()
    local document = expect(0, here, "export", script, "--output", "a.closure", "--json")
    contains(
      document,
      '"file":"' .. here.directory .. '/a.closure"',
      '"roots":["' .. script .. '"]',
      '"objects":[{"object":"' .. library .. '","path":',
      '"length":' .. #here.read("a.closure")
    )
    local _, talk = expect(2, here, "export", script, "--json")
    contains(talk, "cannot both go to standard output")
  end)

  it("is refused when an object in it names its store", function()
    here.write("old.closure", "precious")
    local _, talk = expect(1, here, "export", "fixed", "-o", "old.closure")
    contains(
      talk,
      "cannot export: fixed-",
      " cannot be moved: etc/conf in it names the root " .. here.root,
      "hint: refer to other objects by paths relative to the file"
    )
    assert.equal("precious", here.read("old.closure"))
    assert.equal("old.closure\n", here.shell("ls -A | grep old").stdout)
  end)

  it("that is cut, changed or no closure at all is refused", function()
    expect(0, here, "export", "greeter", "-o", "whole.closure")
    local text = here.read("whole.closure")
    for name, case in pairs({
      cut = { text:sub(1, -20), "ends" },
      longer = { text .. text, "something follows its last object" },
      changed = {
        text:sub(1, 1000) .. string.char((text:byte(1001) + 1) % 256) .. text:sub(1002),
        "damaged",
      },
      text = { "hello\n", "not a closure" },
      empty = { "", "it is empty" },
    }) do
      local file = there.write(name .. ".closure", case[1])
      local _, talk = expect(1, there, "import", "closure", name .. ".closure")
      contains(talk, "cannot import " .. file .. ": ", case[2])
      assert.equal(
        "",
        there
          .shell(
            "ls root/store/obj root/store/info root/store/metadata/gc-roots "
              .. "2>/dev/null | grep -v :"
          ).stdout
          :gsub("\n", "")
      )
    end
    local _, talk = expect(1, there, "import", "closure", "nowhere.closure")
    contains(talk, "nowhere.closure: No such file or directory")
  end)

  it("that does not come is waited for until somebody asks to stop", function()
    expect(0, here, "export", "greeter", "-o", "whole.closure")
    -- The pipe stays open, and half of the closure comes through it.
    local result = there.shell(([[
      mkfifo pipe
      exec 3<>pipe
      head -c 1000 %s >&3
      timeout -s INT 2 "$LUA" -l syslua import closure - <&3
      echo "code $?"
      ls root/store/bld root/store/obj
    ]]):format(process.quote(here.directory .. "/whole.closure")))
    contains(result.stderr, "interrupted: nothing was changed")
    matches(result.stdout, "^code 1[23]")
    contains_none(result.stdout, "closure\n", "greet")
  end)

  it("needs words that mean something", function()
    local _, talk = expect(2, here, "export")
    contains(talk, "export: an object is missing")
    _, talk = expect(2, here, "export", "nosuch", "-o", "x.closure")
    contains(talk, "the store has no object `nosuch`")
    _, talk = expect(2, there, "export", "greeter", "-o", "x.closure")
    contains(talk, "the store has no object `greeter`")
    assert.is_false(there.exists("root"))
    _, talk = expect(2, here, "import")
    contains(talk, "import: the kind and the path are missing")
    _, talk = expect(2, here, "import", "closur", "x")
    contains(talk, "there is no kind `closur` to import, only `aqua`", "import closure PATH`?")
    expect(2, here, "import", "closure")
    _, talk = expect(1, here, "export", "greeter", "-o", here.directory)
    contains(talk, "is a directory")
    -- To a terminal nothing is written.
    local terminal =
      here.shell([[script -qec '"$LUA" -l syslua export greeter' /dev/null; echo "code $?"]])
    contains(terminal.stdout, "the closure cannot be shown on a terminal", "code 2")
  end)

  it("spares the build of what is declared by its hash", function()
    local lines = [[
      local text = derive({
        name = "text",
        version = "1",
        output_sha256 = "1c37d01af40be2e80691de3cc3df44377a699afbb17c68f080964b2fd071fc13",
        config = function(_, ctx) %s end,
      })
      file({ path = "~/.text", source = text.out })
    ]]
    here.write_config(lines:format('ctx.write(ctx.out, "hello\\n")'), "text.lua")
    expect(0, here, "build", "text.lua")
    expect(0, here, "export", "text/1", "-o", "text.closure")
    there.write_config(lines:format('error("built again")'))
    local _, talk = expect(1, there, "apply", "init.lua")
    contains(talk, "built again")
    expect(0, there, "import", "closure", here.directory .. "/text.closure")
    contains(expect(0, there, "apply", "init.lua"), "1 added, 0 changed, 0 removed\n")
    assert.equal("hello\n", there.read(there.home .. "/.text"))
    contains(expect(0, there, "verify"), "1 object checked")
  end)
end)

describe("a closure #root #once", function()
  it("that root made works for a user, who owns it", function()
    local here = machine.new()
    here.shell("chmod 755 . && mkdir user && chown syslua-test: user")
    here.write_config(config)
    assert.equal(0, here.run("build", "init.lua").code)
    local result = here.shell([[
      "$LUA" -l syslua export greeter -o greeter.closure --quiet &&
      setpriv --reuid=syslua-test --regid=syslua-test --init-groups env \
        HOME="$PWD/user" SYSLUA_ROOT="$PWD/user/root" sh -ec '
        "$LUA" -l syslua import closure greeter.closure --quiet
        "$LUA" -l syslua verify
        user/root/store/obj/greeter-*/bin/greeter user
        stat -c "%U %a" user/root/store/obj user/root/store/obj/greeter-*/bin \
          user/root/store/obj/greeter-*/bin/greeter
        find user/root ! -user syslua-test
      ']])
    here.remove()
    assert.equal(0, result.code, result.stderr)
    local expected = "3 objects checked: all are as they were built\nhello, user\n"
      .. "syslua-test 500\nsyslua-test 555\nsyslua-test 555\n"
    assert.equal(expected, result.stdout)
  end)
end)
