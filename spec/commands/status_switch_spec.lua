--- `status` while others switch: each answer is about one snapshot, and none waits. Once, not for
--- each Lua.

local contains = require("spec.support.text_checks").contains
local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local syslua = require("syslua")

if interpreter.name ~= "lua5.4" then
  return
end

-- Applies the two configs in turn until the file `stop` is there.
local applies = [[
  i=0
  while [ ! -e stop ] && [ $i -lt 40 ]; do
    $LUA -l syslua apply a.lua --quiet || exit 1
    $LUA -l syslua apply b.lua --quiet || exit 1
    i=$((i + 1))
  done
]]

local looks = [[
  i=0
  while [ $i -lt 60 ]; do
    $LUA -l syslua status --json >answer.$i 2>talk.$i; echo $? >code.$i
    i=$((i + 1))
    sleep 0.01
  done
  touch stop
]]

describe("status beside applies #once", function()
  it("waits for no lock", function()
    local here = machine.new()
    here.apply('file { path = "~/.x", content = "x" }')
    local locks = "$SYSLUA_ROOT/store/metadata/switch.lock flock $SYSLUA_ROOT/store/store.lock"
    local line = "flock " .. locks .. " timeout 20 $LUA -l syslua status"
    local result = here.shell(line)
    assert.equal(0, result.code, result.stderr)
    here.remove()
  end)

  it("shows one snapshot, and waits for nobody", function()
    local here = machine.new()
    -- Each config has targets of its own, and one that both have with other content.
    for name, count in pairs({ a = 30, b = 20 }) do
      local lines = { 'file { path = "~/.both", content = "' .. name .. '" }' }
      for index = 1, count do
        lines[#lines + 1] = ('file { path = "~/.%s%d", content = "%s" }'):format(name, index, name)
      end
      here.write_config(table.concat(lines, "\n"), name .. ".lua")
    end
    here.must("apply", "a.lua")
    local result = here.shell(("(%s) & (%s); wait $!"):format(applies, looks))
    assert.equal(0, result.code, result.stderr)
    local seen = { a = 0, b = 0 }
    for index = 0, 59 do
      local talk, text = here.read("talk." .. index), here.read("answer." .. index)
      assert.equal("", talk)
      local answer = syslua.lib.fromJSON(text)
      -- The configs took turns, beginning with the first snapshot.
      local config = tonumber(answer.snapshot.id) % 2 == 1 and "a" or "b"
      seen[config] = seen[config] + 1
      contains(answer.snapshot.config_path, "/" .. config .. ".lua")
      assert.equal(config == "a" and 31 or 21, #answer.targets)
      for _, target in ipairs(answer.targets) do
        assert.truthy(target.target == "~/.both" or target.target:find("^~/%." .. config), text)
        assert.truthy(target.state == "ok" or target.state == "switching", text)
        assert.is_true(target.state == "ok" or answer.pending ~= nil, text)
      end
      assert.equal("0\n", here.read("code." .. index))
    end
    assert.is_true(seen.a > 0 and seen.b > 0)
    here.remove()
  end)
end)
