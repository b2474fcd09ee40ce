--- Packages by the names that people give on the command line: modules below `pkgs` beside the
-- default config, or that come with sys.lua. It does not know what is done with them.

local failure = require("syslua.util.failure")
local path = require("syslua.util.path")

local packages = {}

-- The directory of the config that packages are looked for beside, and its name: the default one,
-- which need not be there.
local function get_config(argument)
  if argument then
    return require("syslua.cli.config_path").get(argument)
  end
  return (require("syslua.cli.config_path").get_default())
end

local function list(config)
  return require("syslua.cli.package_names").list(path.dirname(config))
end

-- The whole name of a package: of those that end in the word, one beside the config counts first.
-- Anything else is a tool of the registry.
local function get_package(word, known)
  for _, name in ipairs(known) do
    if name == word then
      return name
    end
  end
  for _, name in ipairs(known) do
    if name:sub(-#word - 1) == "." .. word then
      return name
    end
  end
  return nil
end

local function use_package(require_module, name)
  local module = require_module("pkgs." .. name)
  if type(module) ~= "table" or type(module.setup) ~= "function" then
    failure.raise({
      kind = "config",
      message = ("pkgs.%s is not a package: it has no function `setup`"):format(name),
    })
  end
  module.setup()
  return module
end

-- Puts a tool of the registry on PATH; its main program is called as it is.
local function use_tool(word, known)
  local tools = require("syslua.tools") --[[@as any]]
  local name = require("syslua.tool_key").split(word)
  local succeeded, made = pcall(tools, { word })
  if succeeded then
    return { name = made[name].name, word = name:match("[^/]+$") }
  end
  local short = {}
  for index, package in ipairs(known) do
    short[index] = package:match("[^.]*$")
  end
  local problem, near = failure.from(made), require("syslua.util.closest")(word, short)
  if problem.kind == "interrupted" then
    failure.raise(problem)
  end
  failure.raise({
    kind = "usage",
    message = ("there is no package `%s`; and as a tool: %s"):format(word, problem.message),
    hint = near and ("did you mean `%s`?"):format(near) or problem.hint,
    details = problem.details,
  })
end

--- Packages as they were evaluated.
---@class syslua.cli.Packages
---@field manifest syslua.Manifest with one project that has them all
---@field name string of the project
---@field modules table[] what their modules returned, in the order of the words

--- Evaluates packages. Nothing but their modules is run.
---@param words string[]
---@param argument string? the config that they are beside
---@param options table
---@return syslua.cli.Packages
function packages.evaluate(words, argument, options)
  local config = get_config(argument)
  local known, names, modules = list(config), {}, {}
  for index, word in ipairs(words) do
    names[index] = get_package(word, known) or false
  end
  local given = {}
  for name, value in next, options do
    given[name] = value
  end
  given.raw = true
  given.project = { name = table.concat(words, "+"):gsub("[^%w_.+-]", "_") }
  given.setup = function(require_module)
    for index, name in ipairs(names) do
      modules[index] = name and use_package(require_module, name) or use_tool(words[index], known)
    end
  end
  given.locked = nil
  local manifest = require("syslua").evaluate(config, given)
  -- What is used once is not locked.
  require("syslua.bindings").call("forget_lock", config)
  return { manifest = manifest, name = given.project.name, modules = modules }
end

return packages
