--- What a config leaves open of what its builds fetch, and the lock pins: records count only with
-- the pins of the lock, so that no lock ever sees the bytes of another one.

local input_place = require("spec.support.input_place")

describe("pins", function()
  local place, here, must

  before_each(function()
    place = input_place.new()
    here, must = place.here, place.here.must
  end)

  after_each(function()
    here.remove()
  end)

  local function fail(words, ...)
    local result = here.shell("$LUA -l syslua " .. words)
    assert.truthy(result.code ~= 0, result.stdout)
    for _, text in ipairs({ ... }) do
      local message = ("%s is not in:\n%s"):format(text, result.stderr)
      assert.truthy(result.stderr:find(text, 1, true), message)
    end
    return result
  end

  local function url(name)
    return "file://" .. here.directory .. "/" .. name
  end

  local function pin(name, lock)
    return (place.lock(lock).fetches or {})[url(name)]
  end

  -- A derivation `a` that fetches a file, and `b` and `c` above it.
  local chain = [[
    local a = derive { name = "a", config = function(_, ctx)
      ctx.copy(ctx.fetch_url("%s"), ctx.out)
    end }
    local b = derive { name = "b", opts = { a = a }, config = function(opts, ctx)
      ctx.write(ctx.out, "b:" .. ctx.read(opts.a.out))
    end }
    local c = derive { name = "c", opts = { b = b }, config = function(opts, ctx)
      ctx.write(ctx.out, "c:" .. ctx.read(opts.b.out))
    end }
    file { path = "~/c", source = c.out }]]

  local function count_built(result)
    local _, count = result.stderr:gsub("building ", "")
    return count
  end

  it("are written by the first build, and hold from then on", function()
    here.write("one", "1\n")
    here.write_config(chain:format(url("one")))
    assert.equal(3, count_built(must("apply", "init.lua")))
    local locked = pin("one")
    assert.same({ "x86_64-linux" }, { (locked.platforms[1]:gsub("^aarch64", "x86_64")) })
    assert.equal(here.shell("sha256sum <one").stdout:match("%x+"), locked.sha256)
    assert.equal("c:b:1\n", here.read("home/c"))
    local before = here.read("syslua.lock")
    here.write("one", "2\n")
    assert.truthy(must("apply", "init.lua").stdout:find("^Nothing changed"))
    assert.equal(before, here.read("syslua.lock"))
    -- On another machine, with the same lock, it is not what was pinned.
    local other = fail(
      "build init.lua --root other",
      "is not what syslua.lock pins",
      locked.sha256,
      "sys update '" .. url("one") .. "'",
      "init.lua:3"
    )
    assert.truthy(other.stderr:find("received sha256 %x+"))
    here.write("one", "1\n")
    assert.equal(0, here.shell("$LUA -l syslua build init.lua --root other").code)
  end)

  it("that move rebuild their users at every level, and nothing where an object stays", function()
    here.write("one", "1\n")
    here.write_config(chain:format(url("one")))
    must("apply", "init.lua")
    local first = here.read("syslua.lock")
    here.write("one", "2\n")
    here.shell("rm syslua.lock")
    assert.equal(3, count_built(must("apply", "init.lua")))
    assert.equal("c:b:2\n", here.read("home/c"))
    -- Both results are known: the lock decides which one counts.
    local second = here.read("syslua.lock")
    for _ = 1, 2 do
      here.write("syslua.lock", first)
      assert.equal(0, count_built(must("apply", "init.lua")))
      assert.equal("c:b:1\n", here.read("home/c"))
      here.write("syslua.lock", second)
      assert.equal(0, count_built(must("apply", "init.lua")))
      assert.equal("c:b:2\n", here.read("home/c"))
    end
    -- What ends in the same object goes no further.
    here.write_config(
      (chain:gsub("ctx.read%(opts.a.out%)", '(ctx.read(opts.a.out) and "x")'):format(url("one")))
    )
    must("apply", "init.lua")
    here.write("one", "3\n")
    here.shell("rm syslua.lock")
    local built = must("apply", "init.lua")
    assert.truthy(built.stderr:find("building a") and built.stderr:find("building b"))
    assert.is_nil(built.stderr:find("building c"))
    assert.equal(0, count_built(must("apply", "init.lua")))
  end)

  it("that the lock lacks are fetched before a record counts", function()
    here.write("one", "1\n")
    here.write_config(chain:format(url("one")))
    must("apply", "init.lua")
    local before = here.read("syslua.lock")
    here.shell("rm syslua.lock")
    -- `plan` and --locked add nothing.
    assert.truthy(must("plan", "init.lua").stdout:find("3 to build", 1, true))
    fail(
      "apply --locked init.lua",
      url("one") .. " is not in syslua.lock",
      "--locked",
      "init.lua:3"
    )
    assert.is_false(here.exists("syslua.lock"))
    local again = must("apply", "init.lua")
    assert.equal(0, count_built(again))
    assert.equal(before, here.read("syslua.lock"))
  end)

  it("of two configs in one root are apart", function()
    here.write("one", "1\n")
    here.write("x/init.lua", here.read(here.write_config(chain:format(url("one")))))
    here.write("y/init.lua", here.read("init.lua"))
    must("apply", "x/init.lua")
    here.write("one", "2\n")
    must("build", "y/init.lua")
    for _ = 1, 2 do
      for name, expected in pairs({ x = "c:b:1\n", y = "c:b:2\n" }) do
        local paths = must("build", name .. "/init.lua").stdout
        local found = here.shell(("cat $(echo '%s' | grep /c-)"):format((paths:gsub("'", ""))))
        assert.truthy(found.stdout:find(expected, 1, true), found.stdout .. paths)
        must("apply", name .. "/init.lua")
        assert.equal(expected, here.read("home/c"))
      end
    end
    assert.are_not.same(pin("one", "x/syslua.lock"), pin("one", "y/syslua.lock"))
  end)

  it("of commits have the revision, and branches stay where they are", function()
    local old = place.commit("dots", { file = "1\n" })
    local repository = here.directory .. "/repos/dots"
    here.write_config(([[
      for _, name in ipairs { "a", "b" } do
        local tree = derive { name = name, config = function(_, ctx)
          ctx.copy(ctx.fetch_git("%s", "main"), ctx.out)
        end }
        file { path = "~/" .. name, source = tree.out .. "/file" }
      end
    ]]):format(repository))
    must("apply", "init.lua")
    local key = repository .. "#main"
    local locked = place.lock().fetches[key]
    assert.same({ old, 1700003600 }, { locked.rev, locked.lastModified })
    assert.equal(
      locked.sha256 .. "\n",
      here.shell("cp -R repos/dots plain && rm -rf plain/.git && nix-hash --type sha256 plain").stdout
    )
    place.commit("dots", { file = "2\n" })
    assert.equal(0, here.shell("$LUA -l syslua build init.lua --root other").code)
    assert.equal("1\n", here.read("home/a"))
    assert.equal(locked.rev, place.lock().fetches[key].rev)
  end)

  it("are fetched once a run, whoever wants them", function()
    here.write("one", "1\n")
    here.write_config(([[
      for index = 1, 5 do
        file { path = "~/f" .. index, source = derive { name = "d" .. index, config = function(_, ctx)
          ctx.copy(ctx.fetch_url("%s"), ctx.out)
        end }.out }
      end
    ]]):format(url("one")))
    local _, count = must("apply", "init.lua").stderr:gsub("downloading ", "")
    assert.equal(1, count)
  end)

  it("are written also when a build failed, and never by a plan", function()
    here.write("one", "1\n")
    here.write_config(([[
      derive { name = "a", config = function(_, ctx)
        ctx.copy(ctx.fetch_url("%s"), ctx.out)
        error("no luck")
      end }
    ]]):format(url("one")))
    fail("plan --build init.lua", "no luck")
    assert.is_false(here.exists("syslua.lock"))
    fail("apply init.lua", "no luck")
    assert.truthy(pin("one"))
  end)

  it("need a lock: a script gives the hash", function()
    here.write("one", "1\n")
    here.write(
      "script.lua",
      ([[
      local syslua = require("syslua")
      local a = syslua.derive { name = "a", config = function(_, ctx)
        ctx.copy(ctx.fetch_url("%s"), ctx.out)
      end }
      print(syslua.build(a).out)
    ]]):format(url("one"))
    )
    local result = here.shell("$LUA script.lua")
    assert.truthy(result.code ~= 0)
    assert.truthy(result.stderr:find("has no sha256, and no lock pins it", 1, true), result.stderr)
  end)

  it("never have a login in them", function()
    for _, call in ipairs({
      'fetch_url("https://me:secret@127.0.0.1:1/file")',
      'fetch_git("https://secret@127.0.0.1:1/a.git", "main")',
      'fetch_git("ssh://me:secret@127.0.0.1/a.git", "main")',
    }) do
      here.write_config(
        ('derive { name = "a", config = function(_, ctx) ctx.%s end }'):format(call)
      )
      local result = fail("apply init.lua", "login", "init.lua:2")
      assert.is_nil((result.stderr .. (here.read("syslua.lock") or "")):find("secret", 1, true))
    end
  end)
end)
