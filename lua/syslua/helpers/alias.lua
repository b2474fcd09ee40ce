--- `alias{}`: short names for commands, and functions, in interactive shells. What is declared is
-- merged at the end of the evaluation.

local beside = require("syslua.beside")
local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local position = require("syslua.util.position")
local priority = require("syslua.priority")
local secret = require("syslua.secret")
local scope = require("syslua.scope")
local tables = require("syslua.util.table")
local text = require("syslua.util.text")

local raise = position.raise

-- A command, or a function: its texts by the names of shells.
local function is_equal(left, right)
  local first, second = left.value, right.value
  if type(first) ~= "table" or type(second) ~= "table" then
    return first == second
  end
  for _, shells in ipairs({ first, second }) do
    for shell in next, shells do
      if first[shell] ~= second[shell] then
        return false
      end
    end
  end
  return true
end

local function show(value)
  if type(value) == "string" then
    return ("%q"):format(value)
  end
  return "a function of " .. text.enumerate(tables.get_sorted_keys(value), "and")
end

local function raise_conflict(name, first, second)
  failure.raise({
    kind = "conflict",
    message = (
      "the alias %s is declared twice, with different commands:\n" .. "  %s at %s\n  %s at %s"
    ):format(
      name,
      show(first.value),
      first.positions[1] or "an unknown place",
      show(second.value),
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
      local value = type(loser.value) == "string" and loser.value or show(loser.value)
      overridden[index] = { value = value, priority = loser.number, positions = loser.positions }
    end
    local action = { kind = "set_alias", name = name, command = winner.value }
    if type(winner.value) == "table" then
      action = { kind = "set_function", name = name, bodies = winner.value }
    end
    local number = winner.number ~= priority.plain and winner.number or nil
    bindings.call(
      "record",
      action,
      winner.positions,
      { priority = number, overridden = overridden }
    )
  end
end

-- Checks a function: a text for each shell that is to have it.
local function check_function(name, bodies)
  local count = 0
  for shell, body in next, bodies do
    count = count + 1
    if type(shell) ~= "string" or type(body) ~= "string" then
      raise(
        ("`%s` in alias{}: expected a text for each shell, got %s"):format(
          name,
          text.describe(type(shell) == "string" and body or shell)
        ),
        ('for example %s = { sh = "cd \\"$1\\" && ls", fish = "cd $argv[1]; and ls" }'):format(name)
      )
    end
  end
  if count == 0 then
    raise(("`%s` in alias{}: a function needs a text for a shell"):format(name))
  end
end

--- Declares aliases: in sh, bash, zsh and fish what they call so, in other shells what is closest.
-- A table makes a function, with a text for each shell: `sh` counts for bash and zsh too.
---@param aliases table<string, string|table<syslua.ShellName, string>|syslua.Priority>
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
      raise(
        ("alias{}: an alias has a name, got %s"):format(text.describe(name)),
        'for example alias { ll = "ls -l" }'
      )
    elseif type(value) == "table" and not priority.is(value) and not secret.is(value) then
      check_function(name, value)
    elseif type(value) ~= "string" then
      local expected = "expected a string, or a table with a text for each shell"
      raise(("`%s` in alias{}: %s, got %s"):format(name, expected, text.describe(value)))
    end
    local texts = type(value) == "table" and value or { value }
    for _, command in next, texts do
      beside.refuse_private(("`%s` in alias{}"):format(name), command)
    end
    collected[#collected + 1] =
      { name = name, value = value, number = number - advantage, positions = chain }
  end
end
