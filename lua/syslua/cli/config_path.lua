--- Which config a command is about. It does not read it.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local path = require("syslua.util.path")

local config_path = {}

-- Whether a regular file can be read; else why not, and what to do.
local function can_open(name)
  local succeeded, result = require("syslua").bindings.can_read(name)
  if not succeeded then
    return false, result.message, result.hint
  end
  return true
end

-- Only directories have a ".".
local function is_directory(name)
  return bindings.call("exists", path.join(name, "."))
end

--- Returns the path of the default config, which need not be there, and why it is that. A directory
-- means its init.lua.
---@return string
---@return string
function config_path.get_default()
  local named = os.getenv("SYSLUA_CONFIG")
  if named and named ~= "" then
    named = path.expand(named, path.get_home())
    local config = is_directory(named) and path.join(named, "init.lua") or named
    return config, "$SYSLUA_CONFIG names it"
  end
  if require("syslua").username == "root" then
    return "/etc/syslua/init.lua", "it is the default for root"
  end
  return path.join(path.get_home(), ".config/syslua/init.lua"), "it is the default"
end

local function raise_missing(name, why, reason, remedy)
  local hint = remedy or "create it, name another one after the command, or set SYSLUA_CONFIG"
  if not why and not remedy then
    hint = "the argument is a config file or a directory with an init.lua"
  end
  failure.raise({
    kind = "config",
    message = ("cannot open the config `%s`: %s%s"):format(
      name,
      reason,
      why and " (" .. why .. ")" or ""
    ),
    hint = hint,
  })
end

--- Returns the path of the config file: of the argument, else of $SYSLUA_CONFIG, else the user's
-- default; a directory means its init.lua. Raises a failure when there is no such file.
---@param argument string?
---@return string
function config_path.get(argument)
  local name, why = argument, nil
  if not name then
    name, why = config_path.get_default()
  end
  local inner = path.join(name, "init.lua")
  if can_open(inner) then
    return inner
  end
  if is_directory(name) then
    raise_missing(inner, why, select(2, can_open(inner)))
  end
  local ok, reason, remedy = can_open(name)
  if not ok then
    raise_missing(name, why, reason, remedy)
  end
  return name
end

--- Returns the path of the config file: of the argument, which must be there, else of the default
-- one, which need not.
---@param argument string?
---@return string
function config_path.get_or_default(argument)
  if argument then
    return config_path.get(argument)
  end
  return (config_path.get_default())
end

--- Returns the config that is in force, as it is shown, when another one is to replace it.
---@param snapshot { config_path: string? } the current snapshot
---@param config string the path of the other one
---@return string?
function config_path.get_replaced(snapshot, config)
  local current = snapshot.config_path
  if not current or current == require("syslua.bindings").call("absolute", config) then
    return nil
  end
  return path.display(current, path.get_home())
end

return config_path
