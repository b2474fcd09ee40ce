--- Loads the files of one evaluation: each in the evaluation's own globals, each once.
-- It does not know what the files declare.

local border = require("syslua.border")
local failure = require("syslua.util.failure")
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
  return chunk
end

---@class syslua.Loader
---@field directory string the absolute directory of the entry file
---@field environment table the globals of the config's files
---@field files table<string, string> the texts of loaded files by their path below `directory`
---@field modules table<string, any> what required files returned

-- Returns the path of a module beside the entry file, relative to it.
local function find_module(self, name)
  local relative = name:gsub("%.", "/")
  for _, candidate in ipairs({ relative .. ".lua", relative .. "/init.lua" }) do
    local file = io.open(path.join(self.directory, candidate), "rb")
    if file then
      file:close()
      return candidate
    end
  end
  return nil
end

-- A module that is installed for this Lua, outside of the config.
local function require_installed(name)
  local found, result = pcall(real_require, name)
  if found then
    return result
  end
  if type(result) == "string" and result:find(("module '%s' not found"):format(name), 1, true) then
    failure.raise({
      kind = "config",
      message = ("there is no module `%s`, neither beside the entry file nor on package.path"):format(
        name
      ),
      position = position.caller(),
      details = result,
    })
  end
  error(result, 0)
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
  local relative = find_module(self, name)
  if not relative then
    return require_installed(name)
  end
  self.modules[name] = loading
  local result = loader.run(self, relative, name)
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
function loader.run(self, relative, ...)
  local text, problem = read_file(path.join(self.directory, relative))
  if not text then
    failure.raise({
      kind = "config",
      message = ("cannot read %s: %s"):format(path.join(self.directory, relative), problem),
      position = position.caller(),
      hint = "name another file, or make one: see `sys help apply`",
    })
  end
  self.files[relative] = text
  return compile(text, "@" .. relative, self.environment)(...)
end

--- Makes the loader of one evaluation. Its globals are those of Lua and `extra`; what a config's files
-- set stays among them.
---@param directory string
---@param extra table<string, any>
---@return syslua.Loader
function loader.new(directory, extra)
  local environment = {}
  ---@type syslua.Loader
  local self = { directory = directory, environment = environment, files = {}, modules = {} }
  for name, value in next, extra do
    environment[name] = value
  end
  environment._G = environment
  environment.pairs = require("syslua.util.ordered_pairs")
  environment.require = function(name)
    return require_module(self, name)
  end
  border.call("add_environment", environment)
  -- Not the table itself: while a build runs, a name that is refused must not be found in it.
  setmetatable(environment, {
    __index = function(_, name)
      guard.check(name)
      return _G[name]
    end,
  })
  return self
end

--- Takes names away that exist only during an evaluation.
---@param self syslua.Loader
---@param extra table<string, any>
function loader.close(self, extra)
  for name in next, extra do
    self.environment[name] = nil
  end
  -- Builds run later, and may use the library.
  self.environment.syslua = { lib = require("syslua.lib") }
end

return loader
