--- `apply`: the files appear, a second run does nothing, what is no longer declared goes.

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

local it_traced = process.has("strace") and it or pending

-- What changes a file system, besides opening a file to write.
local changing = {}
for name in
  ([[
    creat mkdir mkdirat mknod mknodat rename renameat renameat2 unlink unlinkat rmdir symlink
    symlinkat link linkat
    chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat truncate ftruncate utime utimes
    utimensat futimesat
    setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr fallocate
  ]]):gmatch("%w+")
do
  changing[name] = true
end

describe("apply", function()
  local here = machine.for_each_test()

  local function apply(...)
    local result = here.run("apply", ...)
    assert.equal(0, result.code, result.stderr)
    return result
  end

  -- The traced calls that write below the machine's home or root.
  local function get_writes(trace)
    local writes = {}
    for line in trace:gmatch("[^\n]+") do
      local call = line:match("^%d+ +([%w_]+)%(") or ""
      local is_write = changing[call]
        or (
          call:find("^open")
          and (line:find("O_WRONLY") or line:find("O_RDWR") or line:find("O_CREAT"))
        )
      local is_ours = line:find(here.home, 1, true) or line:find(here.root, 1, true)
      if is_write and is_ours then
        writes[#writes + 1] = line
      end
    end
    return writes
  end

  local function trace_apply()
    local calls = "%file,fchmod,fchown,ftruncate,fsetxattr,fremovexattr,fallocate"
    local result = here.shell(
      ("strace -f -y -s 4096 -e trace=%s -o trace $LUA -l syslua apply init.lua"):format(calls)
    )
    assert.equal(0, result.code, result.stderr)
    return get_writes(here.read("trace"))
  end

  it("makes links to built content", function()
    here.write("text", "from a source\n")
    here.write_config([[
      file({ path = "~/.one", content = "one\n" })
      file({ path = "~/.config/app/two", source = "text" })
      file({ path = "~/bin/three", content = "#!/bin/sh\necho three\n", executable = true })
    ]])
    local result = apply("init.lua")
    assert.equal("one\n", here.read("home/.one"))
    assert.equal("from a source\n", here.read("home/.config/app/two"))
    assert.equal("three\n", here.shell("$HOME/bin/three").stdout)
    for _, name in ipairs({ ".one", ".config/app/two", "bin/three" }) do
      assert.equal(
        here.root .. "/store/obj/",
        here.read_link("home/" .. name):sub(1, #here.root + 11)
      )
    end
    contains(result.stdout, "Snapshot 1: 3 added")
  end)

  it("says so when nothing changed, and changes nothing", function()
    here.write_config([[
      file({ path = "~/.one", content = "one\n" })
      env({ EDITOR = "vi" })
    ]])
    apply("init.lua")
    local home, root = here.list("home"), here.list("root")
    local result = apply("init.lua")
    matches(result.stdout, "^Nothing changed")
    assert.equal(home, here.list("home"))
    assert.equal(root, here.list("root"))
  end)

  it_traced("writes nothing below the root or the home when nothing changed", function()
    here.write("text", "text\n")
    here.write_config([[
      file({ path = "~/.one", content = "one\n" })
      file({ path = "~/.config/app/two", source = "text" })
      file({ path = "~/.three", source = "text", mutable = true })
      env({ EDITOR = "vi", PATH = "~/bin" })
      local tool = derive({ name = "tool", config = function(_, ctx)
        ctx.run("mkdir -p $out/bin")
      end })
      activate({ config = function(_, ctx) ctx.add_to_path(tool.out .. "/bin") end })
    ]])
    assert.is_true(#trace_apply() > 0, "the trace of the first run shows no writes")
    assert.same({}, trace_apply())
  end)

  it("removes what is no longer declared, and the directories it made", function()
    here.write("home/.config/kept/file", "mine\n")
    here.write_config([[
      file({ path = "~/.config/app/deep/one", content = "one\n" })
      file({ path = "~/.config/kept/two", content = "two\n" })
      file({ path = "~/.local/three", content = "three\n" })
      file({ path = "~/.four", content = "four\n" })
    ]])
    apply("init.lua")
    here.write("home/.local/mine", "mine\n")
    here.write_config([[file({ path = "~/.four", content = "four\n" })]])
    local result = apply("init.lua")
    contains(result.stdout, "3 removed")
    assert.is_false(here.exists("home/.config/app"))
    assert.is_false(here.exists("home/.config/kept/two"))
    assert.equal("mine\n", here.read("home/.config/kept/file"))
    assert.is_false(here.exists("home/.local/three"))
    assert.equal("mine\n", here.read("home/.local/mine"))
    assert.equal("four\n", here.read("home/.four"))
    matches(apply("init.lua").stdout, "^Nothing changed")
  end)

  it("leaves an empty home when the config declares nothing any more", function()
    local before = here.list("home")
    here.write_config([[
      file({ path = "~/.config/app/one", content = "one\n" })
      env({ EDITOR = "vi" })
    ]])
    apply("init.lua")
    here.write_config("")
    apply("init.lua")
    assert.equal(before, here.list("home"))
    matches(apply("init.lua").stdout, "^Nothing changed")
  end)

  it("changes a link when the content changes", function()
    here.write_config([[file({ path = "~/.one", content = "first\n" })]])
    apply("init.lua")
    local first = here.read_link("home/.one")
    here.write_config([[file({ path = "~/.one", content = "second\n" })]])
    local result = apply("init.lua")
    contains(result.stdout, "1 changed")
    assert.equal("second\n", here.read("home/.one"))
    assert.equal("first\n", here.read(first))
  end)

  it("changes a link when its source changes", function()
    here.write("text", "first\n")
    here.write_config([[file({ path = "~/.one", source = "text" })]])
    apply("init.lua")
    here.write("text", "second\n")
    apply("init.lua")
    assert.equal("second\n", here.read("home/.one"))
  end)

  it("links a mutable file to its source, so that edits need no apply", function()
    here.write("text", "first\n")
    here.write_config([[file({ path = "~/.one", source = "text", mutable = true })]])
    apply("init.lua")
    assert.equal(here.directory .. "/text", here.read_link("home/.one"))
    here.write("text", "second\n")
    assert.equal("second\n", here.read("home/.one"))
    matches(apply("init.lua").stdout, "^Nothing changed")
  end)

  it("puts back a link that somebody removed", function()
    here.write_config([[file({ path = "~/.one", content = "one\n" })]])
    apply("init.lua")
    os.remove(here.home .. "/.one")
    apply("init.lua")
    assert.equal("one\n", here.read("home/.one"))
  end)

  it("takes a directory for its init.lua, and modules beside it", function()
    here.write("config/init.lua", 'return { setup = function() require("modules.one")() end }')
    here.write(
      "config/modules/one.lua",
      'return function() file({ path = "~/.one", content = "one\\n" }) end'
    )
    local result = apply("config")
    assert.equal("one\n", here.read("home/.one"))
    contains(result.stdout, "modules/one.lua:1")
  end)

  it("takes the config that SYSLUA_CONFIG names, or the user's own", function()
    here.write_config([[file({ path = "~/.one", content = "one\n" })]])
    local result =
      here.shell("$LUA -l syslua apply", { SYSLUA_CONFIG = here.directory .. "/init.lua" })
    assert.equal(0, result.code, result.stderr)
    assert.equal("one\n", here.read("home/.one"))
    if not result.stderr:find("root") and process.run({ "id", "-u" }).stdout ~= "0\n" then
      here.write_config(
        [[file({ path = "~/.two", content = "two\n" })]],
        "home/.config/syslua/init.lua"
      )
      assert.equal(0, here.run("apply").code)
      assert.equal("two\n", here.read("home/.two"))
    end
  end)

  it("keeps its store where --root says", function()
    here.write_config([[file({ path = "~/.one", content = "one\n" })]])
    apply("init.lua", "--root", "elsewhere")
    assert.is_false(here.exists("root"))
    contains(here.read_link("home/.one"), here.directory .. "/elsewhere/store/obj/")
  end)

  it("does nothing with --dry-run", function()
    here.write_config([[file({ path = "~/.one", content = "one\n" })]])
    local result = apply("init.lua", "--dry-run")
    contains(result.stdout, "~/.one")
    assert.is_false(here.exists("root"))
    assert.is_false(here.exists("home/.one"))
  end)
end)
