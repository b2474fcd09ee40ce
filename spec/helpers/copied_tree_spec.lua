--- `copy = true` of a directory: the plan knows its files before it is built, and says the same as
-- apply, diff and history.

local machine = require("spec.support.machine")
local matches = require("spec.support.text_checks").matches
local random = require("spec.support.random")
local syslua = require("syslua")

describe("a directory that is copied #once", function()
  local here = machine.for_each_test()

  local function get_changes(...)
    local document = syslua.lib.fromJSON(here.must(...).stdout)
    local changes = {}
    for _, action in ipairs(document.actions) do
      if action.mark ~= "unchanged" then
        changes[#changes + 1] = action.mark .. " " .. action.target
      end
    end
    table.sort(changes)
    return changes
  end

  local names = { "a", "b", "sub/c", "sub/d", "sub/deep/e", "other/f", "x y", "\195\164" }

  for round = 1, 4 do
    it("is planned file by file: round " .. round, function()
      local pick = random.new(round)
      for _, name in ipairs(names) do
        here.write("tree/" .. name, name)
      end
      here.shell("ln -s a tree/link; mkdir tree/empty; echo mine >~/.rc")
      here.write_config(([[
        file { path = "~/.t", source = "tree", copy = true%s }
        file { path = "~/.rc", content = "1" }
      ]]):format(({ "", ', mode = "644"' })[pick(2)]))
      assert.same(
        get_changes("plan", "--json", "init.lua"),
        get_changes("apply", "--json", "init.lua")
      )
      for step = 1, 4 do
        for _ = 1, pick(3) do
          local name = "tree/" .. names[pick(#names)]
          local line = ({
            "echo %d >>'%s'",
            "rm -f '%2$s'",
            "chmod +x '%2$s' 2>/dev/null",
            "rm -f '%2$s'; ln -s nothing '%2$s'",
          })[pick(4)]
          here.shell(
            (line:gsub("%%2%$s", (name:gsub("%%", "%%%%"))):gsub("%%d", step):gsub("%%s", name))
          )
        end
        local planned = get_changes("plan", "--json", "init.lua")
        local before = here.list("root/store/metadata/snapshots")
        local applied = get_changes("apply", "--json", "init.lua")
        assert.same(planned, applied, "step " .. step)
        if before ~= here.list("root/store/metadata/snapshots") then
          assert.same(applied, get_changes("diff", "--json"), "step " .. step)
        end
        matches(here.must("apply", "init.lua").stdout, "^Nothing changed")
      end
      here.must("destroy", "--yes")
      assert.equal("mine\n", here.shell("cat ~/.rc; ls -A ~ | grep -v .rc").stdout)
    end)
  end

  it("is refused before it is built where it would overlap with its source", function()
    for _, link in ipairs({ "x", "." }) do
      here.shell(([[
        rm -rf ~/.config dot; mkdir -p dot/c/x ~/.config; echo 1 >dot/c/x/f
        if [ %s = x ]; then ln -s $PWD/dot/c/x ~/.config/x
        else rmdir ~/.config; ln -s $PWD/dot/c ~/.config; fi
      ]]):format(link))
      here.write_config('file { path = "~/.config", source = "c", copy = true }', "dot/init.lua")
      local before = here.list("dot")
      local problems = {}
      for index, command in ipairs({ "plan", "apply" }) do
        local result = here.run(command, "dot")
        problems[index] = result.code .. result.stderr
        here.shell("[ -e $SYSLUA_ROOT ] && ls $SYSLUA_ROOT/store/obj")
      end
      assert.equal(problems[1], problems[2])
      assert.equal(before, here.list("dot"))
      here.run("destroy", "--yes")
    end
  end)
end)
