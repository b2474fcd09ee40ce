--- `alias{}`: short names for commands, in interactive shells. What is declared is merged at the end of the evaluation.

local border = require("syslua.border")
local failure = require("syslua.util.failure")
local position = require("syslua.util.position")
local priority = require("syslua.priority")
local scope = require("syslua.scope")
local tables = require("syslua.util.table")
local text = require("syslua.util.text")

local raise = position.raise

local function is_equal(left, right)
  return left.value == right.value
end

local function raise_conflict(name, first, second)
  failure.raise({
    kind = "conflict",
    message = ("the alias %s is declared twice, with different commands:\n  %q at %s\n  %q at %s"):format(
      name,
      first.value,
      first.positions[1] or "an unknown place",
      second.value,
      second.positions[1] or "an unknown place"
    ),
    position = second.positions[1],
    hint = priority.hint,
  })
end

-- Records the aliases of a block.
local function finalize(aliases)
  local order, by_name = {}, {}
  for _, alias in ipairs(aliases) do
    if not by_name[alias.name] then
      by_name[alias.name] = {}
      order[#order + 1] = alias.name
    end
    table.insert(by_name[alias.name], alias)
  end
  for _, name in ipairs(order) do
    local winner, rival, lost = priority.choose(by_name[name], is_equal)
    if rival then
      raise_conflict(name, winner, rival)
    end
    local overridden = {}
    for index, loser in ipairs(lost) do
      overridden[index] =
        { value = loser.value, priority = loser.number, positions = loser.positions }
    end
    local action = { kind = "set_alias", name = name, command = winner.value }
    local number = winner.number ~= priority.plain and winner.number or nil
    border.call("record", action, winner.positions, { priority = number, overridden = overridden })
  end
end

--- Declares aliases: in sh, bash, zsh and fish what they call so, in other shells what is closest.
---@param aliases table<string, string|syslua.Priority>
return function(aliases)
  if type(aliases) ~= "table" or priority.is(aliases) then
    raise(("alias{}: expected a table of aliases, got %s"):format(text.describe(aliases)))
  end
  local collected = scope.collect("alias")
  if not collected then
    raise("alias{} works only while a config is evaluated", "call it in setup()")
    return
  end
  collected.finalize, collected.pending = finalize, true
  local chain, advantage = position.chain(), scope.get_advantage()
  for _, name in ipairs(tables.get_sorted_keys(aliases)) do
    local value, number = priority.unwrap(aliases[name])
    if type(name) ~= "string" then
      raise("alias{}: an alias has a name", 'for example alias { ll = "ls -l" }')
    elseif type(value) ~= "string" then
      raise(("`%s` in alias{}: expected a string, got %s"):format(name, text.describe(value)))
    end
    collected[#collected + 1] =
      { name = name, value = value, number = number - advantage, positions = chain }
  end
end
