--- Every source file says what it is, and none grows beyond what one can read.

local tree = require("spec.support.tree")

-- More lines, of 100 columns, need a reason in the header, in a line with "over 600 lines".
local most_lines = 700

-- How many lines may be wider than 100 columns, by language: long texts of messages and tests,
-- addresses, rows of tables. The numbers only become lower.
local most_wide = { rs = 135, lua = 490, md = 214 }

-- How many cells of tables may have 120 characters or more: docs/reference/json.md describes a
-- field in one cell, which `spec/support/json_reference.lua` reads. The number only becomes lower.
local most_long_cells = 18

local function get_sources()
  local names = tree.list({ "src", "lua", "spec", "types", "examples", "pkgs", "benches" }, ".lua")
  for _, name in ipairs(tree.list({ "src", "benches" }, ".rs")) do
    names[#names + 1] = name
  end
  return names
end

-- The comment that a file begins with; the line for the shell is no part of it.
local function get_header(lines)
  local header = {}
  for index, line in ipairs(lines) do
    if line:find("^%-%-") or line:find("^//") then
      header[#header + 1] = line
    elseif not (index == 1 and line:find("^#!")) and not (#header > 0 and line == "") then
      break
    end
  end
  return table.concat(header, "\n")
end

-- Whether a file is a test that says by its name what it tests.
local function is_named_test(name)
  return name:find("_spec%.lua$") ~= nil
end

describe("source files #once", function()
  local sources = get_sources()

  it("are found", function()
    assert.is_true(#sources > 80)
  end)

  it("begin with what they are", function()
    for _, name in ipairs(sources) do
      if not is_named_test(name) then
        local header = get_header(tree.lines(tree.read(name)))
        local words = header:gsub("%-%-%-@[^\n]*", ""):gsub("[%-/!%s]", "")
        assert.is_true(#words > 10, name .. " begins without a comment that says what it is")
      end
    end
  end)

  it("have at most 600 lines, or a reason", function()
    for _, name in ipairs(sources) do
      local lines = tree.lines(tree.read(name))
      local reason = get_header(lines):find("over 600 lines", 1, true)
      assert.is_true(
        #lines <= most_lines or reason ~= nil,
        ("%s has %d lines, and no reason for it in its header"):format(name, #lines)
      )
    end
  end)

  it("keep to 100 columns", function()
    local wide = { rs = 0, lua = 0, md = 0 }
    local names = get_sources()
    for _, directory in ipairs({ "docs", "examples", "benches" }) do
      for _, name in ipairs(tree.list({ directory }, ".md")) do
        names[#names + 1] = name
      end
    end
    for _, name in ipairs(names) do
      local kind = name:match("%.(%l+)$")
      for _, line in ipairs(tree.lines(tree.read(name))) do
        if select(2, line:gsub("[^\128-\191]", "")) > 100 then
          wide[kind] = wide[kind] + 1
        end
      end
    end
    for kind, most in pairs(most_wide) do
      assert.is_true(
        wide[kind] <= most,
        ("%d lines of .%s files are wider than 100 columns, more than %d"):format(
          wide[kind],
          kind,
          most
        )
      )
    end
  end)

  it("keep cells of tables under 120 characters", function()
    local long = {}
    local names = tree.list({ "docs", "examples", "benches" }, ".md")
    for _, name in ipairs({ "README.md", "CONTRIBUTING.md", "CHANGELOG.md" }) do
      names[#names + 1] = name
    end
    for _, name in ipairs(names) do
      for number, line in ipairs(tree.lines((tree.read(name):gsub("```.-```", "")))) do
        for cell in (line:match("^| (.*) |$") or ""):gmatch("[^|]+") do
          if #cell:match("^%s*(.-)%s*$") >= 120 then
            long[#long + 1] = ("%s: row %d: %s"):format(name, number, cell)
          end
        end
      end
    end
    assert.is_true(#long <= most_long_cells, table.concat(long, "\n"))
  end)

  it("have no trailing blanks and end with one line end", function()
    for _, name in ipairs(sources) do
      local text = tree.read(name)
      assert.is_nil(text:find("[ \t]\n"), name .. " has a line that ends with blanks")
      assert.truthy(text:find("[^\n]\n$"), name .. " does not end with one line end")
    end
  end)
end)
