--- `syslua.inputs`: the inputs of configs, and their entries in locks. It builds and applies
--- nothing.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local call_options = require("syslua.call_options")
local text = require("syslua.util.text")

local check = {
  update = call_options.new_check("syslua.inputs.update", { dry_run = { type = "boolean" } }),
  outdated = call_options.new_check("syslua.inputs.outdated"),
  check = call_options.new_check("syslua.inputs.check"),
  prune = call_options.new_check("syslua.inputs.prune", { dry_run = { type = "boolean" } }),
}

---@class syslua.Inputs
local inputs = {}

--- Checks the address of an input; returns its parts, or raises a failure that lists the forms.
---@param url string
---@return syslua.InputAddress
function inputs.parse(url)
  return bindings.call("parse_input", url)
end

--- Returns what the lock of a config has.
---@param config string the entry file
---@return syslua.LockReport
function inputs.lock(config)
  return bindings.call("read_lock", config)
end

-- Evaluates the inputs of a config, and returns them in the order in which they were resolved.
-- `with_tools` is called when they are, with the options.
local function resolve(config, options, update, with_tools)
  local given = {}
  for key, value in next, options or {} do
    given[key] = value
  end
  ---@type syslua.input_graph.Node[]
  local nodes = {}
  given.raw, given.update = true, update
  given.on_inputs = function(resolved)
    nodes = resolved
    if with_tools then
      with_tools(given)
    end
  end
  require("syslua.evaluate")(config, given)
  return nodes
end

-- "zsh-*" as a pattern of Lua.
local function to_pattern(glob)
  return "^" .. glob:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*") .. "$"
end

-- Returns a function that tells whether one of the names means an input, by its key or its address,
-- or a pin by its key. Without names, everything is meant.
---@return fun(key: string, url: string?): boolean
local function new_selection(names)
  return function(key, url)
    for _, name in ipairs(names or {}) do
      local pattern = to_pattern(name)
      if key == name or key:find(pattern) then
        return true
      elseif url and name:find(":", 1, true) then
        -- Also without `git:`, as the addresses of pins are.
        if url:find(pattern) or url:gsub("^%l+:", "", 1):find(pattern) then
          return true
        end
      end
    end
    return not names or not names[1]
  end
end

-- The keys of the pins in the lock of a config, in their order.
local function list_pins(config)
  return require("syslua.util.table").get_sorted_keys(inputs.lock(config).fetches)
end

-- Returns a function that tells whether one of the names means a tool of the lock. Without names,
-- every tool is meant.
local function new_tool_selection(names)
  return function(key, entry)
    for _, name in ipairs(names or {}) do
      if require("syslua.tool_lock").is_meant(to_pattern(name), key, entry) or name == key then
        return true
      end
    end
    return not names or not names[1]
  end
end

-- Refuses names that mean neither an input, nor a pin, nor a tool.
local function check_names(names, nodes, pins, tools)
  local has_tools = next(tools) ~= nil
  local known, urls = {}, {}
  local is_resolved = false
  for _, node in ipairs(nodes) do
    known[#known + 1] = node.key
    is_resolved = is_resolved or node.key == "tools"
    urls[node.key] = node.request and node.request.url
  end
  -- Without an input of that name there is still a registry.
  if has_tools and not is_resolved then
    known[#known + 1] = "tools"
  end
  for _, key in ipairs(pins) do
    known[#known + 1] = key
  end
  local count = #known
  for _, key in ipairs(require("syslua.util.table").get_sorted_keys(tools)) do
    known[#known + 1] = key
  end
  for _, name in ipairs(names or {}) do
    local is_meant, is_found = new_selection({ name }), false
    for index = 1, count do
      local key = assert(known[index])
      is_found = is_found or is_meant(key, urls[key])
    end
    local is_tool_meant = new_tool_selection({ name })
    for key, entry in next, tools do
      is_found = is_found or is_tool_meant(key, entry)
    end
    if not is_found then
      table.sort(known)
      local near = require("syslua.util.closest")(name, known)
      failure.raise({
        kind = "usage",
        message = (
          has_tools and "there is neither an input nor a tool `%s`"
          or "there is neither an input nor a pin `%s`"
        ):format(name),
        hint = near and ("did you mean `%s`?"):format(near)
          or (known[1] and "there are " .. text.enumerate(known, "and"))
          or "the config declares no inputs, and its lock has no pins",
      })
    end
  end
end

-- Adds how many commits lead from the old revision to the new one. All servers are asked at once.
local function add_commits(changes, nodes, options)
  local requests, moves, moved = {}, {}, {}
  for _, node in ipairs(nodes) do
    requests[node.key] = node.request
  end
  for _, change in ipairs(changes) do
    local request = requests[change.name]
    if change.section == "fetches" then
      -- A pin is called as an input of that repository would be.
      request = { key = change.name, url = "git:" .. change.name }
    end
    local old, new = change.old, change.new
    if request and old and new and old.rev and new.rev and old.rev ~= new.rev then
      request.old, request.newer = old, new.rev
      moves[#moves + 1], moved[#moved + 1] = request, change
    end
  end
  local counts = moves[1] and bindings.call("count_commits", moves, options) or {}
  for index, change in ipairs(moved) do
    change.commits = counts[index] or nil
  end
end

-- The changes: the old and the new entries of the lock; and what cannot be looked up.
---@return syslua.LockChange[], syslua.LookupFailure[]
local function get_changes(config, names, options)
  local tools = bindings.call("tools_of_config", config)
  local with_tools
  if next(tools) ~= nil then
    local tool_lock, selection = require("syslua.tool_lock"), new_tool_selection(names)
    local declared = tool_lock.get_declared(config, options or {})
    function with_tools(given)
      -- A named tool may have been released again: its hashes are asked for too.
      local again = names ~= nil and names[1] ~= nil
      tool_lock.refresh(config, given, selection, again, declared)
    end
  end
  local is_meant = new_selection(names)
  local nodes, keys = resolve(config, options, is_meant, with_tools), {}
  local pins = list_pins(config)
  check_names(names, nodes, pins, tools)
  for _, key in ipairs(pins) do
    if is_meant(key) then
      keys[#keys + 1] = key
    end
  end
  if keys[1] then
    bindings.call("refresh_pins", config, keys, options)
  end
  local changes = bindings.call("pending_lock", config)
  add_commits(changes, nodes, options)
  return changes, bindings.call("lock_failures", config)
end

-- Writes the lock of a config. The lock of a trusted project stays trusted.
local function write(config, options)
  if not ("/" .. config):find("[/\\]syslua%.lua$") then
    bindings.call("write_lock", config)
    return
  end
  local succeeded, problem = pcall(bindings.call, "write_trusted_lock", config, options)
  -- What was not trusted is written, and trusted no more than before.
  if not succeeded and failure.from(problem).kind ~= "untrusted" then
    error(problem, 0)
  end
end

--- Why an input or a pin cannot be looked up. It stays as it is locked.
---@class syslua.LookupFailure: syslua.Failure
---@field name string its key in the lock

--- Returns what inputs and pins that cannot be looked up have in common: one failure that names
--- them.
---@param failures syslua.LookupFailure[] at least one
---@return syslua.Failure
function inputs.join_failures(failures)
  local names, messages = {}, {}
  for index, one in ipairs(failures) do
    names[index] = one.name
    messages[index] = one.position and ("%s: %s"):format(one.position, one.message) or one.message
  end
  ---@type syslua.LookupFailure
  local first = assert(failures[1])
  local is_one = #failures == 1
  return {
    kind = first.kind,
    message = is_one and first.message or ("%d inputs and pins cannot be looked up: %s"):format(
      #failures,
      text.enumerate(names, "and")
    ),
    details = not is_one and table.concat(messages, "\n") or nil,
    hint = first.hint,
    position = first.position,
  }
end

--- Does what `update` does, and returns besides what cannot be looked up.
---@param config string the entry file
---@param names string[]? names of inputs and keys of pins, which may have `*`
---@param options syslua.DryOptions?
---@return syslua.LockChange[], syslua.LookupFailure[]
function inputs.try_update(config, names, options)
  check.update(options)
  local changes, failures = get_changes(config, names, options)
  if options and options.dry_run then
    bindings.call("forget_lock", config)
  else
    write(config, options)
  end
  return changes, failures
end

--- Resolves inputs and pins anew, those of the names or all, and locks what they are now; with
-- `dry_run` it only says what it would lock. Nothing is built or applied. Where some cannot be
-- looked up, the others are locked before it raises a failure.
---@param config string the entry file
---@param names string[]? names of inputs and keys of pins, which may have `*`
---@param options syslua.DryOptions?
---@return syslua.LockChange[]
function inputs.update(config, names, options)
  local changes, failures = inputs.try_update(config, names, options)
  if failures[1] then
    failure.raise(inputs.join_failures(failures))
  end
  return changes
end

--- Does what `outdated` does, and returns besides what cannot be looked up.
---@param config string the entry file
---@param options syslua.Options?
---@return syslua.LockChange[], syslua.LookupFailure[]
function inputs.try_outdated(config, options)
  check.outdated(options)
  local changes, failures = get_changes(config, nil, options)
  bindings.call("forget_lock", config)
  return changes, failures
end

--- Returns the inputs and pins with newer versions, and changes nothing.
---@param config string the entry file
---@param options syslua.Options?
---@return syslua.LockChange[]
function inputs.outdated(config, options)
  local changes, failures = inputs.try_outdated(config, options)
  if failures[1] then
    failure.raise(inputs.join_failures(failures))
  end
  return changes
end

-- Evaluates all of a config; the manifest stays with the engine.
local function evaluate(config, options, sys)
  ---@type any
  local given = { raw = true, sys = sys }
  for key, value in next, options or {} do
    given[key] = given[key] or value
  end
  return require("syslua.evaluate")(config, given)
end

--- Locks the tools that a config declares for other platforms, and writes the lock: the config is
-- evaluated for each of them.
---@param config string the entry file
---@param platforms string[] such as "aarch64-darwin"
---@param options syslua.Options?
---@return syslua.LockChange[]
function inputs.complete(config, platforms, options)
  check.check(options)
  ---@type syslua.LockChange[], table<string, syslua.LockChange?>
  local all, by_name = {}, {}
  for _, platform in ipairs(platforms) do
    local arch, os = platform:match("^(.-)%-(.+)$")
    evaluate(config, options, { os = os, arch = arch })
    for _, change in ipairs(bindings.call("pending_lock", config)) do
      local name = ("%s %s"):format(change.section, change.name)
      local before = by_name[name]
      if before then
        before.new = change.new
      else
        by_name[name], all[#all + 1] = change, change
      end
    end
    bindings.call("write_lock", config)
  end
  return all
end

--- A derivation that was never built on this machine with the pins of the lock.
---@class syslua.UnknownPins
---@field name string
---@field position string? the line that declares it

--- Returns the changes that an apply would make in the lock, and changes nothing. The list is empty
-- if the lock is complete. Locked inputs are verified. Which pins a derivation uses is known once
-- it was built on this machine: the second list has those whose pins are unknown.
---@param config string the entry file
---@param options syslua.Options?
---@return syslua.LockChange[], syslua.UnknownPins[]
function inputs.check(config, options)
  check.check(options)
  local manifest = evaluate(config, options)
  local unknown = bindings.call("check_pins", config, manifest, options)
  local changes = bindings.call("pending_lock", config)
  bindings.call("forget_lock", config)
  return changes, unknown
end

--- Removes this platform from the pins that no build of a config uses, and deletes pins without a
-- platform. With `dry_run`, only reports the changes. Locked inputs stay unchanged.
---@param config string the entry file
---@param options syslua.DryOptions?
---@return syslua.LockChange[]
function inputs.prune(config, options)
  check.prune(options)
  local gone = require("syslua.tool_lock").list_undeclared(config, options or {})
  local manifest = evaluate(config, options)
  bindings.call("prune_pins", config, manifest, options)
  bindings.call("drop_tools", config, gone)
  local changes = bindings.call("pending_lock", config)
  if options and options.dry_run then
    bindings.call("forget_lock", config)
  else
    write(config, options)
  end
  return changes
end

return inputs
