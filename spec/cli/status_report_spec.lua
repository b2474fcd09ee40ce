--- The text of `status`.

local status_report = require("syslua.cli.status_report")
local terminal = require("syslua.cli.terminal")

local unpack = table.unpack or unpack
local root = "/var/root"

local function render(targets, args)
  local result = { root = root, snapshot = { id = "4" }, derivations = 1, targets = targets }
  result.managed = #targets
  return status_report.render(result, args or { program = "sys" }, terminal.plain)
end

describe("cli.status_report", function()
  it("shows drift, and who declared what drifted", function()
    assert.same(
      {
        "Root      /var/root",
        "Snapshot  4",
        "Managed   5 targets, 1 derivation",
        "! missing  ~/.bashrc  (-> …/x-123456789)                  init.lua:2",
        "! changed  ~/.a  (now a link to /x)                       init.lua:3",
        "! changed  ~/.b  (content, mode, not 600; now mode 644)",
        "! replaced ~/.c  (now a directory; user ada)",
        "4 targets are not as applied; `sys apply` restores them, and moves existing files "
          .. "to the backups",
      },
      render({
        { kind = "symlink", target = "~/.zshrc", state = "ok" },
        {
          kind = "symlink",
          target = "~/.bashrc",
          state = "missing",
          detail = root .. "/store/obj/x-123456789",
          positions = { "init.lua:2" },
        },
        {
          kind = "symlink",
          target = "~/.a",
          state = "changed",
          differs = { "link" },
          found = "a link to /x",
          positions = { "init.lua:3" },
        },
        {
          kind = "install",
          target = "~/.b",
          state = "changed",
          differs = { "content", "mode" },
          mode = "600",
          found = "mode 644",
        },
        {
          kind = "install",
          target = "~/.c",
          state = "replaced",
          found = "a directory",
          user = "ada",
        },
      })
    )
  end)

  it("says what apply does about drift", function()
    local function get_closing_line(...)
      local targets = {}
      for index, state in ipairs({ ... }) do
        targets[index] = { kind = "symlink", target = "~/." .. index, state = state }
      end
      local lines = render(targets)
      return lines[#lines]
    end
    local kept = ", and moves existing files to the backups"
    for line, states in pairs({
      ["2 targets are not as applied; `sys apply` restores them"] = { "missing", "ok", "missing" },
      ["1 target is not as applied; `sys apply` restores it" .. kept] = { "replaced" },
      ["3 targets are not as applied; `sys apply` restores them" .. kept] = {
        "missing",
        "changed",
        "missing",
      },
      ["1 target is out of sight: whether it is as applied cannot be told"] = { "unreadable" },
      ["2 targets are linked to objects that are gone; `sys verify --repair` builds them again"] = {
        "broken",
        "broken",
      },
      ["Everything is as applied."] = { "ok" },
    }) do
      assert.equal(line, get_closing_line(unpack(states)))
    end
  end)

  it("knows the time before the first apply", function()
    local lines = status_report.render({ root = root, snapshot = { id = "0" } }, {}, terminal.plain)
    assert.equal("Snapshot  0: the state before the first apply", lines[2])
    assert.equal(3, #lines)
  end)
end)
