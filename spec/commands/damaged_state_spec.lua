--- Damaged files of the root, as the commands see them; `src/engine/tests/damaged_state.rs` damages
--- each in every way.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")

local unpack = require("syslua.util.table").unpack

-- Every command that only looks.
local looks = {
  { "status" },
  { "plan", "init.lua", "--json" },
  { "history" },
  { "diff" },
  { "why", "~/.file" },
  { "info", "text" },
  { "list", "--all" },
  { "verify" },
  { "rollback", "1", "--dry-run" },
  { "gc", "--dry-run" },
}

-- Once is enough: nothing here depends on the version of Lua.
if require("spec.support.interpreter").version ~= "5.4" then
  return
end

local deep = ("["):rep(100000)

describe("a damaged root: #once", function()
  local here

  local function apply(value)
    here.write_config(([[
      file({ path = "~/.file", content = %q })
      env({ WHICH = %q })
      file({ path = "~/.only%s", content = "x" })
      derive({ name = "text", config = function(_, ctx) ctx.write(ctx.out, "text") end })
    ]]):format(value, value, value))
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
  end

  before_each(function()
    here = machine.new()
    here.write(here.home .. "/.file", "mine")
    apply("1")
    apply("2")
  end)

  after_each(function()
    here.remove()
  end)

  local function get_state()
    local tree = "find root home ! -name '*.lock' -printf '%p %y %m %s %l\\n' | sort"
    return here.shell(tree .. "; find root home -type f | sort | xargs cat | cksum").stdout
  end

  -- Runs what looks: nothing changes, and whatever fails names the file and is no bug.
  local function look(name)
    local before = get_state()
    local failed = {}
    for _, words in ipairs(looks) do
      local result = here.run(unpack(words))
      local shown = table.concat(words, " ")
      local text = result.stdout .. result.stderr
      assert.is_nil(
        text:find("traceback") or text:find("a bug in") or text:find("%.lua:%d+: "),
        shown .. ": " .. text
      )
      assert.is_true(
        result.code == 0 or result.code == 1 or result.code == 3,
        shown .. ": " .. result.code
      )
      if result.code == 1 then
        contains(text, name)
        failed[#failed + 1] = shown
      end
    end
    assert.equal(before, get_state())
    return failed
  end

  local function get_back(id, content)
    local result = here.run("rollback", id, "--yes")
    assert.equal(0, result.code, result.stderr)
    assert.equal(content, here.read(here.home .. "/.file"))
    assert.is_false(here.exists(here.home .. "/.only2"))
    return result
  end

  for what, text in pairs({
    zeroed = ("\0"):rep(500),
    deep = '{"version":1,"activations":' .. deep,
  }) do
    it("a snapshot that is " .. what, function()
      local name = "store/metadata/snapshots/2/snapshot.json"
      here.write("root/" .. name, text)
      assert.is_true(#look(name) >= 4)
      local result = here.run("apply", "init.lua")
      assert.equal(1, result.code)
      contains(result.stderr, "hint: `rollback ID` goes to a snapshot that can be read")
      contains(here.run("history").stdout, "cannot be")
      result = get_back("1", "1")
      contains(result.stderr, name)
      apply("3")
    end)

    it("a journal that is " .. what, function()
      local name = "store/metadata/journal"
      here.write("root/" .. name, text)
      assert.is_true(#look(name) >= 3)
      assert.equal(1, here.run("rollback", "--yes").code)
      local result = here.run("apply", "init.lua")
      assert.equal(1, result.code)
      contains(result.stderr, name)
      assert.equal(text, here.read("root/" .. name))
      result = get_back("1", "1")
      contains(result.stderr, "it was moved to ")
      assert.equal(text, here.read("root/store/quarantine/journal.0"))
      get_back("0", "mine")
      apply("3")
    end)

    it("an index, memory, backups or manifest that is " .. what, function()
      for _, name in ipairs({
        "store/metadata/snapshots.json",
        "cache/sources",
        "backups/index.json",
        "store/metadata/snapshots/2/manifest.json",
      }) do
        here.write("root/" .. name, text)
      end
      assert.same({}, look("nothing"))
      apply("3")
      get_back("1", "1")
      get_back("0", "mine")
    end)

    it("a record that is " .. what, function()
      local object = machine.get_object(here, "text")
      local name = "store/info/" .. object .. ".json"
      here.write("root/" .. name, text)
      look(name)
      local result = here.run("verify")
      assert.equal(3, result.code)
      contains(result.stdout, name)
      local exported = here.run("export", object, "-o", "x.closure")
      assert.is_true(exported.code ~= 0)
      get_back("1", "1")
      assert.equal(0, here.run("verify", "--repair").code)
    end)
  end

  it("numbers and texts that no program wrote", function()
    local name = "store/metadata/snapshots/2/snapshot.json"
    local whole = here.read("root/" .. name)
    for _, number in ipairs({ "18446744073709551615", "9223372036854775807", "1e15" }) do
      here.write("root/" .. name, (whole:gsub('"created_at":%d+', '"created_at":' .. number)))
      look(name)
    end
    here.write(
      "root/" .. name,
      (whole:gsub('"description":"[^"]*"', '"description":"\\u001b[31m\\n"'))
    )
    look(name)
    get_back("1", "1")
  end)

  it("something else in the place of `current`", function()
    local name = "store/metadata/current"
    for _, line in ipairs({ "ln -s snapshots/9 %s", "ln -s /nowhere %s", "echo x >%s" }) do
      here.shell("rm root/" .. name .. " && " .. line:format("root/" .. name))
      assert.is_true(#look(line:find("9", 1, true) and "snapshots/9/snapshot.json" or name) >= 4)
      assert.equal(1, here.run("apply", "init.lua").code)
      get_back("1", "1")
      assert.equal("snapshots/1", here.read_link("root/" .. name))
      apply("2")
    end
  end)
end)
