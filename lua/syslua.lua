--- What `require("syslua")` finds: it loads the shared library, and has the Lua files of sys.lua
-- loaded from the directory beside this file only. So no `syslua` in the current directory is taken
-- for it.

---@type any
---@diagnostic disable-next-line: access-invisible
local searchers = package.searchers or package.loaders
local source = assert(debug.getinfo(1, "S")).source
local directory = (source:match("^@(.*[/\\])") or "./") .. "syslua/"
local load_file, open = loadfile, io.open

-- Returns a file's path when it can be read.
local function get_file(path)
  local file = open(path, "rb")
  if file then
    file:close()
    return path
  end
  return nil
end

-- A searcher of `require`: a module of sys.lua is one of its own files.
local function get_own(name)
  local own = name:match("^syslua%.([%w_%.]+)$")
  local path = own and get_file(directory .. own:gsub("%.", "/") .. ".lua")
  if not path then
    return nil
  end
  local chunk, problem = load_file(path)
  if not chunk then
    error(problem, 0)
  end
  return chunk, path
end

-- Returns the path of the shared library. What is relative to the current directory counts last.
local function get_library()
  for _, is_relative in ipairs({ false, true }) do
    for template in package.cpath:gmatch("[^;]+") do
      local path = template:gsub("%?", "syslua")
      if (path:find("^%.") ~= nil) == is_relative and get_file(path) then
        return path
      end
    end
  end
  error(
    "the shared library of sys.lua is not on package.cpath:\n  " .. package.cpath:gsub(";", "\n  "),
    0
  )
end

-- `syslua.directory` tells the shared library the directory of this file.
if not package.loaded["syslua.directory"] then
  package.loaded["syslua.directory"] = directory
  table.insert(searchers, 2, get_own)
end
local library = get_library()
local start, problem = package.loadlib(library, "luaopen_syslua")
if not start then
  error(problem, 0)
end
return start("syslua", library)
