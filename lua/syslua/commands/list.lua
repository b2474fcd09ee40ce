--- `list`: shows the packages and tools of the current snapshot, the versions of a tool, or all
--- objects of the store.
-- It reads their records, and does not look whether they are whole: `verify` does.

local list = {}

list.summary = "Show packages and tools, or the objects of the store"

list.description = [[
Without a flag, `list` shows the packages and tools of the current snapshot whose programs are on
`PATH`, with version and size. `--available` shows the versions of a [tool](tools.md), newest first.

With `--all`, each line shows the name (and the output, unless it is `out`), the version, the digits
at the end of its name in the store, the size, and the objects that it refers to. `*` marks objects
that the current snapshot names. Long values are cut to fit into 80 columns, unless `--verbose` is
given.
]]

--- Adds the command's own arguments and flags.
---@param parser table
function list.add_to_parser(parser)
  parser:flag("--all", "Show all objects of the store.")
  parser:option("--available", "Show the versions of a tool."):argname("NAME")
  parser
    :option("-c --config", "The config whose registry is used: a file, or a directory.")
    :argname("CONFIG")
  parser:flag("--json", "Print one JSON object instead of text.")
end

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

local function show_available(args, options)
  local border = require("syslua.border")
  local terminal = require("syslua.cli.terminal")
  local config = require("syslua.cli.config_path").get_or_default(args.config)
  local tool_lock = require("syslua.tool_lock")
  local declared = tool_lock.get_declared(config, options)
  local versions = tool_lock.with_registry(config, options, function(place, github)
    return border.call("tool_versions", place, args.available, github, options)
  end, declared and declared.first_github)
  if args.json then
    local result = { tool = args.available, versions = require("syslua.lib").array(versions) }
    terminal.write({ require("syslua.cli.report").to_json("list", result) })
  elseif not args.quiet then
    versions[1] = versions[1] or ("%s has no version"):format(args.available)
    terminal.write(versions)
  end
  return 0
end

--- Does it.
---@param args syslua.cli.Args
---@return integer
function list.run(args)
  local border = require("syslua.border")
  local terminal = require("syslua.cli.terminal")

  local options = require("syslua.cli.options").from_args(args)
  if args.available then
    return show_available(args, options)
  end
  ---@type syslua.Listed
  local result = border.call("list", options)
  if not args.all then
    local packages = select_packages(result, border.call("actions", options).actions)
    result.objects = require("syslua.lib").array(packages)
  end

  if args.json then
    terminal.write({ require("syslua.cli.report").to_json("list", result) })
  elseif not args.quiet then
    local style = terminal.get_data_style(args)
    local store_report = require("syslua.cli.store_report")
    if args.all then
      terminal.write(store_report.render_list(result, args, style))
    else
      terminal.write(store_report.render_packages(result, args, style))
    end
  end
  return 0
end

return list
