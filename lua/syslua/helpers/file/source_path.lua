--- Where the `source` of a `file{}` comes from: a place on this machine, or a derivation. It looks
--- at nothing.

local bindings = require("syslua.bindings")
local path = require("syslua.util.path")
local scope = require("syslua.scope")

local source_path = {}

--- Returns whether a source stands for what a derivation makes.
---@param value string
---@return boolean
function source_path.is_placeholder(value)
  return value:find("/syslua-placeholder/", 1, true) ~= nil
end

--- Returns the path of a source: absolute, or relative to the config's directory.
---@param file syslua.file.Declared
---@return string
function source_path.get_path(file)
  return path.expand(file.source or "", scope.get_home())
end

--- Returns the place of a source that is not a handle.
---@param file syslua.file.Declared
---@return string
function source_path.get_place(file)
  return bindings.call("absolute", path.join(scope.get_directory(), source_path.get_path(file)))
end

--- Returns whether what a file is made of exists: its source, or its template.
---@param file table the declaration, or what is known of it so far
---@return boolean
function source_path.is_there(file)
  return bindings.call("exists", source_path.get_named_place(file))
end

--- Returns the place of the source or the template of a file.
---@param file table the declaration, or what is known of it so far
---@return string
function source_path.get_named_place(file)
  local named = path.expand(file.source or file.template or "", scope.get_home())
  return bindings.call("absolute", path.join(scope.get_directory(), named))
end

--- Returns whether a source is a place on this machine.
---@param file syslua.file.Declared
---@return boolean
function source_path.is_local(file)
  return file.source ~= nil and not file.declared and not source_path.is_placeholder(file.source)
end

return source_path
