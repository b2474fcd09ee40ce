--- The platform that a config is evaluated for, as `sys` shows it. It does not know who asks.

local evaluation = require("syslua.evaluation")
local failure = require("syslua.util.failure")
local position = require("syslua.util.position")

local system = {}

---@alias syslua.Os "linux"|"darwin"|"windows"
---@alias syslua.Arch "x86_64"|"aarch64"|"arm"

---@class syslua.System
---@field platform string such as "x86_64-linux"
---@field os syslua.Os
---@field arch syslua.Arch
---@field hostname string? the name of the machine; builds cannot ask for it
---@field username string? the user who runs this; builds cannot ask for it
---@field is_linux boolean
---@field is_darwin boolean
---@field is_windows boolean

-- What is true of one machine only must not reach a build unseen.
local of_machine = {
  __index = function(_, key)
    if key == "hostname" or key == "username" then
      failure.raise({
        kind = "config",
        message = ("`sys.%s` is not the same on every machine: a build cannot ask for it"):format(
          key
        ),
        position = position.caller(),
        hint = ("pass it in: opts = { %s = syslua.%s }"):format(key, key),
      })
    end
  end,
}

--- Returns the facts that follow from an operating system and an architecture.
---@param os syslua.Os
---@param arch syslua.Arch
---@return syslua.System
function system.describe(os, arch)
  return {
    platform = arch .. "-" .. os,
    os = os,
    arch = arch,
    is_linux = os == "linux",
    is_darwin = os == "darwin",
    is_windows = os == "windows",
  }
end

--- Returns the platform that is evaluated for right now, with host name and user name.
---@return table
function system.get()
  local current = evaluation.current
  if current then
    return current.target
  end
  local syslua = require("syslua")
  local result = system.describe(syslua.os, syslua.arch)
  result.hostname, result.username = syslua.hostname, syslua.username
  return result
end

--- Returns the platform as builds may see it: asking for host or user name is an error.
---@return syslua.System
function system.for_build()
  local given = system.get()
  return system.for_build_on(given.os, given.arch)
end

--- Returns a platform as builds may see it.
---@param os syslua.Os
---@param arch syslua.Arch
---@return syslua.System
function system.for_build_on(os, arch)
  return setmetatable(system.describe(os, arch), of_machine)
end

local homes = { linux = "/home/", darwin = "/Users/", windows = "C:/Users/" }

--- Returns the usual home of a user on machines without further facts.
---@param os syslua.Os
---@param name string
---@return string
function system.get_usual_home(os, name)
  if name == "root" then
    return os == "darwin" and "/var/root" or "/root"
  end
  return (homes[os] or homes.linux) .. name
end

--- Returns whether the evaluation is for another machine, where nothing can be looked up.
---@return boolean
function system.is_foreign()
  local current = evaluation.current
  return current ~= nil and current.is_foreign
end

return system
