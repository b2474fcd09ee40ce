--- `import stow DIR`: a config with the links that GNU Stow made of the packages in a directory.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local linked_tree = require("syslua.cli.import.linked_tree")
local path = require("syslua.util.path")
local writer = require("syslua.cli.import.config_writer")

-- The target that a `.stowrc` names, in the directory or in the home.
local function get_configured_target(directory)
  local home = path.get_home()
  local target
  for _, place in ipairs({ home, directory }) do
    local content = bindings.read(path.join(place, ".stowrc")) or ""
    for line in content:gmatch("[^\r\n]+") do
      local named = line:match("^%s*%-%-target[=%s]%s*(.-)%s*$")
        or line:match("^%s*%-t%s*(%S.-)%s*$")
      if named then
        target = named:gsub("^%$HOME", home):gsub("^%${HOME}", home)
        target = path.join(directory, path.expand(target, home))
      end
    end
  end
  return target
end

--- Looks at the directory; returns what it found.
---@param given string
---@return syslua.cli.Found
return function(given)
  local directory = path.normalize(bindings.call("absolute", path.expand(given, path.get_home())))
  local names = bindings.call("list_directory", directory, false)
  if not names then
    failure.raise({
      kind = "usage",
      message = ("%s is not a directory"):format(given),
      hint = "name the directory that holds the packages, such as ~/dotfiles",
    })
  end
  table.sort(names)
  local target = path.normalize(get_configured_target(directory) or path.dirname(directory))
  local found = writer.new("stow " .. writer.show(directory))
  for _, name in ipairs(names) do
    local package = path.join(directory, name)
    local seen = bindings.call("look", package)
    -- Stow's packages are directories; hidden ones are its own or git's.
    if seen and seen.kind == "directory" and name:sub(1, 1) ~= "." then
      local count = linked_tree.add(found, name, package, target)
      if count == 0 then
        local line = writer.render_file(target, {
          { "source", writer.show(package) },
          { "recursive", true },
          { "mutable", true },
        })
        writer.add(found, name .. ", which is not stowed", line, true)
        writer.leave_out(found, package, "the package is not stowed")
      end
    end
  end
  return found
end
