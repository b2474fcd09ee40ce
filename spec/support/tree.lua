--- The files of the project, for specs that read them. It finds the tree by its own place in it, so
-- that a copy of the tree reads itself.

local tree = {}

--- The directory of the project, with a "/" at its end.
tree.root = debug.getinfo(1, "S").source:match("^@(.*)spec/support/tree%.lua$")

--- Returns whether a file or directory of the project exists.
---@param name string relative to the root
---@return boolean
function tree.exists(name)
  local file = io.open(tree.root .. name, "r")
  if file then
    file:close()
  end
  return file ~= nil
end

--- Returns the text of a file of the project.
---@param name string relative to the root
---@return string
function tree.read(name)
  local file = assert(io.open(tree.root .. name, "rb"))
  local text = assert(file:read("*a"))
  file:close()
  return text
end

--- Returns the names of all files below directories of the project, in order; those that do not
-- exist are left out.
---@param directories string[] relative to the root
---@param ending string? what the names end with, ".lua"
---@return string[]
function tree.list(directories, ending)
  local names = {}
  for _, directory in ipairs(directories) do
    if tree.exists(directory .. "/.") then
      local command = "cd '%s./' && find '%s' -type f | LC_ALL=C sort"
      local pipe = assert(io.popen(command:format(tree.root, directory)))
      for name in pipe:lines() do
        if not ending or name:sub(-#ending) == ending then
          names[#names + 1] = name
        end
      end
      pipe:close()
    end
  end
  return names
end

--- Returns the lines of a text, without their ends.
---@param text string
---@return string[]
function tree.lines(text)
  local lines = {}
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do
    lines[#lines + 1] = line
  end
  return lines
end

return tree
