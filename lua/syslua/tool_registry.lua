--- Where the registries of tools are: inputs of the config, or the registry that the release
-- names. They are fetched when a tool is not locked, not before.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local tables = require("syslua.util.table")
local text = require("syslua.util.text")

local tool_registry = {}

--- The public registry at the revision that this release was tested with.
tool_registry.default_url =
  "archive:https://github.com/aquaproj/aqua-registry/archive/4d86e12d6fd0.tar.gz"

--- When that was, in seconds since the epoch.
tool_registry.default_time = 1787356800

--- Where `update` finds newer ones.
tool_registry.newest_url = "git:https://github.com/aquaproj/aqua-registry#main"

--- Where a registry is, and what it is known by.
---@class syslua.tool_registry.Place
---@field path string
---@field sha256 string?

--- The registries of one evaluation.
---@class syslua.tool_registry.Session
---@field options table those of the evaluation
---@field known table<string, syslua.tool_registry.Place>
-- Gives it the inputs, once they are known.
---@field attach fun(session: syslua.input_graph.Session, files: syslua.Loader)
---@field get fun(name: string?, position: string?, github: string?): syslua.tool_registry.Place

--- Returns the server that replaces GitHub, as the environment names it.
---@return string?
function tool_registry.get_github()
  local given = os.getenv("SYSLUA_TOOLS_GITHUB")
  return given ~= "" and given or nil
end

--- Returns when the registry of a lock was made, in seconds since the epoch, if that is known.
---@param locked syslua.LockedInput? the input `tools` of the lock
---@return integer?
function tool_registry.get_time(locked)
  if locked and locked.last_modified then
    return locked.last_modified
  end
  return locked and locked.url == tool_registry.default_url and tool_registry.default_time or nil
end

local function raise_unknown(name, position, inputs)
  local names = tables.get_sorted_keys(inputs)
  failure.raise({
    kind = "config",
    message = ("tools{}: there is no input `%s` that could be a registry"):format(name),
    position = position,
    hint = names[1] and "the inputs are " .. text.enumerate(names, "and")
      or ('declare it: inputs = { %s = "git:https://host/registry.git#main" }'):format(name),
  })
end

--- Begins with the registries of a config whose lock is open.
---@param locked table<string, boolean> the keys of its inputs
---@param is_declared boolean whether the config has an input `tools`
---@param options table those of the evaluation
---@return syslua.tool_registry.Session
function tool_registry.begin(locked, is_declared, options)
  ---@type syslua.input_graph.Session
  local session
  local own_inputs, kept, registry = {}, nil, { known = {}, options = options }
  local moves = options.update and options.update("tools") and not is_declared
  if locked.tools and not is_declared then
    kept = bindings.call("keep_input", "tools")
  end

  local function get_default_url()
    return moves and tool_registry.newest_url or kept and kept.url or tool_registry.default_url
  end

  function registry.attach(given, files)
    session = given
    session.nodes, session.deferred = session.nodes or {}, session.deferred or {}
    session.top = session.top
      or { key = "", loader = files, inputs = {}, identity = files.directory }
    own_inputs = session.top.inputs
    -- An update of inputs moves the undeclared registry too.
    if moves and kept then
      registry.get("tools", nil, tool_registry.get_github())
    end
  end

  function registry.get(name, position, github)
    name = name or "tools"
    if registry.known[name] then
      return registry.known[name]
    end
    local node = own_inputs[name]
    ---@type any
    local resolved = node and node.resolved
    local deferred = session.deferred and session.deferred[name]
    if not resolved and deferred then
      resolved = require("syslua.input_graph").resolve_deferred(session, deferred)
    elseif not resolved and name == "tools" then
      local declared = { name = "tools", url = get_default_url(), github = github }
      declared.position = position or "tools{}"
      resolved = require("syslua.input_graph").resolve_deferred(session, declared)
    elseif not resolved then
      raise_unknown(name, position, own_inputs)
    end
    -- A directory in a tree is not what the hash of the tree stands for.
    local is_whole = not resolved.tree or resolved.tree == resolved.path
    local place = { path = resolved.path, sha256 = is_whole and resolved.sha256 or nil }
    registry.known[name] = place
    return place
  end

  return registry
end

return tool_registry
