--- A home that got another place or name after an apply, with its root: it is given back as it was, and nothing in it
-- is taken for somebody else's.

local machine = require("spec.support.machine")

local config = [[
  file { path = "~/.rc", content = "1", mode = "644" }
  file { path = "~", source = "tree", recursive = true }
  file { path = "~/.config/st", source = "p/.config/st", recursive = true }
  file { path = "~/own", source = "tree", mutable = true }
  file { path = "~/cp", source = "tree", copy = true }
  file { path = "~/.config/app", absent = true }
  directory { path = "~/dd/ee", mode = "700" }
]]

-- A file, a directory and a link of GNU Stow stand where something is declared.
local furnish = [[
  cd ~; mkdir -p dots/tree/app .config/app dots/p/.config/st
  echo rc >dots/tree/app/rc; echo top >dots/tree/top; echo s >dots/p/.config/st/f
  echo mine >.rc; echo mine >top; chmod 640 .rc; echo in >.config/app/in
  ln -s ../dots/p/.config/st .config/st
]]

-- How the home is moved, and what `HOME` and the root are then.
local moves = {
  ["the home, with the root in it"] = {
    "home/share/root",
    "mv home home2",
    "home2",
    "home2/share/root",
  },
  ["both, which are beside each other"] = { "root", "mkdir n; mv home root n/", "n/home", "n/root" },
  ["the home, to which a link leads"] = {
    "home/share/root",
    "mv home home2; ln -s home2 home",
    "home",
    "home/share/root",
  },
  ["the home, and the link leads to the root"] = {
    "home/share/root",
    "mv home home2; ln -s home2 home",
    "home2",
    "home/share/root",
  },
}

describe("a home that was moved #once", function()
  local here

  before_each(function()
    here = machine.new()
    here.shell(furnish)
    here.write_config(config, "home/dots/init.lua")
  end)

  after_each(function()
    here.remove()
  end)

  local function list()
    return here.shell(
      [[cd ~/.; find . ! -path './share*' -printf '%y %m %p %l\n' | LC_ALL=C sort; cat .rc top]]
    ).stdout
  end

  local function run(...)
    local result = here.shell("$LUA -l syslua " .. table.concat({ ... }, " "))
    assert.equal(0, result.code, result.stdout .. result.stderr)
    return result
  end

  for name, move in pairs(moves) do
    for _, applies in ipairs({ false, true }) do
      it(("is given back: %s%s"):format(name, applies and ", applied again" or ""), function()
        here.environment.SYSLUA_ROOT = here.directory .. "/" .. move[1]
        local before = list()
        run("apply", "home/dots")
        here.shell(move[2])
        here.environment.HOME = here.directory .. "/" .. move[3]
        here.environment.SYSLUA_ROOT = here.directory .. "/" .. move[4]
        if applies then
          local report = run("apply", move[3] .. "/dots").stderr
          assert.is_nil(report:find("kept", 1, true), report)
          local again = run("apply", move[3] .. "/dots").stdout
          assert.truthy(again:find("Nothing changed", 1, true), again)
        end
        local report = run("destroy", "--yes")
        -- Links of ours that lead to the old place are no edits.
        assert.is_nil((report.stdout .. report.stderr):find("kept", 1, true), report.stdout)
        assert.equal(before, list())
      end)
    end
  end
end)
