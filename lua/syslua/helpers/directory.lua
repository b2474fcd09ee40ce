--- `directory{}`: a directory of the user, also an empty one. It does not know how the engine makes
--- it.

local bindings = require("syslua.bindings")
local mode = require("syslua.util.mode")
local path = require("syslua.util.path")
local position = require("syslua.util.position")
local schema = require("syslua.schema")
local scope = require("syslua.scope")

---@class syslua.directory.Opts
---@field path string where: absolute, or from `~/`
---@field mode string? the permissions, in octal: "700"; an existing directory keeps
--- its own unless given
---@field owner string? who owns it; only root can give directories away

local fields = {
  path = { type = "string", required = true },
  mode = { type = { "string", "number" } },
  owner = { type = "string" },
}

local raise = position.raise

-- The target, written in the one way that it is compared by.
local function check_target(target)
  if target:find("%z") then
    raise("`path` in directory{} has a NUL byte, which a name cannot contain")
  elseif not (path.is_absolute(target) or target == "~" or target:find("^~/")) then
    raise(("`path` in directory{} is relative: %q"):format(target), "begin the path with ~/ or /")
  end
  local normal = path.normalize(target)
  if normal == "/" or normal == "~" or normal:find("^%a:/$") or normal:find("^~/%.%.") then
    raise(
      ("`path` in directory{} is %s: %q"):format(
        (normal == "~" or normal == "~/") and "the home itself" or "not inside of the home",
        target
      ),
      "declare the directories in it"
    )
  end
  return normal
end

--- Declares a directory. It may contain other targets and other files. When it is no longer
-- declared, it is removed if it is empty and sys.lua created it.
---@param given syslua.directory.Opts
return function(given)
  schema.check("directory{}", given, fields)
  local target = check_target(given.path)
  local bits = mode.parse("directory{}", given.mode, true)
  if given.owner == "" then
    raise("`owner` in directory{}: expected the name of a user, got an empty string")
  end
  if not scope.get() then
    raise("directory{} works only while a config is evaluated", "call it in setup()")
    return
  end
  local action = { kind = "directory", target = target, mode = bits, owner = given.owner }
  bindings.call("record", action, position.chain())
end
