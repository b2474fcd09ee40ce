--- Where the `source` of a `file{}` comes from: a place on this machine, or a derivation. It looks at nothing.

local path = require("syslua.util.path")
local scope = require("syslua.scope")

local origin = {}

--- Returns whether a source stands for what a derivation makes.
---@param value string
---@return boolean
function origin.is_placeholder(value)
  return value:find("/syslua-placeholder/", 1, true) ~= nil
end

--- Returns the place of a source that is none; a relative one begins at the config's directory.
---@param file table
---@return string
function origin.get_place(file)
  return path.join(scope.get_directory(), path.expand(file.source, scope.get_home()))
end

return origin
