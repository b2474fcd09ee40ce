--- Contents that are not what was declared: one run names all of them.

local machine = require("spec.support.machine")
local server = require("spec.support.server")
local text_checks = require("spec.support.text_checks")

local contains, contains_none = text_checks.contains, text_checks.contains_none

describe("wrong hashes #once", function()
  local here
  local zeros = ("0"):rep(64)

  before_each(function()
    here = machine.new()
  end)

  after_each(function()
    here.remove()
  end)

  local function sha256(name)
    return here.shell("sha256sum <" .. name).stdout:match("^%x+")
  end

  -- Asserts that a text has all of these, each as it stands.
  local function assert_has(text, parts)
    for _, part in ipairs(parts) do
      contains(text, part)
    end
  end

  it("are all named in one run, with line, address and both hashes", function()
    local lines, parts = {}, {}
    for number = 1, 12 do
      local name = ("www/file %d"):format(number)
      here.write(name, ("content %d\n"):format(number))
      local url = ("file://%s/www/file%%20%d"):format(here.directory, number)
      -- Each has a hash of its own, or that of all new sources.
      local hash = number % 2 == 0 and zeros or ("%064x"):format(number)
      local fetch = ("ctx.copy(ctx.fetch_url(%q, %q), ctx.out)"):format(url, hash)
      lines[number] = ("derive { name = 'd%d', config = function(_, ctx) %s end }"):format(
        number,
        fetch
      )
      parts[#parts + 1] = ("init.lua:%d: %s\n"):format(number + 1, url)
      parts[#parts + 1] = "declared sha256 " .. hash
      parts[#parts + 1] = "received sha256 " .. sha256(("'www/file %d'"):format(number))
    end
    here.write_config(table.concat(lines, "\n"))
    local result = here.run("build", "init.lua")
    assert.equal(1, result.code)
    assert_has(result.stderr, parts)
    assert_has(result.stderr, { "12 hashes are wrong", "hint: " })
    contains_none(result.stderr, "another process", "waiting for", "cache/downloads")
    -- In the order of the lines.
    local last = 0
    for number = 1, 12 do
      local at = result.stderr:find(("init.lua:%d:"):format(number + 1), 1, true)
      assert.is_true(at > last)
      last = at
    end
    local json = here.run("build", "init.lua", "--json")
    assert_has(json.stdout, {
      '"mismatches"',
      sha256("'www/file 7'"),
      '"position"',
      "init.lua:8",
      '"found"',
      '"expected"',
    })
    assert.equal("", here.shell("ls root/cache/downloads").stdout)
  end)

  it("come with those of git and of outputs, and of what others need", function()
    here.write("www/one", "one\n")
    here.write("www/two", "two\n")
    local made = here.shell(
      [[
      set -e
      git init -q -b main repository && cd repository
      echo content >file && git add file && git -c user.name=a -c user.email=a@b commit -qm one]]
    )
    assert.equal(0, made.code, made.stderr)
    local lines = [[
      local zeros = ("0"):rep(64)
      local one = derive { name = "one", config = function(_, ctx)
        ctx.copy(ctx.fetch_url("file://DIRECTORY/www/one", zeros), ctx.out)
      end }
      derive { name = "above", opts = { one = one }, config = function(opts, ctx)
        ctx.copy(ctx.fetch_url("file://DIRECTORY/www/two", zeros), ctx.out)
      end }
      derive { name = "tree", config = function(_, ctx)
        ctx.copy(ctx.fetch_git("file://DIRECTORY/repository", "main", zeros), ctx.out)
      end }
      derive { name = "output", output_sha256 = zeros, config = function(_, ctx)
        ctx.write(ctx.out, "x")
      end }
      derive { name = "twice", config = function(_, ctx)
        ctx.write(ctx.out, "") -- The first wrong one ends it.
        ctx.fetch_url("file://DIRECTORY/www/two", ("1"):rep(64))
        ctx.fetch_url("file://DIRECTORY/www/one", ("2"):rep(64))
      end }
      derive { name = "fine", config = function(_, ctx) ctx.write(ctx.out, "fine\n") end }
    ]]
    here.write_config((lines:gsub("DIRECTORY", here.directory)))
    local result = here.run("build", "init.lua")
    assert.equal(1, result.code)
    assert_has(result.stderr, {
      "4 hashes are wrong",
      "init.lua:4: file://" .. here.directory .. "/www/one",
      sha256("www/one"),
      "init.lua:10: file://" .. here.directory .. "/repository at main",
      "init.lua:12: output\n",
      "init.lua:17: file://" .. here.directory .. "/www/two",
      sha256("www/two"),
    })
    -- What needs none of them is built.
    assert.truthy(machine.get_object(here, "fine"))
  end)

  it("stand beside another failure", function()
    here.write("www/one", "one\n")
    here.write_config(([[
      derive { name = "wrong", config = function(_, ctx)
        ctx.copy(ctx.fetch_url("file://%s/www/one", ("0"):rep(64)), ctx.out)
      end }
      derive { name = "broken", config = function(_, ctx) ctx.run("sleep 1; exit 3") end }
    ]]):format(here.directory))
    local result = here.run("build", "init.lua", "--jobs", "4")
    assert.equal(1, result.code)
    assert_has(result.stderr, { "exit code 3", "besides, 1 hash is wrong", sha256("www/one") })
  end)

  it("can be caught, and are no failure then", function()
    here.write("www/one", "one\n")
    here.write_config(([[
      derive { name = "caught", config = function(_, ctx)
        local ok = pcall(ctx.fetch_url, "file://%s/www/one", ("0"):rep(64))
        ctx.write(ctx.out, tostring(ok))
      end }
    ]]):format(here.directory))
    local result = here.run("build", "init.lua")
    assert.equal(0, result.code, result.stderr)
  end)

  it("are named where a script builds", function()
    here.write("www/one", "one\n")
    here.write("www/two", "two\n")
    local result = here.script(([[
      local function fetch(name)
        return syslua.derive({ name = name, config = function(_, ctx)
          ctx.copy(ctx.fetch_url("file://%s/www/" .. name, ("0"):rep(64)), ctx.out)
        end })
      end
      local parts = { fetch("one"), fetch("two") }
      local both = syslua.derive({ name = "both", opts = parts, config = function(_, ctx) end })
      local _, problem = pcall(syslua.build, both)
      problem = syslua.error(problem)
      print(#problem.mismatches, problem.mismatches[1].found, problem.mismatches[2].found)
    ]]):format(here.directory))
    assert.equal(0, result.code, result.stderr)
    assert.equal(("2\t%s\t%s\n"):format(sha256("www/one"), sha256("www/two")), result.stdout)
  end)

  it("of archives that cannot be unpacked name where they came from", function()
    here.write("www/archive.tar", "no archive\n")
    local web = server.start(here.directory .. "/www")
    here.write_config(([[
      derive { name = "archive", config = function(_, ctx)
        ctx.unpack(ctx.fetch_url(%q, %q))
      end }
    ]]):format(web.url .. "/archive.tar", sha256("www/archive.tar")))
    local result = here.run("build", "init.lua")
    web.stop()
    assert.equal(1, result.code)
    assert_has(result.stderr, { "cannot unpack " .. web.url .. "/archive.tar: it is a text" })
    contains_none(result.stderr, "cache/")
  end)
end)
