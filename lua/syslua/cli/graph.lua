--- The graph of a config: what is built, what needs what, and where it comes to. As data, and as
-- the text of Graphviz. It evaluates nothing.

local text = require("syslua.util.text")

local graph = {}

--- What a node stands for.
---@class syslua.cli.GraphNode
---@field id string unique in its graph
---@field kind "derivation"|"file"|"action"
---@field label string one line
---@field group string its kind: "build", "file", "link", "variable", "command" and so on
---@field details string[] additional lines
---@field positions string[] who declared it, innermost first
---@field origin string? of a file, its origin: the path of a source, or "a text"

---@class syslua.cli.GraphEdge
---@field from string
---@field to string what needs it, or is made of it

---@class syslua.cli.Graph
---@field nodes syslua.cli.GraphNode[]
---@field edges syslua.cli.GraphEdge[]

local groups = {
  symlink = "link",
  install = "file",
  directory = "directory",
  absent = "absent",
  run = "command",
  add_to_path = "variable",
  source_in_shell = "script",
  set_alias = "alias",
  set_function = "alias",
  set_variable = "variable",
}

local function shorten(value)
  return text.shorten(text.printable((tostring(value):gsub("%s+", " "))), 60)
end

-- Makes the texts of a node those that people can read: names of files may have any byte.
local function to_readable(node)
  node.label = text.printable(node.label)
  for _, list in ipairs({ node.details, node.positions }) do
    for index, line in ipairs(list) do
      list[index] = text.inert(line)
    end
  end
  node.origin = node.origin and text.printable(node.origin)
  return node
end

-- Calls a function for each string in a value.
local function walk(value, callback)
  if type(value) == "string" then
    callback(value)
  elseif type(value) == "table" then
    for key, item in require("syslua.util.ordered_pairs")(value) do
      if key ~= "positions" and key ~= "overridden" then
        walk(item, callback)
      end
    end
  end
end

-- Writes a value in one line, with the names of derivations in place of their paths.
local function show(value, by_path)
  if type(value) == "string" then
    return (
      value:gsub("(/syslua%-placeholder/%x+)", function(path)
        local node = by_path[path]
        return node and "{" .. node.label .. "}" or nil
      end)
    )
  elseif type(value) ~= "table" then
    return tostring(value)
  elseif value.reference then
    return "$" .. value.reference
  elseif value.entries or value.parts then
    local parts = {}
    for index, part in ipairs(value.entries or value.parts) do
      parts[index] = show(part, by_path)
    end
    return table.concat(parts, value.entries and value.separator or "")
  elseif value[1] then
    local parts = {}
    for index, part in ipairs(value) do
      parts[index] = show(part, by_path)
    end
    return table.concat(parts, " ")
  end
  return ""
end

local function new_derivation(derivation, detail)
  local is_file = derivation.file ~= nil
  local label = derivation.name .. (derivation.version and " " .. derivation.version or "")
  local details = { (is_file and "file " or "derivation ") .. label }
  details[#details + 1] = "hash " .. derivation.hash
  if #derivation.outputs > 1 then
    details[#details + 1] = "outputs " .. table.concat(derivation.outputs, ", ")
  end
  if detail and detail.source then
    details[#details + 1] = "source " .. detail.source
  elseif detail and detail.content then
    details[#details + 1] = ("content %d bytes"):format(#detail.content)
  end
  return to_readable({
    id = derivation.hash:sub(1, 12),
    kind = is_file and "file" or "derivation",
    label = label,
    group = is_file and "file" or "build",
    details = details,
    positions = derivation.positions or {},
    origin = detail and (detail.source or detail.content and "a text"),
  })
end

local function new_action(action, index, by_path)
  local group = groups[action.kind] or "action"
  local subject = action.target or action.name
  local value = action.source
    or action.value
    or action.command
    or action.directory
    or action.script
    or action.text
  local shown = value ~= nil and show(value, by_path) or ""
  local label = subject or shown
  if action.kind == "set_variable" or action.kind == "set_alias" then
    label = ("%s = %s"):format(subject, shown)
  elseif action.kind == "add_to_path" then
    label = "PATH = " .. shown
  elseif action.kind == "run" then
    label = "$ " .. shown
  elseif action.mutable and shown ~= "" then
    label = ("%s <- %s"):format(subject, shown:match("[^/\\]+$"))
  end
  local details = { group .. " " .. (subject or "") }
  if shown ~= "" then
    details[#details + 1] = shown
  end
  for _, field in ipairs({ "mode", "owner", "user" }) do
    if action[field] then
      details[#details + 1] = field .. " " .. show(action[field], by_path)
    end
  end
  if action.project then
    local project = action.project
    details[#details + 1] = "project " .. (type(project) == "table" and project.name or project)
  end
  if action.mutable then
    details[#details + 1] = "mutable"
  end
  return to_readable({
    id = "a" .. index,
    kind = "action",
    label = shorten(label),
    group = group,
    details = details,
    positions = action.positions or {},
  })
end

--- Returns the graph of a manifest.
---@param manifest table as `syslua.evaluate` returns it
---@param list table[] what `bindings.manifest_details` says of its derivations, in their order
---@return syslua.cli.Graph
function graph.new(manifest, list)
  local nodes, edges, by_hash, by_path = {}, {}, {}, {}
  for index, derivation in ipairs(manifest.derivations) do
    local node = new_derivation(derivation, list[index])
    nodes[#nodes + 1] = node
    by_hash[derivation.hash] = node
    for _, path in next, (list[index] or {}).paths or {} do
      by_path[path] = node
    end
  end
  for _, derivation in ipairs(manifest.derivations) do
    for _, dependency in ipairs(derivation.dependencies or {}) do
      if by_hash[dependency] then
        edges[#edges + 1] = { from = by_hash[dependency].id, to = by_hash[derivation.hash].id }
      end
    end
  end
  for index, action in ipairs(manifest.activations) do
    local node, seen = new_action(action, index, by_path), {}
    nodes[#nodes + 1] = node
    walk(action, function(value)
      for path in value:gmatch("/syslua%-placeholder/%x+") do
        local from = by_path[path]
        if from and not seen[from] then
          seen[from] = true
          edges[#edges + 1] = { from = from.id, to = node.id }
        end
      end
    end)
  end
  return { nodes = nodes, edges = edges }
end

-- Returns the edges that begin and end at each node.
local function index_edges(whole)
  local outgoing, incoming = {}, {}
  for _, node in ipairs(whole.nodes) do
    outgoing[node.id], incoming[node.id] = {}, {}
  end
  for _, edge in ipairs(whole.edges) do
    table.insert(outgoing[edge.from], edge.to)
    table.insert(incoming[edge.to], edge.from)
  end
  return outgoing, incoming
end

-- More actions of one file recipe, as those of a tree, are one node.
local most_single = 8

local function add_lines(list, more)
  for _, line in ipairs(more) do
    list[#list + 1] = line
  end
end

-- What the labels of several have in common, up to a slash.
---@param nodes any
---@return string
local function get_common_directory(nodes)
  local common = nodes[1].label:match("^(.*)/[^/]*$") or ""
  for _, node in ipairs(nodes) do
    while common ~= "" and node.label:sub(1, #common + 1) ~= common .. "/" do
      common = common:match("^(.*)/[^/]*$") or ""
    end
  end
  return common
end

-- Returns the node that stands for many links into one tree.
---@param nodes any
local function join(nodes)
  local details = { ("%d files"):format(#nodes) }
  for _, node in ipairs(nodes) do
    details[#details + 1] = node.label
  end
  return {
    id = nodes[1].id,
    kind = "action",
    label = ("%s/ %d files"):format(get_common_directory(nodes), #nodes),
    group = nodes[1].group,
    details = details,
    positions = nodes[1].positions,
  }
end

--- Returns the graph as people want to see it: a file that comes to one place is one node with that
-- place, and the many links into a tree are one.
---@param whole syslua.cli.Graph
---@return syslua.cli.Graph
function graph.simplify(whole)
  ---@type any, any
  local outgoing, incoming = index_edges(whole)
  ---@type any, any, any
  local by_id, replaced, joined = {}, {}, {}
  for _, node in ipairs(whole.nodes) do
    by_id[node.id] = node
  end
  for _, node in ipairs(whole.nodes) do
    local users = outgoing[node.id] or {}
    if node.kind == "file" and #users == 1 and by_id[users[1]].kind == "action" then
      local details = {}
      add_lines(details, by_id[users[1]].details)
      for index = 2, #node.details do
        details[#details + 1] = node.details[index]
      end
      replaced[node.id] = users[1]
      local copy = {}
      for key, value in next, by_id[users[1]] do
        copy[key] = value
      end
      copy.details, copy.origin = details, node.origin
      if copy.group == "link" and node.origin then
        copy.label = ("%s <- %s"):format(copy.label, node.origin:match("[^/\\]+$"))
      end
      by_id[users[1]] = copy
    elseif node.kind == "file" and #users > most_single then
      local links = {}
      for _, id in ipairs(users) do
        if by_id[id].kind == "action" and #incoming[id] == 1 then
          links[#links + 1] = by_id[id]
        end
      end
      if #links > most_single then
        local group = join(links --[[@as any]])
        for _, link in ipairs(links) do
          joined[link.id] = group.id
        end
        by_id[group.id] = group
        joined[group.id] = nil
      end
    end
  end
  local result, seen = { nodes = {}, edges = {} }, {}
  for _, node in ipairs(whole.nodes) do
    if not replaced[node.id] and not joined[node.id] then
      result.nodes[#result.nodes + 1] = by_id[node.id]
    end
  end
  local function get_shown(id)
    id = replaced[id] or id
    return joined[id] or id
  end
  for _, edge in ipairs(whole.edges) do
    local from, to = get_shown(edge.from), get_shown(edge.to)
    local key = from .. " " .. to
    if from ~= to and not seen[key] then
      seen[key] = true
      result.edges[#result.edges + 1] = { from = from, to = to }
    end
  end
  return result
end

local shapes = { derivation = "box", file = "note", action = "ellipse" }

-- A string of Graphviz: in it only the quote and the backslash mean something.
local function quote(value)
  local inert = text.printable(value):gsub('[\\"]', "\\%0")
  return '"' .. inert .. '"'
end

--- Returns the lines of a graph in the language of Graphviz.
---@param shown syslua.cli.Graph
---@return string[]
function graph.to_dot(shown)
  local lines = { "digraph config {", "  rankdir=LR;", '  node [fontname="sans-serif"];' }
  for _, node in ipairs(shown.nodes) do
    lines[#lines + 1] = ("  %s [label=%s, shape=%s, tooltip=%s];"):format(
      quote(node.id),
      quote(node.label),
      shapes[node.kind],
      quote(table.concat(node.positions, " < "))
    )
  end
  for _, edge in ipairs(shown.edges) do
    lines[#lines + 1] = ("  %s -> %s;"):format(quote(edge.from), quote(edge.to))
  end
  lines[#lines + 1] = "}"
  return lines
end

return graph
