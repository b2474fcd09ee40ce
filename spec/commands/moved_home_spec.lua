--- A home that got another place or name after an apply, with its root: it is given back as it was,
-- and nothing in it is taken for somebody else's.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

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
  ["both, which are beside each other"] = {
    "root",
    "mkdir n; mv home root n/",
    "n/home",
    "n/root",
  },
  ["the home, to which a link leads"] = {
    "home/share/root",
    "mv home home2; ln -s home2 home",
    "home",
    "home/share/root",
  },
  ["the home, and the root is elsewhere"] = { "root", "mv home home2", "home2", "root" },
  ["the home, to which a link leads, and the root is elsewhere"] = {
    "root",
    "mkdir n; mv home n/one; ln -s n/one home",
    "n/one",
    "root",
  },
  ["the home, and the link leads to the root"] = {
    "home/share/root",
    "mv home home2; ln -s home2 home",
    "home2",
    "home/share/root",
  },
}

describe("a home that was moved #once", function()
  local here = machine.for_each_test(function(here)
    here.shell(furnish)
    here.write_config(config, "home/dots/init.lua")
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
          -- What status shows, plan shows and apply does.
          local status = here.shell("$LUA -l syslua status")
          local plan = run("plan", move[3] .. "/dots").stdout
          assert.equal(
            status.code == 0,
            plan:find("0 to add, 0 to change", 1, true) ~= nil
              or plan:find("Nothing", 1, true) ~= nil,
            status.stdout .. plan
          )
          local report = run("apply", move[3] .. "/dots").stderr
          contains_none(report, "kept")
          local again = run("apply", move[3] .. "/dots").stdout
          contains(again, "Nothing changed")
        end
        local report = run("destroy", "--yes")
        -- Links of ours that lead to the old place are no edits.
        contains_none(report.stdout .. report.stderr, "kept")
        assert.equal(before, list())
      end)
    end
  end
end)

describe("another home with the same root #once", function()
  local here = machine.for_each_test(function(here)
    here.environment.SYSLUA_ROOT = here.directory .. "/root"
    here.shell([[
      mkdir one two link; ln -s $PWD/one link/me
      for home in one two; do echo $home >$home/.rc; mkdir $home/.d; echo $home >$home/.d/in; done
    ]])
    here.write_config([[
      file { path = "~/.rc", content = "ours" }
      file { path = "~/.d", content = "ours too", mode = "644" }
      file { path = "~/new/deep", content = "new" }
      directory { path = "~/made" }
    ]])
  end)

  local function list()
    return here.shell([[
      find one two -printf '%y %m %p %l\n' | LC_ALL=C sort; cat one/.rc one/.d/in two/.rc two/.d/in
    ]]).stdout
  end

  local function enter(home)
    here.environment.HOME = here.directory .. "/" .. home
  end

  -- Which home each step is done in, and what it is; the last home is the one that destroys.
  for name, steps in pairs({
    ["gone back to from the other one"] = { "one apply", "two apply", "two rollback 1", "two" },
    ["gone back to from itself"] = { "one apply", "two apply", "one rollback 1", "two" },
    ["to and fro"] = { "one apply", "two apply", "two rollback 1", "one rollback 2", "one" },
    ["by another name"] = { "link/me apply", "two apply", "one rollback 1", "two" },
    ["nothing between"] = { "one apply", "two apply", "two rollback 0", "two rollback 2", "one" },
  }) do
    it("gives back both: " .. name, function()
      local before = list()
      for index, step in ipairs(steps) do
        local home, rest = step:match("^(%S+) ?(.*)$")
        enter(home)
        if rest == "apply" then
          local applied = here.must("apply", "init.lua").stdout
          if home == "two" then
            contains(applied, "- link    " .. here.directory .. "/", "+ link    ~/.rc ")
          end
          assert.equal("ours", here.read(home .. "/.rc"))
        elseif index < #steps then
          local id = rest:match("%d+")
          local report = here.must("rollback", id, "--yes").stdout
          contains_none(report, "kept")
          local holder = id == "1" and "one" or id == "2" and "two"
          for _, each in ipairs({ "one", "two" }) do
            local expected = each == holder and "ours" or each .. "\n"
            assert.equal(expected, here.read(each .. "/.rc"), step)
          end
          local again = here.must("rollback", id, "--yes").stdout
          contains(again, "Nothing to do")
        end
      end
      local report = here.must("destroy", "--yes").stdout
      contains_none(report, "kept")
      assert.equal(before, list())
    end)
  end
end)

describe("a directory that a link leads to #once", function()
  local here = machine.for_each_test(function(here)
    here.shell("mkdir -p disk/config; echo mine >disk/config/rc; ln -s $PWD/disk/config ~/.config")
    here.write("tree/x", "x")
  end)

  for _, applies in ipairs({ false, true }) do
    it("may be moved, and the link with it" .. (applies and ", applied again" or ""), function()
      here.apply([[
        file { path = "~/.config/rc", content = "ours" }
        file { path = "~/.config/t", source = "tree", recursive = true }
        file { path = "~/.config/m", source = "tree", recursive = true, mutable = true }
        file { path = "~/.config/c/x", content = "1", mode = "644" }
      ]])
      here.shell("mv disk/config disk/moved; ln -sfn $PWD/disk/moved ~/.config")
      assert.equal(0, here.run("status").code)
      if applies then
        matches(here.must("apply", "init.lua").stdout, "^Nothing changed")
      end
      local report = here.must("destroy", "--yes").stdout
      contains_none(report, "kept")
      -- Directories that were made there are not known by another path: they stay, empty.
      assert.equal("disk/moved/rc\n", here.shell("find disk ! -type d").stdout)
      assert.equal("mine\n", here.read("home/.config/rc"))
    end)
  end
end)

describe("another home with the same root #once", function()
  it("sees the targets of the first by their full paths", function()
    local here = machine.new()
    finally(here.remove)
    here.apply([[
      file { path = "~/.rc", content = "1" }
      file { path = "~/b", content = "2" }
    ]])
    here.shell("rm ~/b")
    local first = here.home
    here.environment.HOME = here.directory .. "/other"
    local status = here.shell("mkdir -p ~; $LUA -l syslua status --verbose")
    assert.equal(3, status.code, status.stderr)
    contains(status.stdout, "missing  " .. first .. "/b", first .. "/.rc")
    contains_none(status.stdout, "~/")
  end)
end)

describe("an original that cannot come back #once", function()
  local here

  before_each(function()
    here = machine.new()
    here.environment.SYSLUA_ROOT = here.directory .. "/root"
  end)

  after_each(function()
    here.shell("chmod -R u+w .")
    here.remove()
  end)

  local commands = { "plan init.lua", "apply init.lua", "rollback --yes 0", "destroy --yes" }

  local function run_each(check)
    for _, words in ipairs(commands) do
      local result = here.shell("$LUA -l syslua " .. words)
      assert.equal(0, result.code, words .. ": " .. result.stdout .. result.stderr)
      check(words)
    end
    -- Nothing is lost.
    assert.equal("mine\n", here.shell("cat root/backups/originals/*").stdout)
  end

  it("stays where it is kept when the home is gone", function()
    here.environment.HOME = here.directory .. "/homes/one"
    here.shell("mkdir -p ~; echo mine >~/.rc")
    here.apply('file { path = "~/.rc", content = "1" }')
    -- A copy is another directory.
    here.shell("mkdir other; cp -a homes/one other/two; rm -r homes/one; chmod 555 homes")
    if here.shell("touch homes/x").code == 0 then
      return
    end
    here.environment.HOME = here.directory .. "/other/two"
    run_each(function() end)
    assert.equal("", here.shell("ls homes").stdout)
  end)

  it("stays where it is kept when a file is in the place of its directory", function()
    here.shell("mkdir ~/d; echo mine >~/d/x")
    here.apply('file { path = "~/d/x", content = "1" }')
    here.shell("rm -r ~/d; echo file >~/d")
    here.write_config('file { path = "~/y", content = "1" }')
    run_each(function(words)
      assert.equal("file\n", here.read("home/d"), words)
    end)
  end)
end)

describe("the home of another user that was moved #root #once", function()
  it("has its originals and links where it is now", function()
    local here = machine.new()
    finally(here.remove)
    here.shell("mkdir -p homes/ada; chmod 755 . homes; echo mine >homes/ada/rc")
    here.shell("chown -R 4321:4321 homes/ada")
    here.write_config([[
      user { name = "syslua-ada", setup = function()
        file { path = "~/rc", content = "1" }
        file { path = "~/new/x", content = "1", copy = true }
        directory { path = "~/dir", mode = "711" }
      end }
    ]])
    -- The accounts are those of a mount namespace of its own.
    local script = [[
      grep -v syslua-ada /etc/passwd >passwd
      echo "syslua-ada:x:4321:4321::$PWD/homes/ada:/bin/sh" >>passwd
      mount --bind passwd /etc/passwd
      list() { (cd homes/$1; find . -printf '%y %m %U %p %l\n' | sort; cat rc); }
      list ada >before
      $LUA -l syslua apply init.lua || exit 1
      mv homes/ada homes/eva
      sed "s,homes/ada,homes/eva," passwd >passwd2; cat passwd2 >passwd
      [ -n "$AGAIN" ] && { $LUA -l syslua apply init.lua || exit 2; }
      [ -n "$AGAIN" ] && { $LUA -l syslua apply init.lua | grep -q '^Nothing changed' || exit 3; }
      $LUA -l syslua destroy --yes || exit 4
      list eva >after; ls homes; cmp before after || { diff before after; exit 5; }
    ]]
    here.write("script", script)
    for _, again in ipairs({ "", "yes" }) do
      local result = here.shell("AGAIN=" .. again .. " unshare -m sh script")
      assert.equal(0, result.code, result.stdout .. result.stderr)
      matches(result.stdout, "\neva\n$")
      here.shell("mv homes/eva homes/ada")
    end
  end)
end)
