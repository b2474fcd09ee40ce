--- Targets below links that come, go and come back in the same switch. Each is a home that showed a
--- defect once.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")

describe("a home with links on the way to targets #once", function()
  local here = machine.for_each_test()

  local function list()
    local line =
      "cd ~; find . -printf '%y %m %p %l\\n' | LC_ALL=C sort; find . -type f -exec cat {} +"
    return here.shell(line).stdout
  end

  local function apply(config)
    local result = here.apply(config)
    local again = here.must("apply", "init.lua").stdout
    contains(again, "Nothing changed")
    return result
  end

  -- Destroys, and expects the home to be as it was.
  local function expect_back(before)
    here.must("destroy", "--yes")
    assert.equal(before, list())
  end

  it("has targets where a link leads that comes back", function()
    here.shell("mkdir ~/real ~/real/sub; ln -s real ~/x")
    local before = list()
    apply('file { path = "~/x", content = "1" }')
    apply('file { path = "~/x/f", content = "2" } file { path = "~/x/sub/../g", content = "3" }')
    assert.equal("2", here.read("home/real/f"))
    assert.equal("3", here.read("home/real/g"))
    expect_back(before)
  end)

  it("has no target where a link of sys.lua leads that goes", function()
    here.shell("mkdir -p tree/real; echo 1 >tree/real/one; ln -s real tree/rc")
    local before = list()
    apply('file { path = "~/x", source = "tree" }')
    apply('file { path = "~/x/rc/f", content = "1" }')
    assert.equal("1", here.read("home/x/rc/f"))
    assert.is_false(here.exists("home/x/real"))
    expect_back(before)
  end)

  it("keeps a directory that comes back where a file is written once", function()
    here.shell("mkdir -m 755 ~/app; echo mine >~/app/x")
    local before = list()
    apply('directory { path = "~/app", mode = "750" }')
    apply('file { path = "~/app", content = "f" }')
    here.must("rollback", "1", "--yes")
    apply('file { path = "~/app", content = "once", mutable = true }')
    assert.equal("mine\n", here.read("home/app/x"))
    expect_back(before)
  end)

  it("gives a directory its own mode back, not that of one that stood there meanwhile", function()
    here.shell("mkdir -m 755 ~/c; echo mine >~/c/x")
    local before = list()
    apply('file { path = "~/c", content = "f" }')
    here.shell("rm ~/c; echo edit >~/c")
    apply('directory { path = "~/c", mode = "700" }')
    apply('directory { path = "~/c", mode = "711" }')
    here.must("rollback", "1", "--yes")
    expect_back(before)
  end)

  it("gets no links that lead to each other", function()
    here.shell("mkdir ~/d; echo 1 >~/d/f; ln -s d/f ~/a; ln -s d/f ~/b; ln -s b ~/c")
    local before = list()
    for _, config in ipairs({
      'file { path = "~/a", source = "~/b", mutable = true } file { path = "~/b", source = "~/a", '
        .. "mutable = true }",
      'file { path = "~/b", source = "~/c", mutable = true }',
    }) do
      here.write_config(config)
      local result = here.run("apply", "init.lua")
      assert.equal(1, result.code)
      contains(result.stderr, "which the config reads")
      assert.equal(before, list())
    end
  end)
end)
