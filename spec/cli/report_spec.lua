local contains = require("spec.support.text_checks").contains
local report = require("syslua.cli.report")
local terminal = require("syslua.cli.terminal")

local root = "/var/root"

local function get_result()
  return {
    changed = true,
    root = root,
    snapshot = { id = "3", created_at = 0 },
    realize = { { name = "greet", version = "1.0", hash = "a" } },
    actions = {
      {
        mark = "add",
        kind = "symlink",
        target = "~/.bashrc",
        detail = root .. "/store/obj/bashrc-123456789/out",
        positions = { "init.lua:12", "modules/git.lua:4" },
      },
      {
        mark = "change",
        kind = "set_variable",
        name = "EDITOR",
        detail = "nvim",
        may_change = true,
        positions = { "init.lua:13" },
      },
      {
        mark = "remove",
        kind = "add_to_path",
        detail = root .. "/store/obj/greet-1.0-123456789/bin",
        positions = {},
      },
      { mark = "unchanged", kind = "symlink", target = "~/.zshrc", detail = "/x" },
    },
  }
end

describe("cli.report", function()
  it("shows a plan, an action a line", function()
    local lines = report.render_plan(get_result(), "init.lua", {}, terminal.plain)
    assert.same({
      "* build   greet 1.0",
      "+ link    ~/.bashrc -> …/bashrc-123456789/out   init.lua:12",
      "~ set     EDITOR = nvim  (may change)           init.lua:13",
      "- path    …/greet-1.0-123456789/bin",
      "1 to add, 1 to change, 1 to remove; 1 to build",
    }, lines)
  end)

  it("shows whole paths and chains with --verbose", function()
    local lines = report.render_plan(get_result(), "init.lua", { verbose = true }, terminal.plain)
    local all = table.concat(lines, "\n")
    contains(
      all,
      root .. "/store/obj/bashrc-123456789/out",
      "init.lua:12 < modules/git.lua:4",
      "~/.zshrc"
    )
  end)

  it("says when nothing changed", function()
    local result = { changed = false, root = root, snapshot = { id = "4" }, actions = {} }
    assert.same(
      { "Nothing changed: snapshot 4 matches init.lua." },
      report.render_apply(result, "init.lua", {}, terminal.plain)
    )
    assert.same(
      { "Nothing would be changed: snapshot 4 matches init.lua." },
      report.render_plan(result, "init.lua", {}, terminal.plain)
    )
  end)

  it("tells what an apply did, and when to source the environment", function()
    local result = get_result()
    result.applied = true
    result.new_snapshot = "4"
    result.env_script = root .. "/env.sh"
    result.built = { { name = "greet" } }
    local lines = report.render_apply(result, "init.lua", {}, terminal.plain)
    assert.equal("Snapshot 4: 1 added, 1 changed, 1 removed; 1 built", lines[#lines - 1])
    assert.equal("The environment changed; in this shell: . /var/root/env.sh", lines[#lines])

    result.actions = { { mark = "add", kind = "symlink", target = "~/x", detail = "y" } }
    lines = report.render_apply(result, "init.lua", {}, terminal.plain)
    assert.equal("Snapshot 4: 1 added, 0 changed, 0 removed; 1 built", lines[#lines])
  end)

  it("says when something was built and nothing switched", function()
    local result = get_result()
    result.applied = true
    result.actions = {}
    result.built = { { name = "greet", version = "1.0" } }
    assert.same({
      "* build   greet 1.0",
      "Built 1; nothing else changed: snapshot 3 matches init.lua.",
    }, report.render_apply(result, "init.lua", {}, terminal.plain))
  end)

  it("colours only what the style is given", function()
    local names = {}
    report.render_plan(get_result(), "init.lua", {}, function(name, text)
      names[name] = true
      return text
    end)
    assert.same({ add = true, change = true, remove = true, faint = true, strong = true }, names)
  end)
end)
