--- `env.persistent{}`: what systemd's own reader makes of the file is what was declared.

local machine = require("spec.support.machine")
local powershell = require("spec.support.powershell")
local process = require("spec.support.process")
local random = require("spec.support.random")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

local reader = "/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator"
local unpack = table.unpack or unpack
local file = "home/.config/environment.d/60-syslua.conf"
local is_root = process.run({ "id", "-u" }).stdout == "0\n"

describe("env.persistent{} #once", function()
  local here = machine.for_each_test()

  local function text_of(lines)
    local evaluated = here.evaluate(lines, { platform = "x86_64-linux", username = "ada" })
    return evaluated.files["~/.config/environment.d/60-syslua.conf"].content
  end

  local function apply_as_user(lines)
    -- Root's config is everybody's: a user block is somebody's.
    if is_root then
      pending("as a user only")
      return false
    end
    here.apply(lines)
    return true
  end

  it("is a file that comes, changes and goes with the config", function()
    if not apply_as_user('env.persistent({ EDITOR = "vi" })') then
      return
    end
    contains(here.read(file), 'EDITOR="vi"')
    here.apply('env.persistent({ EDITOR = "ed" })')
    contains(here.read(file), 'EDITOR="ed"')
    here.must("rollback", "--yes")
    contains(here.read(file), 'EDITOR="vi"')
    here.apply("")
    assert.is_false(here.exists(file))
  end)

  it("is at another place for root, and on other systems", function()
    local found = {}
    for _, case in ipairs({
      { platform = "x86_64-linux", username = "ada" },
      { platform = "x86_64-linux", username = "root" },
      { platform = "x86_64-darwin", username = "ada" },
      { platform = "x86_64-darwin", username = "root" },
    }) do
      local evaluated = here.evaluate('env.persistent({ EDITOR = "vi" })', case)
      for path in pairs(evaluated.files) do
        found[#found + 1] = path
      end
    end
    assert.same({
      "~/.config/environment.d/60-syslua.conf",
      "/etc/environment.d/60-syslua.conf",
      "~/Library/LaunchAgents/lua.sys.environment.plist",
      "/Library/LaunchAgents/lua.sys.environment.plist",
    }, found)
  end)

  -- The scripts that change the registry, and take that back.
  local function get_scripts(lines)
    local evaluated = here.evaluate(lines, { platform = "x86_64-windows", username = "ada" })
    assert.same({}, evaluated.files)
    local run
    for _, activation in ipairs(evaluated.manifest.activations) do
      local action = activation.action or activation
      if action.kind == "run" then
        assert.is_nil(run)
        run = action
        matches(activation.positions[1], "^init.lua:2")
      end
    end
    assert.same(
      { "powershell", "-NoProfile", "-NonInteractive", "-Command" },
      { unpack(run.command, 1, 4) }
    )
    return run.command[5], run.undo[5]
  end

  it("changes the registry of Windows by a command, and takes that back by another", function()
    local set, unset = get_scripts([[env.persistent({
      EDITOR = "it's 100 %", PATH = { "~/bin" }, REFERS = syslua.lib.ref("HOME") .. "/r" })]])
    for _, line in ipairs({
      "Set-Single 'EDITOR' 'it''s 100 %' 'String'",
      "Set-Single 'REFERS' '%USERPROFILE%/r' 'ExpandString'",
      "Set-List 'PATH' ';' @('%USERPROFILE%/bin')",
    }) do
      contains(set, "\n" .. line .. "\n")
    end
    for _, line in ipairs({ "Remove-Single 'EDITOR'", "Remove-List 'PATH' ';'" }) do
      contains(unset, "\n" .. line .. "\n")
    end
    local problem = here.fail(
      [[env.persistent({ PATH = { "C:/a%b" } })]],
      { platform = "x86_64-windows", username = "ada" }
    )
    contains(problem.message, "has a `%`")
    assert.equal("init.lua:2", problem.position)
  end)

  it("writes scripts that PowerShell can read, whatever the values are", function()
    local letters =
      { "a", " ", "'", "`", "$", "#", ";", "=", "{", "}", "(", "@", "|", "ü", "’", "\\" }
    local pick = random.new(11)
    local scripts = {}
    for round = 1, 6 do
      local lines = {}
      for index = 1, 20 do
        local value = ""
        for _ = 1, pick(12) do
          value = value .. letters[pick(#letters)]
        end
        lines[#lines + 1] = ("V%d = %q"):format(index, "x" .. value)
      end
      local set, unset = get_scripts("env.persistent({ " .. table.concat(lines, ", ") .. " })")
      scripts["set" .. round .. ".ps1"], scripts["unset" .. round .. ".ps1"] = set, unset
    end
    local problem = powershell.check(here, scripts)
    if problem == "missing" then
      pending("the grammar of PowerShell is not installed")
      return
    end
    assert.is_nil(problem)
  end)

  it("refuses what a session cannot hold, and projects", function()
    local problem = here.fail([[env.persistent({ A = "\1" })]])
    contains(problem.message, "control character")
    assert.equal("init.lua:2", problem.position)
    problem = here.fail([[env.persistent({ A = "\255" })]])
    contains(problem.message, "UTF-8")
    problem =
      here.fail([[project({ name = "x", setup = function() env.persistent({ A = "1" }) end })]])
    contains(problem.message, "inside of project")
    problem = here.fail([[env.persistent({ ["A B"] = "1" })]])
    contains(problem.message, "name of a variable")
  end)

  local it_there = process.run({ "test", "-x", reader }).code == 0 and it or pending

  local escapes = { n = "\n", t = "\t" }

  -- What systemd reads of a text, by names: its reader prints NAME=VALUE, or a value in double
  -- quotes with escapes.
  local function read(text, environment)
    here.write(file, text)
    local variables = { XDG_CONFIG_HOME = here.home .. "/.config", HOME = here.home }
    for name, value in pairs(environment or {}) do
      variables[name] = value
    end
    local result = here.shell("exec env -u LANG " .. reader, variables)
    assert.equal(0, result.code, result.stderr)
    assert.equal("", result.stderr)
    local values = {}
    for name, value in result.stdout:gmatch("([%w_]+)=([^\n]*)") do
      local quoted = value:match('^"(.*)"$')
      values[name] = quoted
          and quoted:gsub("\\(.)", function(letter)
            return escapes[letter] or letter
          end)
        or value
    end
    return values
  end

  it_there("says any value so that systemd reads it", function()
    local letters =
      { "a", " ", '"', "'", "\\", "$", "`", "#", ";", "=", "{", "}", "\n", "\t", "ü", "%" }
    for _, more in ipairs({ "!", ":", "$(x)", "${A}", "$HOME", "\\n", "~" }) do
      letters[#letters + 1] = more
    end
    local pick = random.new(7)
    for _ = 1, 12 do
      local values, lines = {}, {}
      for index = 1, 20 do
        local value = index % 2 == 0 and "x" or ""
        for _ = 1, pick(12) do
          value = value .. letters[pick(#letters)]
        end
        -- These mean the home.
        if
          not value:find("^~/")
          and not value:find("^%$HOME/")
          and value ~= "$HOME"
          and value ~= "~"
        then
          values["V" .. index] = value
          lines[#lines + 1] = ("V%d = %q"):format(index, value)
        end
      end
      local found = read(text_of("env.persistent({ " .. table.concat(lines, ", ") .. " })"))
      for name, value in pairs(values) do
        assert.equal(value, found[name])
      end
    end
  end)

  it_there("puts entries before what the session has", function()
    local text = text_of([[env.persistent({
      PATH = "~/bin", XDG_DATA_DIRS = "/x", CPATH = { "/a", "/b" },
      REFERS = syslua.lib.ref("HOME") .. "/r",
    })]])
    local found = read(text, { PATH = "/usr/bin:/bin" })
    assert.equal(here.home .. "/bin:/usr/bin:/bin", found.PATH)
    assert.equal("/x:/usr/local/share:/usr/share", found.XDG_DATA_DIRS)
    assert.equal("/a:/b", found.CPATH)
    assert.equal(here.home .. "/r", found.REFERS)
    found = read(text, { XDG_DATA_DIRS = "/y", CPATH = "/c" })
    assert.equal("/x:/y", found.XDG_DATA_DIRS)
    assert.equal("/a:/b:/c", found.CPATH)
  end)

  it("is refused what env{} is refused, with the same words", function()
    local wrong = {
      'UID = "1"',
      'PATH = "x"',
      'PATH = { "x/y" }',
      'A = "~ada/x"',
      'PATH = { "~ada/x" }',
      'PATH = "/a:/b"',
      'A = ("x"):rep(300000)',
      'PATH = { "/" .. ("x"):rep(300000) }',
      'A = "a\\0b"',
      '["1A"] = "x"',
      "A = 1 / 0",
    }
    for _, variables in ipairs(wrong) do
      local declared = here.fail(("env { %s }"):format(variables))
      local persistent = here.fail(("env.persistent { %s }"):format(variables))
      assert.equal(declared.message, persistent.message)
      assert.equal(declared.hint, persistent.hint)
      assert.equal("init.lua:2", persistent.position, variables)
    end
  end)
end)
