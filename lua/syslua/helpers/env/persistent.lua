--- `env.persistent{}`: variables of whole sessions, also of programs that no shell starts. What is
-- declared in a block becomes one file, which the system reads when a session begins. It does not
-- know the grammar of that file.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local list_variables = require("syslua.variables")
local position = require("syslua.util.position")
local scope = require("syslua.scope")
local system = require("syslua.system")

local raise = position.raise

-- The places that the system reads: for a user, and for all users.
local places = {
  linux = {
    user = "~/.config/environment.d/60-syslua.conf",
    system = "/etc/environment.d/60-syslua.conf",
  },
  darwin = {
    user = "~/Library/LaunchAgents/lua.sys.environment.plist",
    system = "/Library/LaunchAgents/lua.sys.environment.plist",
  },
  -- Windows has no file: commands change the registry.
  windows = {},
}

-- What runs a script of PowerShell, which every Windows brings.
local function get_command(script)
  return { "powershell", "-NoProfile", "-NonInteractive", "-Command", script }
end

-- Has commands of the switch set the variables, and take them back.
local function change_registry(scripts)
  require("syslua.activate")({
    config = function(_, ctx)
      ctx.run(get_command(scripts.set), {
        name = "variables of the session",
        undo = get_command(scripts.unset),
      })
    end,
  })
end

local function get_place(block)
  local target = system.get()
  local of = places[target.os]
  if not of then
    raise(
      ("env.persistent{} does not know how sessions on %s get their variables"):format(target.os),
      "declare it for others: if not syslua.is_windows then ... end"
    )
    return ""
  end
  local is_common = target.username == "root" and not block.user and not block.whose
  return is_common and of.system or of.user
end

-- Declares the file of a block.
local function finalize(variables)
  local actions, positions, chain, seen = {}, {}, {}, {}
  for _, variable in ipairs(list_variables.merge_variables(variables)) do
    actions[#actions + 1] = { kind = "set_variable", name = variable.name, value = variable.value }
    positions[#positions + 1] = variable.positions
    for _, line in ipairs(variable.positions) do
      if not seen[line] then
        seen[line] = true
        chain[#chain + 1] = line
      end
    end
  end
  local result = bindings.call("persistent", actions, system.get().os, positions)
  if result.set then
    position.at(chain, change_registry, result)
    return
  elseif not result.text then
    failure.raise({
      kind = "config",
      message = ("the variable %s %s"):format(result.name, result.why),
      position = chain[1],
      hint = "env{} gives it to shells",
    })
  end
  position.at(chain, require("syslua.helpers.file"), {
    path = variables.place,
    content = result.text,
    -- launchd reads no link.
    copy = system.get().os == "darwin" or nil,
  })
end

--- Declares variables of sessions, with values as `env{}` has them.
---@param variables table<string, syslua.env.Value>
return function(variables)
  local current = scope.get()
  if current and current.block.project then
    raise("env.persistent{} inside of project{}", "a project has env{}")
  end
  local collected = require("syslua.helpers.env").collect(variables, "persistent")
  if collected and current then
    collected.finalize, collected.pending = finalize, true
    collected.place = get_place(current.block)
  end
end
