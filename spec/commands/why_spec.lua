--- `why`: who declared what is applied, and what lost against it.

local machine = require("spec.support.machine")
local syslua = require("syslua")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

describe("why", function()
  local here = machine.for_each_test(function(here)
    here.write("web.lua", [[env { EDITOR = syslua.lib.mkDefault("nano"), PATH = "/web" }]])
    here.write_config([[
      local lib = syslua.lib
      env { EDITOR = lib.mkForce("vim"), HOME_OF_X = lib.ref("HOME") .. "/x" }
      env { EDITOR = "emacs", PATH = { "/own" } }
      require("web")
      file { path = "~/.x", content = lib.mkDefault("default") }
      file { path = "~/.x", content = "own" }
      project { name = "p", setup = function() env { EDITOR = "code" } end }
    ]])
    assert.equal(0, here.run("apply", "init.lua").code)
  end)

  it("tells of a variable with two losing values", function()
    local result = here.run("why", "EDITOR")
    assert.equal(0, result.code, result.stderr)
    assert.equal(
      [[
EDITOR = vim
  at init.lua:3
  with the priority 50
  overrides emacs, with the priority 900
    at init.lua:4
  overrides nano, with the priority 1000
    at web.lua:1
    through init.lua:5
EDITOR = code   (project p)
  at init.lua:8
]],
      result.stdout
    )
  end)

  it("tells of lists and references", function()
    assert.equal(
      "PATH = /own:/web\n  at init.lua:4\n  through web.lua:1\n  through init.lua:5\n",
      here.run("why", "PATH").stdout
    )
    assert.equal("HOME_OF_X = $HOME/x\n  at init.lua:3\n", here.run("why", "HOME_OF_X").stdout)
  end)

  it("tells of a file, by any way to write its path", function()
    for _, word in ipairs({ "~/.x", here.home .. "/.x", "home/.x", "./home/../home/.x" }) do
      local result = here.run("why", word)
      assert.equal(0, result.code, result.stderr)
      matches(result.stdout, "^~/%.x %-> ")
      contains(
        result.stdout,
        '\n  overrides content "default", with the priority 1000\n    at init.lua:6\n'
      )
    end
  end)

  it("tells of an object, and what keeps it", function()
    local object = here.read_link("home/.x"):match("[^/]+$")
    here.shell("ln -s home/.x link")
    for _, word in ipairs({ object, object:sub(-9), "root/store/obj/" .. object, "link" }) do
      local shown = here.run("why", word).stdout
      matches(shown, "^" .. object:gsub("%p", "%%%0") .. "\n  built by x, ")
      contains(shown, "\n  kept by snapshot 1 (current)\n", "\n  at init.lua:7\n")
    end
    here.apply([[
      local low = derive { name = "low", config = function(_, ctx) ctx.write(ctx.out, "low") end }
      local high = derive { name = "high", opts = { low = low }, config = function(opts, ctx)
        ctx.write(ctx.out, opts.low.out)
      end }
      file { path = "~/.high", source = high.out }
    ]])
    local shown = here.run("why", "low").stdout
    contains(shown, "\n  kept by snapshot 2 (current), through high-")
    contains(here.run("why", object).stdout, "\n  kept by snapshot 1\n")
    local document = syslua.lib.fromJSON(here.run("why", "low", "--json").stdout)
    assert.equal("object", document.way)
    assert.equal("snapshot", document.holders[1].kind)
    assert.equal("2", document.holders[1].id)
    assert.is_true(document.holders[1].current)
    matches(document.holders[1].through[1], "^high%-")
    assert.equal(0, #document.actions)
    document = syslua.lib.fromJSON(here.run("info", "high", "--json").stdout)
    assert.equal(2, #document.closure.objects)
    here.shell("ln -s ../../obj/" .. object .. " root/store/metadata/gc-roots/mine")
    shown = here.run("info", object).stdout
    matches(shown, "\nKept by    snapshot 1\n           the link [^\n]-gc%-roots/mine\n")
  end)

  it("names a program of the store that still runs, also through others", function()
    here.apply([[
      local library = derive { name = "library", config = function(_, ctx)
        ctx.write(ctx.out .. "/lib", "so")
      end }
      local program = derive { name = "program", opts = { library = library.out },
        config = function(opts, ctx)
        ctx.run("mkdir -p $out/bin && cp /bin/sleep $out/bin/program"
          .. " && echo $library >$out/library", {
          env = { library = opts.library },
        })
      end }
      activate { config = function(_, ctx)
        ctx.symlink(program.out .. "/bin/program", "~/.program")
      end }
    ]])
    here.apply("")
    here.must("gc", "--keep", "1", "--dry-run")
    local pid =
      here.shell("root/store/obj/program-*/bin/program 30 >/dev/null 2>&1 & echo $!").stdout
    pid = assert(tonumber(pid))
    local shown = here.must("why", "program").stdout
    local whole = syslua.lib.fromJSON(here.must("why", "library", "--json").stdout)
    local known = here.must("info", "library").stdout
    here.must("gc", "--keep", "1")
    local left = here.must("why", "library").stdout
    here.shell("kill " .. pid)
    local by = ("process %d (program)"):format(pid)
    contains(shown, "\n  kept by snapshot 2\n  kept by " .. by .. "\n")
    local holders = whole.holders
    assert.equal("snapshot", holders[1].kind)
    assert.is_false(holders[1].current)
    assert.equal(2, #holders)
    assert.equal("process", holders[2].kind)
    assert.equal(pid, holders[2].pid)
    assert.equal("program", holders[2].program)
    assert.equal(1, #holders[2].through)
    matches(holders[2].through[1], "^program%-")
    contains(known, by .. ", through program-")
    contains(left, "kept by " .. by .. ", through program-")
    contains_none(left, "snapshot")
  end)

  it("names the journal, and looks past what cannot be read", function()
    local object = here.read_link("home/.x"):match("[^/]+$")
    here.apply("")
    here.write("root/store/metadata/snapshots/1/snapshot.json", "{")
    here.write("root/store/metadata/journal", "{" .. here.root .. "/store/obj/" .. object)
    local shown = here.must("why", object).stdout
    matches(shown, "\n  kept by the journal [^\n]+/metadata/journal\n")
    assert.equal(1, here.run("gc").code)
    here.shell("rm root/store/metadata/journal")
    shown = here.must("why", object).stdout
    contains(shown, "\n  not kept by anything\n")
  end)

  it("knows targets by names of any bytes #once", function()
    for _, name in ipairs({ "\255", "a\nb", "\195(", "x\127", "ä" }) do
      here.write("tree/" .. name, "1")
    end
    here.apply([[
      file { path = "~/.t", source = "tree", recursive = true }
      file { path = "~/.c", source = "tree", copy = true }
      file { path = "~/.m", source = "tree", recursive = true, mutable = true }
      file { path = "~/\254", content = "1" }
      directory { path = "~/\253" }
    ]])
    for _, place in ipairs({
      ".t/\255",
      ".c/\255",
      ".m/\255",
      ".t/a\nb",
      ".t/\195(",
      "\254",
      "\253",
    }) do
      local result = here.must("why", here.home .. "/" .. place)
      contains(result.stdout, "at init.lua:")
      contains_none(result.stdout, "table:", "nil")
      assert.equal(0, here.run("why", "--json", here.home .. "/" .. place).code)
    end
    contains(here.must("why", here.home .. "/.t").stdout, "is above")
  end)

  it("gives JSON", function()
    local result = syslua.lib.fromJSON(here.run("why", "EDITOR", "--json").stdout)
    assert.equal("why", result.command)
    assert.equal("vim", result.actions[1].value)
    assert.equal("nano", result.actions[1].overridden[2].value)
  end)
end)
