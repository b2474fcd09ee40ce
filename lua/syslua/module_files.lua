--- Modules that are not files of a config: those that come with sys.lua, and installed ones.

local bindings = require("syslua.bindings")
local path = require("syslua.util.path")
local position = require("syslua.util.position")

local module_files = {}

-- Kept from load on: configs run while some of these are hidden.
local real_require = require

-- Where the modules and packages that come with sys.lua are: beside its Lua files, the packages of
-- a checkout at its top.
local own = position.own_directory:gsub("^@", "")
local shipped_directories = {
  modules = { own .. "modules" },
  pkgs = { own .. "pkgs", path.normalize(own .. "../../pkgs") },
}

--- Returns the directories of shipped modules below a name: "modules" or "pkgs".
---@param top string?
---@return string[]
function module_files.get_shipped_directories(top)
  return shipped_directories[top] or {}
end

--- Returns whether there is a file.
---@param name string
---@return boolean
function module_files.exists(name)
  return bindings.call("exists", name)
end

--- Returns the names of shipped modules below a name, for messages.
---@param top string?
---@return string[]
function module_files.list_shipped(top)
  local names = {}
  for _, directory in ipairs(module_files.get_shipped_directories(top)) do
    local listed, entries = pcall(bindings.call, "list_tree", directory)
    for _, entry in
      ipairs(listed and entries --[[@as table[] ]] or {})
    do
      local name = entry.kind == "file" and entry.path:match("^(.*)%.lua$")
      -- Versions of packages are no modules for configs.
      if name and not name:find("/%d[%d_]*[%w_]*$") then
        names[#names + 1] = top .. "." .. name:gsub("/init$", ""):gsub("/", ".")
      end
    end
  end
  table.sort(names)
  return names
end

-- The files of installed modules and of those that they require, by the names that configs require
-- them by.
---@type table<string, string[]>
local installed = {}

--- Returns the file that `require` finds for a name outside of the config; nil where there is none.
---@param name string
---@return string?
function module_files.get(name)
  local relative = name:gsub("%.", "/"):gsub("%%", "%%%%")
  for template in (package.path .. ";" .. package.cpath):gmatch("[^;]+") do
    local file = template:gsub("%?", relative)
    if module_files.exists(file) then
      return file
    end
  end
  return nil
end

--- Loads an installed module, and tells the engine which files that reads.
---@param name string
---@return any
function module_files.load(name)
  local before = {}
  for known in next, package.loaded do
    before[known] = true
  end
  local result = real_require(name)
  if not installed[name] then
    local files = { module_files.get(name) }
    for loaded in next, package.loaded do
      if not before[loaded] and loaded ~= name and type(loaded) == "string" then
        files[#files + 1] = module_files.get(loaded)
      end
    end
    installed[name] = files
  end
  for _, file in ipairs(installed[name]) do
    bindings.call("add_read", file)
  end
  return result
end

return module_files
