--- The inputs of a config, and the inputs of these: their names, their requests, and the loaders of
-- their files. It fetches nothing: the engine resolves all inputs of one depth at once.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local loader = require("syslua.loader")
local path = require("syslua.util.path")
local schema = require("syslua.schema")
local tables = require("syslua.util.table")
local text = require("syslua.util.text")

-- Lua's own: that of configs puts the keys in order, which takes longer.
local next = require("syslua").bindings.originals.basic.next

local input_graph = {}

-- Inputs in inputs: beyond this depth there must be a cycle.
local deepest = 20

---@class syslua.input_graph.Declared
---@field name string
---@field url string
---@field auth string?
---@field sealed_auth (string|table)[]? the same as a secret
---@field strip integer?
---@field github string? the server that replaces GitHub for a registry of tools
---@field follows table<string, string>? inputs of this config that replace inputs of the input, by
--- their name there
---@field position string the line that declares it

---@class syslua.input_graph.Node
---@field key string that of the lock; "" for the config itself
---@field loader syslua.Loader
---@field parent syslua.input_graph.Node?
---@field inputs table<string, syslua.input_graph.Node> by name
---@field identity string its identity, to detect cycles
---@field declared syslua.input_graph.Declared?
---@field resolved syslua.input_graph.Resolved? what the engine answered
---@field request table? what it was asked

---@class syslua.input_graph.Resolved
---@field path string
---@field url string
---@field rev string?
---@field sha256 string?
---@field tree string?
---@field is_local boolean
---@field notices string[]

local fields = {
  url = { type = "string", required = true },
  auth = { type = { "string", "secret" } },
  strip = { type = "integer" },
  follows = { type = "map" },
}

-- The line of a file that declares an input, as well as the text tells: that of its address, else
-- that of its name.
local function get_line(lines, name, url)
  local word = "%f[%w_]" .. name:gsub("%-", "%%-") .. "%f[^%w_]"
  local by_name
  for index, line in ipairs(lines) do
    -- Most lines do not have the name at all.
    if line:find(name, 1, true) and not line:find("^%s*%-%-") then
      if url and line:find(url, 1, true) and line:find(word) then
        return index
      elseif line:find(word .. "[\"']?%]?%s*=") then
        by_name = by_name or index
      end
    end
  end
  return by_name or 1
end

local function raise(message, position, hint)
  failure.raise({ kind = "config", message = message, position = position, hint = hint })
end

local smallest = 'inputs = { dots = "git:https://host/dots.git#main" }'

-- Reads the table `inputs` of a file; returns what it declares, in the order of the names.
---@return syslua.input_graph.Declared[]
local function parse(given, file, source)
  local declared, lines = {}, text.lines(source)
  if type(given) ~= "table" then
    raise(
      ("`inputs`: expected a table of names and addresses, got %s"):format(text.describe(given)),
      file .. ":" .. get_line(lines, "inputs"),
      smallest
    )
  end
  for name in next, given do
    if type(name) ~= "string" then
      raise(
        ("`inputs`: expected names as keys, got a %s"):format(type(name)),
        file .. ":" .. get_line(lines, "inputs"),
        smallest
      )
    end
  end
  for _, name in ipairs(tables.get_sorted_keys(given)) do
    local value = given[name]
    local is_table = type(value) == "table" and not text.is_secret(value)
    local url = is_table and value.url or value
    local position = file .. ":" .. get_line(lines, name, type(url) == "string" and url or nil)
    if not bindings.call("is_input_name", name) then
      raise(
        ("`%s` cannot be the name of an input"):format(name),
        position,
        "a name has letters, digits, _ and -, and begins with a letter: "
          .. "`require` has it after `inputs.`"
      )
    end
    ---@type syslua.input_graph.Declared
    local one = { name = name, url = "", position = position }
    if is_table then
      local succeeded, problem = pcall(schema.check, ("the input `%s`"):format(name), value, fields)
      if not succeeded then
        local refused = failure.from(problem)
        refused.position = position
        refused.hint = refused.hint or smallest
        failure.raise(refused)
      end
      if value.strip and value.strip < 0 then
        raise(
          ("`strip` of the input `%s` counts directories: it is not %d"):format(name, value.strip),
          position,
          "0 keeps all names as they are, 1 removes the directory at the top"
        )
      end
      one.url, one.strip = value.url, value.strip
      if type(value.auth) == "table" then
        one.sealed_auth = require("syslua.secret").to_data(value.auth)
      else
        one.auth = value.auth
      end
      one.follows = value.follows
    elseif type(value) == "string" then
      one.url = value
    else
      raise(
        ("the input `%s`: expected an address or a table with `url`, got %s"):format(
          name,
          text.describe(value)
        ),
        position,
        smallest
      )
    end
    for theirs, ours in next, one.follows or {} do
      if type(ours) ~= "string" then
        raise(
          ("`follows.%s` of the input `%s`: expected the name of an input, got %s"):format(
            theirs,
            name,
            text.describe(ours)
          ),
          position,
          'follows = { THEIRS = "OURS" } replaces their input by yours'
        )
      end
    end
    declared[#declared + 1] = one
  end
  return declared
end

-- Refuses an input that is one of those that it is an input of.
local function check_circle(parent, identity, name, position)
  local names, depth = { name }, 1
  ---@type syslua.input_graph.Node?
  local at = parent
  while at do
    table.insert(names, 1, at.key ~= "" and at.key:match("[^/]+$") or "the config")
    if at.identity == identity then
      raise(
        "inputs depend on each other in a circle: " .. table.concat(names, " -> "),
        position,
        'remove one of them, or let one follow another: follows = { THEIRS = "OURS" }'
      )
    end
    depth, at = depth + 1, at.parent
  end
  if depth > deepest then
    raise(
      ("inputs are nested more than %d deep: %s"):format(deepest, table.concat(names, " -> ")),
      position
    )
  end
end

-- What the engine is asked for.
local function get_request(parent, declared, update)
  local key = parent.key == "" and declared.name or parent.key .. "/" .. declared.name
  local above = parent.resolved
  local refresh = update ~= nil and update(key, declared.url)
  return {
    key = key,
    url = declared.url,
    auth = declared.auth,
    sealed_auth = declared.sealed_auth,
    strip = declared.strip,
    github = declared.github,
    directory = parent.loader.directory,
    tree = above and above.tree,
    is_local = above and above.is_local or false,
    position = declared.position,
    refresh = refresh,
    moved = parent.request ~= nil and (parent.request.refresh or parent.request.moved),
  }
end

-- The text of an input's `init.lua`, where it declares inputs. Others are not run: it may be a file
-- of an editor.
local function get_declaring_text(one)
  local source = loader.read(one, "init.lua")
  return source and source:find("%f[%w_]inputs%s*=") and source or nil
end

---@class syslua.input_graph.Session
---@field options table
---@field update (fun(key: string, url: string?): boolean)? whether the newest of an input is asked
--- for, whatever is locked
---@field get_globals fun(one: syslua.Loader): table<string, any>
---@field notify fun(message: string, position: string?)
---@field nodes syslua.input_graph.Node[] those that were resolved, in their order
---@field locked table<string, boolean> the keys of the lock
-- Inputs of the config that are resolved when they are needed.
---@field deferred table<string, table>?
---@field top syslua.input_graph.Node? the config itself
---@field registries table<string, boolean>? the inputs that tools of the lock are from
---@field trees string[]? where the trees of inputs are

-- Resolves all inputs of one depth.
local function resolve_level(session, level)
  local requests, asked = {}, {}
  for _, item in ipairs(level) do
    check_circle(item.parent, item.declared.url, item.declared.name, item.declared.position)
    requests[#requests + 1] = get_request(item.parent, item.declared, session.update)
    asked[#asked + 1] = item
  end
  if not requests[1] then
    return {}
  end
  local answers = bindings.call("resolve_inputs", requests, session.options)
  local nodes = {}
  for index, item in ipairs(asked) do
    ---@type syslua.input_graph.Resolved
    local resolved = answers[index]
    local declared, key = item.declared, requests[index].key
    check_circle(item.parent, resolved.path, declared.name, declared.position)
    local one =
      loader.new_input(item.parent.loader, declared.name, key, resolved.path, session.get_globals)
    ---@type syslua.input_graph.Node
    local node = {
      key = key,
      loader = one,
      parent = item.parent,
      inputs = {},
      identity = resolved.path,
      declared = declared,
      resolved = resolved,
      request = requests[index],
    }
    for _, notice in ipairs(resolved.notices) do
      session.notify(("the input `%s`: %s"):format(key, notice), declared.position)
    end
    item.parent.inputs[declared.name] = node
    nodes[#nodes + 1] = node
    session.nodes[#session.nodes + 1] = node
  end
  return nodes
end

local function set_loaders(node)
  local loaders = {}
  for name, inner in next, node.inputs do
    loaders[name] = inner.loader
  end
  node.loader.inputs = loaders
end

-- Returns the inputs that an input declares itself.
---@return syslua.input_graph.Declared[]
local function get_declared(node)
  local source = get_declaring_text(node.loader)
  if not source then
    return {}
  end
  local result = loader.require_in(node.loader)
  if type(result) ~= "table" or result.inputs == nil then
    return {}
  end
  return parse(result.inputs, ("<inputs.%s>/init.lua"):format(node.key), source)
end

local function raise_unknown_follows(node, theirs, declared)
  local names = {}
  for index, one in ipairs(declared) do
    names[index] = one.name
  end
  local near = require("syslua.util.closest")(theirs, names)
  raise(
    ("`follows`: the input `%s` has no input `%s`"):format(node.key, theirs),
    node.declared.position,
    near and ("did you mean `%s`?"):format(near)
      or (names[1] and "it has " .. text.enumerate(names, "and"))
      or "it declares no inputs"
  )
end

-- The input of the declaring config that one of an input is to be.
local function get_followed(node, theirs, ours)
  local followed = node.parent.inputs[ours]
  if not followed then
    local names = tables.get_sorted_keys(node.parent.inputs)
    local near = require("syslua.util.closest")(ours, names)
    raise(
      ("`follows.%s` of the input `%s`: the config has no input `%s`"):format(
        theirs,
        node.key,
        ours
      ),
      node.declared.position,
      near and ("did you mean `%s`?"):format(near)
        or "the inputs are " .. text.enumerate(names, "and")
    )
  end
  return followed
end

-- Refuses a circle that `follows` makes: each input has a place of its own, but one of them is an
-- input of itself.
---@param node syslua.input_graph.Node
---@param way syslua.input_graph.Node[] from the config to it
---@param known table<syslua.input_graph.Node, "open"|"done">
local function check_follows(node, way, known)
  known[node] = "open"
  way[#way + 1] = node
  for _, name in ipairs(tables.get_sorted_keys(node.inputs)) do
    local inner = node.inputs[name]
    if known[inner] == "open" then
      local names, is_inside = {}, false
      for _, one in ipairs(way) do
        is_inside = is_inside or one == inner
        if is_inside then
          names[#names + 1] = one.key
        end
      end
      names[#names + 1] = inner.key
      raise(
        "inputs go in a circle: " .. table.concat(names, " -> "),
        node.declared and node.declared.position,
        ("remove `follows.%s` of the input `%s`"):format(name, node.key)
      )
    elseif not known[inner] then
      check_follows(inner, way, known)
    end
  end
  way[#way], known[node] = nil, "done"
end

-- Adds what the inputs of one depth declare to what is open; what follows another one is that.
local function open_next(nodes)
  local level = {}
  for _, node in ipairs(nodes) do
    local declared, by_name = get_declared(node), {}
    local follows = node.declared.follows or {}
    for _, one in ipairs(declared) do
      by_name[one.name] = true
      if follows[one.name] then
        node.inputs[one.name] = get_followed(node, one.name, follows[one.name])
      else
        level[#level + 1] = { parent = node, declared = one }
      end
    end
    for _, theirs in ipairs(tables.get_sorted_keys(follows)) do
      if not by_name[theirs] then
        raise_unknown_follows(node, theirs, declared)
      end
    end
  end
  return level
end

-- A registry of tools is fetched only when the lock lacks one of them, or the config wants more of
-- it. A directory costs nothing. Which inputs are registries, the tools of the lock say.
local function is_deferred(session, declared)
  local name = declared.name
  local is_registry = name == "tools" or (session.registries or {})[name]
  if not is_registry or declared.url:find("^path:") then
    return false
  elseif session.update and session.update(name) then
    return false
  end
  -- An address that changed is an error, as that of any input.
  return bindings.call("keep_input", name, declared.url) ~= nil or not session.locked[name]
end

-- Resolves inputs, and all inputs of these.
local function resolve_levels(session, level)
  local all = {}
  while level[1] do
    local nodes = resolve_level(session, level)
    local parent = level[1].parent
    set_loaders(parent)
    for _, node in ipairs(nodes) do
      all[#all + 1] = node
      -- Those of one parent are together.
      if node.parent ~= parent then
        parent = node.parent
        set_loaders(parent)
      end
    end
    level = open_next(nodes)
    for _, node in ipairs(nodes) do
      set_loaders(node)
    end
  end
  return all
end

--- Resolves an input of the config that was put off.
---@param session syslua.input_graph.Session
---@param declared syslua.input_graph.Declared
---@return syslua.input_graph.Resolved
function input_graph.resolve_deferred(session, declared)
  ---@type table<string, table?>
  local deferred = session.deferred or {}
  deferred[declared.name] = nil
  local all = resolve_levels(session, { { parent = session.top, declared = declared } })
  for _, node in ipairs(all) do
    local trees = session.trees
    if trees then
      trees[#trees + 1] = node.resolved.tree
    end
  end
  local first = all[1] --[[@as syslua.input_graph.Node]]
  return first.resolved --[[@as syslua.input_graph.Resolved]]
end

-- Has what was put off resolved when something asks for it by name.
local function watch(session, map, get)
  setmetatable(map, {
    __index = function(_, name)
      local declared = session.deferred[name]
      if declared and declared.name ~= "tools" then
        input_graph.resolve_deferred(session, declared)
        return get(session.top.inputs[name])
      end
      return nil
    end,
  })
end

--- Resolves the inputs of a config and all inputs of these.
---@param root syslua.Loader that of the config
---@param given any the table `inputs` of the entry file
---@param file string the name of the entry file
---@param session syslua.input_graph.Session
---@return syslua.input_graph.Node root
function input_graph.resolve(root, given, file, session)
  ---@type syslua.input_graph.Node
  local top = { key = "", loader = root, inputs = {}, identity = path.normalize(root.directory) }
  session.nodes, session.deferred, session.top = {}, {}, top
  local level = {}
  if given ~= nil then
    local place = path.normalize(path.join(root.directory, file))
    local source = root.files[place] or loader.read(root, file) or ""
    local all = parse(given, file, source)
    for _, declared in ipairs(all) do
      -- What another one follows is needed now.
      for _, ours in next, declared.follows or {} do
        if session.registries then
          session.registries[ours] = nil
        end
      end
    end
    for _, declared in ipairs(all) do
      local is_wanted = not session.options.only_registry or declared.name == "tools"
      if is_deferred(session, declared) then
        session.deferred[declared.name] = declared
      elseif is_wanted then
        level[#level + 1] = { parent = top, declared = declared }
      end
    end
  end
  resolve_levels(session, level)
  set_loaders(top)
  if next(session.deferred) then
    watch(session, root.inputs, function(one)
      return one.loader
    end)
  end
  check_follows(top, {}, {})
  return top
end

--- Returns what `setup` gets: of each input its path, and where it is from.
---@param node syslua.input_graph.Node
---@param session syslua.input_graph.Session
---@return table<string, syslua.Input>
function input_graph.describe(node, session)
  local function show(inner)
    local resolved = inner.resolved --[[@as syslua.input_graph.Resolved]]
    return {
      path = resolved.path,
      rev = resolved.rev,
      url = resolved.url,
      sha256 = resolved.sha256,
    }
  end
  local inputs = {}
  for name, inner in next, node.inputs do
    inputs[name] = show(inner)
  end
  if next(session.deferred or {}) then
    watch(session, inputs, show)
  end
  return inputs
end

return input_graph
