--- `list`: shows the packages and tools of the current snapshot, the versions of a tool, or all
--- objects of the store.
-- It reads their records, and does not look whether they are whole: `verify` does.

local shared = require("syslua.cli.arguments").shared

local list = {}

list.order = 210
list.summary = "Show packages and tools, or the objects of the store"

list.description = [[
Without a flag, `list` shows the packages and tools of the current snapshot whose programs are on
`PATH`, with version and size. `--available` shows the versions of a [tool](tools.md), newest first.

With `--all`, each line shows the name (and the output, unless it is `out`), the version, the digits
at the end of its name in the store, the size, and the objects that it refers to. `*` marks objects
that the current snapshot names. Long values are cut to fit into 80 columns, unless `--verbose` is
given.
]]

list.arguments = {
  { name = "--all", description = "Show all objects of the store." },
  { name = "--available", value = "NAME", description = "Show the versions of a tool." },
  {
    name = "-c --config",
    value = "CONFIG",
    description = "The config whose registry is used: a file, or a directory.",
  },
  shared.json,
}

-- The objects of the current snapshot whose programs are on PATH, those of projects too.
local function select_packages(listed, actions)
  local on_path = {}
  for _, action in ipairs(actions) do
    if action.kind == "add_to_path" then
      on_path[#on_path + 1] = action.directory
    end
  end
  local packages = {}
  for _, object in ipairs(listed.objects) do
    local is_used = false
    for _, directory in ipairs(on_path) do
      is_used = is_used or directory:sub(1, #object.path + 1) == object.path .. "/"
    end
    if object.current and is_used then
      packages[#packages + 1] = object
    end
  end
  return packages
end

-- The versions of a tool.
local function get_available(args, options)
  local bindings = require("syslua.bindings")
  local config = require("syslua.cli.config_path").get_or_default(args.config)
  local tool_lock = require("syslua.tool_lock")
  local declared = tool_lock.get_declared(config, options)
  local versions = tool_lock.with_registry(config, options, function(place, github)
    return bindings.call("tool_versions", place, args.available, github, options)
  end, declared and declared.first_github)
  return { tool = args.available, versions = require("syslua.lib").array(versions) }
end

--- Does it.
---@param args syslua.cli.Args
---@param options table
---@return table
function list.run(args, options)
  local bindings = require("syslua.bindings")
  if args.available then
    return get_available(args, options)
  end
  ---@type syslua.Listed
  local result = bindings.call("list", options)
  if not args.all then
    local packages = select_packages(result, bindings.call("actions", options).actions)
    result.objects = require("syslua.lib").array(packages)
  end
  return result
end

--- Renders it for people.
---@param report table
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function list.render(report, args, style)
  local store_report = require("syslua.cli.store_report")
  if report.versions then
    local none = ("%s has no version"):format(report.tool)
    return report.versions[1] and report.versions or { none }
  elseif args.all then
    return store_report.render_list(report, args, style)
  end
  return store_report.render_packages(report, args, style)
end

return list
