--- Places that change their kind in one switch: files with merged keys, directories of targets,
-- copies, links and free places, in random order. What `plan` accepts, `apply` and `rollback` do;
-- nothing is left beside a place, and the home comes back.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local random_numbers = require("spec.support.random")

-- What stands at `~/app` before.
local furnished = {
  "true",
  "echo '{ \"k\": 1 }' >~/app",
  "mkdir ~/app; echo mine >~/app/mine",
  'mkdir -p ~/app/c; echo \'{ "k": 1, "a": 0 }\' >~/app/c/s; echo p >~/app/p',
  "ln -s ../tree/app ~/app",
}

local tree = 'file { path = "~", source = "tree", recursive = true }'

-- What may be declared in turn.
local configs = {
  "",
  'file { path = "~/app", merge = "json", values = { a = 1 } }',
  'file { path = "~/app/f", content = "1" }',
  'file { path = "~/app/f", content = "1", copy = true }',
  'file { path = "~/app/f", content = "1", mode = "755" }',
  'file { path = "~/app/x/y/k", source = "private" }',
  'file { path = "~/app/f", source = "private", mutable = true }',
  'file { path = "~/app", source = "copied", copy = true }',
  'file { path = "~/app", source = "copied" }',
  'file { path = "~/app/c/s", merge = "json", values = { a = 1 } }',
  'file { path = "~/app/b/l", merge = "lines", values = { "one" } }',
  'file { path = "~/app", absent = true }',
  'file { path = "~/app/p", absent = true }',
  'directory { path = "~/app" } file { path = "~/app/s", merge = "json", values = { a = 1 } }',
  tree,
  tree .. ' file { path = "~/app/s", merge = "json", values = { a = 1 } }',
  tree .. ' file { path = "~/app/c/l", merge = "lines", values = { "one" } }',
  tree .. ' file { path = "~/app/p", absent = true }',
  'file { path = "~/other/s", merge = "json", values = { a = 1 } }',
}

local rounds = tonumber(os.getenv("SYSLUA_ROUNDS")) or 4
local first = tonumber(os.getenv("SYSLUA_SEED")) or 1

describe("a place that changes its kind #once", function()
  local here = machine.for_each_test(function(here)
    here.shell([[
      mkdir -p tree/app/c copied/d; echo a >tree/app/a; echo b >tree/app/c/b
      echo f >copied/f; echo d >copied/d/f; echo p >private; chmod 600 private
    ]])
  end)

  local function list()
    local line = [[cd ~; find . ! -name . -printf '%y %m %p %l\n' | LC_ALL=C sort
      find . -type f -exec sha256sum {} + | LC_ALL=C sort -k 2]]
    return here.shell(line).stdout
  end

  local function get_left()
    return here.shell("find ~ tree -name '.syslua-*'").stdout
  end

  local function play(seed, steps)
    local random = random_numbers.new(seed)
    here.shell(furnished[random(#furnished)])
    local before, sources = list(), here.list("tree")
    local log, applied = { "seed " .. seed }, { 0 }
    local function run(...)
      local result = here.run(...)
      log[#log + 1] = ("%s: %d %s"):format(table.concat({ ... }, " "), result.code, result.stderr)
      return result.code, result
    end
    local function get_log()
      return table.concat(log, "\n")
    end
    for number = 1, steps do
      local config = configs[random(#configs)]
      log[#log + 1] = config
      here.write_config(config)
      local standing = list()
      local planned = run("plan", "init.lua")
      local done, result = run("apply", "init.lua")
      assert.equal(planned, done, get_log())
      if done == 0 then
        local id = tonumber(here.shell("basename $(readlink root/store/metadata/current)").stdout)
        applied[#applied + 1] = id
        assert.equal("", get_left(), get_log())
        assert.equal(0, (run("plan", "init.lua")), get_log())
        contains(here.run("apply", "init.lua").stdout, "Nothing changed")
      else
        assert.equal(standing, list(), get_log() .. result.stdout)
      end
      if number % 2 == 0 then
        local id = applied[random(#applied)]
        local code, refusal = run("rollback", tostring(id), "--yes")
        assert.equal(0, code, get_log() .. refusal.stdout)
        assert.equal("", get_left(), get_log())
      end
    end
    assert.equal(0, (run("destroy", "--yes")), get_log())
    assert.equal(before, list(), get_log())
    assert.equal(sources, here.list("tree"), get_log())
  end

  for seed = first, first + rounds - 1 do
    it("leaves nothing behind: " .. seed, function()
      play(seed, 4)
    end)
  end

  local function change(from, to)
    here.shell("rm -rf root ~ && mkdir ~")
    here.write_config(from)
    here.must("apply", "init.lua")
    local standing = list()
    here.write_config(to)
    here.must("apply", "init.lua")
    here.must("rollback", "--yes")
    assert.equal(standing, list(), from .. " -> " .. to)
    here.must("destroy", "--yes")
    assert.equal("", list())
  end

  it("may get a file of its own where keys were merged, and the other way round", function()
    local merged = 'file { path = "~/app", merge = "json", values = { a = 1 } }'
    local elsewhere = 'file { path = "~/.config/s", merge = "json", values = { a = 1 } }'
    local news = { configs[3], configs[4], configs[5] }
    -- All users can read the store of root.
    if here.shell("id -u").stdout ~= "0\n" then
      news[4] = configs[6]
    end
    for _, new in ipairs(news) do
      change(merged, new)
      change(new, merged)
      change(elsewhere, new)
      change(new, elsewhere)
    end
  end)
end)

describe("a directory that was moved and linked #once", function()
  local here = machine.for_each_test()

  local config = [[
    file { path = "~/.a/m.json", merge = "json", values = { a = 1, k = "ours" } }
    file { path = "~/.a/l", merge = "lines", values = { "added" } }
    directory { path = "~/.a/d", mode = "700" }
    file { path = "~/.a/made/deep/f", content = "x" }
    directory { path = "~/.a/e/g" }
  ]]

  local furnish = [[
    umask 022; cd ~; mkdir -p .a/d drop; echo '{ "b": 1, "k": "mine" }' >.a/m.json; echo x >.a/l
  ]]

  local function list(name)
    return here.shell(([[cd %s; find . -printf '%%y %%m %%p %%l\n' | LC_ALL=C sort
      cat m.json l]]):format(name)).stdout
  end

  local ways = {
    destroy = function()
      here.must("destroy", "--yes")
    end,
    rollback = function()
      here.must("rollback", "--yes")
    end,
    undeclared = function()
      here.apply("")
    end,
    ["changed, then destroyed"] = function()
      here.apply(config .. 'file { path = "~/.a/made/other", content = "y" }')
      here.must("destroy", "--yes")
    end,
  }

  for name, leave in pairs(ways) do
    it("is as it was before: " .. name, function()
      here.shell(furnish)
      local before = list("~/.a")
      here.apply(config)
      here.shell("mv ~/.a ~/drop/a && ln -s drop/a ~/.a")
      leave()
      assert.equal(before, list("~/drop/a"))
    end)
  end

  it("may be moved back in between", function()
    here.shell(furnish)
    local before = list("~/.a")
    here.apply(config)
    here.shell("mv ~/.a ~/drop/a && ln -s drop/a ~/.a")
    here.apply(config .. 'file { path = "~/other", content = "y" }')
    here.shell("rm ~/.a && mv ~/drop/a ~/.a")
    here.must("destroy", "--yes")
    assert.equal(before, list("~/.a"))
  end)

  it("is another one where the link leads to another", function()
    here.shell(furnish)
    here.apply(config)
    here.shell([[
      mv ~/.a ~/drop/a; mkdir -p ~/foreign/d ~/foreign/made/deep; ln -s foreign ~/.a
      echo '{ "k": "foreign" }' >~/foreign/m.json; echo x >~/foreign/l; chmod 711 ~/foreign/d
    ]])
    local before = list("~/foreign")
    here.must("destroy", "--yes")
    assert.equal(before, list("~/foreign"))
  end)

  it("may be the home: a link to a disk that is replaced", function()
    for _, replace in ipairs({ "mv disk1 disk2", "cp -a disk1 disk2; rm -r disk1" }) do
      here.shell("rm -rf home root disk*; mkdir disk1; ln -s disk1 home; " .. furnish)
      local before = list("~/.a")
      here.apply(config)
      here.shell(replace .. "; ln -sfn disk2 home")
      here.must("destroy", "--yes")
      assert.equal(before, list("~/.a"), replace)
      assert.equal("", here.shell("ls -A ~ | grep -vx -e .a -e drop").stdout)
    end
  end)
end)
