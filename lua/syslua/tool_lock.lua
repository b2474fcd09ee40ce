--- Tools in a lock: updates them, completes them for other platforms, and finds them. It works
-- while a config is evaluated as far as its inputs, and builds nothing.

local border = require("syslua.border")
local scope = require("syslua.scope")
local tables = require("syslua.util.table")
local tool_registry = require("syslua.tool_registry")

local tool_lock = {}

-- "node" and "22" of "node@22".
local function split(key)
  return key:match("^(.+)@([^@]+)$")
end

--- Returns whether a word means a tool of the lock: its key, its name, or that of its package.
---@param word string
---@param key string
---@param entry table
---@return boolean
function tool_lock.is_meant(word, key, entry)
  local name = split(key)
  return word == key
    or word == name
    or word == entry.package
    or word == entry.package:match("[^/]+$")
end

-- Those of the lock that are chosen, by the registry that they are in.
local function group(config, choose)
  local groups, order = {}, {}
  local all = border.call("tools_of_config", config)
  for _, key in ipairs(tables.get_sorted_keys(all)) do
    local entry = all[key]
    if choose(key, entry) then
      local registry = entry.registry or "tools"
      if not groups[registry] then
        groups[registry] = {}
        order[#order + 1] = registry
      end
      table.insert(groups[registry], { key = key, entry = entry })
    end
  end
  return groups, order
end

local function resolve(config, options, choose, get_platforms, refresh, again)
  local current = assert(scope.get())
  local groups, order = group(config, choose)
  local github = tool_registry.get_github()
  for _, registry in ipairs(order) do
    local place = assert(current.registry).get(registry, nil, github)
    for _, item in ipairs(groups[registry]) do
      local name, version = split(item.key)
      local request = {
        key = item.key,
        name = name,
        version = version,
        vars = item.entry.vars,
        registry = item.entry.registry,
        refresh = refresh,
        again = again,
      }
      local platforms, lenient = get_platforms(item.entry)
      local how = { github = github, platforms = platforms, lenient = lenient }
      local answer = border.call("lock_tools", place, { request }, how, options)
      for _, notice in ipairs(answer.notices) do
        current.notify(notice)
      end
    end
  end
end

--- Moves tools to the newest versions that their requests mean, for the platforms that they have.
---@param config string
---@param options table
---@param is_chosen fun(key: string, entry: table): boolean
---@param again boolean whether hashes are asked for again where the version stays
function tool_lock.refresh(config, options, is_chosen, again)
  resolve(config, options, is_chosen, function(entry)
    return tables.get_sorted_keys(entry.platforms), true
  end, true, again)
end

--- Adds platforms to all tools of the lock.
---@param config string
---@param options table
---@param platforms string[]
function tool_lock.complete(config, options, platforms)
  local function is_missing(_, entry)
    for _, platform in ipairs(platforms) do
      if not entry.platforms[platform] then
        return true
      end
    end
    return false
  end
  resolve(config, options, is_missing, function()
    return platforms, false
  end, false)
end

--- Calls a function with the registry of a config: that of its lock, else the registry that the
-- release names. The config itself is not run.
---@generic T
---@param config string the entry file, which need not be there
---@param options table
---@param callback fun(place: syslua.tool_registry.Place, github: string?): T
---@return T
function tool_lock.with_registry(config, options, callback)
  local given, result = {}, nil
  for name, value in next, options do
    given[name] = value
  end
  given.raw, given.locked = true, nil
  given.setup = function()
    local current = assert(scope.get())
    local github = tool_registry.get_github()
    result = callback(assert(current.registry).get("tools", nil, github), github)
  end
  require("syslua.evaluate")(config, given)
  border.call("forget_lock", config)
  return result
end

return tool_lock
