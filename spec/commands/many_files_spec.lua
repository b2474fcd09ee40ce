--- Output for hundreds of files: by directory, without a line for each build, with the texts that
--- change.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches, matches_none =
  text_checks.contains, text_checks.contains_none, text_checks.matches, text_checks.matches_none

describe("with hundreds of files #once", function()
  local here = machine.for_each_test()

  local function count_lines(text)
    return select(2, text:gsub("\n", ""))
  end

  local function write_many(count, text)
    here.write_config(([[
      for index = 1, %d do
        file { path = ("~/.config/nvim/lua/%%03d/x.lua"):format(index), content = "%s" .. index }
        file { path = ("~/.config/app/%%03d"):format(index), content = "app" .. index }
      end
      file { path = "~/.bashrc", content = "bash" }
      env { EDITOR = "vim" }
    ]]):format(count, text))
  end

  it("plan, apply, diff and history put them together by directory", function()
    write_many(120, "a")
    local plan = here.must("plan", "init.lua")
    contains(
      plan.stdout,
      "+ ~/.config/nvim/lua/ 120 files  (may change)",
      "+ ~/.config/app/ 120 files",
      "~/.bashrc",
      "EDITOR"
    )
    contains_none(plan.stdout, "build ", "to build")
    assert.is_true(count_lines(plan.stdout) < 10, plan.stdout)
    local whole = here.must("plan", "--verbose", "init.lua").stdout
    contains(whole, "~/.config/nvim/lua/077/x.lua", "build   ")
    local applied = here.must("apply", "init.lua")
    assert.equal("", applied.stderr)
    contains(
      applied.stdout,
      "+ ~/.config/nvim/lua/ 120 files",
      "Snapshot 1: 242 added, 0 changed, 0 removed\n"
    )
    write_many(120, "b")
    applied = here.must("apply", "init.lua")
    contains(applied.stdout, "~ ~/.config/nvim/lua/ 120 files")
    contains_none(applied.stdout, "app")
    local diff = here.must("diff").stdout
    contains(
      diff,
      "~ ~/.config/nvim/lua/ 120 files",
      "Between snapshot 1 and 2: 0 derivations, 120 actions"
    )
    local history = here.must("history").stdout
    contains(history, "~120  ~/.config/nvim/lua/001/, ", "+242  ")
    here.write("home/.config/app/001.bak", "x")
    here.write_config("")
    contains(
      here.must("apply", "init.lua").stdout,
      "- ~/.config/nvim/lua/ 120 files",
      "- ~/.config/app/ 120 files"
    )
    -- Up to 30 are told one by one.
    write_many(14, "a")
    contains(
      here.must("plan", "init.lua").stdout,
      "~/.config/nvim/lua/014/x.lua",
      "~/.config/app/014"
    )
  end)

  it("says how many replace something, and never hides a command or a difference", function()
    here.shell(
      "mkdir -p ~/.config/app; for i in $(seq 100 140); do echo mine >~/.config/app/$i; done"
    )
    here.write_config([[
      for index = 100, 150 do
        file { path = "~/.config/app/" .. index, content = "app" }
      end
      activate { config = function(_, ctx) ctx.run("true") end }
    ]])
    local plan = here.must("plan", "init.lua").stdout
    contains(plan, "+ ~/.config/app/ 51 files  (may change, replaces 41)", "! run     true")
    contains(here.must("plan", "--diff", "init.lua").stdout, "~/.config/app/120", "-mine", "+app")
  end)

  it("plan --diff shows text that is not built, and says where a build is needed", function()
    here.write("rc", "one\ntwo\n")
    here.write("tree/a", "tree\n")
    local lines = [[
      local function write(opts, ctx) ctx.write(ctx.out, opts[1]) end
      local made = derive { name = "made", opts = { "%s" }, config = write }
      file { path = "~/.rc", source = "rc" }
      file { path = "~/.copy", source = "rc", mode = "644" }
      file { path = "~/.text", content = "%s\n" }
      file { path = "~/.tree", source = "tree", recursive = true }
      file { path = "~/.made", source = made.out }
    ]]
    here.write_config(lines:format("1", "old"))
    here.must("apply", "init.lua")
    here.write("rc", "one\nnew two\n")
    here.write("tree/a", "new tree\n")
    here.write_config(lines:format("2", "new"))
    local before = here.list("root")
    local plan = here.must("plan", "--diff", "init.lua").stdout
    assert.equal(before, here.list("root"))
    contains(plan, "-two", "+new two", "-old", "+new", "-tree", "+new tree", "--build")
    contains_none(here.must("plan", "--diff", "--build", "init.lua").stdout, "--build")
    here.must("apply", "init.lua")
    local diff = here.must("diff", "1", "2", "--text").stdout
    contains(diff, "-two", "+new two", "-old", "+new", "-tree", "+new tree", "-1", "+2")
    contains_none(here.must("diff", "1", "2").stdout, "+new two")
  end)

  it("diff pairs what is used for the same target", function()
    for round = 1, 6 do
      here.renew()
      here.apply([[
        file { path = "~/.config/git/config", content = "git" }
        file { path = "~/.config/x/config", content = "x" }
      ]])
      here.apply(([[
        file { path = "~/.ssh/config", content = "ssh %d" }
        file { path = "~/.config/git/config", content = "git %d" }
      ]]):format(round, round))
      local document = require("syslua").lib.fromJSON(here.must("diff", "--json").stdout)
      local marks = {}
      for _, change in ipairs(document.derivations) do
        marks[#marks + 1] = change.mark
        if change.mark == "change" then
          local link = here.read_link("home/.config/git/config")
          assert.equal(change.new_object, link:match("([^/]+)$"))
        end
      end
      table.sort(marks)
      assert.same({ "add", "change", "remove" }, marks)
    end
  end)

  it("tells of equal contents, drops copies of them, and says how to clear the others", function()
    here.write("home/.same", "same\n")
    here.write("home/.other", "mine\n")
    here.shell("mkdir ~/.dir; echo a >~/.dir/a")
    here.write("dir/a", "a\n")
    here.write_config([[
      file { path = "~/.same", content = "same\n" }
      file { path = "~/.other", content = "ours\n" }
      file { path = "~/.dir", source = "dir" }
    ]])
    local plan = here.must("plan", "init.lua").stdout
    matches(plan, "~/.same[^\n]*replaces a file %(same content%)", "~/.dir[^\n]*%(same content%)")
    matches_none(plan, "~/.other[^\n]*same content")
    here.must("apply", "init.lua")
    -- Originals come back, whatever they hold.
    local function replace(name, text)
      os.remove(here.home .. "/" .. name)
      here.write("home/" .. name, text)
    end
    replace(".same", "same\n")
    local applied = here.must("apply", "init.lua")
    contains(applied.stdout, "(same content)")
    contains_none(applied.stdout, "kept ")
    assert.equal("", here.shell("ls root/backups/displaced").stdout)
    replace(".other", "edited\n")
    contains(here.must("apply", "init.lua").stdout, "kept ")
    local status = here.must("status").stdout
    local command = status:match("1 copy of edits stays until you remove it: (rm %-r [^\n]+)")
    assert.truthy(command, status)
    -- The edit becomes what is declared: then its copy is not needed.
    here.write_config([[
      file { path = "~/.same", content = "same\n" }
      file { path = "~/.other", content = "edited\n" }
    ]])
    here.must("apply", "init.lua")
    contains_none(here.must("status").stdout, "kept ", "rm -r")
    replace(".other", "more\n")
    here.must("apply", "init.lua")
    here.shell((command:gsub("~", here.home)))
    contains_none(here.must("status").stdout, "kept ", "rm -r")
    here.must("destroy", "--yes")
    assert.equal("same\n", here.read("home/.same"))
    assert.equal("mine\n", here.read("home/.other"))
  end)

  it("status names what old snapshots hold", function()
    for round = 1, 3 do
      here.shell(("head -c 3000000 /dev/urandom >big; echo %d >>big"):format(round))
      here.apply('file { path = "~/.big", source = "big" }')
    end
    local status = here.must("status").stdout
    -- Two objects, and two copies of their sources.
    matches(status, "1[12]%.?%d? MB in 2 old snapshots: [^\n]+ gc %-%-keep 1\n")
    here.must("gc", "--keep", "1")
    contains_none(here.must("status").stdout, "old snapshot")
  end)
end)
