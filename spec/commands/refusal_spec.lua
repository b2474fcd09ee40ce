--- What `apply` refuses before anything is touched.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")

describe("apply refuses", function()
  local here, home

  before_each(function()
    here = machine.new()
    here.write("home/.taken", "mine\n")
    home = here.list("home")
  end)

  after_each(function()
    here.remove()
  end)

  -- Applies a config that must fail; returns what it said. Neither home nor environment may change.
  local function refuse(lines)
    here.write_config(lines)
    local result = here.run("apply", "init.lua")
    assert.equal(1, result.code, result.stdout)
    assert.equal("", result.stdout)
    assert.equal(home, here.list("home"))
    assert.is_false(here.exists("root/env.sh"))
    return result.stderr
  end

  it("two declarations of one target, naming both", function()
    here.write("other.lua", 'file({ path = "~/.one", content = "other\\n" })')
    local message = refuse([[
      file({ path = "~/.one", content = "one\n" })
      require("other")
    ]])
    contains(message, "~/.one", "init.lua:2", "other.lua:1")
  end)

  it("two ways to write one target, naming both", function()
    here.shell("ln -s . ~/.loop")
    home = here.list("home")
    for _, way in ipairs({ "~/.loop/.one", "~/./.one", "~//.one", "~/.absent/../.one" }) do
      local message = refuse(([[
        file({ path = "~/.one", content = "one\n" })
        file({ path = %q, content = "other\n" })
      ]]):format(way))
      contains(message, "init.lua:2", "init.lua:3")
    end
  end)

  it("a target below a link", function()
    here.write("tree/file", "")
    local message = refuse([[
      file({ path = "~/.tree", source = "tree" })
      file({ path = "~/.tree/other", content = "other\n" })
    ]])
    contains(message, "init.lua:2", "init.lua:3")
  end)

  it("two values of one variable, naming both", function()
    contains(
      refuse('env({ EDITOR = "vi" })\nenv({ EDITOR = "ed" })'),
      "EDITOR",
      "init.lua:2",
      "init.lua:3"
    )
  end)

  it("a target below a link that is applied already", function()
    here.write("tree/file", "")
    here.write_config([[file({ path = "~/.tree", source = "tree" })]])
    assert.equal(0, here.run("apply", "init.lua").code)
    here.write_config([[
      file({ path = "~/.tree", source = "tree" })
      file({ path = "~/.tree/other", content = "other\n" })
    ]])
    local result = here.run("apply", "init.lua")
    assert.equal(1, result.code)
    contains(result.stderr, "init.lua:2", "init.lua:3")
  end)

  it("a target in its own root", function()
    contains(
      refuse(('file({ path = %q, content = "one" })'):format(here.root .. "/store/one")),
      here.root,
      "init.lua:2"
    )
  end)

  it("a target below a file, and one in a directory that cannot be written", function()
    contains(
      refuse([[file({ path = "~/.taken/below", content = "one" })]]),
      here.home .. "/.taken is not a directory",
      "init.lua:2"
    )
    here.shell("mkdir ~/.closed; chmod 555 ~/.closed")
    home = here.list("home")
    contains(
      refuse([[file({ path = "~/.closed/below", content = "one" })]]),
      here.home .. "/.closed",
      "init.lua:2"
    )
  end)

  it("a target that another root manages", function()
    here.write_config([[file({ path = "~/.one", content = "one" })]])
    assert.equal(0, here.run("apply", "init.lua", "--root", "other").code)
    home = here.list("home")
    contains(
      refuse([[file({ path = "~/.one", content = "one" })]]),
      here.directory .. "/other",
      "init.lua:2"
    )
  end)

  it("a name that is too long, and one below it", function()
    for _, path in ipairs({ ("x"):rep(256), "d/" .. ("x"):rep(256), ("x"):rep(256) .. "/y" }) do
      local message = refuse(("file({ path = %q, content = 'x' })"):format("~/" .. path))
      contains(message, "a name in it has 256 bytes", "255 at most", "init.lua:2", "another path")
    end
  end)

  it("a path that is too long, of each kind of target", function()
    for length = 4095 - #here.home, 5000, 300 do
      local long = ("~/%s/x"):format(("a/"):rep(math.floor(length / 2)) .. "b")
      for _, line in ipairs({
        "file({ path = %q, content = 'x' })",
        "file({ path = %q, source = 'init.lua', mutable = true })",
        "file({ path = %q, absent = true })",
        "directory({ path = %q })",
        "file({ path = %q, merge = 'lines', values = { 'x' } })",
      }) do
        contains(refuse(line:format(long)), "its path has ", "init.lua:2", "another path")
      end
    end
  end)

  it("but accepts the same declaration twice", function()
    here.write_config([[
      for _ = 1, 2 do
        file({ path = "~/.one", content = "one\n" })
        env({ EDITOR = "vi" })
      end
    ]])
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
    contains(result.stdout, "2 added")
  end)
end)
