--- A snapshot keeps a copy of its config by content: no name of a config becomes a name in the
-- root, and what was damaged is built again from the copy.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local random_numbers = require("spec.support.random")

describe("the copy of a config #once", function()
  local here = machine.for_each_test()

  local function shell(line)
    local result = here.shell(line)
    assert.equal(0, result.code, line .. ": " .. result.stderr)
    return result.stdout
  end

  -- Makes every object but directories other than it was.
  local function damage()
    shell([[
      if [ $(id -u) = 0 ]; then chattr -R -f -i root || true; fi
      chmod -R u+w root/store/obj
      find root/store/obj -type f | while read -r file; do echo damage >>"$file"; done
    ]])
  end

  local function read_targets()
    return shell(
      "cd home; find -L . -path ./dotfiles -prune -o -type f -print | LC_ALL=C sort | "
        .. "xargs -d '\\n' sha256sum"
    )
  end

  local lines = [[
    dofile("../common.lua")
    local chunk = assert(loadfile("../../other.lua"))
    file { path = "~/text", content = TEXT .. chunk() .. require("parts") }
    file { path = "~/source.conf", source = "files/source.conf" }
    file { path = "~/program", source = "files/program" }
    file { path = "~/tree", source = "tree", recursive = true }
    file { path = "~/directory", source = "tree" }
    file { path = "~/elsewhere", source = "~/dotfiles/elsewhere" }
    file { path = "~/absolute", source = "HOME/dotfiles/absolute" }
    local built = derive {
      name = "built",
      opts = {
        tree = source("tree", { filter = function(path) return path ~= "b/two" end }),
        one = source("../one.c"),
      },
      config = function(opts, ctx)
        ctx.copy(opts.tree, ctx.out .. "/tree")
        ctx.copy(opts.one, ctx.out .. "/one" .. opts.one:match("%.%a+$"))
      end,
    }
    file { path = "~/built", source = built.out .. "/tree/a" }
    file { path = "~/one", source = built.out .. "/one.c" }
  ]]

  local function write_all()
    here.write("top/other.lua", 'return "other"\n')
    here.write("top/configs/common.lua", 'TEXT = "text\\n"\n')
    here.write("top/configs/one.c", "int one;\n")
    here.write("top/configs/mine/parts/init.lua", 'return "parts"\n')
    here.write("top/configs/mine/files/source.conf", "source\n")
    here.write("top/configs/mine/files/program", "#!/bin/sh\n")
    here.write("top/configs/mine/tree/a", "a\n")
    here.write("top/configs/mine/tree/b/one", "one\n")
    here.write("top/configs/mine/tree/b/two", "two\n")
    here.write("home/dotfiles/elsewhere", "elsewhere\n")
    here.write("home/dotfiles/absolute", "absolute\n")
    shell("chmod 755 top/configs/mine/files/program; ln -s one top/configs/mine/tree/b/link")
    here.write_config(lines:gsub("HOME", here.home), "top/configs/mine/init.lua")
  end

  it("builds objects again when everything that they were made from is edited or gone", function()
    for _, loss in ipairs({
      "find top home/dotfiles -type f | while read -r file; do echo edited >>$file; done",
      "rm -rf top home/dotfiles",
      "rm -rf top; mkdir top; echo 'return 1' >top/configs",
      "echo return 1 >top/configs/mine/parts.lua; rm -rf top/configs/mine/tree",
    }) do
      here.renew()
      write_all()
      here.must("apply", "top/configs/mine")
      local before = read_targets()
      shell(loss)
      shell("rm -rf home/dotfiles")
      damage()
      assert.equal(3, here.run("verify").code)
      local repaired = here.run("verify", "--repair")
      assert.equal(0, repaired.code, loss .. "\n" .. repaired.stdout .. repaired.stderr)
      assert.equal(before, read_targets(), loss)
      assert.equal("", shell("ls root/store/tmp"))
    end
  end)

  -- `SYSLUA_SEED=7` runs one of them.
  it("builds a tree again after random edits, when the tree itself is gone", function()
    local names = { "a", "b", "run.sh", "d e", ".x", "sub", "sub/a", "sub/b", "sub/in/c", "link" }
    local only = tonumber(os.getenv("SYSLUA_SEED"))
    for seed = only or 1, only or 4 do
      local random = random_numbers.new(seed)
      local function edit()
        local path = "tree/" .. names[random(#names)]
        local quoted = process.quote(path)
        shell("rm -rf " .. quoted)
        local kind = random(5)
        if kind == 1 then
          return
        end
        shell("mkdir -p $(dirname " .. quoted .. ") 2>/dev/null || rm -f tree/sub")
        if kind == 2 then
          shell("ln -s a " .. quoted .. " 2>/dev/null || true")
          return
        end
        here.write(path, kind == 3 and "same\n" or ("text %d\n"):format(random(1000)))
        shell("chmod " .. (random(2) == 1 and "755 " or "644 ") .. quoted)
      end
      here.renew()
      here.write("tree/first", "first\n")
      for _ = 1, 8 do
        edit()
      end
      here.write_config('file { path = "~/tree", source = "tree", recursive = true }')
      for round = 1, 3 do
        here.must("apply", "init.lua")
        local shown = ("SYSLUA_SEED=%d, round %d"):format(seed, round)
        local list = "find -L . -type f | LC_ALL=C sort | while read -r file; do "
          .. 'test -x "$file" && echo runs; sha256sum "$file"; done'
        local function get_view(directory)
          return shell("cd " .. directory .. " && " .. list)
        end
        assert.equal(get_view("tree"), get_view("home/tree"), shown)
        edit()
        edit()
      end
      here.must("apply", "init.lua")
      local before = read_targets()
      shell("rm -rf tree")
      damage()
      here.must("verify", "--repair")
      assert.equal(before, read_targets(), "SYSLUA_SEED=" .. seed)
    end
  end)

  it("keeps what earlier snapshots need, and lets gc have what only they needed", function()
    here.write("rc", "first\n")
    here.write("same", "same\n")
    local config =
      'file { path = "~/.rc", source = "rc" } file { path = "~/.same", source = "same" }'
    here.apply(config)
    for number = 2, 4 do
      here.write("rc", ("version %d\n"):format(number))
      here.apply(config)
    end
    local function count()
      return tonumber(shell("ls root/store/metadata/sources | wc -l"))
    end
    assert.equal(5, count())
    here.must("rollback", "2", "--yes")
    damage()
    shell("rm rc same")
    here.must("verify", "--repair")
    assert.equal("version 2\n", here.read("home/.rc"))
    here.must("gc", "--keep", "1")
    assert.equal(2, count())
    damage()
    here.must("verify", "--repair")
    assert.equal("version 2\n", here.read("home/.rc"))
    -- What was written into objects in force is kept.
    assert.not_equal("", shell("ls root/backups/displaced"))
    shell("rm -r root/backups/displaced/*")
    here.must("destroy", "--yes")
    assert.is_false(here.exists("root"))
  end)

  it("is read as an older version wrote it", function()
    here.write("parts/one.lua", 'return "text\\n"\n')
    here.apply('file { path = "~/.text", content = require("parts.one") }')
    -- By name, without an index.
    shell([[
      cd root/store/metadata/snapshots/1
      rm -r config; mkdir -m 700 config config/parts
      cp ../../../../../init.lua config; cp ../../../../../parts/one.lua config/parts
      rm -r ../../../../../parts
      echo 'return { setup = function() end }' >../../../../../init.lua
    ]])
    damage()
    here.must("verify", "--repair")
    assert.equal("text\n", here.read("home/.text"))
    here.must("history")
    here.must("apply", "init.lua")
    here.must("diff", "1", "2")
    here.must("rollback", "1", "--yes")
    assert.equal("text\n", here.read("home/.text"))
  end)

  -- Names that would lead somewhere, and what they are for.
  local function random_names(random)
    local pieces = {
      "..",
      ".",
      "a",
      "index.json",
      "snapshot.json",
      "env.sh",
      ".new",
      "x\ny",
      "ä",
      "\255",
      ("l"):rep(200),
    }
    local names = {}
    for _ = 1, 6 do
      local parts = {}
      for _ = 1, random(1, 5) do
        parts[#parts + 1] = pieces[random(#pieces)]
      end
      names[#names + 1] = table.concat(parts, "/")
    end
    return names
  end

  it("never has a name of the config, whatever files are called", function()
    local seed = os.time()
    math.randomseed(seed)
    for round = 1, 8 do
      here.renew()
      local config, calls = here.directory .. "/deep/er/and/deep/er/config", {}
      shell("mkdir -p " .. process.quote(config))
      for number, name in ipairs(random_names(math.random)) do
        local made = process.run_line(
          ('cd %s && mkdir -p "$(dirname %s)" && [ ! -e %s ] && echo "X%d = %d" >%s'):format(
            process.quote(config),
            process.quote(name),
            process.quote(name),
            number,
            number,
            process.quote(name)
          )
        )
        if made.code == 0 then
          local given = math.random(3) == 1 and config .. "/" .. name or name
          local ways = { "dofile(%q)", "assert(loadfile(%q))()", "pcall(dofile, %q .. '\\0x')" }
          calls[#calls + 1] = ways[math.random(3)]:format(given)
        end
      end
      here.write_config(
        table.concat(calls, "\n")
          .. '\nfile { path = "~/.text", content = "text" }\nenv { WORD = "word" }',
        config .. "/init.lua"
      )
      local list = "find deep -type f -exec sha256sum {} + | LC_ALL=C sort; "
        .. "find deep -printf '%p %m %T@ %C@\\n' | LC_ALL=C sort"
      local before = shell(list)
      local message = ("seed %d, round %d"):format(seed, round)
      here.must("apply", config .. "/init.lua")
      local after = shell(list)
      assert.equal(before, after, message)
      assert.equal(
        "",
        shell("find . -maxdepth 1 ! -name . ! -name deep ! -name home ! -name root"),
        message
      )
      for name in
        shell("cd root/store/metadata/snapshots/1; find . -type f -printf '%P\\n'"):gmatch("[^\n]+")
      do
        local is_ours = name:find("^config/%x+$")
          or name == "config/index.json"
          or not name:find("/")
        assert.truthy(is_ours, message .. ": " .. name)
      end
      contains(here.read("root/env.sh"), "WORD")
      here.must("status")
      shell("rm -rf deep")
      damage()
      here.must("verify", "--repair")
      assert.equal("text", here.read("home/.text"), message)
    end
  end)

  it("is for its owner only, sources included", function()
    here.write("secret", "secret\n")
    shell("umask 000; chmod 600 secret")
    here.apply('file { path = "~/.secret", source = "secret", mode = "600" }')
    local open = shell([[
      cd root/store/metadata
      find snapshots/1/config sources -type f -perm /077
      find snapshots/1/config sources -maxdepth 0 -perm /077
    ]])
    assert.equal("", open)
  end)
end)

describe("the number of a snapshot #once", function()
  it("is never that of an apply that was taken back", function()
    local here = machine.new()
    here.apply('file { path = "~/.a", content = "a" }')
    for number = 2, 3 do
      here.write_config(
        (
          'file { path = "~/.a", content = "b%d" } '
          .. 'activate { config = function(_, ctx) ctx.run("echo $PATH >seen; exit 1") end }'
        ):format(number)
      )
      assert.equal(1, here.run("apply", "init.lua").code)
      assert.equal("a", here.read("home/.a"))
      assert.is_false(here.exists("root/store/metadata/snapshots/" .. number))
    end
    local applied = here.apply('file { path = "~/.a", content = "c" }')
    contains(applied.stdout, "Snapshot 4:")
    here.remove()
  end)
end)
