--- `why`: who declared what is applied, and what lost against it.

local machine = require("spec.support.machine")
local syslua = require("syslua")

describe("why", function()
  local here

  before_each(function()
    here = machine.new()
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

  after_each(function()
    here.remove()
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
      assert.truthy(result.stdout:find("^~/%.x %-> "), result.stdout)
      assert.truthy(
        result.stdout:find(
          '\n  overrides content "default", with the priority 1000\n    at init.lua:6\n',
          1,
          true
        ),
        result.stdout
      )
    end
  end)

  it("tells of an object, and what keeps it", function()
    local object = here.read_link("home/.x"):match("[^/]+$")
    here.shell("ln -s home/.x link")
    for _, word in ipairs({ object, object:sub(-9), "root/store/obj/" .. object, "link" }) do
      local shown = here.run("why", word).stdout
      assert.truthy(shown:find("^" .. object:gsub("%p", "%%%0") .. "\n  built by x, "), shown)
      assert.truthy(shown:find("\n  kept by snapshot 1 (current)\n", 1, true), shown)
      assert.truthy(shown:find("\n  at init.lua:7\n", 1, true), shown)
    end
    here.apply([[
      local low = derive { name = "low", config = function(_, ctx) ctx.write(ctx.out, "low") end }
      local high = derive { name = "high", opts = { low = low }, config = function(opts, ctx)
        ctx.write(ctx.out, opts.low.out)
      end }
      file { path = "~/.high", source = high.out }
    ]])
    local shown = here.run("why", "low").stdout
    assert.truthy(shown:find("\n  kept by snapshot 2 (current), through high-", 1, true), shown)
    assert.truthy(here.run("why", object).stdout:find("\n  kept by snapshot 1\n", 1, true))
    local document = syslua.lib.fromJSON(here.run("why", "low", "--json").stdout)
    assert.equal("object", document.way)
    assert.equal("snapshot", document.holders[1].kind)
    assert.equal("2", document.holders[1].id)
    assert.is_true(document.holders[1].current)
    assert.truthy(document.holders[1].through[1]:find("^high%-"))
    assert.equal(0, #document.actions)
    document = syslua.lib.fromJSON(here.run("info", "high", "--json").stdout)
    assert.equal(2, #document.closure.objects)
    here.shell("ln -s ../../obj/" .. object .. " root/store/metadata/gc-roots/mine")
    shown = here.run("info", object).stdout
    assert.truthy(
      shown:find("\nKept by    snapshot 1\n           the link [^\n]-gc%-roots/mine\n"),
      shown
    )
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
    assert.truthy(shown:find("\n  kept by snapshot 2\n  kept by " .. by .. "\n", 1, true), shown)
    local holders = whole.holders
    assert.equal("snapshot", holders[1].kind)
    assert.is_false(holders[1].current)
    assert.equal(2, #holders)
    assert.equal("process", holders[2].kind)
    assert.equal(pid, holders[2].pid)
    assert.equal("program", holders[2].program)
    assert.equal(1, #holders[2].through)
    assert.truthy(holders[2].through[1]:find("^program%-"))
    assert.truthy(known:find(by .. ", through program-", 1, true), known)
    assert.truthy(left:find("kept by " .. by .. ", through program-", 1, true), left)
    assert.falsy(left:find("snapshot", 1, true), left)
  end)

  it("names the journal, and looks past what cannot be read", function()
    local object = here.read_link("home/.x"):match("[^/]+$")
    here.apply("")
    here.write("root/store/metadata/snapshots/1/snapshot.json", "{")
    here.write("root/store/metadata/journal", "{" .. here.root .. "/store/obj/" .. object)
    local shown = here.must("why", object).stdout
    assert.truthy(shown:find("\n  kept by the journal [^\n]+/metadata/journal\n"), shown)
    assert.equal(1, here.run("gc").code)
    here.shell("rm root/store/metadata/journal")
    shown = here.must("why", object).stdout
    assert.truthy(shown:find("\n  not kept by anything\n", 1, true), shown)
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
      assert.truthy(result.stdout:find("at init.lua:", 1, true), result.stdout)
      assert.falsy(result.stdout:find("table:", 1, true), result.stdout)
      assert.falsy(result.stdout:find("nil", 1, true), result.stdout)
      assert.equal(0, here.run("why", "--json", here.home .. "/" .. place).code)
    end
    assert.truthy(here.must("why", here.home .. "/.t").stdout:find("is above", 1, true))
  end)

  it("gives JSON", function()
    local result = syslua.lib.fromJSON(here.run("why", "EDITOR", "--json").stdout)
    assert.equal("why", result.command)
    assert.equal("vim", result.actions[1].value)
    assert.equal("nano", result.actions[1].overridden[2].value)
  end)
end)
