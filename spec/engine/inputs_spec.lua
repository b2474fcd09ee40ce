--- Inputs of configs: what is locked, what `setup` and `require` get of them, and what is refused.
-- The repositories are on this machine; servers have a spec of their own.

local input_place = require("spec.support.input_place")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

describe("inputs #once", function()
  local place, here, url

  before_each(function()
    place = input_place.new()
    here, url = place.here, place.url
  end)

  after_each(function()
    here.remove()
  end)

  -- A config whose inputs are given as text, and whose `setup` has these lines.
  local function write(inputs, lines)
    here.write(
      "init.lua",
      ("return {\n  inputs = {\n    %s\n  },\n  setup = function(inputs)\n%s\n  end,\n}\n"):format(
        inputs,
        lines or ""
      )
    )
  end

  local function must(...)
    return here.must(...)
  end

  local function fail(words, ...)
    local result = here.shell("$LUA -l syslua " .. words)
    assert.truthy(result.code ~= 0, result.stdout)
    contains(result.stderr, ...)
    return result
  end

  it("are fetched, locked and given to setup", function()
    local rev =
      place.commit("dots", { vimrc = "set nu\n", ["lua/git.lua"] = "return { name = 'git' }\n" })
    write(
      ("dots = %q,"):format(url("dots") .. "#main"),
      [[
    local dots = inputs.dots
    file { path = "~/.vimrc", source = dots.path .. "/vimrc" }
    local facts = { dots.rev, dots.url, dots.sha256, require("inputs.dots.git").name }
    file { path = "~/.facts", content = table.concat(facts, "\n") }
    ]]
    )
    local planned = must("plan", "init.lua").stdout
    contains(planned, "would lock dots  " .. rev:sub(1, 9))
    assert.is_false(here.exists("syslua.lock"))
    local applied = must("apply", "init.lua").stdout
    contains(applied, "locked dots  " .. rev:sub(1, 9))
    assert.equal("set nu\n", here.read("home/.vimrc"))
    local entry = place.lock().inputs.dots
    assert.same(
      { "git", url("dots") .. "#main", "main", rev },
      { entry.type, entry.url, entry.ref, entry.rev }
    )
    local line = "cp -R repos/dots plain && rm -rf plain/.git && nix-hash --type sha256 plain"
    assert.equal(entry.sha256 .. "\n", here.shell(line).stdout)
    assert.equal(1700003600, entry.lastModified)
    assert.equal(
      table.concat({ rev, url("dots") .. "#main", entry.sha256, "git" }, "\n"),
      here.read("home/.facts")
    )
    -- Nothing but the tree is left, without a repository.
    assert.equal(entry.sha256 .. "\n", place.trees())
    assert.is_false(here.exists("root/cache/inputs/" .. entry.sha256 .. "/.git"))
    local before = here.read("syslua.lock")
    matches(must("apply", "init.lua").stdout, "^Nothing changed")
    assert.equal(before, here.read("syslua.lock"))
  end)

  it("stay where they are locked until they are updated", function()
    local old = place.commit("dots", { file = "one\n" })
    place.commit("other", { file = "one\n" })
    write(
      ("dots = %q, other = %q,"):format(url("dots") .. "#main", url("other")),
      'file { path = "~/f", source = inputs.dots.path .. "/file" }'
    )
    must("apply", "init.lua")
    place.commit("dots", { file = "two\n" })
    local new = place.commit("dots", { file = "three\n" })
    place.commit("other", { file = "two\n" })
    must("apply", "init.lua")
    assert.equal("one\n", here.read("home/f"))
    assert.equal(3, here.run("outdated", "-c", "init.lua").code)
    local text = here.read("syslua.lock")
    local shown = must("update", "--dry-run", "-c", "init.lua", "dots").stdout
    contains(
      shown,
      ("would update dots  %s (2023-11-14) -> %s (2023-11-15), 2 commits"):format(
        old:sub(1, 9),
        new:sub(1, 9)
      )
    )
    assert.equal(text, here.read("syslua.lock"))
    local other = place.lock().inputs.other
    must("update", "-c", "init.lua", "dots")
    assert.equal(new, place.lock().inputs.dots.rev)
    assert.same(other, place.lock().inputs.other)
    must("apply", "init.lua")
    assert.equal("three\n", here.read("home/f"))
    assert.equal(3, here.run("outdated", "-c", "init.lua").code)
    must("update", "-c", "init.lua")
    assert.equal(
      "All inputs, pins and tools are up to date.\n",
      must("outdated", "-c", "init.lua").stdout
    )
  end)

  it("are offline once they are locked and cached", function()
    place.commit("dots", { file = "one\n" })
    write(
      ("dots = %q,"):format(url("dots")),
      'file { path = "~/f", source = inputs.dots.path .. "/file" }'
    )
    must("apply", "init.lua")
    here.shell("mv repos gone; rm -rf home")
    here.shell("mkdir home")
    must("apply", "init.lua", "--offline", "--locked")
    assert.equal("one\n", here.read("home/f"))
    -- What is in the cache is not believed.
    here.shell("for file in root/cache/inputs/*/file; do echo other >$file; done")
    fail("apply init.lua", "the input `dots`", "init.lua:3")
    here.shell("mv gone repos")
    must("apply", "init.lua")
    assert.equal("one\n", here.read("home/f"))
  end)

  it(
    "that are not locked are refused with --locked, and dropped when they are not declared",
    function()
      place.commit("dots", { file = "one\n" })
      write(("dots = %q,"):format(url("dots")))
      fail("apply init.lua --locked", "`dots` is not in syslua.lock", "init.lua:3", "--locked")
      must("apply", "init.lua")
      must("lock", "--check", "-c", "init.lua")
      write("")
      fail("apply init.lua --locked", "the input `dots`")
      assert.equal(3, here.run("lock", "--check", "-c", "init.lua").code)
      contains(must("apply", "init.lua").stdout, "dropped dots")
      assert.same({}, place.lock().inputs)
    end
  )

  it("whose address or type changed are an error that names the remedy", function()
    place.commit("dots", { file = "one\n" }, "old")
    write(("dots = %q,"):format(url("dots")))
    must("apply", "init.lua")
    for _, other in ipairs({ url("dots") .. "#old", "path:repos/dots" }) do
      write(("dots = %q,"):format(other))
      fail(
        "apply init.lua",
        "the input `dots`: the ",
        "in syslua.lock is",
        "init.lua:3",
        "sys update dots"
      )
    end
    must("update", "-c", "init.lua", "dots")
    must("apply", "init.lua")
    assert.equal("path", place.lock().inputs.dots.type)
  end)

  it("name both hashes when the locked revision has other content", function()
    place.commit("dots", { file = "one\n" })
    write(("dots = %q,"):format(url("dots")))
    must("apply", "init.lua")
    local sha256 = place.lock().inputs.dots.sha256
    local wrong = ("ab"):rep(32)
    here.write("syslua.lock", (here.read("syslua.lock"):gsub(sha256, wrong)))
    local before = place.trees()
    fail(
      "apply init.lua",
      "locked sha256   " .. wrong,
      "received sha256 " .. sha256,
      "sys update dots"
    )
    assert.equal(before, place.trees())
  end)

  it("are written also when a build failed", function()
    place.commit("dots", { file = "one\n" })
    write(
      ("dots = %q,"):format(url("dots")),
      'derive { name = "bad", config = function(_, ctx) ctx.run("exit 7") end }'
    )
    fail("apply init.lua", "exit")
    assert.truthy(place.lock().inputs.dots)
  end)

  it("have modules that see their siblings and their own inputs", function()
    place.commit("low", { ["init.lua"] = "return { name = 'low' }\n" })
    place.commit("mid", {
      ["init.lua"] = ([[return {
  inputs = { low = %q },
  get = function() return require("inputs.low").name .. require("helper") end,
}]]):format(url("low")),
      ["lua/helper.lua"] = "return ' with a helper'\n",
      ["modules/m.lua"] = "return 'mid'\n",
      ["lua/mid/deep/init.lua"] = "return require('modules.m')\n",
    })
    here.write("helper.lua", "return 'of the config'\n")
    here.write("modules/m.lua", "return 'config'\n")
    write(
      ("mid = %q,"):format(url("mid")),
      [[
    assert(inputs.low == nil)
    assert(require("inputs.mid").get() == "low with a helper")
    assert(require("inputs.mid.deep") == "mid")
    assert(require("modules.m") == "config" and require("helper") == "of the config")
    ]]
    )
    must("apply", "init.lua")
    local lock = place.lock().inputs
    assert.truthy(lock.mid and lock["mid/low"])
    fail("update -c init.lua lower", "there is neither an input nor a pin `lower`")
    assert.equal(
      "All inputs, pins and tools are up to date.\n",
      must("update", "-c", "init.lua", "mid/low").stdout
    )
  end)

  it("may name other addresses when they are updated", function()
    place.commit("one", { file = "one\n" })
    place.commit("two", { file = "two\n" })
    local entry = "return { inputs = { low = %q } }\n"
    place.commit("mid", { ["init.lua"] = entry:format(url("one")) })
    write(("mid = %q,"):format(url("mid")))
    must("apply", "init.lua")
    place.commit("mid", { ["init.lua"] = entry:format(url("two")) })
    must("apply", "init.lua")
    assert.equal(url("one"), place.lock().inputs["mid/low"].url)
    must("update", "-c", "init.lua", "mid")
    assert.equal(url("two"), place.lock().inputs["mid/low"].url)
    place.commit("mid", { ["init.lua"] = "return { name = 'alone' }\n" })
    contains(must("update", "-c", "init.lua", "mid").stdout, "dropped mid/low")
  end)

  it("may follow another one", function()
    place.commit("low", { ["init.lua"] = "return 'theirs'\n" })
    place.commit("own", { ["init.lua"] = "return 'ours'\n" })
    place.commit("mid", {
      ["init.lua"] = (
        "return { inputs = { low = %q }, get = function() return "
        .. "require('inputs.low') end }\n"
      ):format(url("low")),
    })
    local declared = "own = %q, mid = { url = %q, follows = { low = %q } },"
    write(
      declared:format(url("own"), url("mid"), "own"),
      'assert(require("inputs.mid").get() == "ours")'
    )
    must("apply", "init.lua")
    assert.is_nil(place.lock().inputs["mid/low"])
    write(declared:format(url("own"), url("mid"), "owm"))
    fail("plan init.lua", "the config has no input `owm`", "did you mean `own`?", "init.lua:3")
    write((declared:gsub("low =", "lo =")):format(url("own"), url("mid"), "own"))
    fail("plan init.lua", "has no input `lo`", "did you mean `low`?")
  end)

  it("that go in a circle are shown as a chain", function()
    place.commit("a", { ["init.lua"] = ("return { inputs = { b = %q } }\n"):format(url("b")) })
    place.commit("b", { ["init.lua"] = ("return { inputs = { a = %q } }\n"):format(url("a")) })
    write(("a = %q,"):format(url("a")))
    fail("plan init.lua", "circle: a -> b -> a", "<inputs.a/b>/init.lua:1")
  end)

  it("that go in a circle by `follows` are shown as a chain #once", function()
    place.commit("a", { ["init.lua"] = ("return { inputs = { b = %q } }"):format(url("low")) })
    place.commit("b", { ["init.lua"] = ("return { inputs = { d = %q } }"):format(url("low")) })
    place.commit("low", { file = "" })
    local function declare(a, b)
      local form =
        "a = { url = %q, follows = { b = %q } },\nb = { url = %q, follows = { d = %q } },"
      write(form:format(url("a"), a, url("b"), b))
    end
    declare("b", "a")
    fail("plan init.lua", "circle: a -> b -> a", "init.lua:", "hint:")
    declare("a", "a")
    fail("plan init.lua", "circle: a -> a", "init.lua:3", "hint:")
    declare("b", "b")
    fail("plan init.lua", "circle: b -> b", "init.lua:4", "hint:")
  end)

  it("count by their content in hashes of derivations", function()
    place.commit("dots", { ["sub/file"] = "one\n" })
    write(
      ("dots = %q,"):format(url("dots")),
      [[
    local captured = inputs.dots.path
    derive { name = "copy", opts = { from = inputs.dots.path .. "/sub" },
      config = function(opts, ctx)
      ctx.copy(opts.from .. "/file", ctx.out .. "/a")
      ctx.copy(captured .. "/sub/file", ctx.out .. "/b")
      ctx.run({ "cp", opts.from .. "/file", ctx.out .. "/c" })
      ctx.run("cat " .. captured .. "/sub/file >$out/d")
    end }
    ]]
    )
    local built = must("build", "init.lua").stdout:gsub("\n", "")
    for _, name in ipairs({ "a", "b", "c", "d" }) do
      assert.equal("one\n", here.read(built .. "/" .. name), name)
    end
    local function list(root)
      return here.shell("cd " .. root .. "/store/drv && ls -A | grep drv$").stdout
    end
    -- Another root has the trees in another place.
    must("build", "init.lua", "--root", here.directory .. "/other")
    assert.equal(list("root"), list("other"))
    assert.equal(here.shell("ls root/store/obj").stdout, here.shell("ls other/store/obj").stdout)
  end)

  it("of this machine are directories as they are", function()
    here.write("own/init.lua", "return 'own'\n")
    here.write("own/file", "one\n")
    write(
      'own = "path:./own", home = "path:~",',
      [[
    assert(require("inputs.own") == "own" and inputs.own.rev == nil)
    assert(inputs.home.path == os.getenv("HOME"))
    file { path = "~/f", source = inputs.own.path .. "/file" }
    ]]
    )
    must("apply", "init.lua")
    assert.same({ type = "path", url = "path:./own" }, place.lock().inputs.own)
    here.write("own/file", "two\n")
    must("apply", "init.lua")
    assert.equal("two\n", here.read("home/f"))
    write('other = "path:./none",')
    fail("plan init.lua", "there is no directory", "init.lua:3")
  end)

  it("have a directory of the tree as their top", function()
    place.commit("repo", { ["config/init.lua"] = "return 'inner'\n", file = "" })
    write(
      ("inner = %q,"):format(url("repo") .. "?dir=config#main"),
      'assert(require("inputs.inner") == "inner" and inputs.inner.path:find("/config$"))'
    )
    must("apply", "init.lua")
    write(("other = %q,"):format(url("repo") .. "?dir=none#main"))
    fail("plan init.lua", "its tree has no directory `none`")
  end)

  it("of a foreign tree do not reach this machine", function()
    here.write("secret/init.lua", "return 1\n")
    place.commit("bad", {
      ["init.lua"] = ("return { inputs = { x = %q } }\n"):format(
        "path:" .. here.directory .. "/secret"
      ),
      ["up/init.lua"] = 'return { inputs = { x = "path:../../.." } }\n',
      ["down/init.lua"] = 'return { inputs = { x = "path:./part" } }\n',
      ["down/part/init.lua"] = "return 'part'\n",
    })
    write(("bad = %q,"):format(url("bad")))
    fail("plan init.lua", "leads out of the tree", "bad/x")
    write(("bad = %q,"):format(url("bad") .. "?dir=up"))
    fail("plan init.lua", "leads out of the tree")
    write(
      ("good = %q,"):format(url("bad") .. "?dir=down"),
      'assert(require("inputs.good").inputs.x == "path:./part")'
    )
    must("apply", "init.lua")
  end)

  it("are refused with their line", function()
    for _, case in ipairs({
      { 'x = "github:a/b",', "is not the address of an input", "git:https://HOST/REPO" },
      { 'x = "git:ext::sh -c id",', "helper program" },
      { 'x = "git:http://host/x",', "http://" },
      { 'x = "git:https://ada:secret@host/x",', "contains a login", "auth" },
      { "x = 12,", "an address or a table" },
      { '["a.b"] = "path:./x",', "cannot be the name of an input" },
      { 'x = { url = "path:./x", atuh = "" },', "atuh", "auth" },
      { 'x = { rul = "path:./x" },', "rul" },
      { 'x = { url = "path:./x", auth = "t" },', "`auth` works only for https://" },
    }) do
      write("\n    " .. case[1])
      local result = fail("plan init.lua", "init.lua:4", (table.unpack or unpack)(case, 2))
      contains_none(result.stderr, "secret")
    end
    here.write("init.lua", "return { inputs = 'x', setup = function() end }\n")
    fail("plan init.lua", "`inputs`: expected a table of names", "init.lua:1")
    write("", 'require("inputs.none")')
    fail("plan init.lua", "there is no input `none`", "init.lua:6")
    place.commit("dots", { file = "" })
    for _, ref in ipairs({ "none", ("12"):rep(20) }) do
      write(("x = %q,"):format(url("dots") .. "#" .. ref))
      fail("plan init.lua", "the input `x`", "init.lua:3", ref)
    end
    place.git("git init -q --bare empty")
    write(("x = %q,"):format(url("empty")))
    fail("plan init.lua", "it has no commits", "init.lua:3")
    assert.equal("", place.trees())
  end)

  it("have a lock that is refused when it is damaged, newer or half merged", function()
    place.commit("dots", { file = "" })
    write(("dots = %q,"):format(url("dots")))
    must("apply", "init.lua")
    local good = here.read("syslua.lock")
    for _, case in ipairs({
      { "{", "syslua.lock:1" },
      { (good:gsub('"version": 1', '"version": 9')), "newer sys.lua" },
      {
        (good:gsub("\n", "\n<<<<<<< HEAD\n", 1)),
        "conflict marker",
        "syslua.lock:2",
        "keep the lines of both sides",
      },
      { (good:gsub('"rev": "', '"rev": "x', 1)), "`dots`", "rev" },
    }) do
      here.write("syslua.lock", case[1])
      fail("apply init.lua", (table.unpack or unpack)(case, 2))
      assert.equal(case[1], here.read("syslua.lock"))
    end
  end)

  it("are kept by gc as long as a lock or a snapshot names them", function()
    place.commit("dots", { file = "one\n" })
    write(
      ("dots = %q,"):format(url("dots")),
      'file { path = "~/f", source = inputs.dots.path .. "/file" }'
    )
    must("apply", "init.lua")
    local first = place.trees()
    place.commit("dots", { file = "two\n" })
    must("update", "-c", "init.lua")
    must("gc")
    assert.equal(2, select(2, place.trees():gsub("\n", "")))
    write("", 'file { path = "~/f", content = "" }')
    must("apply", "init.lua")
    must("gc", "--keep", "1")
    assert.equal("", place.trees(), first)
  end)

  it("are told by why", function()
    place.commit("dots", {
      ["git.lua"] = "return function()\n  file { path = '~/f', source = './f' }\nend\n",
      f = "f\n",
    })
    write(("dots = %q,"):format(url("dots")), 'require("inputs.dots.git")()')
    must("apply", "init.lua")
    assert.equal("f\n", here.read("home/f"))
    local shown = must("why", "~/f").stdout
    contains(shown, "at <inputs.dots>/git.lua:2", "through init.lua:6")
  end)

  it("are part of the copy that a snapshot keeps", function()
    place.commit("dots", {
      ["init.lua"] = "return function(path)\n  file { path = '~/f', source = path .. '/f' }\nend\n",
      f = "f\n",
    })
    write(("dots = %q,"):format(url("dots")), 'require("inputs.dots")(inputs.dots.path)')
    must("apply", "init.lua")
    here.shell(
      "rm -rf repos init.lua syslua.lock root/cache/inputs; chattr -i -R root/store/obj; "
        .. "chmod -R u+w root/store/obj"
    )
    here.shell("rm -f root/store/obj/*; rm -rf root/store/files/*")
    local repaired = here.run("verify", "--repair")
    assert.equal(0, repaired.code, repaired.stdout .. repaired.stderr)
    assert.equal("f\n", here.read("home/f"))
  end)
end)
