--- Loads the files of one evaluation: each in the evaluation's own globals, each once. Modules and
-- packages that come with sys.lua are files of the evaluation too. It does not know what they declare.

local border = require("syslua.border")
local failure = require("syslua.util.failure")
local fixed = require("syslua.fixed")
local watched = require("syslua.loops").coroutine
local guard = require("syslua.guard")
local path = require("syslua.util.path")
local position = require("syslua.util.position")

local loader = {}

-- Kept from load on: configs run while some of these are hidden.
---@type any, any
---@diagnostic disable-next-line: access-invisible
local load_text, set_environment = load, setfenv
if set_environment then
  ---@diagnostic disable-next-line: access-invisible
  load_text = loadstring
end
local real_require = require

-- An explanation of why a file cannot be read, without its name.
local function read_file(name)
  local file, problem = io.open(name, "rb")
  local text
  if file then
    text, problem = file:read("*a")
    file:close()
  end
  if text then
    return text
  end
  problem = tostring(problem)
  if problem:sub(1, #name + 2) == name .. ": " then
    problem = problem:sub(#name + 3)
  end
  return nil, problem
end

local function compile(text, chunk_name, environment)
  -- A line for the shell, and the mark of UTF-8, are no Lua; the numbers of lines must stay.
  local code = text:gsub("^\239\187\191", ""):gsub("^#[^\n]*", "")
  ---@type any, any
  local chunk, problem
  if set_environment then
    chunk, problem = load_text(code, chunk_name)
    if chunk then
      set_environment(chunk, environment)
    end
  else
    chunk, problem = load_text(code, chunk_name, "t", environment)
  end
  if not chunk then
    local cause = failure.from(problem)
    failure.raise({
      kind = "config",
      message = "syntax error: " .. cause.message,
      position = cause.position,
    })
  end
  border.call("add_chunk", chunk_name, code)
  fixed.add_chunk(chunk_name)
  return chunk
end

---@class syslua.Loader
---@field directory string the absolute directory of the entry file
---@field environment table the globals of the config's files
---@field files table<string, string> the texts of loaded files by their absolute path
---@field places table<string, string>? where files are now, by their path: a config restored from a copy
---@field modules table<string, any> what required files returned
---@field syslua table what `require("syslua")` gives
---@field is_pure boolean? whether what reaches outside of the config is hidden

-- Where the modules and packages that come with sys.lua are: beside its Lua files, the packages of a
-- checkout at its top.
local own = position.own_directory:gsub("^@", "")
local shipped_directories = {
  modules = { own .. "modules" },
  pkgs = { own .. "pkgs", path.normalize(own .. "../../pkgs") },
}

---@return string[]
local function get_shipped_directories(top)
  return shipped_directories[top] or {}
end

local function exists(name)
  local file = io.open(name, "rb")
  if file then
    file:close()
  end
  return file ~= nil
end

-- Where a file of the config is to be read.
local function get_place(self, file)
  return self.places and self.places[path.normalize(file)] or file
end

-- Reads a file of the config, which the snapshot keeps a copy of; returns nil and the reason when it cannot.
local function read_config_file(self, file)
  local text, problem = read_file(get_place(self, file))
  if text then
    self.files[path.normalize(file)] = text
  end
  return text, problem
end

local function get_candidates(relative)
  return { relative .. ".lua", relative .. "/init.lua" }
end

-- Returns the path of a module beside the entry file, relative to it, or of one that comes with
-- sys.lua, and then the file that it is.
local function find_module(self, name)
  local relative = name:gsub("%.", "/")
  for _, candidate in ipairs(self.places and get_candidates(relative) or {}) do
    -- What the copy holds counts before what was made since.
    if self.places[path.normalize(path.join(self.directory, candidate))] then
      return candidate
    end
  end
  for _, candidate in ipairs(get_candidates(relative)) do
    if exists(path.join(self.directory, candidate)) then
      return candidate
    end
  end
  local top, rest = relative:match("^(%l+)/(.+)$")
  for _, directory in ipairs(get_shipped_directories(top)) do
    for _, candidate in ipairs(get_candidates(rest)) do
      local file = directory .. "/" .. candidate
      if exists(file) then
        return top .. "/" .. candidate, file
      end
    end
  end
  return nil
end

-- Names of shipped modules below a name, for messages.
local function list_shipped(top)
  local names = {}
  for _, directory in ipairs(get_shipped_directories(top)) do
    local listed, entries = pcall(border.call, "list_tree", directory)
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

-- The files of installed modules and of those that they require, by the names that configs require them by.
---@type table<string, string[]>
local installed = {}

-- Returns the file that `require` finds for a name outside of the config.
local function find_installed(name)
  local relative = name:gsub("%.", "/"):gsub("%%", "%%%%")
  for template in (package.path .. ";" .. package.cpath):gmatch("[^;]+") do
    local file = template:gsub("%?", relative)
    if exists(file) then
      return file
    end
  end
  return nil
end

-- Loads an installed module, and tells the engine which files that reads.
local function load_installed(name)
  local before = {}
  for known in next, package.loaded do
    before[known] = true
  end
  local result = real_require(name)
  if not installed[name] then
    local files = { find_installed(name) }
    for loaded in next, package.loaded do
      if not before[loaded] and loaded ~= name and type(loaded) == "string" then
        files[#files + 1] = find_installed(loaded)
      end
    end
    installed[name] = files
  end
  for _, file in ipairs(installed[name]) do
    border.call("add_read", file)
  end
  return result
end

-- A module that is installed for this Lua, outside of the config.
local function require_installed(self, name)
  if self.is_pure and not name:find("^syslua%.") then
    failure.raise({
      kind = "config",
      message = ("there is no module `%s` beside the entry file, and --pure hides others"):format(
        name
      ),
      position = position.caller(),
    })
  end
  local found, result = pcall(name:find("^syslua%.") and real_require or load_installed, name)
  if found then
    return result
  end
  if type(result) == "string" and result:find(("module '%s' not found"):format(name), 1, true) then
    local near = require("syslua.util.closest")(name, list_shipped(name:match("^%l+")))
    failure.raise({
      kind = "config",
      message = ("there is no module `%s`, neither beside the entry file nor on package.path"):format(
        name
      ),
      position = position.caller(),
      hint = near and ("did you mean `%s`?"):format(near)
        or ("beside the entry file it would be %s.lua"):format((name:gsub("%.", "/"))),
    })
  end
  error(result, 0)
end

-- Loads and runs a file below the config's directory, or one that comes with sys.lua.
local function run_file(self, relative, shipped, ...)
  local file = shipped or path.join(self.directory, relative)
  local text, problem
  if shipped then
    text, problem = read_file(shipped)
    -- So the copy that a snapshot keeps of the config is whole.
    self.files[path.normalize(path.join(self.directory, relative))] = text
  else
    text, problem = read_config_file(self, file)
  end
  if not text then
    failure.raise({
      kind = "config",
      message = ("cannot read %s: %s"):format(file, problem),
      position = position.caller(),
      hint = "name another file, or make one: see `sys help apply`",
    })
  end
  local chunk_name = (shipped and position.shipped or "@") .. relative
  return compile(text, chunk_name, self.environment)(...)
end

local loading = {}

local function require_module(self, name)
  if type(name) ~= "string" then
    failure.raise({
      kind = "config",
      message = ("require: expected a name, got a %s"):format(type(name)),
      position = position.caller(),
    })
  end
  guard.check("require")
  local known = self.modules[name]
  if known == loading then
    failure.raise({
      kind = "config",
      message = ("the module `%s` requires itself, directly or through others"):format(name),
      position = position.caller(),
    })
  elseif known ~= nil then
    return known
  end
  -- The module as this evaluation shows it: for the machine that is evaluated for.
  if name == "syslua" then
    return self.syslua
  end
  local relative, shipped = find_module(self, name)
  if not relative then
    return require_installed(self, name)
  end
  self.modules[name] = loading
  local succeeded, result = pcall(run_file, self, relative, shipped, name)
  if not succeeded then
    -- A config may catch this, and try again.
    self.modules[name] = nil
    error(result, 0)
  end
  if result == nil then
    result = true
  end
  self.modules[name] = result
  return result
end

--- Loads and runs a file below the config's directory.
---@param self syslua.Loader
---@param relative string
---@return any
function loader.run(self, relative)
  return run_file(self, relative)
end

-- `load` and its kin, for which the globals of the config are the globals; paths are relative to the
-- config's directory.
local function add_loaders(self)
  local environment = self.environment
  local function compile_or_nil(text, name, own_environment)
    local succeeded, chunk = pcall(compile, text, name, own_environment)
    if succeeded then
      return chunk
    end
    return nil, tostring(chunk)
  end
  local function get_file(name)
    if type(name) ~= "string" then
      failure.raise({
        kind = "config",
        message = ("expected the name of a file, got a %s"):format(type(name)),
        position = position.caller(),
      })
    end
    return path.join(self.directory, name)
  end
  function environment.load(text, name, mode, own_environment)
    guard.check("load")
    if type(text) == "function" then
      local pieces = {}
      for piece in text do
        if piece == "" then
          break
        end
        pieces[#pieces + 1] = piece
      end
      ---@cast pieces string[]
      text = table.concat(pieces)
    end
    if type(text) ~= "string" or text:sub(1, 1) == "\27" or mode == "b" then
      return nil, "sys.lua loads only text"
    end
    return compile_or_nil(text, name or "=(load)", own_environment or environment)
  end
  environment.loadstring = rawget(_G, "loadstring") and environment.load or nil
  function environment.loadfile(name, _, own_environment)
    guard.check("loadfile")
    local text, problem = read_config_file(self, get_file(name))
    if not text then
      return nil, ("cannot open %s: %s"):format(name, problem)
    end
    return compile_or_nil(text, "@" .. name, own_environment or environment)
  end
  function environment.dofile(name)
    guard.check("dofile")
    local file = get_file(name)
    local text, problem = read_config_file(self, file)
    if not text then
      failure.raise({
        kind = "config",
        message = ("cannot read %s: %s"):format(file, problem),
        position = position.caller(),
      })
    end
    return compile(text, "@" .. name, environment)()
  end
end

-- What --pure hides: ways to what is not part of the config.
local impure = { io = true, os = true, package = true, debug = true, ffi = true, jit = true }

--- Makes the loader of one evaluation. Its globals are those of Lua and `extra`; what a config's files
-- set stays among them.
---@param directory string
---@param extra table<string, any>
---@param is_pure boolean? hides `io`, `os` and modules that are not part of the config
---@param places table<string, string>? where files are now, by their path
---@return syslua.Loader
function loader.new(directory, extra, is_pure, places)
  local environment = {}
  ---@type syslua.Loader
  local self = {
    directory = directory,
    environment = environment,
    files = {},
    modules = {},
    syslua = extra.syslua,
    is_pure = is_pure,
    places = places,
  }
  for name, value in next, extra do
    environment[name] = value
  end
  environment._G = environment
  environment.pairs = require("syslua.util.ordered_pairs")
  environment.print = require("syslua.util.talk")
  environment.require = function(name)
    return require_module(self, name)
  end
  add_loaders(self)
  -- Not the table itself: while a build runs, a name that is refused must not be found in it.
  setmetatable(environment, {
    __index = function(_, name)
      guard.check(name)
      if is_pure and impure[name] then
        return nil
      elseif name == "coroutine" then
        return watched
      end
      return _G[name]
    end,
  })
  border.call("add_environment", environment)
  return self
end

--- Returns the failure of what a config raised; called where it was raised, so that it has a line.
---@param value any
---@return syslua.Failure
function loader.to_failure(value)
  local result = failure.from(value)
  result.position = result.position or position.caller()
  return result
end
-- What is left of `syslua` for builds; nobody can add to it.
local for_builds = setmetatable({}, {
  __metatable = false,
  __index = function(_, name)
    if name == "lib" then
      -- Before a build runs it is loaded: not all configs need it.
      return real_require("syslua.lib")
    end
    failure.raise({
      kind = "build",
      message = ("`syslua.%s` is not there while a derivation is built"):format(tostring(name)),
      position = position.caller(),
      hint = "pass it in: opts = { value = syslua... }, or put it in a local variable above derive{}",
    })
  end,
  __newindex = function(_, name)
    failure.raise({
      kind = "build",
      message = ("`syslua.%s` cannot be set"):format(tostring(name)),
      position = position.caller(),
      hint = "keep what is yours in a `local` variable",
    })
  end,
})

--- Takes names away that exist only during an evaluation.
---@param self syslua.Loader
---@param extra table<string, any>
function loader.close(self, extra)
  for name in next, extra do
    self.environment[name] = nil
  end
  -- Builds run later, and may use the library.
  border.call("close_environment", self.environment, for_builds)
end

return loader
