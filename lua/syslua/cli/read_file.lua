--- Reads a file whole, for commands to which an unreadable file is an absent file.

--- Returns the bytes of a regular file, or nil.
---@param name string
---@return string?
return function(name)
  return (require("syslua.border").read(name))
end
