--- What a config leaves open of what its builds fetch, and the lock pins: records count only with
-- the pins of the lock, so that no lock ever sees the bytes of another one.

local input_place = require("spec.support.input_place")
local projects = require("spec.support.projects")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

describe("pins #once", function()
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
    contains(result.stderr, ...)
    return result
  end

  local function url(name)
    return "file://" .. here.directory .. "/" .. name
  end

  local function pin(name, lock)
    if not here.exists(lock or "syslua.lock") then
      return nil
    end
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
    matches(must("apply", "init.lua").stdout, "^Nothing changed")
    assert.equal(before, here.read("syslua.lock"))
    -- On another machine, with the same lock, it is not what was pinned.
    local other = fail(
      "build init.lua --root other",
      "is not what syslua.lock pins",
      locked.sha256,
      "sys update '" .. url("one") .. "'",
      "init.lua:3"
    )
    matches(other.stderr, "received sha256 %x+")
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
    contains_none(built.stderr, "building c")
    assert.equal(0, count_built(must("apply", "init.lua")))
  end)

  it("that the lock lacks are fetched before a record counts", function()
    here.write("one", "1\n")
    here.write_config(chain:format(url("one")))
    must("apply", "init.lua")
    local before = here.read("syslua.lock")
    here.shell("rm syslua.lock")
    -- `plan` and --locked add nothing.
    contains(must("plan", "init.lua").stdout, "3 to build")
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
        contains(found.stdout, expected)
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
      here.shell("cp -R repos/dots plain; rm -rf plain/.git; nix-hash --type sha256 plain").stdout
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
        local d = derive { name = "d" .. index, config = function(_, ctx)
          ctx.copy(ctx.fetch_url("%s"), ctx.out)
        end }
        file { path = "~/f" .. index, source = d.out }
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
    contains(result.stderr, "has no sha256, and no lock pins it")
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
      contains_none(result.stderr .. (here.read("syslua.lock") or ""), "secret")
    end
  end)

  it("move by update alone, those that are meant", function()
    here.write("one", "1\n")
    here.write("two", "1\n")
    place.commit("dots", { file = "1\n" })
    local repository = "file://" .. here.directory .. "/repos/dots"
    local full = place.commit("dots", { file = "2\n" })
    here.write_config(([[
      for index, name in ipairs { "one", "two" } do
        file { path = "~/" .. name, source = derive { name = name, opts = { url = "%s/" .. name },
          config = function(opts, ctx) ctx.copy(ctx.fetch_url(opts.url), ctx.out) end }.out }
      end
      for name, rev in pairs { branch = "main", full = "%s" } do
        file { path = "~/" .. name, source = derive { name = name, opts = { rev = rev },
          config = function(opts, ctx)
            ctx.copy(ctx.fetch_git("%s", opts.rev) .. "/file", ctx.out)
          end }.out }
      end
    ]]):format("file://" .. here.directory, full, repository))
    must("apply", "init.lua")
    assert.equal(
      "All inputs, pins and tools are up to date.\n",
      must("outdated", "-c", "init.lua").stdout
    )
    here.write("one", "2\n")
    here.write("two", "2\n")
    local new = place.commit("dots", { file = "3\n" })
    local before = place.lock().fetches
    local outdated = here.shell("$LUA -l syslua outdated -c init.lua")
    assert.equal(3, outdated.code)
    contains(
      outdated.stdout,
      ("would update %s  "):format(url("one")),
      ("%s -> "):format(before[url("one")].sha256:sub(1, 9)),
      full:sub(1, 9) .. " (",
      new:sub(1, 9) .. " (",
      "1 commit"
    )
    contains_none(outdated.stdout, "#" .. full)
    assert.same(before, place.lock().fetches)
    must("update", "-c", "init.lua", "--dry-run")
    assert.same(before, place.lock().fetches)
    -- One alone.
    local updated = must("update", "-c", "init.lua", "*/one")
    assert.equal(1, select(2, updated.stdout:gsub("\n", "")))
    assert.are_not.equal(before[url("one")].sha256, pin("one").sha256)
    assert.equal(before[url("two")].sha256, pin("two").sha256)
    assert.same(before[url("one")].platforms, pin("one").platforms)
    local applied = must("apply", "init.lua")
    assert.equal(1, count_built(applied))
    assert.equal("2\n", here.read("home/one"))
    assert.equal("1\n", here.read("home/two"))
    local document = must("update", "-c", "init.lua", "--json", "file://*").stdout
    local changes = require("syslua").lib.fromJSON(document).changes
    assert.equal(2, #changes)
    assert.equal("fetches", changes[1].section)
    must("apply", "init.lua")
    assert.equal("2\n", here.read("home/two"))
    assert.equal("3\n", here.read("home/branch"))
    assert.equal("2\n", here.read("home/full"))
    fail("update -c init.lua file:///nowhere", "neither an input nor a pin", "file:///nowhere")
    here.shell("rm one")
    fail("update -c init.lua", "the pin " .. url("one"), "No such file")
  end)

  it("that no build uses go by `lock --prune`, once all is known", function()
    here.write("one", "1\n")
    here.write("two", "1\n")
    local both = [[
      for _, name in ipairs { %s } do
        file { path = "~/" .. name, source = derive { name = name, opts = { url = "%s/" .. name },
          config = function(opts, ctx) ctx.copy(ctx.fetch_url(opts.url), ctx.out) end }.out }
      end
      project { name = "p", setup = function()
        local tool = derive { name = "tool", config = function(_, ctx)
          ctx.copy(ctx.fetch_url("%s"), ctx.out .. "/f")
        end }
        env { TOOL = tool.out }
      end }
    ]]
    here.write("three", "1\n")
    local function write(names)
      here.write_config(both:format(names, "file://" .. here.directory, url("three")))
    end
    write('"one", "two"')
    fail("lock --prune -c init.lua", "was never built on this machine", "apply", "init.lua:")
    must("apply", "init.lua")
    assert.truthy(pin("one") and pin("two") and pin("three"))
    assert.equal("Every pin is used.\n", must("lock", "--prune", "-c", "init.lua").stdout)
    write('"two"')
    must("apply", "init.lua")
    -- `apply` only adds.
    assert.truthy(pin("one"))
    -- What another platform uses stays.
    local text = here.read("syslua.lock")
    here.write("syslua.lock", (text:gsub('(two".-%[)', '%1"aarch64-darwin", ', 1)))
    local would = must("lock", "--prune", "--dry-run", "-c", "init.lua").stdout
    contains(would, "would drop " .. url("one"))
    assert.truthy(pin("one"))
    local done = must("lock", "--prune", "-c", "init.lua").stdout
    contains(done, "dropped " .. url("one"))
    assert.is_nil(pin("one"))
    assert.truthy(pin("two") and pin("three"))
    write('"one"')
    must("apply", "init.lua")
    must("lock", "--prune", "-c", "init.lua")
    assert.same({ "aarch64-darwin" }, pin("two").platforms)
    fail("lock --prune --locked -c init.lua", "--locked")
    fail("lock --prune --check -c init.lua", "cannot be combined")
  end)

  it("that a record names and the lock lacks are shown by `lock --check`", function()
    local function write_config(count)
      local lines = {}
      for index = 1, count do
        here.write("f" .. index, index .. "\n")
        -- Each third one is only below another derivation.
        lines[index] = ([[
      local d%d = derive { name = "d%d", config = function(_, ctx)
        ctx.copy(ctx.fetch_url("%s"), ctx.out)
      end }]]):format(index, index, url("f" .. index))
        local above = [[
      file { path = "~/%d", source = derive { name = "above", opts = { d%d },
        config = function(opts, ctx)
          ctx.write(ctx.out, ctx.read(opts[1].out))
        end }.out }]]
        local line = index % 3 == 0 and above or '\n      file { path = "~/%d", source = d%d.out }'
        lines[index] = lines[index] .. line:format(index, index)
      end
      here.write_config(table.concat(lines, "\n"))
    end
    write_config(6)
    -- Nothing was built: what is there is right, and the rest is unknown.
    local first = must("lock", "--check", "-c", "init.lua").stdout
    contains(first, "syslua.lock has all inputs", "The pins of d1, d2, d3 and 5 others are unknown")
    must("apply", "init.lua")
    local complete = "syslua.lock is complete, and its inputs are available.\n"
    assert.equal(complete, must("lock", "--check", "-c", "init.lua").stdout)
    local whole = here.read("syslua.lock")
    for _ = 1, 6 do
      local text, removed = whole, {}
      for index = 1, 6 do
        if math.random(2) == 1 then
          removed[#removed + 1] = index
          text = text:gsub('    "[^"]-/f' .. index .. '": [^\n]*\n', "")
        end
      end
      text = text:gsub(",(%s*\n  })", "%1")
      here.write("syslua.lock", text)
      local checked = here.run("lock", "--check", "-c", "init.lua")
      if not removed[1] then
        assert.equal(complete, checked.stdout)
      else
        assert.equal(3, checked.code)
        for _, index in ipairs(removed) do
          contains(checked.stdout, "would lock " .. url("f" .. index))
        end
      end
      local _, count = checked.stdout:gsub("would lock", "")
      assert.equal(#removed, count)
      -- It writes nothing; what it says is what an apply does.
      assert.equal(text, here.read("syslua.lock"))
      must("apply", "init.lua")
      assert.equal(whole, here.read("syslua.lock"))
    end
    -- A pin that moved elsewhere was not built here.
    here.write("syslua.lock", (whole:gsub('(/f1": {.-"sha256": ")%x%x', "%100")))
    local moved = must("lock", "--check", "-c", "init.lua").stdout
    contains(moved, "The pins of d1 are unknown, because it was never built here")
    local json = must("lock", "--check", "-c", "init.lua", "--json").stdout
    local document = require("syslua").lib.fromJSON(json)
    assert.is_true(document.complete)
    assert.equal("d1", document.unknown[1].name)
    matches(document.unknown[1].position, "^init.lua:%d")
  end)

  it("are not fetched again where an input is the same commit", function()
    local repository = here.directory .. "/repos/one"
    local first = place.commit("one", { ["lua/m.lua"] = "return {}\n", f = "1\n" })
    local last = place.commit("one", { f = "2\n" })
    place.git("git -C one tag v1 " .. first)
    -- The repository is gone when the build wants it.
    local config = [[
return {
  inputs = { one = "git:file://%s%s" },
  setup = function()
    os.rename("%s", "%s.gone")
    local a = derive { name = "a", config = function(_, ctx)
      ctx.copy(ctx.fetch_git("file://%s", "%s") .. "/f", ctx.out)
    end }
    file { path = "~/a", source = a.out }
  end,
}]]
    local function back()
      os.rename(repository .. ".gone", repository)
    end
    local function write(reference, rev)
      back()
      local r = repository
      here.write("init.lua", config:format(r, reference, r, r, r, rev))
    end
    for _, case in ipairs({
      { "", "HEAD", last },
      { "#main", "main", last },
      { "#v1", "v1", first },
      { "#main", last, last },
      { "?dir=lua#" .. first, first, first },
    }) do
      here.shell("chmod -R u+w root; rm -rf root syslua.lock")
      write(case[1], case[2])
      must("apply", "init.lua")
      assert.equal(case[3] == last and "2\n" or "1\n", here.read("home/a"))
      local shared = place.lock().fetches["file://" .. repository .. "#" .. case[2]]
      assert.equal(case[3], shared.rev)
      -- A machine without the input pins the same.
      back()
      here.write(
        "alone/init.lua",
        (here.read("init.lua"):gsub("  inputs.-\n", "", 1):gsub("    os.rename.-\n", "", 1))
      )
      must("build", "alone/init.lua", "--root", "other")
      local alone =
        place.lock("alone/syslua.lock").fetches["file://" .. repository .. "#" .. case[2]]
      assert.same(shared, alone)
      here.shell("chmod -R u+w other; rm -rf other alone")
    end
    -- Another reference is another fetch, and so is a branch that was locked earlier.
    here.shell("chmod -R u+w root; rm -rf root syslua.lock")
    write("#v1", "main")
    fail("apply init.lua", "file://" .. repository)
    write("#main", last)
    fail("apply init.lua", "sys update one")
    here.shell("rm -f syslua.lock")
    write("#main", "main")
    must("apply", "init.lua")
  end)

  it("with a wrong revision are refused, also where their tree is there", function()
    local first = place.commit("one", { f = "1\n" })
    local second = place.commit("one", { f = "2\n" })
    local same = place.commit("one", { f = "1\n" })
    local address = "file://" .. here.directory .. "/repos/one"
    here.write_config(([[
    local a = derive { name = "a", config = function(_, ctx)
      ctx.copy(ctx.fetch_git("%s", "%s") .. "/f", ctx.out)
    end }
    file { path = "~/a", source = a.out }]]):format(address, first))
    must("apply", "init.lua")
    local good = here.read("syslua.lock")
    local function with(rev)
      return (good:gsub('"rev": "%x+"', '"rev": "' .. rev .. '"'))
    end
    local hash = good:match('"sha256": "(%x+)"')
    local nothing = ("0123456789"):rep(4)
    for _, words in ipairs({
      "apply init.lua",
      "apply --locked init.lua",
      "plan init.lua",
      "build init.lua",
      "build init.lua --root other",
    }) do
      here.write("syslua.lock", with(second))
      fail(words, "#" .. first .. " at " .. second, hash, "sys update '" .. address .. "#" .. first)
      here.write("syslua.lock", with(nothing))
      fail(words, "no commit " .. nothing, "syslua.lock names", address .. "#" .. first)
      assert.equal(with(nothing), here.read("syslua.lock"))
    end
    -- Another commit of the same tree is right, and known from then on.
    here.write("syslua.lock", with(same))
    must("apply", "init.lua")
    os.rename(here.directory .. "/repos/one", here.directory .. "/repos/gone")
    must("apply", "--locked", "init.lua")
    here.write("syslua.lock", good)
    must("apply", "--locked", "init.lua")
    here.write("syslua.lock", with(second))
    fail("apply --offline init.lua", address)
  end)

  it("of 50 plugins need no hash by hand, and one that moves is one rebuild", function()
    place.git([[
      for i in $(seq 50); do
        git init -q -b main plugin$i
        ( cd plugin$i && echo $i >plugin.vim && git add -A && git commit -q -m change )
      done
    ]])
    here.write_config(([[
      for index = 1, 50 do
        local name = "plugin" .. index
        local plugin = derive { name = name, opts = { url = "%s/" .. name },
          config = function(opts, ctx) ctx.copy(ctx.fetch_git(opts.url, "main"), ctx.out) end }
        file { path = "~/.vim/pack/" .. name, source = plugin.out }
      end
    ]]):format("file://" .. here.directory .. "/repos"))
    local first = must("apply", "init.lua")
    assert.equal(50, count_built(first))
    local _, entries = here.read("syslua.lock"):gsub('\n    "', "")
    assert.equal(50, entries)
    assert.equal("37\n", here.read("home/.vim/pack/plugin37/plugin.vim"))
    place.commit("plugin37", { ["plugin.vim"] = "moved\n" })
    assert.equal(0, count_built(must("apply", "init.lua")))
    local updated = must("update", "-c", "init.lua").stdout
    assert.equal(1, select(2, updated:gsub("\n", "")), updated)
    local second = must("apply", "init.lua")
    assert.equal(1, count_built(second))
    assert.equal("moved\n", here.read("home/.vim/pack/plugin37/plugin.vim"))
  end)

  it("are repaired by the lock that a snapshot keeps", function()
    here.write("one", "1\n")
    here.write_config(chain:format(url("one")))
    must("apply", "init.lua")
    local object = here.shell("readlink -f home/c").stdout:gsub("\n", "")
    here.shell(("chmod u+w %s && echo damaged >%s"):format(object, object))
    here.write("one", "2\n")
    here.shell("rm syslua.lock")
    local result = here.shell("$LUA -l syslua verify --repair")
    assert.equal(0, result.code, result.stdout .. result.stderr)
    assert.equal("c:b:1\n", here.read(object))
    assert.is_false(here.exists("syslua.lock"))
  end)

  -- Graphs of derivations, each of which may fetch and depends on some before it. After each move
  -- of a file and of the lock the result is that of an empty root with the same lock.
  it("give what a build in an empty root gives, whatever moves", function()
    local next_number = require("spec.support.random").new(tonumber(os.getenv("SYSLUA_SEED")) or 20)
    local function random(first, last)
      return first - 1 + next_number(last - first + 1)
    end
    local texts = {}
    for number = 0, 3 do
      texts[here.shell(("echo %d | sha256sum"):format(number)).stdout:match("%x+")] = number .. "\n"
    end
    for _ = 1, 3 do
      local count = random(3, 6)
      local lines = { "local d = {}" }
      for index = 1, count do
        local reads = {}
        for other = 1, index - 1 do
          if random(1, 2) == 1 then
            reads[#reads + 1] = ("ctx.read(d[%d].out)"):format(other)
          end
        end
        if random(1, 3) > 1 then
          local name = random(1, 3)
          here.write("file" .. name, "0\n")
          reads[#reads + 1] = ('ctx.read(ctx.fetch_url("%s"))'):format(url("file" .. name))
        end
        local sum = #reads > 0 and table.concat(reads, " .. ") or '"none"'
        -- Some keep only the length: what they become stays where others move.
        if random(1, 3) == 1 then
          sum = "#(" .. sum .. ")"
        end
        lines[#lines + 1] = ([[
          d[%d] = derive { name = "d%d", opts = d, config = function(d, ctx)
            ctx.write(ctx.out, "%d:" .. %s .. "\n")
          end }
          file { path = "~/d%d", source = d[%d].out }
        ]]):format(index, index, index, sum, index, index)
      end
      here.write_config(table.concat(lines, "\n"))
      here.shell("rm -f syslua.lock")
      local function contents(root)
        local line = ("for f in %s/*; do cat $f; done"):format(root)
        return here.shell(line).stdout
      end
      local locks = {}
      for step = 1, 6 do
        here.write("file" .. random(1, 3), random(1, 3) .. "\n")
        local choice = random(1, 3)
        if choice == 1 and here.exists("syslua.lock") then
          must("update", "-c", "init.lua")
        elseif choice == 2 then
          here.shell("rm -f syslua.lock")
        elseif locks[1] then
          here.write("syslua.lock", locks[random(1, #locks)])
        end
        local applied = here.shell("$LUA -l syslua apply init.lua")
        if applied.code == 0 then
          local lock = here.read("syslua.lock") or '{ "version": 1 }\n'
          locks[#locks + 1] = lock
          -- An empty root is served the bytes of then.
          local served = {}
          for name = 1, 3 do
            served[name] = here.read("file" .. name)
            local locked = pin("file" .. name)
            if locked then
              here.write("file" .. name, texts[locked.sha256])
            end
          end
          here.shell("rm -rf empty empty-home && mkdir empty-home")
          local environment = { HOME = here.directory .. "/empty-home" }
          local fresh =
            here.shell("$LUA -l syslua apply init.lua --locked --root empty", environment)
          assert.equal(0, fresh.code, fresh.stderr)
          assert.equal(
            contents("empty-home"),
            contents("home"),
            ("step %d:\n%s"):format(step, lock)
          )
          for name, text in pairs(served) do
            here.write("file" .. name, text)
          end
        end
      end
    end
  end)

  it("of a trusted project are kept by gc, and it stays trusted by an update", function()
    here.write("one", "1\n")
    place.commit("low", { file = "low\n" })
    here.write(
      "web/syslua.lua",
      ([[
      return {
        inputs = { low = %q },
        setup = function(inputs)
          local a = derive { name = "a", config = function(_, ctx)
            ctx.copy(ctx.fetch_url("%s"), ctx.out)
          end }
          env { A = a.out, LOW = inputs.low.rev }
        end,
      }
    ]]):format(place.url("low") .. "#main", url("one"))
    )
    local code, shown = projects.trust(here, "web")
    assert.equal(0, code, shown)
    local lock = place.lock("web/syslua.lock")
    local trees, pinned = lock.inputs.low.sha256, lock.fetches[url("one")].sha256
    must("gc")
    assert.is_true(here.exists("root/cache/inputs/" .. trees))
    assert.is_true(here.exists("root/cache/downloads/" .. pinned))
    place.commit("low", { file = "lower\n" })
    here.write("one", "2\n")
    assert.equal(3, here.shell("$LUA -l syslua outdated -c web/syslua.lua").code)
    local updated = must("update", "-c", "web/syslua.lua").stdout
    assert.equal(2, select(2, updated:gsub("updated ", "")), updated)
    local entered = here.shell("cd web && $LUA -l syslua shell -- sh -c 'cat $A'")
    assert.equal("2\n", entered.stdout, entered.stderr)
    must("lock", "--check", "-c", "web/syslua.lua")
    must("gc")
    assert.is_false(here.exists("root/cache/downloads/" .. pinned))
    assert.is_false(here.exists("root/cache/inputs/" .. trees))
  end)

  it("hold wherever the config is named from", function()
    here.write("one", "1\n")
    here.write("x/init.lua", here.read(here.write_config(chain:format(url("one")))))
    for _, name in ipairs({ "x", "./x/init.lua", "x/../x/init.lua", here.directory .. "/x/" }) do
      here.shell("rm -f x/syslua.lock; rm -rf root")
      must("build", name)
      assert.truthy(pin("one", "x/syslua.lock"), name)
    end
  end)
end)
