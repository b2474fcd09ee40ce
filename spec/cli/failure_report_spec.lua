local failure_report = require("syslua.cli.failure_report")
local terminal = require("syslua.cli.terminal")

local function render(value, args)
  return failure_report.render(value, args or {}, terminal.plain)
end

local function get_numbered_lines(count)
  local lines = {}
  for index = 1, count do
    lines[index] = "line " .. index
  end
  return table.concat(lines, "\n")
end

describe("cli.failure_report", function()
  it("says what happened, where, and what to do", function()
    assert.same(
      {
        "error: unknown field `pth` in file{}",
        "  at init.lua:12",
        "  hint: did you mean `path`?",
      },
      render({
        kind = "config",
        message = "unknown field `pth` in file{}",
        position = "init.lua:12",
        hint = "did you mean `path`?",
        trace = { "init.lua:12", "modules/git.lua:4" },
      })
    )
  end)

  it("quotes the end of the details, in 15 lines at most", function()
    local lines = render({
      kind = "build",
      message = "the build of greet failed",
      position = "init.lua:12",
      hint = "read the log",
      details = get_numbered_lines(100),
    })
    assert.equal(15, #lines)
    assert.equal("  … 89 more lines with --verbose", lines[3])
    assert.equal("  | line 100", lines[14]:gsub("^  | ", "  | "))
    assert.equal("  hint: read the log", lines[15])
  end)

  it("keeps to 15 lines when all of it is long", function()
    local lines = render({
      kind = "build",
      message = get_numbered_lines(40),
      position = "init.lua:12",
      hint = get_numbered_lines(40),
      details = get_numbered_lines(40),
    })
    assert.equal(15, #lines)
    assert.equal("error: line 1", lines[1])
  end)

  it("shows everything with --verbose", function()
    local lines = render({
      kind = "build",
      message = "x",
      position = "init.lua:12",
      trace = { "init.lua:12", "modules/git.lua:4" },
      details = get_numbered_lines(40),
    }, { verbose = true })
    assert.equal(43, #lines)
    assert.equal("  from modules/git.lua:4", lines[3])
  end)

  it("ends wrong usage with the usage line", function()
    local lines = render({ kind = "usage", message = "x", hint = "y", details = "usage: sys plan" })
    assert.same({ "error: x", "  hint: y", "usage: sys plan" }, lines)
  end)
end)
