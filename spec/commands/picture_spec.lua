--- The picture of the README: its commands print what it shows, with the config of the README.

local machine = require("spec.support.machine")
local tree = require("spec.support.tree")

-- The lines of text in an SVG.
local function read_picture(name)
  local entities = { lt = "<", gt = ">", quot = '"', amp = "&" }
  local lines = {}
  for line in tree.read(name):gmatch("<text [^\n]*") do
    lines[#lines + 1] = line:gsub("<[^>]*>", ""):gsub("&(%l+);", entities)
  end
  return lines
end

describe("the picture of the README #once", function()
  local here = machine.for_each_test()

  it("shows what the commands print", function()
    here.write("home/.gitconfig", "[user]\n")
    local config = tree.read("README.md"):match("```lua\n(.-)```")
    here.environment.SYSLUA_CONFIG = here.write("init.lua", config)
    here.environment.SYSLUA_ROOT = here.home .. "/.local/share/syslua"
    local shown, printed = read_picture("docs/images/terminal.svg"), {}
    for _, line in ipairs(shown) do
      local command = line:match("^%$ sys (.*)")
      if command then
        printed[#printed + 1] = line
        local output = here.show(command .. " 2>/dev/null", 100)
        for text in output:gmatch("[^\n]+") do
          printed[#printed + 1] = text
        end
      end
    end
    assert.same(shown, printed)
    assert.is_true(#shown > 20)
  end)
end)
