--- `syslua.inputs`: what configs get from elsewhere, and what their locks say. It builds and
--- applies nothing.

local border = require("syslua.border")
local failure = require("syslua.util.failure")
local settings = require("syslua.settings")
local text = require("syslua.util.text")

local check = {
  update = settings.new_check("syslua.inputs.update", { dry_run = { type = "boolean" } }),
  outdated = settings.new_check("syslua.inputs.outdated"),
  check = settings.new_check("syslua.inputs.check"),
}

---@class syslua.Inputs
local inputs = {}

--- Checks the address of an input; returns its parts, or raises a failure that lists the forms.
---@param url string
---@return syslua.InputAddress
function inputs.parse(url)
  return border.call("parse_input", url)
end

--- Returns what the lock of a config has.
---@param config string the entry file
---@return syslua.LockReport
function inputs.lock(config)
  return border.call("read_lock", config)
end

-- Evaluates a config as far as its inputs; returns them in the order in which they were resolved.
local function resolve(config, options, update)
  local given = {}
  for key, value in next, options or {} do
    given[key] = value
  end
  ---@type syslua.input_graph.Node[]
  local nodes = {}
  given.raw, given.update = true, update
  given.on_inputs = function(resolved)
    nodes = resolved
  end
  require("syslua.evaluate")(config, given)
  return nodes
end

-- "zsh-*" as a pattern of Lua.
local function to_pattern(glob)
  return "^" .. glob:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*") .. "$"
end

-- Returns whether one of some names means an input, as a function; all are meant when there are no
-- names.
---@return fun(key: string): boolean
local function new_selection(names)
  return function(key)
    for _, name in ipairs(names or {}) do
      if key == name or key:find(to_pattern(name)) then
        return true
      end
    end
    return not names or not names[1]
  end
end

-- Refuses names that mean no input.
local function check_names(names, nodes)
  local known = {}
  for index, node in ipairs(nodes) do
    known[index] = node.key
  end
  for _, name in ipairs(names or {}) do
    local is_meant, is_found = new_selection({ name }), false
    for _, key in ipairs(known) do
      is_found = is_found or is_meant(key)
    end
    if not is_found then
      local near = require("syslua.util.closest")(name, known)
      failure.raise({
        kind = "usage",
        message = ("there is no input `%s`"):format(name),
        hint = near and ("did you mean `%s`?"):format(near)
          or (known[1] and "the inputs are " .. text.enumerate(known, "and"))
          or "the config declares no inputs",
      })
    end
  end
end

-- Adds how many commits lead from the old revision to the new one.
local function add_commits(changes, nodes, options)
  local requests = {}
  for _, node in ipairs(nodes) do
    requests[node.key] = node.request
  end
  for _, change in ipairs(changes) do
    local request = requests[change.name]
    local old, new = change.old, change.new
    if request and old and new and old.rev and new.rev and old.rev ~= new.rev then
      request.old = old
      change.commits = border.call("count_commits", request, new.rev, options)
    end
  end
end

-- The changes: the old and the new entries of the lock.
local function find_changes(config, names, options)
  local nodes = resolve(config, options, new_selection(names))
  check_names(names, nodes)
  local changes = border.call("pending_lock", config)
  add_commits(changes, nodes, options)
  return changes
end

--- Resolves inputs anew, those of the names or all, and locks what they are now; with `dry_run` it
-- only says what it would lock. Nothing is built or applied.
---@param config string the entry file
---@param names string[]? names may have `*`
---@param options syslua.DryOptions?
---@return syslua.LockChange[]
function inputs.update(config, names, options)
  check.update(options)
  local changes = find_changes(config, names, options)
  if options and options.dry_run then
    border.call("forget_lock", config)
  else
    border.call("write_lock", config)
  end
  return changes
end

--- Says which inputs could move, and changes nothing.
---@param config string the entry file
---@param options syslua.Options?
---@return syslua.LockChange[]
function inputs.outdated(config, options)
  check.outdated(options)
  local changes = find_changes(config, nil, options)
  border.call("forget_lock", config)
  return changes
end

--- Says what an apply would change in the lock, and changes nothing: an empty list where the lock
-- is complete. What is locked is verified.
---@param config string the entry file
---@param options syslua.Options?
---@return syslua.LockChange[]
function inputs.check(config, options)
  check.check(options)
  resolve(config, options)
  local changes = border.call("pending_lock", config)
  border.call("forget_lock", config)
  return changes
end

return inputs
