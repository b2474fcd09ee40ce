--- `search`: looks for tools in the registry, by their names, programs and descriptions.

local shared = require("syslua.cli.arguments").shared

local search = {}

search.order = 220
search.summary = "Look for tools in the registry"

search.description = [[
`search` looks for WORD in names, former names, programs and descriptions, and shows the tools that
are called so first. See [tools](tools.md).
]]

search.arguments = {
  {
    name = "WORD",
    arity = "?",
    description = "A word in a name, program or description.",
    missing = {
      message = "the search word is missing",
      hint = "for example: sys search grep",
    },
  },
  {
    name = "-c --config",
    value = "CONFIG",
    description = "The config whose registry is used: a file, or a directory.",
  },
  shared.json,
}

--- Does it.
---@param args syslua.cli.Args
---@param options table
---@return table
function search.run(args, options)
  local bindings = require("syslua.bindings")
  local config = require("syslua.cli.config_path").get_or_default(args.config)
  local found = require("syslua.tool_lock").with_registry(config, options, function(place)
    return bindings.call("search_tools", place, args.word, options)
  end)
  local array = require("syslua.lib").array
  for _, tool in ipairs(found) do
    tool.programs, tool.aliases = array(tool.programs), array(tool.aliases)
  end
  return { tools = array(found) }
end

--- Renders it for people.
---@param args syslua.cli.Args
---@return string[]
function search.render(report, args)
  local text = require("syslua.util.text")
  local width, lines = 0, {}
  for _, tool in ipairs(report.tools) do
    width = math.max(width, text.width(tool.name))
  end
  for index, tool in ipairs(report.tools) do
    local line = tool.description:match("[^\n]*") or ""
    lines[index] = text.printable(text.pad(tool.name, width) .. "  " .. line)
  end
  lines[1] = lines[1] or ("The registry has no tool with `%s`."):format(text.printable(args.word))
  return lines
end

return search
