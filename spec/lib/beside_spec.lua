--- What configs read beside their files: `lib.read`, `lib.list`, `lib.exists`.

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local projects = require("spec.support.projects")
local random = require("spec.support.random")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

describe("lib.read, lib.list and lib.exists", function()
  local here = machine.for_each_test()

  local function run(...)
    local result = here.run(...)
    assert.equal("", result.code == 0 and "" or result.stderr)
    return result.stdout
  end

  it("begin at the file that calls, whatever the working directory is", function()
    here.write(
      "dots/modules/git/init.lua",
      [[
      local text = syslua.lib.read("template")
      file { path = "~/git", content = text .. table.concat(syslua.lib.list("."), " ") }
      file { path = "~/there", content = tostring(syslua.lib.exists("template")) }
    ]]
    )
    here.write("dots/modules/git/template", "beside the module\0\n")
    here.write("dots/template", "beside the entry file\n")
    here.write_config(
      [[
      local text = syslua.lib.read("template")
      require("modules.git")
      file { path = "~/entry", content = text .. syslua.lib.read("modules/git/../git/template") }
    ]],
      "dots/init.lua"
    )
    here.write("elsewhere/template", "somewhere else\n")
    assert.equal(0, here.shell("cd elsewhere && $LUA -l syslua apply --quiet ../dots").code)
    assert.equal("beside the module\0\ninit.lua template", here.read("home/git"))
    assert.equal("true", here.read("home/there"))
    assert.equal("beside the entry file\nbeside the module\0\n", here.read("home/entry"))
  end)

  it("work under --pure, which hides what is outside of the config", function()
    here.write("dots/conf.d/a.conf", "a\n")
    here.write("secret", "not for configs\n")
    here.write_config(
      [[
      local lib = syslua.lib
      file { path = "~/a", content = lib.read("conf.d/" .. lib.list("conf.d")[1]) }
    ]],
      "dots/init.lua"
    )
    run("apply", "--pure", "dots")
    assert.equal("a\n", here.read("home/a"))
    for _, call in ipairs({ 'read("../secret")', 'exists("~/x")', 'list("/etc")' }) do
      here.write_config("local x = syslua.lib." .. call, "dots/init.lua")
      local result = here.run("plan", "--pure", "dots")
      assert.equal(1, result.code)
      matches(result.stderr, "lib.%l+: .* %-%-pure hides it\n  at init.lua:2\n")
      assert.equal(0, here.run("plan", "dots").code)
    end
  end)

  it("are part of the snapshot's copy of the config, by which objects are repaired", function()
    here.write("dots/parts/one", "one\n")
    here.write("dots/parts/deep/two", "two\n")
    here.write_config(
      [[
      local lib, all = syslua.lib, ""
      for _, name in ipairs(lib.list("parts", "**")) do
        if lib.exists("parts/" .. name) and not name:find("deep$") then
          all = all .. name .. "=" .. lib.read("parts/" .. name)
        end
      end
      file { path = "~/all", content = all }
    ]],
      "dots/init.lua"
    )
    run("apply", "dots")
    local expected = "deep/two=two\none=one\n"
    assert.equal(expected, here.read("home/all"))
    -- Neither the config nor the object is there any more.
    local object = here.read_link("home/all")
    here.shell(
      ("rm -r dots; chattr -i %s 2>/dev/null; chmod u+w %s; printf x > %s"):format(
        process.quote(object),
        process.quote(object),
        process.quote(object)
      )
    )
    assert.not_equal(expected, here.read("home/all"))
    run("verify", "--repair")
    assert.equal(expected, here.read("home/all"))
  end)

  it("count as what the config reads: no target may lie there", function()
    here.write("home/dots/text", "mine\n")
    here.write_config(
      [[file { path = "~/dots/text", content = syslua.lib.read("text") .. "more\n" }]],
      "home/dots/init.lua"
    )
    local result = here.run("apply", "home/dots")
    assert.equal(1, result.code)
    assert.equal("mine\n", here.read("home/dots/text"))
  end)

  it("begin in the input, in the files of an input", function()
    here.write(
      "theirs/init.lua",
      [[
      local text = syslua.lib.read("text")
      return { text = text, list = syslua.lib.list("parts", "*.txt") }
    ]]
    )
    here.write("theirs/text", "of the input\n")
    here.write("theirs/parts/b.txt", "")
    here.write("theirs/parts/a.txt", "")
    here.write("theirs/parts/c.lua", "")
    here.write("text", "of the config\n")
    here.write(
      "init.lua",
      [[
      return { inputs = { theirs = "path:./theirs" }, setup = function()
        local theirs = require("inputs.theirs")
        file { path = "~/text", content = theirs.text .. table.concat(theirs.list, " ") }
      end }
    ]]
    )
    run("apply", "init.lua")
    assert.equal("of the input\na.txt b.txt", here.read("home/text"))
  end)

  it("read files of a project only as they are trusted", function()
    here.write("work/greeting", "hello\n")
    projects.write(here, "work", [[env { GREETING = syslua.lib.read("greeting") }]])
    local code, shown = projects.trust(here, "work")
    assert.equal(0, code, shown)
    local enter = "cd work && $LUA -l syslua shell -- sh -c 'printf %s \"$GREETING\"'"
    assert.equal("hello\n", here.shell(enter).stdout)
    here.write("work/greeting", "altered\n")
    local refused = here.shell(enter)
    assert.not_equal(0, refused.code)
    contains(refused.stderr, "greeting has changed since it was trusted")
  end)

  it("refuse what cannot be, by the line that asks", function()
    here.write("a directory/file", "")
    here.write_config("")
    local cases = {
      { 'read("missing")', "lib.read: cannot read .*missing: No such file or directory" },
      { 'read("a directory")', "lib.read: cannot read .*a directory: Is a directory" },
      { 'list("missing")', "lib.list: .*missing is not a directory" },
      { 'list("a directory/file")', "lib.list: .*file is not a directory" },
      { "read()", "lib.read: expected a path, got nil" },
      { 'read("")', "lib.read: expected a path, got an empty string" },
      { "exists({})", "lib.exists: expected a path, got table" },
      { 'read("a\\0b")', "lib.read: a path cannot have a zero byte" },
      { 'list(".", "[a")', "lib.list: a `%]` is missing in the pattern `%[a`" },
      { 'list(".", 1)', "lib.list: expected a pattern, got" },
    }
    for _, case in ipairs(cases) do
      local problem = here.fail("local value = syslua.lib." .. case[1])
      assert.equal("init.lua:2", problem.position)
      matches(problem.message, case[2])
    end
  end)

  it("are not there while a derivation is built", function()
    here.write_config([[
      local x = derive { name = "x", config = function(_, ctx)
        ctx.write(ctx.out, syslua.lib.read("init.lua"))
      end }
      activate { opts = { x = x }, config = function(opts, ctx) ctx.add_to_path(opts.x.out) end }
    ]])
    local result = here.run("apply", "init.lua")
    assert.equal(1, result.code)
    matches(result.stderr, "`lib.read` is not available in a build")
  end)

  it("serve scripts, which have no config", function()
    here.write("tool/data", "of the script\n")
    here.write(
      "tool/script.lua",
      [[
      local syslua = require("syslua")
      local lib = syslua.lib
      io.write(lib.read("data"), tostring(lib.exists("nothing")), lib.list(".")[2])
    ]]
    )
    local result = here.shell("cd home && $LUA ../tool/script.lua")
    assert.equal("of the script\nfalsescript.lua", result.stdout .. result.stderr)
  end)

  it("list what is below a directory, not that itself, for its name and `/**`", function()
    here.write("top/a/b/c", "")
    here.write("top/d", "")
    for glob, expected in pairs({ ["a/**"] = "a/b a/b/c", ["**/b/**"] = "a/b/c", ["d/**"] = "" }) do
      here.write_config(
        ('file { path = "~/l", content = table.concat(syslua.lib.list("top", %q), " ") }'):format(
          glob
        )
      )
      run("apply", "--quiet", "init.lua")
      assert.equal(expected, here.read("home/l"))
    end
  end)

  it("list what a shell lists for the same pattern", function()
    local generator = random.new(7)
    local names = { "a", "b.conf", "c.conf", ".hidden", "sp ace", "[x]", "ü", "z-1", "%d", "*" }
    for round = 1, 12 do
      local top = "tree" .. round
      here.write(top .. "/keep", "")
      for _ = 1, 12 do
        local parts = {}
        for index = 1, generator(3) do
          parts[index] = names[generator(#names)]
        end
        here.shell(
          ("mkdir -p %s"):format(
            process.quote(top .. "/" .. table.concat(parts, "/", 1, #parts - 1))
          )
        )
        here.shell(
          "touch " .. process.quote(top .. "/" .. table.concat(parts, "/")) .. " 2>/dev/null"
        )
      end
      for _, glob in ipairs({
        "*",
        "*.conf",
        "**/*.conf",
        "**",
        "[a-c]*",
        "*/*",
        "?",
        "**/a/*",
        "[!a]*",
      }) do
        here.write_config(
          ('file { path = "~/l", content = table.concat(syslua.lib.list(%q, %q), "\\n") }'):format(
            top,
            glob
          )
        )
        run("apply", "--quiet", "init.lua")
        local script = "shopt -s globstar dotglob nullglob; LC_ALL=C.UTF-8; cd "
          .. top
          .. "; for f in "
          .. glob
          .. '; do f=${f%/}; [ -n "$f" ] && printf \'%s\\n\' "$f"; done | LC_ALL=C sort -u'
        local expected =
          process.run({ "bash", "-c", script }, { directory = here.directory }).stdout
        assert.equal(expected, here.read("home/l") .. (expected == "" and "" or "\n"), glob)
      end
    end
  end)
end)
