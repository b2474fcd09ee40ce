--- `plan` says what `apply` does, and does nothing; `status` says what became of it.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

describe("plan", function()
  local here = machine.for_each_test()

  it("writes nothing, not even the root", function()
    here.write_config([[file({ path = "~/.one", content = "one\n" })]])
    local before = here.list(".")
    local result = here.run("plan", "init.lua")
    assert.equal(0, result.code, result.stderr)
    assert.equal(before, here.list("."))
    contains(result.stdout, "~/.one", "init.lua:2", "1 to add")
  end)

  it("lists the actions that apply performs", function()
    local function get_actions(command)
      local result = here.run(command, "init.lua", "--json")
      assert.equal(0, result.code, result.stderr)
      local list = {}
      for action in result.stdout:match('"actions":(%b[])'):gmatch("%b{}") do
        list[#list + 1] = action:match('"mark":"(%w+)"')
          .. " "
          .. (action:match('"target":"(.-)"') or "")
      end
      return list
    end
    here.write_config([[
      file({ path = "~/.one", content = "one\n" })
      file({ path = "~/.two", content = "two\n" })
      file({ path = "~/.three", content = "three\n" })
    ]])
    assert.same({ "add ~/.one", "add ~/.two", "add ~/.three" }, get_actions("plan"))
    assert.same({ "add ~/.one", "add ~/.two", "add ~/.three" }, get_actions("apply"))
    here.write_config([[
      file({ path = "~/.two", content = "two\n" })
      file({ path = "~/.three", content = "another\n" })
    ]])
    local planned = get_actions("plan")
    assert.same({ "remove ~/.one", "unchanged ~/.two", "change ~/.three" }, planned)
    assert.same(planned, get_actions("apply"))
  end)

  it("exits with 3 only when asked to, and something would change", function()
    here.write_config([[file({ path = "~/.one", content = "one\n" })]])
    assert.equal(0, here.run("plan", "init.lua").code)
    assert.equal(3, here.run("plan", "init.lua", "--exit-code").code)
    assert.equal(0, here.run("apply", "init.lua").code)
    assert.equal(0, here.run("plan", "init.lua", "--exit-code").code)
  end)
end)

describe("a config that replaces another one #once", function()
  local here = machine.for_each_test(function(here)
    here.apply([[file({ path = "~/.one", content = "one" })]])
    here.write_config([[file({ path = "~/.two", content = "two" })]], "other.lua")
  end)

  it("is named at the start", function()
    local line = "replaces " .. here.directory .. "/init.lua\n"
    for _, command in ipairs({ "plan", "apply" }) do
      local same = here.must(command, "init.lua")
      contains_none(same.stdout, "replaces")
      local shown = here.must(command, "other.lua").stdout
      assert.equal(line, shown:sub(1, #line))
    end
    contains_none(here.must("plan", "other.lua").stdout, "replaces")
  end)

  it("is asked about on a terminal", function()
    for _, try in ipairs({ { "n", "", 1 }, { "y", "", 0 }, { "", " --yes", 0 } }) do
      local answer, flag, code = try[1], try[2], try[3]
      here.must("apply", "init.lua")
      here.write("answer", answer .. "\n")
      local command = "$LUA -l syslua apply other.lua" .. flag
      local result = here.shell(("script -qec '%s' /dev/null <answer"):format(command))
      assert.equal(code, result.code, result.stdout)
      local is_asked = result.stdout:find("Apply it?", 1, true) ~= nil
      assert.equal(flag == "", is_asked, result.stdout)
      assert.equal(code == 0, here.exists("home/.two"))
    end
  end)
end)

describe("status", function()
  local here = machine.for_each_test()

  it("knows a machine where nothing was applied", function()
    local result = here.run("status")
    assert.equal(0, result.code, result.stderr)
    contains(result.stdout, "Snapshot  0: the state before the first apply")
    assert.is_false(here.exists("root"))
  end)

  it("names what is no longer as applied, and exits with 3", function()
    here.write_config([[
      file({ path = "~/.one", content = "one\n" })
      file({ path = "~/.two", content = "two\n" })
    ]])
    assert.equal(0, here.run("apply", "init.lua").code)
    assert.equal(0, here.run("status").code)
    os.remove(here.home .. "/.one")
    os.remove(here.home .. "/.two")
    here.write("home/.two", "edited\n")
    local result = here.run("status")
    assert.equal(3, result.code)
    matches(result.stdout, "missing +~/%.one", "replaced +~/%.two")
  end)
end)
