--- `file{}` with `recursive`: trees, several of them in one directory, and what an edit in one
--- changes.

local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local random_numbers = require("spec.support.random")
local syslua = require("syslua")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

describe("a tree", function()
  local here = machine.for_each_test()

  -- The targets of a plan's actions that are news, and what happens to each.
  local function get_news(...)
    local result = here.run("plan", "init.lua", "--json", ...)
    assert.equal(0, result.code, result.stderr)
    local news = {}
    for _, action in ipairs(syslua.lib.fromJSON(result.stdout).actions) do
      if action.mark ~= "unchanged" then
        news[action.target] = action.mark
      end
    end
    return news
  end

  it("shares a directory with other trees and files", function()
    here.write("one/a", "a\n")
    here.write("one/deep/b", "b\n")
    here.write("two/c", "c\n")
    here.write("two/deep/d", "d\n")
    here.apply([[
      file { path = "~/.tree", source = "one", recursive = true }
      file { path = "~/.tree", source = "two", recursive = true }
      file { path = "~/.tree/deep/e", content = "e\n" }
    ]])
    for name, text in pairs({
      a = "a\n",
      ["deep/b"] = "b\n",
      c = "c\n",
      ["deep/d"] = "d\n",
      ["deep/e"] = "e\n",
    }) do
      assert.equal(text, here.read("home/.tree/" .. name))
    end
  end)

  it("conflicts only where paths are equal, and names both files", function()
    here.write("one/same", "1\n")
    here.write("two/same", "2\n")
    here.write("three/same", "1\n")
    local failure = here.fail([[
      file { path = "~/.tree", source = "one", recursive = true }
      file { path = "~/.tree", source = "two", recursive = true }
    ]])
    assert.equal("conflict", failure.kind)
    assert.equal(
      "the file ~/.tree/same is declared twice, with different contents:\n"
        .. "  source one/same at init.lua:2\n  source two/same at init.lua:3",
      failure.message
    )
    assert.equal("init.lua:3", failure.position)
    -- Equal files say the same.
    here.apply([[
      file { path = "~/.tree", source = "one", recursive = true }
      file { path = "~/.tree", source = "three", recursive = true }
    ]])
    assert.equal("1\n", here.read("home/.tree/same"))
  end)

  it("gives way file by file", function()
    here.write("one/a", "a\n")
    here.write("one/b", "b\n")
    here.apply([[
      file { path = "~/.tree", source = "one", recursive = true }
      file { path = "~/.tree/a", content = syslua.lib.mkForce("mine\n") }
    ]])
    assert.equal("mine\n", here.read("home/.tree/a"))
    assert.equal("b\n", here.read("home/.tree/b"))
    local why = here.run("why", "~/.tree/a").stdout
    contains(why, "overrides source one/a, with the priority 900\n    at init.lua:2")
  end)

  it("lies over the home", function()
    here.write("tree/.rc", "rc\n")
    here.write("tree/.config/app/rc", "deep\n")
    for _, path in ipairs({ "~", "~/", here.home }) do
      here.apply(([[file { path = %q, source = "tree", recursive = true }]]):format(path))
      assert.equal("rc\n", here.read("home/.rc"))
      assert.equal("deep\n", here.read("home/.config/app/rc"))
      matches(here.run("apply", "init.lua").stdout, "^Nothing changed")
    end
    here.apply("")
    assert.is_false(here.exists("home/.config"))
    local failure = here.fail([[file { path = "~", source = "tree" }]])
    contains(failure.message, "is not the path of a file")
    contains(failure.hint, "recursive")
  end)

  it("changes by one file when one is edited, and lists no other", function()
    for number = 1, 5 do
      here.write("tree/" .. number, "text\n")
    end
    here.write("tree/run", "#!/bin/sh\n")
    here.shell("ln -s 1 tree/link")
    local config = [[file { path = "~/.tree", source = "tree", recursive = true }]]
    here.apply(config)
    -- Where a file really is, and where its link leads.
    local function get_real(name)
      return here.shell('printf %s "$(readlink -f ~/.tree/' .. name .. ')"').stdout
    end
    local before, real = here.read_link("home/.tree/2"), get_real("2")
    here.write("tree/1", "edited\n")
    for _, option in ipairs({ "--build", nil }) do
      assert.same({ ["~/.tree/1"] = "change" }, get_news(option))
    end
    assert.same({ ["~/.tree/1"] = "change" }, get_news())
    here.apply(config)
    assert.equal("edited\n", here.read("home/.tree/1"))
    -- All lead into the one object of the tree, through one link of the root's: that has moved, and
    -- no other.
    assert.equal(before, here.read_link("home/.tree/2"))
    assert.not_equal(real, get_real("2"))
    assert.equal(get_real("1"):match("^(.*)/1$"), get_real("2"):match("^(.*)/2$"))
    assert.equal(here.root .. "/store/obj", get_real("1"):match("^(.*/store/obj)/"))
    matches(here.run("apply", "init.lua").stdout, "^Nothing changed")
    -- A mode and the target of a link are changes too; what is new and gone is told.
    here.shell("chmod +x tree/run; ln -sf 2 tree/link; rm tree/5; echo new >tree/6")
    assert.same({
      ["~/.tree/run"] = "change",
      ["~/.tree/link"] = "change",
      ["~/.tree/5"] = "remove",
      ["~/.tree/6"] = "add",
    }, get_news("--build"))
    here.apply(config)
    local diff = syslua.lib.fromJSON(here.run("diff", "1", "2", "--json").stdout)
    assert.equal(1, #diff.actions)
    assert.equal("~/.tree/1", diff.actions[1].target)
    assert.equal(0, here.run("rollback", "1", "--yes").code)
    assert.equal("text\n", here.read("home/.tree/1"))
    assert.equal(real, get_real("2"))
    assert.equal(0, here.run("verify").code)
  end)

  it("tells and puts right a link of the root's that leads elsewhere", function()
    here.write("tree/a", "a\n")
    here.write("tree/sub/b", "b\n")
    here.apply([[file { path = "~/.tree", source = "tree", recursive = true }]])
    local way = here.shell("printf %s root/store/ways/*").stdout
    local leads = here.read_link(way)
    matches(leads, "^%.%./obj/tree%-%x+$")
    local function get_drift()
      local states = {}
      for _, target in ipairs(syslua.lib.fromJSON(here.run("status", "--json").stdout).targets) do
        states[#states + 1] = target.state
      end
      return table.concat(states, " ")
    end
    assert.equal("ok ok", get_drift())
    for _, damage in ipairs({
      "ln -sfn ../obj " .. way,
      "rm " .. way,
      "rm " .. way .. "; mkdir " .. way .. "; echo mine >" .. way .. "/a",
    }) do
      here.shell(damage)
      assert.equal("changed changed", get_drift(), damage)
      local told = here.run("status").stdout
      matches(told, "%(now a link t[%w ]+ /")
      assert.equal(3, here.run("plan", "init.lua", "--exit-code").code, damage)
      assert.equal(0, here.run("apply", "init.lua").code, damage)
      assert.equal(leads, here.read_link(way), damage)
      assert.equal("b\n", here.read("home/.tree/sub/b"), damage)
      matches(here.run("apply", "init.lua").stdout, "^Nothing changed")
    end
    -- It goes with the tree.
    here.apply("")
    assert.equal("", here.shell("ls root/store/ways").stdout)
    assert.is_false(here.exists("home/.tree"))
  end)

  it("puts right what others did to its links, when a file is edited too", function()
    here.write("tree/a", "a\n")
    here.write("tree/sub/b", "b\n")
    here.write("alone", "-- 0\n")
    local config = [[
      file { path = "~/.tree", source = "tree", recursive = true }
      file { path = "~/alone", source = "alone" }
    ]]
    here.apply(config)
    for number, damage in ipairs({
      "true",
      "rm ~/.tree/sub/b",
      "rm ~/alone; echo mine >~/alone",
      "rm ~/.tree/sub/b; echo mine >~/.tree/sub/b",
      "rm -r ~/.tree/sub",
      "ln -sfn ../../tree/a ~/.tree/sub/b",
      "mv ~/.tree/sub ~/moved; ln -s ../moved ~/.tree/sub",
    }) do
      here.shell(damage)
      here.write("tree/a", "edit " .. number .. "\n")
      here.write("alone", "-- " .. number .. "\n")
      here.apply(config)
      assert.equal("edit " .. number .. "\n", here.read("home/.tree/a"), damage)
      assert.equal("b\n", here.read("home/.tree/sub/b"), damage)
      assert.equal("-- " .. number .. "\n", here.read("home/alone"), damage)
      matches(here.run("apply", "init.lua").stdout, "^Nothing changed")
      assert.same({}, get_news(), damage)
    end
  end)

  it("tells a command that a file changed which a link of the root's leads to", function()
    here.write("tree/a", "a\n")
    here.write("tree/b", "b\n")
    local function apply(path)
      here.apply(([[
        file { path = "~/.tree", source = "tree", recursive = true }
        syslua.activate { config = function(_, ctx)
          ctx.run("cat ~/.tree/a ~/.tree/b >>~/told", { on_change = { %q } })
        end }
      ]]):format(path))
    end
    apply("~/.tree/a")
    assert.equal("a\nb\n", here.read("home/told"))
    here.write("tree/b", "c\n")
    apply("~/.tree/a")
    assert.equal("a\nb\n", here.read("home/told"))
    here.write("tree/a", "d\n")
    apply("~/.tree/a")
    assert.equal("a\nb\nd\nc\n", here.read("home/told"))
    assert.equal(0, here.run("rollback", "1", "--yes").code)
    assert.equal("a\nb\nd\nc\na\nb\n", here.read("home/told"))
  end)

  it("tells commands what changed below a link to a whole directory", function()
    for number, about in ipairs({ "~/whole/deep/file", "~/whole/deep", "~/whole", "~/other" }) do
      local function apply(content)
        here.write("whole/deep/file", content)
        here.write("whole/same", "same")
        here.write("other", "other")
        here.apply(([[
          file { path = "~/whole", source = "whole" }
          file { path = "~/other", source = "other" }
          activate { config = function(_, ctx)
            ctx.run("echo ran >>$HOME/log%d", { on_change = { %q } })
            ctx.run("echo ran >>$HOME/same%d", { on_change = { "~/whole/same" } })
          end }
        ]]):format(number, about, number))
      end
      apply("one")
      here.shell("rm -f home/log* home/same*")
      apply("two")
      local ran = here.shell("cat home/log" .. number).stdout
      assert.equal(about == "~/other" and "" or "ran\n", ran, about)
      assert.equal("", here.shell("cat home/same" .. number).stdout)
    end
  end)

  it("keeps links apart of several trees at one place, and of one tree at several", function()
    here.write("one/a", "a\n")
    here.write("two/b", "b\n")
    local config = [[
      file { path = "~/.tree", source = "one", recursive = true }
      file { path = "~/.tree", source = "two", recursive = true }
      file { path = "~/.again", source = "one", recursive = true }
    ]]
    here.apply(config)
    here.write("two/b", "c\n")
    here.apply(config)
    for name, text in pairs({ [".tree/a"] = "a\n", [".tree/b"] = "c\n", [".again/a"] = "a\n" }) do
      assert.equal(text, here.read("home/" .. name))
    end
    -- What stays is not touched when another tree goes.
    here.apply([[file { path = "~/.again", source = "one", recursive = true }]])
    assert.equal("a\n", here.read("home/.again/a"))
    matches(here.run("apply", "init.lua").stdout, "^Nothing changed")
    assert.equal(0, here.run("destroy", "--yes").code)
    assert.is_false(here.exists("root"))
    assert.is_false(here.exists("home/.again"))
  end)

  it("keeps equal files once in the store", function()
    here.shell(
      "mkdir one two; head -c 3000000 /dev/urandom >one/font; cp one/font two/other; echo 1 >one/rc"
    )
    local function get_size()
      return tonumber(here.shell("du -sk root/store | cut -f1").stdout)
    end
    local config = [[
      file { path = "~/.one", source = "one", recursive = true }
      file { path = "~/.two", source = "two", recursive = true }
      file { path = "~/.font", source = "one/font" }
    ]]
    here.apply(config)
    local before = get_size()
    here.shell("echo 2 >one/rc")
    here.apply(config)
    assert.truthy(get_size() - before < 1000)
    local inodes =
      here.shell("stat -Lc %i ~/.one/font ~/.two/other ~/.font | sort -u | wc -l").stdout
    assert.equal("1\n", inodes)
    assert.equal(0, here.run("verify").code)
    assert.equal(0, here.run("gc", "--keep", "1").code)
    assert.equal(0, here.run("verify").code)
    here.apply("")
    assert.equal(0, here.run("gc", "--keep", "1").code)
    assert.equal(
      "",
      here.shell("ls root/store/obj root/store/files | grep -v :").stdout:gsub("%s+", "")
    )
  end)

  it("lets programs find neighbours by the path that a file really has", function()
    here.write("tree/bin/lib.py", "VALUE = 'python'\n")
    here.write("tree/bin/main.py", "import lib\nprint(lib.VALUE)\n")
    here.write("tree/node/lib.js", "module.exports = 'node'\n")
    here.write("tree/node/main.js", "console.log(require('./lib'))\n")
    here.write("tree/zsh/lib.zsh", "echo zsh\n")
    here.write("tree/zsh/main.zsh", ". ${0:A:h}/lib.zsh\n")
    here.write("tree/sh/lib.sh", "echo sh\n")
    here.write("tree/sh/main.sh", '. "$(dirname "$(readlink -f "$0")")/lib.sh"\n')
    here.apply([[file { path = "~/.tree", source = "tree", recursive = true }]])
    for program, case in pairs({
      python3 = { "bin/main.py", "python" },
      node = { "node/main.js", "node" },
      zsh = { "zsh/main.zsh", "zsh" },
      sh = { "sh/main.sh", "sh" },
    }) do
      if process.run_line("command -v " .. program).code == 0 then
        local result = here.shell(("%s ~/.tree/%s"):format(program, case[1]))
        assert.equal(case[2] .. "\n", result.stdout, result.stderr)
      end
    end
  end)

  local it_once = interpreter.version == "5.4" and not interpreter.is_jit and it or pending

  it_once("of any shape is in the home what it is in the config", function()
    for seed = 1, tonumber(os.getenv("SYSLUA_TREES")) or 4 do
      local random = random_numbers.new(seed)
      local names = { "a", ".b", "c d", "it's", "\233t\233", "-e", "$f", "new\nline" }
      here.shell("rm -rf trees; mkdir trees")
      local function pick(list)
        return list[random(#list)]
      end
      local made = {}
      for tree = 1, 2 do
        for _ = 1, 12 do
          local parts = { "t" .. tree }
          for _ = 1, random(3) do
            parts[#parts + 1] = pick(names)
          end
          -- Names of the two differ, so that no two files meet.
          parts[#parts] = parts[#parts] .. tree
          local name = table.concat(parts, "/")
          local place = "trees/" .. name
          local parent = process.quote(place:match("^(.*)/"))
          local quoted = process.quote(place)
          local look = "mkdir -p %s && test ! -e %s -a ! -h %s"
          local is_free = here.shell(look:format(parent, quoted, quoted)).code == 0
          if is_free and random(4) == 1 then
            here.shell(
              ("ln -s -- %s %s"):format(process.quote(pick(names) .. tree), process.quote(place))
            )
            made[#made + 1] = name
          elseif is_free then
            here.write(place, "content " .. random(4) .. "\n")
            if random(3) == 1 then
              here.shell("chmod +x " .. process.quote(place))
            end
            made[#made + 1] = name
          end
        end
      end
      -- A directory of one tree may be no file of the other: names of files end with the number of
      -- their tree.
      here.apply([[
        file { path = "~/.t", source = "trees/t1", recursive = true }
        file { path = "~/.t", source = "trees/t2", recursive = true }
      ]])
      for _, name in ipairs(made) do
        local source, target = "trees/" .. name, "home/.t/" .. name:sub(4)
        local quoted, at = process.quote(source), process.quote(target)
        assert.equal(here.read(source), here.read(target), ("seed %d: %s"):format(seed, name))
        local real = here.shell(('readlink -f "$(dirname "$(readlink %s)")"'):format(at)).stdout
        contains(real, "/store/obj/t-")
        local behind = ('test -h "$(readlink %s)" && readlink "$(readlink %s)"'):format(at, at)
        assert.equal(
          here.shell(("test -h %s && readlink %s"):format(quoted, quoted)).stdout,
          here.shell(behind).stdout
        )
        assert.equal(
          here.shell(("test -x %s; echo $?"):format(quoted)).stdout,
          here.shell(("test -x %s; echo $?"):format(at)).stdout,
          name
        )
        -- By its real path it is among its neighbours.
        assert.equal(
          here.shell(('ls -A "$(dirname %s)"'):format(quoted)).stdout,
          here.shell(('ls -A "$(dirname "$(readlink %s)")"'):format(at)).stdout
        )
      end
      matches(here.run("apply", "init.lua").stdout, "^Nothing changed")
      assert.equal(0, here.run("verify").code)
    end
  end)
end)
