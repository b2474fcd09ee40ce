--- The JSON of the commands that look has the fields of docs/reference/json.md: no other, and all that are not
-- optional. Once, not for each Lua.

local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local syslua = require("syslua")

if interpreter.name ~= "lua5.4" then
  return
end

-- The tables of the reference: { [heading] = { { name = is_optional }, ... } }, in order.
local function read_reference()
  local tables, heading, current = {}, nil, nil
  for line in io.lines("docs/reference/json.md") do
    heading = line:match("^## `([%w%-]+)`$") or (line:find("^## ") and "" or heading)
    if line == "| field | |" then
      current = {}
      tables[heading or ""] = tables[heading or ""] or {}
      table.insert(tables[heading or ""], current)
    elseif current and line:find("^| `") then
      for name, mark in line:match("^| (.-) |"):gmatch("`([%w_%.]+)`(%??)") do
        current[name] = mark == "?"
      end
    elseif line == "" then
      current = nil
    end
  end
  return tables
end

local function check(what, document, ...)
  local documented = {}
  for _, fields in ipairs({ ... }) do
    for name, is_optional in pairs(fields) do
      documented[name] = is_optional
    end
  end
  for name in pairs(document) do
    assert.is_not_nil(documented[name], ("%s has `%s`, which is not documented"):format(what, name))
  end
  for name, is_optional in pairs(documented) do
    assert.is_true(is_optional or document[name] ~= nil, ("%s lacks `%s`"):format(what, name))
  end
end

describe("JSON", function()
  it("is as documented", function()
    local here = machine.new()
    here.apply(
      'file { path = "~/.x", content = "1" } file { path = "~/.y", content = "y", mode = "600" }'
    )
    here.apply([[
      file { path = "~/.x", content = "2" }
      file { path = "~/.y", content = "y", mode = "600" }
      env { EDITOR = syslua.lib.mkDefault("nano") }
      env { EDITOR = "vim" }
    ]])
    here.shell("echo edit >~/.y")
    local reference = read_reference()
    local every = reference[""][1]
    local function run(...)
      local result = here.run(...)
      assert.is_true(result.code == 0 or result.code == 3, result.stderr)
      return syslua.lib.fromJSON(result.stdout)
    end
    local plan, status = reference.plan, reference.status
    local document = run("plan", "init.lua", "--json")
    check("plan", document, every, plan[1])
    for _, action in ipairs(document.actions) do
      check("plan.actions", action, plan[2])
    end
    document = run("status", "--json")
    check("status", document, every, status[1])
    for _, target in ipairs(document.targets) do
      check("status.targets", target, status[2])
    end
    check("apply", run("apply", "init.lua", "--json"), every, plan[1], reference.apply[1])
    document = run("status", "--json")
    assert.equal(1, #document.displaced)
    document = run("history", "--json")
    check("history", document, every, reference.history[1])
    local snapshot = { id = false, created_at = true, config_path = true, description = true }
    for _, entry in ipairs(document.snapshots) do
      check("history.snapshots", entry, snapshot, reference.history[2])
    end
    document = run("list", "--json")
    check("list", document, every, reference.list[1])
    for _, object in ipairs(document.objects) do
      check("list.objects", object, reference.list[2])
    end
    check("info", run("info", "--json"), every, reference.info[1])
    local object = document.objects[1].object
    check("info OBJECT", run("info", object, "--json"), every, reference.info[2])
    check("why", run("why", "EDITOR", "--json"), every, reference.why[1])
    check("why OBJECT", run("why", object, "--json"), every, reference.why[1])
    document = run("diff", "1", "2", "--json")
    check("diff", document, every, reference.diff[1])
    for _, action in ipairs(document.actions) do
      check("diff.actions", action, plan[2])
    end
    local hashes = {}
    for _, listed in ipairs(run("list", "--json").objects) do
      hashes[#hashes + 1] = listed.deriver
    end
    check(
      "diff of derivations",
      run("diff", hashes[1], hashes[2], "--json"),
      every,
      reference.diff[2]
    )
    check("verify", run("verify", "--json"), every, reference.verify[1])
    check(
      "rollback",
      run("rollback", "1", "--yes", "--json"),
      every,
      plan[1],
      reference.rollback[1]
    )
    here.remove()
  end)
end)
