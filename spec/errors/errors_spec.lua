--- What wrong configs are told, to the letter, on every Lua. After a change on purpose,
-- `SYSLUA_WRITE_EXPECTED=1 busted spec/errors` writes `expected.txt` anew, to be read before it is
-- kept.

local cases = require("spec.errors.cases")
local failure = require("syslua.util.failure")
local failure_report = require("syslua.cli.failure_report")
local machine = require("spec.support.machine")
local matches = require("spec.support.text_checks").matches
local syslua = require("syslua")
local terminal = require("syslua.cli.terminal")
local tree = require("spec.support.tree")

local expected_file = "spec/errors/expected.txt"

-- The sections of the file: a line `### name`, then what is printed.
local function read_expected()
  local sections, name = {}, nil
  for _, line in ipairs(tree.lines((tree.read(expected_file):gsub("\n$", "")))) do
    local title = line:match("^### (.*)")
    if title then
      name, sections[title] = title, {}
    else
      table.insert(sections[name], line)
    end
  end
  for title, lines in pairs(sections) do
    sections[title] = table.concat(lines, "\n")
  end
  return sections
end

describe("a wrong config is told:", function()
  local here = machine.new()

  teardown(function()
    here.remove()
  end)

  local function get_message(case, index)
    local directory = "case" .. index
    if case.files then
      for name, text in pairs(case.files) do
        here.write(directory .. "/" .. name, text)
      end
    else
      here.write_config(case[2], directory .. "/init.lua")
    end
    local place = here.directory .. "/" .. directory
    local succeeded, problem = pcall(syslua.evaluate, place, { root = here.root })
    assert.is_false(succeeded, case[1])
    local args = { program = "sys" }
    local lines = failure_report.render(failure.from(problem), args, terminal.plain)
    assert.is_true(#lines <= 15, case[1])
    return (table.concat(lines, "\n"):gsub(place:gsub("%p", "%%%0"), "DIR"))
  end

  if os.getenv("SYSLUA_WRITE_EXPECTED") then
    it("and expected.txt is written", function()
      local file = assert(io.open(expected_file, "wb"))
      for index, case in ipairs(cases) do
        file:write("### ", case[1], "\n", get_message(case, index), "\n")
      end
      file:close()
    end)
    return
  end

  local expected = read_expected()

  for index, case in ipairs(cases) do
    it(case[1], function()
      assert.equal(expected[case[1]], get_message(case, index))
    end)
  end

  it("in at least a hundred cases, each with a line of the config", function()
    assert.is_true(#cases >= 100)
    for _, case in ipairs(cases) do
      matches(expected[case[1]], "\n  at [%w_/.]+:%d+")
    end
  end)
end)
