--- The names of packages: modules below `pkgs` beside a config, or that come with sys.lua. It does
-- not load them.

local bindings = require("syslua.bindings")
local path = require("syslua.util.path")
local position = require("syslua.util.position")

local package_names = {}

-- Adds the names of all packages below a directory: `cli.fd`.
local function add_below(names, directory)
  local listed, entries = pcall(bindings.call, "list_tree", directory)
  local own, seen = {}, {}
  for _, entry in
    ipairs(listed and entries --[[@as table[] ]] or {})
  do
    local name = entry.kind ~= "directory" and entry.path:match("^(.*)%.lua$")
    -- Versions of packages are no packages of their own.
    if name and not name:find("/%d[%d_]*[%w_]*$") then
      name = name:gsub("/init$", ""):gsub("/", ".")
      if not seen[name] then
        seen[name] = true
        own[#own + 1] = name
      end
    end
  end
  table.sort(own)
  for _, name in ipairs(own) do
    names[#names + 1] = name
  end
end

--- Returns the names of all packages, those beside the config first; a package in both places is
-- listed twice.
---@param directory string that of the config
---@return string[]
function package_names.list(directory)
  local own = position.own_directory:gsub("^@", "")
  local names = {}
  local directories =
    { path.join(directory, "pkgs"), own .. "pkgs", path.normalize(own .. "../../pkgs") }
  for _, place in ipairs(directories) do
    add_below(names, place)
  end
  return names
end

return package_names
