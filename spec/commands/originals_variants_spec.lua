--- What stood at a target before comes back, whatever is declared there in turn.

local machine = require("spec.support.machine")

-- What may stand there before: a directory that cannot be moved stays beside its target.
local originals = {
  file = "echo mine >~/place; chmod 640 ~/place",
  directory = "mkdir ~/place; echo in >~/place/in",
  locked = "mkdir ~/place; echo in >~/place/in; chmod 500 ~/place",
  link = "ln -s nowhere ~/place",
  pipe = "mkfifo ~/place",
}

local kinds = {
  'file { path = "~/place", content = "text" }',
  'file { path = "~/place", content = "copy", copy = true }',
  'file { path = "~/place", content = "real", mode = "600" }',
  'file { path = "~/place", source = "tree" }',
}

local once = 'file { path = "~/place", content = "once", mutable = true }'

local edits = {
  "true",
  "rm -rf ~/place",
  "rm -rf ~/place; echo edit >~/place",
  "rm -rf ~/place; mkdir ~/place",
}

describe("an original #once", function()
  local here

  before_each(function()
    here = machine.new()
    here.write("tree/one", "one\n")
  end)

  after_each(function()
    here.shell("chmod -R u+rwX ~")
    here.remove()
  end)

  local function list()
    return here.shell([[cd ~; find place .syslua-* -printf '%y %m %p %l\n' 2>&-
      for f in place place/in; do [ ! -f $f ] || cat $f; done]]).stdout
  end

  local function run(...)
    local result = here.run(...)
    assert.are.equal(0, result.code, result.stdout .. result.stderr)
  end

  local function apply(config)
    here.write_config(config)
    run("apply", "init.lua")
  end

  for name, furnish in pairs(originals) do
    it(("comes back where a file is to be written once: a %s"):format(name), function()
      here.shell(furnish)
      local before = list()
      for number, kind in ipairs(kinds) do
        apply(kind)
        here.shell(edits[number])
        apply(once)
        assert.are.equal(before, list(), kind)
      end
      run("destroy", "--yes")
      assert.are.equal(before, list())
    end)

    it(("is one behind what was to be written once: a %s"):format(name), function()
      here.shell(furnish)
      local before = list()
      for _, kind in ipairs(kinds) do
        apply(once)
        assert.are.equal(before, list())
        apply(kind)
        run("destroy", "--yes")
        assert.are.equal(before, list(), kind)
      end
    end)
  end

  it("is looked at where it is kept, when something in it is declared", function()
    for _, kind in ipairs(kinds) do
      for _, inner in ipairs(kinds) do
        here.shell("rm -rf ~/place; mkdir ~/place; echo in >~/place/in")
        local before = list()
        apply(kind)
        apply((inner:gsub("~/place", "~/place/in")))
        run("destroy", "--yes")
        assert.are.equal(before, list(), kind .. inner)
      end
    end
  end)

  it("is a file that was written once, for what is declared there later", function()
    for _, kind in ipairs(kinds) do
      apply(once)
      apply(kind)
      run("destroy", "--yes")
      assert.are.equal("once", here.read("home/place"))
      here.shell("rm -f ~/place")
    end
  end)
end)
