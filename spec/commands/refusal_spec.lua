--- What `apply` refuses before anything is touched.

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

  local function contains(text, ...)
    for index = 1, select("#", ...) do
      local part = select(index, ...)
      assert.truthy(text:find(part, 1, true), part .. " is not in: " .. text)
    end
  end

  it("a target that holds something of the user's", function()
    local message = refuse([[
      file({ path = "~/.one", content = "one\n" })
      file({ path = "~/.taken", content = "ours\n" })
      env({ EDITOR = "vi" })
    ]])
    contains(message, here.home .. "/.taken", "a file", "init.lua:3")
    assert.equal("mine\n", here.read("home/.taken"))
  end)

  it("a target that is a link of somebody else's, or a directory", function()
    here.shell("ln -s .taken ~/.link; mkdir ~/.directory")
    home = here.list("home")
    contains(
      refuse([[file({ path = "~/.link", content = "ours\n" })]]),
      "a link to .taken",
      "init.lua:2"
    )
    contains(
      refuse([[file({ path = "~/.directory", content = "ours\n" })]]),
      "a directory",
      "init.lua:2"
    )
  end)

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

  it("to overwrite a managed target that was edited", function()
    here.write_config([[file({ path = "~/.one", content = "one\n" })]])
    assert.equal(0, here.run("apply", "init.lua").code)
    os.remove(here.home .. "/.one")
    here.write("home/.one", "edited\n")
    here.write_config([[file({ path = "~/.one", content = "two\n" })]])
    local result = here.run("apply", "init.lua")
    assert.equal(1, result.code)
    contains(result.stderr, here.home .. "/.one", "init.lua:2")
    assert.equal("edited\n", here.read("home/.one"))
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
    assert.truthy(result.stdout:find("2 added", 1, true), result.stdout)
  end)
end)
