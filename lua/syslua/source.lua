--- `source(path)`: declares a local file or tree as input of a build, known by its content.

local border = require("syslua.border")
local failure = require("syslua.util.failure")
local path = require("syslua.util.path")
local position = require("syslua.util.position")
local scope = require("syslua.scope")

--- Declares a file or tree. A relative path is relative to the config's directory.
---@param given string
---@return syslua.Source
return function(given)
  if type(given) ~= "string" or given == "" then
    failure.raise({
      kind = "config",
      message = ("source(): expected a path, got %s"):format(given == "" and "an empty string" or type(given)),
      position = position.caller(),
    })
  end
  local place = path.join(scope.get_directory(), path.expand(given, scope.get_home()))
  return border.call("source", border.call("absolute", place))
end
