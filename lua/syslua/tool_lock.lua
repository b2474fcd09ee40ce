--- Tools in a lock: updates them, completes them for other platforms, and finds them. It works
-- while a config is evaluated as far as its inputs, and builds nothing.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local scope = require("syslua.scope")
local tables = require("syslua.util.table")
local tool_key = require("syslua.tool_key")
local tool_registry = require("syslua.tool_registry")

local tool_lock = {}

--- Returns whether a word means a tool of the lock: its key, its name, or that of its package.
---@param word string a pattern of Lua, or plain
---@param key string
---@param entry table
---@return boolean
function tool_lock.is_meant(word, key, entry)
  local name = tool_key.parse(key, entry)
  local all = { key, name, entry.package, entry.package:match("[^/]+$") }
  for _, one in ipairs(all) do
    if word == one or one:find(word) then
      return true
    end
  end
  return false
end

local function copy_options(options)
  local given = {}
  for name, value in next, options or {} do
    given[name] = value
  end
  return given
end

-- Evaluates a config to see what it declares; nil where it cannot be evaluated.
local function try(config, options, changes)
  local given = copy_options(options)
  given.raw, given.locked, given.ask, given.on_event = true, nil, nil, nil
  given.on_answers, given.on_kept_answers, given.on_file = nil, nil, nil
  for name, value in next, changes do
    given[name] = value
  end
  local succeeded, problem = pcall(require("syslua.evaluate"), config, given)
  if succeeded then
    bindings.call("forget_lock", config)
  elseif failure.from(problem).kind == "interrupted" then
    error(problem, 0)
  end
  return succeeded
end

--- What a config says of its tools.
---@class syslua.tool_lock.Declared
---@field keys table<string, boolean> those that it declares
---@field github table<string, string> the servers that replace GitHub, by key
---@field first_github string? the first of them for the registry `tools`

--- Evaluates a config, and returns which tools it declares; nil where it cannot be evaluated. It
-- resolves none.
---@param config string
---@param options table
---@param sys { os: string, arch: string }? the machine that it is evaluated for
---@return syslua.tool_lock.Declared?
function tool_lock.get_declared(config, options, sys)
  local declared = { keys = {}, github = {}, first_github = nil }
  local function on_tools(list, github)
    for _, tool in ipairs(list) do
      declared.keys[tool.key] = true
      declared.github[tool.key] = github
      declared.first_github = declared.first_github or (not tool.registry and github or nil)
    end
  end
  return try(config, options, { on_tools = on_tools, sys = sys }) and declared or nil
end

-- Those of the lock that are chosen, by the registry that they are in and the server.
local function group(config, choose, declared)
  local groups, order = {}, {}
  local all = bindings.call("tools_of_config", config)
  for _, key in ipairs(tables.get_sorted_keys(all)) do
    local entry = all[key]
    if choose(key, entry) then
      local registry = entry.registry or "tools"
      local github = declared and declared.github[key] or tool_registry.get_github()
      local place = ("%s %s"):format(registry, github or "")
      if not groups[place] then
        groups[place] = { registry = registry, github = github }
        order[#order + 1] = groups[place]
      end
      table.insert(groups[place], { key = key, entry = entry })
    end
  end
  return order
end

--- Moves tools to the newest versions that their requests mean, for the platforms that they have.
-- What cannot be moved stays, and `lock_failures` names it.
---@param config string
---@param options table
---@param is_chosen fun(key: string, entry: table): boolean
---@param again boolean whether hashes are asked for again where the version stays
---@param declared syslua.tool_lock.Declared?
function tool_lock.refresh(config, options, is_chosen, again, declared)
  local current = assert(scope.get())
  for _, items in ipairs(group(config, is_chosen, declared)) do
    local place = assert(current.registry).get(items.registry, nil, items.github)
    local requests = {}
    for index, item in ipairs(items) do
      local name, version = tool_key.parse(item.key, item.entry)
      requests[index] = {
        key = item.key,
        name = name,
        version = version,
        vars = item.entry.vars,
        registry = item.entry.registry,
        refresh = true,
        again = again,
        platforms = tables.get_sorted_keys(item.entry.platforms),
        undeclared = declared ~= nil and not declared.keys[item.key],
      }
    end
    local how = { github = items.github, platforms = {}, lenient = true, partial = true }
    local answer = bindings.call("lock_tools", place, requests, how, options)
    for _, notice in ipairs(answer.notices) do
      current.notify(notice)
    end
  end
end

--- Returns the tools of a lock that a config declares for no platform that the lock has, in order.
-- Where it cannot be evaluated for one of these, what the lock has for it stays.
---@param config string
---@param options table
---@return string[]
function tool_lock.list_undeclared(config, options)
  local all = bindings.call("tools_of_config", config)
  local here = tool_lock.get_declared(config, options)
  if next(all) == nil or not here then
    return {}
  end
  local known, gone = { [require("syslua.system").get().platform] = here }, {}
  local function is_declared(key, platform)
    if known[platform] == nil then
      local arch, os = platform:match("^(.-)%-(.+)$")
      known[platform] = tool_lock.get_declared(config, options, { os = os, arch = arch }) or false
    end
    return not known[platform] or known[platform].keys[key] ~= nil
  end
  for _, key in ipairs(tables.get_sorted_keys(all)) do
    local is_kept = here.keys[key] ~= nil
    for _, platform in ipairs(tables.get_sorted_keys(all[key].platforms)) do
      is_kept = is_kept or is_declared(key, platform)
    end
    if not is_kept then
      gone[#gone + 1] = key
    end
  end
  return gone
end

--- Calls a function with the registry of a config: its input `tools`, else that of its lock,
-- else the registry that the release names. Its `setup` is not run.
---@generic T
---@param config string the entry file, which need not be there
---@param options table
---@param callback fun(place: syslua.tool_registry.Place, github: string?): T
---@param github string? the server that replaces GitHub
---@return T
function tool_lock.with_registry(config, options, callback, github)
  github = github or tool_registry.get_github()
  ---@type any
  local result
  local function call()
    local current = assert(scope.get())
    local place = assert(current.registry).get("tools", nil, github)
    result = callback(place, github)
  end
  -- Without a readable entry file the lock tells.
  local has_entry = try(config, options, { on_inputs = call, only_registry = true })
  if has_entry then
    return result
  end
  local given = copy_options(options)
  given.raw, given.locked, given.setup = true, nil, call
  require("syslua.evaluate")(config, given)
  bindings.call("forget_lock", config)
  return result
end

return tool_lock
