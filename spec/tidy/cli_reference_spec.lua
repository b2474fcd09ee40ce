--- docs/reference/cli.md says what the parsers know: commands, their lines, arguments and flags.

local commands = require("syslua.cli.commands")
local parser = require("syslua.cli.parser")

local everywhere = "Every command"

-- The sections of the reference by title: the first line of text, and the flags of the table.
local function read_reference()
  local file = assert(io.open("docs/reference/cli.md", "r"))
  local sections, current = {}, nil
  for line in file:lines() do
    local title = line:match("^## (.*)")
    if title then
      current = { flags = {} }
      sections[title:gsub("`", "")] = current
    elseif current then
      local flag, description = line:match("^| `(%-[^`]*)` | (.*) |$")
      if flag then
        current.flags[flag] = description
      elseif line ~= "" and not current.text then
        current.text = line
      end
    end
  end
  file:close()
  return sections
end

-- The same of a parser.
local function get_flags(built)
  local flags = {}
  for _, flag in ipairs(parser.get_flags(built)) do
    flags[flag.argument and flag.name .. " " .. flag.argument or flag.name] = flag.description
  end
  return flags
end

local function build(name)
  return parser.build(name, commands.load(name), "sys")
end

describe("docs/reference/cli.md #once", function()
  local sections = read_reference()

  for _, command in ipairs(commands.list) do
    it("describes " .. command.name, function()
      local built = build(command.name)
      local usage = built:get_usage():gsub("^usage: sys ", ""):gsub(" %[OPTIONS%]", "")
      local section = sections[usage]
      assert.truthy(section, "there is no section `" .. usage .. "`")
      assert.equal(command.summary .. ".", section.text)

      local expected = {}
      for flag, description in pairs(sections[everywhere].flags) do
        expected[flag] = description
      end
      for flag, description in pairs(section.flags) do
        expected[flag] = description
      end
      assert.same(expected, get_flags(built))
    end)
  end

  it("describes no command that does not exist", function()
    for title in pairs(sections) do
      local name = title:match("^%l+")
      assert.is_true(name == nil or commands.exists(name), title)
    end
  end)
end)
