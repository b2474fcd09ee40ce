--- A directory that was declared with rights gets back those that it had before:
-- one that sys.lua created, too.

local machine = require("spec.support.machine")
local random = require("spec.support.random")

local rounds = 10
local modes = { "700", "750", "755", "711" }

describe("the rights of a directory #once", function()
  local here = machine.for_each_test(function() end)

  local function get_mode(path)
    return (here.shell("stat -c %a " .. path).stdout:gsub("\n", ""))
  end

  -- How a directory comes into being, with a file in it.
  local makers = {
    ["the user"] = function(path, mode)
      here.shell(("mkdir -p %s; echo mine >%s/mine; chmod %s %s"):format(path, path, mode, path))
      return ("file { path = %q, content = '' }"):format(path .. "/x")
    end,
    ["a file in it"] = function(path)
      return ("file { path = %q, content = '' }"):format(path .. "/x")
    end,
    ["a tree"] = function(path)
      here.write("tree/sub/x", "")
      return ("file { path = %q, source = 'tree', recursive = true }"):format(path)
    end,
    ["a bare directory{}"] = function(path)
      return ("directory { path = %q } file { path = %q, content = '' }"):format(path, path .. "/x")
    end,
  }
  local names = {}
  for name in pairs(makers) do
    names[#names + 1] = name
  end
  table.sort(names)

  it("come back when its declaration goes, or names none any more", function()
    local seed = tonumber(os.getenv("SYSLUA_SEED")) or os.time()
    local draw = random.new(seed)
    for round = 1, rounds do
      local name = names[draw(#names)]
      local path = draw(2) == 1 and "~/.ssh" or "~/dir"
      local lines = makers[name](path, modes[draw(#modes)])
      here.write_config(lines, "first.lua")
      here.must("apply", "first.lua", "--yes")
      local before = get_mode(path)
      local ways = {}
      -- Other rights one or two times, then back.
      for _ = 1, draw(2) do
        local mode = modes[draw(#modes)]
        ways[#ways + 1] = mode
        here.write_config(
          (lines:gsub("directory {[^}]*}", ""))
            .. ("\ndirectory { path = %q, mode = %q }"):format(path, mode),
          "then.lua"
        )
        here.must("apply", "then.lua", "--yes")
        assert.equal(mode, get_mode(path))
      end
      local how = draw(3)
      if how == 1 then
        here.must("rollback", "--yes", "1")
      elseif how == 2 then
        here.must("apply", "first.lua", "--yes")
      else
        here.write_config(lines .. ("\ndirectory { path = %q }"):format(path), "bare.lua")
        if name ~= "a bare directory{}" then
          here.must("apply", "bare.lua", "--yes")
        else
          here.must("apply", "first.lua", "--yes")
        end
      end
      assert.equal(
        before,
        get_mode(path),
        ("seed %d, round %d: %s made by %s, then %s, way %d"):format(
          seed,
          round,
          path,
          name,
          table.concat(ways, " "),
          how
        )
      )
      assert.equal(0, here.run("status").code)
      here.must("destroy", "--yes")
      if name == "the user" then
        assert.equal("mine\n", here.shell("cat " .. path .. "/mine").stdout)
      else
        assert.equal("", here.list("home"):gsub("^d %d+ %. \n", ""), name)
      end
      here.shell("rm -rf ~/.ssh ~/dir tree")
    end
  end)

  it("stay where sys.lua made the directory with declared ones", function()
    here.write_config(
      'directory { path = "~/d", mode = "755" } file { path = "~/d/x", content = "" }'
    )
    here.must("apply", "init.lua")
    here.write_config(
      'directory { path = "~/d", mode = "700" } file { path = "~/d/x", content = "" }'
    )
    here.must("apply", "init.lua")
    here.write_config('file { path = "~/d/x", content = "" }')
    here.must("apply", "init.lua")
    -- What 755 was the declaration of does not come back: that would open it.
    assert.equal("700", get_mode("~/d"))
  end)
end)
