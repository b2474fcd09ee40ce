--- `search`: looks for tools in the registry, by their names, programs and descriptions.

local search = {}

search.summary = "Look for tools in the registry"

search.description = [[
`search` looks for WORD in names, former names, programs and descriptions, and shows the tools that
are called so first. See [tools](tools.md).
]]

--- Adds the command's own arguments and flags.
---@param parser table
function search.add_to_parser(parser)
  parser
    :argument("WORD", "A word in a name, program or description.")
    :argname("WORD")
    :target("word")
    :args("?")
  parser
    :option("-c --config", "The config whose registry is used: a file, or a directory.")
    :argname("CONFIG")
  parser:flag("--json", "Print one JSON object instead of text.")
end

--- Does it.
---@param args syslua.cli.Args
---@return integer
function search.run(args)
  local border = require("syslua.border")
  local terminal = require("syslua.cli.terminal")
  local text = require("syslua.util.text")

  if not args.word or args.word == "" then
    require("syslua.util.failure").raise({
      kind = "usage",
      message = "the search word is missing",
      hint = "for example: sys search grep",
    })
  end
  local options = require("syslua.cli.options").from_args(args)
  local config = require("syslua.cli.config_path").get_or_default(args.config)
  local found = require("syslua.tool_lock").with_registry(config, options, function(place)
    return border.call("search_tools", place, args.word, options)
  end)
  if args.json then
    local array = require("syslua.lib").array
    for _, tool in ipairs(found) do
      tool.programs, tool.aliases = array(tool.programs), array(tool.aliases)
    end
    terminal.write({ require("syslua.cli.report").to_json("search", { tools = array(found) }) })
    return 0
  end
  local width, lines = 0, {}
  for _, tool in ipairs(found) do
    width = math.max(width, text.width(tool.name))
  end
  for index, tool in ipairs(found) do
    local line = tool.description:match("[^\n]*") or ""
    lines[index] = text.printable(text.pad(tool.name, width) .. "  " .. line)
  end
  lines[1] = lines[1] or ("The registry has no tool with `%s`."):format(text.printable(args.word))
  if not args.quiet then
    terminal.write(lines)
  end
  return 0
end

return search
