--- `tools{}`: tools of a registry, resolved once, locked, built and put on PATH. The server is on
-- this machine.

local text_checks = require("spec.support.text_checks")
local tool_place = require("spec.support.tool_place")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

describe("tools{} #once", function()
  local place, here, platform

  setup(function()
    platform = require("syslua").platform
  end)

  before_each(function()
    place = tool_place.new()
    here = place.here
  end)

  after_each(function()
    place.remove()
  end)

  local function must(...)
    return here.must(...)
  end

  -- The command fails, and says all of these texts.
  local function fail(words, ...)
    local result = here.shell("$LUA -l syslua " .. words)
    assert.truthy(result.code ~= 0, result.stdout)
    contains(result.stderr, ...)
  end

  local function run(line)
    local result = here.shell('. "$SYSLUA_ROOT/env.sh"; ' .. line)
    return result.stdout .. result.stderr
  end

  it("locks and installs tools in each shape of release", function()
    place.config([[
    tools { "acme/hammer@1", "anv", tongs = "latest", ["acme/file"] = "1.0.0" }
    ]])
    local planned = must("plan", "init.lua").stdout
    contains(planned, "would lock acme/hammer@1")
    assert.is_false(here.exists("syslua.lock"))
    must("apply", "init.lua")
    assert.equal("hammer 1.4.0 hammer\n", run("hammer"))
    assert.equal("hammer 1.4.0 hm\n", run("hm"))
    assert.equal("anvil 1.0.0\n", run("anv"))
    assert.equal("tongs\n", run("tongs"))
    assert.equal("file\n", run("file"))

    local lock = place.lock().tools
    local hammer = lock["acme/hammer@1"]
    assert.equal("v1.4.0", hammer.version)
    -- The file of checksums has all platforms.
    local platforms = {}
    for name in pairs(hammer.platforms) do
      platforms[#platforms + 1] = name
    end
    table.sort(platforms)
    assert.same({ "aarch64-darwin", "aarch64-linux", "x86_64-darwin", "x86_64-linux" }, platforms)
    local row = hammer.platforms[platform]
    assert.equal(
      "https://github.com/acme/hammer/releases/download/v1.4.0/checksums.txt",
      row.checksum
    )
    -- Without one, only this platform was downloaded; a release without its file was passed over.
    local anvil = lock["anv@latest"]
    assert.equal("1.0.0", anvil.version)
    assert.same({ [platform] = true }, { [next(anvil.platforms)] = true })
    assert.equal("tongs-0.2", lock["tongs@latest"].version)

    -- Completions and man pages are where shells and `man` look.
    local found = here.shell([[
      cd "$SYSLUA_ROOT"/store/obj/hammer-* && find share -type l | LC_ALL=C sort
    ]])
    assert.equal(
      table.concat({
        "share/bash-completion/completions/hammer",
        "share/fish/vendor_completions.d/hammer.fish",
        "share/man/man1/hammer.1",
        "share/zsh/site-functions/_hammer",
        "",
      }, "\n"),
      found.stdout
    )
  end)

  it("asks nothing once all is locked, and installs it again without a registry", function()
    place.config([[ tools { "acme/hammer@1", "anv@1.0.0" } ]])
    must("apply", "init.lua")
    local before = place.requests("")
    contains(must("apply", "init.lua").stdout, "Nothing changed")
    must("apply", "init.lua", "--locked", "--offline")
    must("plan", "init.lua", "--locked")
    assert.equal(before, place.requests(""))
    here.shell("mv registry gone && chmod -R u+w root && rm -rf root/cache root/store/drv-out")
    place.config([[ tools { "acme/hammer@1", "anv@1.0.0" }  -- the same ]])
    here.write("init.lua", (here.read("init.lua"):gsub("inputs = [^\n]*,\n", "\n")))
    must("apply", "init.lua")
    assert.equal("hammer 1.4.0 hammer\n", run("hammer"))
  end)

  it("says what is wrong with a name, a version, a platform and a release", function()
    local function refuse(tools, ...)
      place.config("    tools { " .. tools .. " }")
      fail("plan init.lua --build", "init.lua:4", ...)
      assert.is_false(here.exists("syslua.lock"))
    end
    refuse('"hamer"', "the registry has no tool `hamer`", "acme/hammer")
    refuse('"hammer@1"', "can be several tools", "acme/hammer  Hits nails", "other/hammer")
    refuse('"acme/hammer@9"', "has no version `9`", "the nearest are 2.0.0")
    refuse('"acme/hammer@1.5.0"', "was released without files")
    refuse('"anv@1.1.0"', "has no file anvil-linux", "(yet)")
    refuse('"acme/rusty"', "needs a compiler", "cargo")
    refuse('"other/hammer"', "the archive has no file missing/hammer", "top/readme")
    refuse('"acme/hammer@>=x"', "is not a version")
    refuse("7", "item 1 is number 7")
    refuse("node = 22", "`node` in tools{}: a version is a string, got number 22")
    refuse('anv = { verison = "1" }', "verison", "version")
    refuse('"../x"', "is not the name of a tool")
    refuse('"anv@1.0.0", ["acme/anvil"] = "1", anv = "1"', "declared twice")
    refuse('registry = "mine", "anv"', "there is no input `mine`")
  end)

  it("refuses a release that is not what its file of checksums says", function()
    place.serve([[
      cd acme/hammer/releases/download/v2.0.0
      sed -i 's/^[0-9a-f]\{4\}/0000/' checksums.txt
    ]])
    place.config([[ tools { "acme/hammer@2" } ]])
    fail("apply init.lua", "0000", "received sha256", "checksums.txt")
    assert.is_false(here.exists("root/env.sh") and run("command -v hammer") ~= "")
    -- The file of checksums was wrong: a tool that is named is asked for again.
    place.serve([[
      cd acme/hammer/releases/download/v2.0.0
      sha256sum *.tar.gz *.zip >checksums.txt 2>/dev/null || true
    ]])
    fail("apply init.lua", "0000", "received sha256", "`sys update` with the name of the tool")
    contains(must("update", "-c", "init.lua").stdout, "up to date")
    local updated = must("update", "-c", "init.lua", "acme/hammer").stdout
    contains(updated, "the same version with other content")
    must("apply", "init.lua")
  end)

  it("updates one tool, and goes back without a network", function()
    place.config([[ tools { "acme/hammer@1", "anv@1.0.0" } ]])
    must("apply", "init.lua")
    assert.equal(
      "All inputs, pins and tools are up to date.\n",
      must("outdated", "-c", "init.lua").stdout
    )
    place.release_hammer("1.6.0")
    local outdated = here.run("outdated", "-c", "init.lua")
    assert.equal(3, outdated.code, outdated.stderr)
    contains(outdated.stdout, "v1.4.0 -> v1.6.0")
    local before = here.read("syslua.lock")
    local updated = must("update", "-c", "init.lua", "acme/hammer").stdout
    contains(updated, "updated acme/hammer@1")
    local lines, changed = {}, 0
    for line in before:gmatch("[^\n]+") do
      lines[line] = true
    end
    for line in here.read("syslua.lock"):gmatch("[^\n]+") do
      changed = changed + (lines[line] and 0 or 1)
    end
    assert.equal(1, changed)
    must("apply", "init.lua")
    assert.equal("hammer 1.6.0 hammer\n", run("hammer"))
    must("rollback", "--offline", "--yes")
    assert.equal("hammer 1.4.0 hammer\n", run("hammer"))
    fail("update -c init.lua nothing", "neither an input nor a tool `nothing`")
  end)

  it("completes the lock for other platforms, and evaluates for them with --locked", function()
    place.config([[ tools { "acme/hammer@1", "anv@1.0.0" } ]])
    must("apply", "init.lua")
    local other = platform == "aarch64-linux" and "x86_64-linux" or "aarch64-linux"
    local anvil = place.lock().tools["anv@1.0.0"].platforms
    assert.is_nil(anvil[other])
    local locked = must("lock", "--platform", other, "aarch64-darwin", "-c", "init.lua").stdout
    contains(locked, other)
    anvil = place.lock().tools["anv@1.0.0"].platforms
    assert.truthy(anvil[other] and anvil["aarch64-darwin"])
    local before = place.requests("")
    for _, system in ipairs({ platform, other, "aarch64-darwin" }) do
      must("plan", "init.lua", "--locked", "--system", system)
    end
    assert.equal(before, place.requests(""))
    fail("lock --platform x86_64-windows -c init.lua", "is not released for x86_64-windows")
    fail("lock --platform beos -c init.lua", "--platform takes ARCHITECTURE-SYSTEM, not `beos`")
  end)

  it("is searched, listed, explained and run", function()
    place.config([[ tools { "acme/hammer@1" } ]])
    must("apply", "init.lua")
    local found = must("search", "-c", "init.lua", "hits").stdout
    assert.equal("acme/hammer  Hits nails\n", found)
    local versions = must("list", "--available", "acme/hammer", "-c", "init.lua").stdout
    assert.equal("2.0.0\n1.5.0\n1.4.0\n1.0.0\n", versions)
    local listed = must("list").stdout
    matches(listed, "hammer +1%.4%.0")
    local reason = must("why", "hm").stdout
    contains(reason, "init.lua:4")
    local ran = must("run", "--config", "init.lua", "acme/hammer@2.0.0").stdout
    assert.equal("hammer 2.0.0 hammer\n", ran)
    local shell = must("shell", "--config", "init.lua", "-p", "tongs", "anv@1.0.0", "--", "tongs")
    assert.equal("tongs\n", shell.stdout)
    assert.is_nil(place.lock().tools["tongs@latest"])
  end)

  it("names constraints that cannot be evaluated, with --verbose", function()
    place.config([[ tools { "acme/hammer@1" } ]])
    local noisy = here.run("plan", "init.lua", "--verbose")
    contains(noisy.stderr, "nonsense(Version)")
    contains_none(here.run("plan", "init.lua").stderr, "nonsense")
  end)

  it("works in user{} and project{}, with another registry", function()
    here.shell("mv registry mine")
    here.write(
      "init.lua",
      [[
return {
  inputs = { mine = "path:./mine" },
  setup = function()
    tools { registry = "mine", "acme/hammer@2" }
    project { name = "old", setup = function()
      tools { registry = "mine", ["acme/hammer"] = "1.0.0" }
    end }
  end,
}
]]
    )
    must("apply", "init.lua")
    assert.equal("hammer 2.0.0 hammer\n", run("hammer"))
    local inner = must("shell", "old", "--config", "init.lua", "--", "hammer").stdout
    assert.equal("hammer 1.0.0 hammer\n", inner)
    assert.equal("mine", place.lock().tools["acme/hammer@2"].registry)
  end)

  it("tells scripts where a release lies", function()
    local tools = require("syslua").tools
    local release = tools.resolve({
      registry = here.directory .. "/registry",
      name = "acme/hammer",
      version = "1.2.3",
      platform = "aarch64-darwin",
    })
    assert.equal(
      "https://github.com/acme/hammer/releases/download/v1.2.3/hammer-1.2.3-aarch64-darwin.tar.gz",
      release.url
    )
    assert.equal("tar.gz", release.format)
    assert.equal("hammer-1.2.3-aarch64-darwin/hammer", release.files[1].path)
    assert.equal("sha256", release.checksum.algorithm)
    local succeeded, problem = pcall(tools.resolve, { name = "x", version = "1" })
    assert.is_false(succeeded)
    contains(tostring(problem), "registry")
  end)
end)
