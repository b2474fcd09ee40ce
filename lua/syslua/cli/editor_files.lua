--- The files through which editors and checkers find the types of sys.lua: `.luarc.json` and
-- `.emmyrc.json` beside a config. It writes the new ones of `init`, and updates those with the mark
-- of sys.lua.

local bindings = require("syslua.bindings")
local path = require("syslua.util.path")
local position = require("syslua.util.position")

local editor_files = {}

-- This key marks files of sys.lua; JSON has no comments.
local mark_key = "//"
local mark =
  "sys.lua wrote this and keeps its paths up to date; remove this line to keep it as it is"

local own = position.own_directory:gsub("^@", "")

local read = bindings.read

local function exists(name)
  return bindings.call("exists", name)
end

-- The first of some directories that is there.
local function get_program(...)
  for index = 1, select("#", ...) do
    local directory = bindings.call("absolute", path.normalize((select(index, ...))))
    if exists(path.join(directory, ".")) then
      return directory
    end
  end
end

-- The places of types: stubs, annotated files of sys.lua, and packages.
local function get_library()
  local library = {}
  for _, directory in ipairs({
    get_program(own .. "types", own .. "../../types") or false,
    get_program(own) or false,
    get_program(own .. "pkgs", own .. "../../pkgs") or false,
  }) do
    if directory then
      library[#library + 1] = directory
    end
  end
  return library
end

local function get_version(prefix)
  return rawget(_G, "jit") and "LuaJIT" or prefix .. _VERSION:match("%d+%.%d+")
end

local function get_luarc()
  return {
    [mark_key] = mark,
    runtime = { version = get_version("Lua "), path = { "?.lua", "?/init.lua" } },
    -- Tests use what only their runner defines.
    workspace = { library = get_library(), checkThirdParty = false, ignoreDir = { "spec" } },
  }
end

local function get_emmyrc()
  return {
    [mark_key] = mark,
    runtime = { version = get_version("Lua"), requirePattern = { "?.lua", "?/init.lua" } },
    workspace = { library = get_library(), ignoreGlobs = { "**/*_spec.lua" } },
    -- It finds files of sys.lua under other names than `require` does.
    diagnostics = { disable = { "unresolved-require" } },
  }
end

local makers = { [".luarc.json"] = get_luarc, [".emmyrc.json"] = get_emmyrc }

local function render(content)
  return require("syslua.lib").toJSON(content, { pretty = true }) .. "\n"
end

--- Returns the text of each file by its name.
---@return table<string, string>
function editor_files.render()
  local texts = {}
  for name, make in next, makers do
    texts[name] = render(make())
  end
  return texts
end

-- A directory of stubs, of this or another version of sys.lua.
local function is_ours(directory)
  return exists(directory .. "/globals.lua") and exists(directory .. "/syslua.lua")
    or exists(directory .. "/evaluate.lua") and exists(directory .. "/loader.lua")
end

-- The user's own paths, after those of sys.lua.
local function refresh_library(given)
  local library, seen = get_library(), {}
  for _, directory in ipairs(library) do
    seen[directory] = true
  end
  for _, directory in ipairs(given) do
    local full = type(directory) == "string" and directory or ""
    local is_absolute = path.is_absolute(full)
    local is_stale = is_absolute and (is_ours(full) or not exists(full .. "/."))
    if not seen[full] and not is_stale then
      library[#library + 1] = directory
    end
  end
  return library
end

local function refresh_file(name, make)
  local text = read(name)
  local parsed, content = pcall(require("syslua.lib").fromJSON, text or "")
  if not parsed or type(content) ~= "table" or content[mark_key] ~= mark then
    return
  end
  local fresh = make()
  content.runtime = type(content.runtime) == "table" and content.runtime or {}
  content.workspace = type(content.workspace) == "table" and content.workspace or {}
  content.runtime.version = fresh.runtime.version
  local given = content.workspace.library
  content.workspace.library = refresh_library(type(given) == "table" and given or {})
  local rendered = render(content)
  if rendered ~= text then
    -- A directory that cannot be written keeps what it has.
    pcall(bindings.call, "write_file", name, rendered)
  end
end

--- Updates the files beside a config, if they exist and have the mark of sys.lua.
---@param config string the path of the entry file
function editor_files.refresh(config)
  for name, make in next, makers do
    local full = path.join(path.dirname(config), name)
    if exists(full) then
      refresh_file(full, make)
    end
  end
end

return editor_files
