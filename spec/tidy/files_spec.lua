--- Every source file says what it is, and none grows beyond what one can read.

local text_checks = require("spec.support.text_checks")
local tree = require("spec.support.tree")

local matches, matches_none = text_checks.matches, text_checks.matches_none

-- More lines, of 100 columns, need a reason in the header, in a line with "over 600 lines".
local most_lines = 700

-- Lines wider than 100 columns that stay, by file: how many, and why.
local wide = {
  -- A line of a script of cmd, which has no way to continue it inside of a `for`.
  ["src/engine/src/environment/shells/cmd.rs"] = 1,
}

-- The lines of a page that keep to 100 columns: neither rows of tables, which one cannot break, nor
-- what programs print, in a fence `console` below a command.
local function get_page_lines(text)
  local kept, fence = {}, nil
  for _, line in ipairs(tree.lines(text)) do
    local language = line:match("^```(%l*)$")
    if language then
      fence = not fence and language or nil
    elseif not line:find("^|") and (fence ~= "console" or line:find("^%$ ")) then
      kept[#kept + 1] = line
    end
  end
  return kept
end

local function get_sources()
  local names = tree.list({ "src", "lua", "spec", "types", "examples", "pkgs", "benches" }, ".lua")
  for _, name in ipairs(tree.list({ "src", "benches" }, ".rs")) do
    names[#names + 1] = name
  end
  return names
end

local function get_pages()
  local names = tree.list({ "docs", "examples", "benches" }, ".md")
  for _, name in ipairs({ "README.md", "CONTRIBUTING.md", "CHANGELOG.md" }) do
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
    local names = get_sources()
    for _, name in ipairs(get_pages()) do
      names[#names + 1] = name
    end
    for _, name in ipairs(names) do
      local text = tree.read(name)
      local found = {}
      for _, line in ipairs(name:find("%.md$") and get_page_lines(text) or tree.lines(text)) do
        if select(2, line:gsub("[^\128-\191]", "")) > 100 then
          found[#found + 1] = line
        end
      end
      local message = "%s has lines wider than 100 columns:\n%s"
      assert.equal(wide[name] or 0, #found, message:format(name, table.concat(found, "\n")))
    end
  end)

  it("keep cells of tables under 120 characters", function()
    local long = {}
    for _, name in ipairs(get_pages()) do
      for number, line in ipairs(tree.lines((tree.read(name):gsub("```.-```", "")))) do
        for cell in (line:match("^| (.*) |$") or ""):gmatch("[^|]+") do
          if #cell:match("^%s*(.-)%s*$") >= 120 then
            long[#long + 1] = ("%s: row %d: %s"):format(name, number, cell)
          end
        end
      end
    end
    assert.same({}, long)
  end)

  it("have no trailing blanks and end with one line end", function()
    for _, name in ipairs(sources) do
      local text = tree.read(name)
      matches_none(text, "[ \t]\n")
      matches(text, "[^\n]\n$")
    end
  end)
end)
