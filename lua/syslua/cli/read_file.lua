--- Reads a file whole, for commands to which an unreadable file is an absent file.

--- Returns the bytes of a file, or nil.
---@param name string
---@return string?
return function(name)
  local file = io.open(name, "rb")
  local content = file and file:read("*a")
  if file then
    file:close()
  end
  return content
end
