--- What somebody else put into a root, or what its directories lead to, is not ours to remove.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local tables = require("syslua.util.table")

-- The same again with SYSLUA_SEED.
local seed = tonumber(os.getenv("SYSLUA_SEED")) or os.time()

local function new_random()
  local state = seed % 2147483647
  return function(most)
    state = (state * 48271) % 2147483647
    return state % most + 1
  end
end

-- Where the product puts files by names of its own, and one name of each kind that it would remove.
local hash = ("0123456789abcdef"):rep(4)
local places = {
  ["store/obj"] = "dead-012345678",
  ["store/info"] = "dead-012345678.json",
  ["store/drv"] = hash .. ".drv",
  ["store/drv-out"] = hash,
  ["store/log"] = hash,
  ["store/tmp"] = "0f",
  ["store/bld"] = "dead-012345678",
  ["store/staging"] = hash .. "-out",
  ["store/pkg/dead/1"] = false,
  ["store/quarantine"] = false,
  ["store/locks"] = false,
  ["store/files"] = false,
  ["store/metadata"] = false,
  ["store/metadata/snapshots"] = ".9.new",
  ["store/metadata/gc-roots"] = false,
  ["store/metadata/sources"] = false,
  ["backups"] = false,
  ["backups/displaced"] = false,
  ["cache"] = false,
  ["cache/downloads"] = hash,
  ["cache/downloads/.names"] = hash,
  ["cache/git"] = hash,
}

local foreign = {
  "film.iso",
  "notes.txt",
  "project",
  ".git",
  ".hidden",
  "README",
  "a b",
  "new\nline",
  "\255\254",
  hash .. ".bak",
  hash:upper(),
  "dead-012345678.orig",
  ".gone-mine",
  ".syslua-mine.tmp",
  ".x.gone",
  "closure.tar",
  "config-mine",
}

describe("gc #once", function()
  local here, outside

  before_each(function()
    here = machine.new()
    outside = here.directory .. "/outside"
    here.write("outside/" .. hash, "precious\n")
    here.write("outside/dead-012345678/file", "precious\n")
    here.write("outside/" .. hash .. ".drv", "precious\n")
    here.write("outside/" .. hash .. "-out", "precious\n")
    here.write("outside/0f/file", "precious\n")
    here.write("outside/9/file", "precious\n")
    here.write("outside/.9.new/file", "precious\n")
    here.apply([[
      derive({ name = "dead", config = function(_, ctx) ctx.write(ctx.out, "dead") end })
      file({ path = "~/.managed", content = "managed" })
    ]])
    here.write_config([[file({ path = "~/.managed", content = "managed" })]])
    here.must("apply", "init.lua")
    here.shell(
      "mkdir -p root/store/bld root/store/quarantine root/store/pkg/dead/1 "
        .. "root/cache/downloads/.names root/cache/git"
    )
    here.shell("mkdir -p root/store/files root/store/metadata/sources; chmod u+w root/store/obj")
  end)

  after_each(function()
    here.remove()
  end)

  it("leaves what has no name of ours, wherever it is", function()
    local random = new_random()
    local expected = {}
    for _, directory in ipairs(tables.get_sorted_keys(places)) do
      for _, name in ipairs(foreign) do
        local path = ("root/%s/%s"):format(directory, name)
        if random(2) == 1 then
          path = path .. "/inner/file"
        end
        here.write(path, "precious\n")
        expected[#expected + 1] = path
      end
      if places[directory] then
        here.write(("root/%s/%s"):format(directory, places[directory]), "ours\n")
      end
    end
    here.shell(
      "ln -s ../../../../../outside root/store/pkg/dead/1/mine; ln -s /etc/passwd "
        .. "root/store/pkg/way"
    )
    local before = here.list("outside")
    here.must("gc")
    for _, path in ipairs(expected) do
      assert.equal("precious\n", here.read(path), path .. ", seed " .. seed)
    end
    assert.is_true(here.exists("root/store/pkg/dead/1/mine"))
    assert.is_true(here.exists("root/store/pkg/way"))
    -- But what is ours went.
    for _, directory in ipairs(tables.get_sorted_keys(places)) do
      if places[directory] then
        assert.is_false(here.exists(("root/%s/%s"):format(directory, places[directory])), directory)
      end
    end
    assert.equal(before, here.list("outside"), "seed " .. seed)
    assert.equal("managed", here.read("home/.managed"))
    -- Nor does destroy remove it.
    local said = here.must("destroy", "--yes").stdout
    for _, path in ipairs(expected) do
      assert.equal("precious\n", here.read(path), path .. ", seed " .. seed)
    end
    assert.equal(before, here.list("outside"), "seed " .. seed)
    contains(said, "store/log/film.iso")
    assert.equal(
      "",
      here.shell("find root -name '*.json' -o -name '*.lock' | grep -v precious").stdout
    )
  end)

  it("removes nothing through a link", function()
    local before = here.list("outside")
    for _, directory in ipairs(tables.get_sorted_keys(places)) do
      here.shell(("mv root/%s moved; ln -s %s root/%s"):format(directory, outside, directory))
      here.run("gc")
      here.run("gc", "--keep", "1")
      assert.equal(before, here.list("outside"), directory)
      here.shell(("rm root/%s && mv moved root/%s"):format(directory, directory))
    end
    -- A link with a name of ours goes, and what it leads to stays.
    for _, directory in ipairs(tables.get_sorted_keys(places)) do
      local name = places[directory]
      if name then
        here.shell(("ln -s %s/%s root/%s/%s"):format(outside, name, directory, name))
      end
    end
    here.must("gc")
    assert.equal(before, here.list("outside"))
    assert.equal(0, here.run("verify").code)
  end)

  it("is not done, nor anything else, where a directory of the root is a link", function()
    for number = 0, 255 do
      here.write(("outside/%02x/file"):format(number), "precious\n")
    end
    local before = here.list("outside")
    local commands =
      { "apply init.lua", "build init.lua", "gc", "verify --repair", "rollback 0 --yes" }
    for index, directory in ipairs(tables.get_sorted_keys(places)) do
      -- Packages are links for people, and names of downloads are found through none.
      if not directory:find("pkg/") and not directory:find("%.names") then
        here.write_config(([[
          derive({ name = "new", config = function(_, ctx) ctx.write(ctx.out, "%d") end })
        ]]):format(index))
        here.shell(("mv root/%s moved; ln -s %s root/%s"):format(directory, outside, directory))
        local command = commands[index % #commands + 1]
        local done = here.shell("$LUA -l syslua " .. command)
        assert.equal(before, here.list("outside"), directory)
        assert.not_equal(0, done.code, directory .. done.stdout)
        local said = ("%s is a link"):format(directory)
        contains(done.stderr, said)
        here.shell(("rm root/%s && mv moved root/%s"):format(directory, directory))
      end
    end
    here.must("gc")
  end)

  it("refuses a directory that is no root, whatever is in it", function()
    for _, directory in ipairs(tables.get_sorted_keys(places)) do
      local name = places[directory] or "file"
      here.shell("rm -rf other")
      here.write(("other/%s/%s"):format(directory, name), "precious\n")
      -- As a root has it, but it is none.
      here.write("other/store/metadata/mine", "precious\n")
      local before = here.list("other")
      for _, words in ipairs({ { "gc" }, { "gc", "--dry-run" }, { "gc", "--keep", "1" } }) do
        words[#words + 1] = "--root"
        words[#words + 1] = here.directory .. "/other"
        local result = here.run((table.unpack or unpack)(words))
        assert.equal(1, result.code, result.stdout)
        contains(result.stderr, "other is not a root of sys.lua", "SYSLUA_ROOT")
      end
      assert.equal(before, here.list("other"))
    end
  end)
end)
