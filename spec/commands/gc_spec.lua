--- `gc`: what nothing holds goes, and nothing else.

local json = require("dkjson")
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

describe("gc #once", function()
  local here = machine.for_each_test()

  local function collect(...)
    local result = here.must("gc", "--json", ...)
    return json.decode(result.stdout)
  end

  -- The objects of a store without their digits, in order.
  local function get_objects()
    local names = {}
    for name in process.run({ "ls", here.root .. "/store/obj" }).stdout:gmatch("[^\n]+") do
      names[#names + 1] = name:gsub("%-%x+$", "")
    end
    return names
  end

  local function find(result, name)
    for _, object in ipairs(result.objects) do
      if object.object:gsub("%-%x+$", "") == name then
        return object
      end
    end
  end

  -- A program that was built by another one, and refers to a library only in its bytes.
  local tool = [[
    local compiler = derive({ name = "compiler", config = function(_, ctx)
      ctx.write(ctx.out, "cc")
    end })
    local library = derive({ name = "library", config = function(_, ctx)
      ctx.write(ctx.out .. "/lib", "so")
    end })
    local tool = derive({ name = "tool", opts = { compiler, library }, config = function(opts, ctx)
      ctx.write(ctx.out .. "/tool", "by " .. #ctx.read(opts[1].out) .. " with "
        .. opts[2].out .. "/lib")
    end })
    activate({ config = function(_, ctx) ctx.symlink(tool.out .. "/tool", "~/.tool") end })
  ]]

  it("keeps what the applied snapshot needs, and lets build dependencies go", function()
    here.apply(tool)
    assert.same({ "compiler", "library", "tool" }, get_objects())
    local planned = collect("--dry-run")
    assert.is_false(planned.applied)
    assert.same({ "compiler", "library", "tool" }, get_objects())
    assert.is_false(find(planned, "compiler").kept)
    assert.same({ { kind = "snapshot", id = "1", current = true } }, find(planned, "tool").held_by)
    assert.equal(find(planned, "tool").object, find(planned, "library").referred_by)
    local result = collect()
    assert.is_true(result.applied)
    assert.equal(1, result.removed)
    assert.equal(2, result.kept)
    assert.same({ "library", "tool" }, get_objects())
    assert.equal(0, here.run("verify").code)
    -- Nothing is built again for what is there.
    local again = here.must("apply", "init.lua", "--json")
    assert.is_false(json.decode(again.stdout).changed)
    assert.same({ "library", "tool" }, get_objects())
    assert.equal(0, collect().removed)
  end)

  it("says of each object why it stays or goes", function()
    here.apply(tool)
    local text = here.must("gc", "--dry-run").stdout
    matches(
      text,
      "remove  compiler%-%x+: nothing holds it",
      "keep    tool%-%x+: snapshot 1 %(current%)",
      "keep    library%-%x+: tool%-%x+ refers to it"
    )
    contains(text, "1 object would be removed, 2 kept")
    contains(here.must("gc").stdout, "1 object removed, 2 kept")
  end)

  it("removes snapshots only when it is asked to, never the current one", function()
    for index = 1, 4 do
      here.apply(('file({ path = "~/.one", content = "%d" })'):format(index))
    end
    assert.equal(0, collect().removed)
    assert.same({ "1", "2" }, collect("--keep", "2").snapshots)
    here.must("rollback", "3", "--yes")
    assert.same({}, collect("--older-than", "1h").snapshots)
    assert.same({ "4" }, collect("--keep", "1").snapshots)
    assert.equal("3", here.read(".one") or here.read("home/.one"))
    -- The number of the snapshot that is gone is not used again.
    here.apply('file({ path = "~/.one", content = "5" })')
    assert.equal("snapshots/5", here.read_link("root/store/metadata/current"))
    assert.equal(1, here.run("rollback", "4", "--yes").code == 0 and 0 or 1)
  end)

  it("removes downloads, logs, leftovers and dead links", function()
    local source = here.write("archive", "content")
    local sum = process.run({ "sha256sum", source }).stdout:match("%x+")
    here.apply(([[
      derive({ name = "tool", version = "1.0", config = function(_, ctx)
        ctx.run("echo built")
        ctx.copy(ctx.fetch_url("file://%s", "%s"), ctx.out)
      end })
    ]]):format(source, sum))
    here.apply('file({ path = "~/.one", content = "1" })')
    here.write("root/store/bld/left-123456789/file", "left")
    here.write("root/store/b1f/left-123456789/file", "left")
    here.write("root/store/staging/" .. sum .. "-out/file", "left")
    here.write("root/store/tmp/1f/file", "left")
    local planned = collect("--dry-run", "--keep", "1")
    local result = collect("--keep", "1")
    assert.equal(planned.freed, result.freed)
    assert.equal(1, result.logs.count)
    assert.is_true(result.downloads.count > 0)
    assert.equal(4, result.leftovers.count)
    assert.equal("", here.shell("ls -d root/store/b1f root/store/bld 2>/dev/null").stdout)
    for _, directory in ipairs({
      "store/pkg",
      "store/log",
      "store/staging",
      "store/tmp",
      "cache/downloads",
    }) do
      assert.equal("", here.list("root/" .. directory):gsub("^d[^\n]*\n", ""), directory)
    end
  end)

  it("keeps what links in gc-roots lead to, also through others", function()
    here.apply(tool)
    local compiler = find(collect("--dry-run"), "compiler").path
    process.run({ "ln", "-s", compiler, here.directory .. "/result" })
    process.run({
      "ln",
      "-s",
      here.directory .. "/result",
      here.root .. "/store/metadata/gc-roots/mine",
    })
    process.run({ "ln", "-s", "/nowhere", here.root .. "/store/metadata/gc-roots/dangling" })
    local result = collect()
    assert.equal("gc_root", find(result, "compiler").held_by[1].kind)
    assert.same({ here.root .. "/store/metadata/gc-roots/dangling" }, result.dangling)
    process.run({ "rm", here.directory .. "/result" })
    assert.is_nil(find(collect(), "compiler").held_by)
    assert.same({ "library", "tool" }, get_objects())
  end)

  it("keeps what a process runs, and names it", function()
    here.apply([[
      local program = derive({ name = "program", config = function(_, ctx)
        ctx.run("mkdir -p $out/bin && cp /bin/sleep $out/bin/program")
      end })
      env({ PROGRAM = program.out })
      activate({ config = function(_, ctx) ctx.add_to_path(program.out .. "/bin") end })
    ]])
    here.apply('file({ path = "~/.one", content = "1" })')
    local pid = here
      .shell(
        '"$(echo "$SYSLUA_ROOT"/store/obj/program-*)"/bin/program 30 >/dev/null '
          .. "2>&1 & echo $!"
      ).stdout
      :match("%d+")
    local text = here.must("gc", "--keep", "1").stdout
    process.run({ "kill", pid })
    matches(text, "program%-%x+: .*process " .. pid .. " %(program%)")
    assert.is_true(here.exists("root/store/obj/" .. text:match("program%-%x+")))
    -- Until the system has forgotten it.
    for _ = 1, 50 do
      if process.run({ "kill", "-0", pid }).code ~= 0 then
        break
      end
      process.run({ "sleep", "0.1" })
    end
    here.must("gc")
    assert.is_false(here.exists("root/store/obj/" .. text:match("program%-%x+")))
  end)

  it("removes nothing when something cannot be read", function()
    here.apply('file({ path = "~/.one", content = "1" })')
    here.apply(tool)
    local damages = {
      ["store/metadata/snapshots/1/snapshot.json"] = { "", "{", '{"version":99}' },
      ["store/metadata/journal"] = { "{", '{"version":99}' },
      ["store/info/" .. find(collect("--dry-run"), "tool").object .. ".json"] = { "{", "" },
    }
    for name, texts in pairs(damages) do
      local before = here.read("root/" .. name)
      for _, damage in ipairs(texts) do
        here.write("root/" .. name, damage)
        local result = here.run("gc")
        assert.equal(1, result.code, name .. damage)
        contains(result.stderr, name)
        assert.same({ "compiler", "library" }, { get_objects()[1], get_objects()[2] })
      end
      if before then
        here.write("root/" .. name, before)
      else
        process.run({ "rm", here.root .. "/" .. name })
      end
    end
    assert.equal(1, collect().removed)
  end)

  it("waits for who uses the store, and says for whom", function()
    here.apply(tool)
    local result = here.shell(
      'flock -s "$SYSLUA_ROOT/store/store.lock" sleep 5 & sleep 0.3; '
        .. '"$LUA" -l syslua gc --lock-timeout 0.2; code=$?; kill $!; exit $code'
    )
    assert.equal(1, result.code)
    contains(result.stderr, "locked by")
    assert.equal(3, #get_objects())
  end)

  it("has nothing to do where nothing is", function()
    local result = collect()
    assert.same({}, result.objects)
    assert.equal(0, result.freed)
    assert.is_false(here.exists("root"))
  end)

  it("refuses wrong words", function()
    for _, words in ipairs({ { "--keep", "0" }, { "--keep", "x" }, { "--older-than", "never" } }) do
      assert.equal(2, here.run("gc", words[1], words[2]).code)
    end
  end)
end)
