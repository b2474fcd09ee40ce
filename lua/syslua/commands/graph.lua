--- `graph`: what a config builds, what needs what, and where it comes to. It builds nothing.

local shared = require("syslua.cli.arguments").shared

local graph = {}

graph.order = 120
graph.summary = "Show what a config builds, and where it comes to"

graph.description = [[
`graph` builds nothing. `--format html` writes one page for a browser, which needs no network:
builds are on the left, and files of the machine are on the right. Point at a node to see its
description, its declaration, and all nodes before and after it. `dot` is for Graphviz. `json` has
each derivation and each action. `html` and `dot` join a file and its only place into one node, and
many links into one tree into one node.

![The page of a config](../images/graph.png)
]]

graph.arguments = {
  shared.config,
  {
    name = "--format",
    value = "FORMAT",
    choices = { "dot", "json", "html" },
    description = "Write dot for Graphviz (the default), json, or html: a page for a browser.",
  },
  { name = "--output", value = "FILE", description = "Write to FILE instead of standard output." },
  shared.hostname,
  shared.system,
  shared.username,
  shared.answer,
  { name = "--json", description = "The same as --format json." },
}

local function get_report(whole)
  local lib = require("syslua").lib
  for _, node in ipairs(whole.nodes) do
    node.positions = node.positions[1] and node.positions or lib.array({})
  end
  return { nodes = lib.array(whole.nodes), edges = lib.array(whole.edges) }
end

-- Returns the text of a format.
local function render(args, whole, config)
  local shapes = require("syslua.cli.graph")
  if args.json then
    return require("syslua.cli.report").to_json("graph", get_report(whole)) .. "\n"
  elseif args.format == "html" then
    local path = require("syslua.util.path")
    local shown = path.display(config, path.get_home())
    return require("syslua.cli.graph_page").render(shapes.simplify(whole), shown)
  end
  return table.concat(shapes.to_dot(shapes.simplify(whole)), "\n") .. "\n"
end

--- Does it.
---@param args syslua.cli.Args
---@param options table
---@return table? report that of --json; other formats are written here
function graph.run(args, options)
  local bindings = require("syslua.bindings")
  local terminal = require("syslua.cli.terminal")
  local config = require("syslua.cli.config_path").get(args.config)
  options.sys = require("syslua.cli.machine_view").get(args)
  local manifest = require("syslua").evaluate(config, options)
  local whole = require("syslua.cli.graph").new(
    bindings.call("manifest_table", manifest, true),
    bindings.call("manifest_details", manifest)
  )
  args.json = args.json or args.format == "json"
  if args.json and not args.output then
    return get_report(whole)
  end
  local content = render(args, whole, config)
  if args.output then
    local file = bindings.call("absolute", args.output)
    bindings.call("write_file", file, content)
    if not args.quiet then
      local path = require("syslua.util.path")
      terminal.talk({ "wrote " .. path.display(file, path.get_home()) })
    end
  else
    terminal.clear()
    terminal.put(content)
  end
  return nil
end

return graph
