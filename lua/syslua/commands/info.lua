--- `info`: shows the root as a whole, or one object of its store.
-- It reads records only.

local border = require("syslua.border")

local info = {}

info.summary = "Show the root, or one object"

info.description = [[
`OBJECT` is the name of an object in the store or its beginning, the digits at its end, the name of
its derivation, `NAME/VERSION`, or a path inside the object. If several objects match, they are
listed, and the exit code is 2.
]]

--- Adds the command's own arguments and flags.
---@param parser table
function info.add_to_parser(parser)
  parser
    :argument(
      "OBJECT",
      "An object: its name, the beginning of it, its nine digits, or a path in it."
    )
    :argname("OBJECT")
    :target("object")
    :args("?")
  parser:flag("--json", "Print one JSON object instead of text.")
end

local function find_referrers(listed, object)
  local referrers = require("syslua.lib").array({})
  for _, other in ipairs(listed.objects) do
    for _, reference in ipairs(other.references) do
      if reference == object.object and other ~= object then
        referrers[#referrers + 1] = other.object
      end
    end
  end
  return referrers
end

--- Does it.
---@param args syslua.cli.Args
---@return integer
function info.run(args)
  local report = require("syslua.cli.report")
  local store_report = require("syslua.cli.store_report")
  local terminal = require("syslua.cli.terminal")

  local options = require("syslua.cli.options").from_args(args)
  local result, lines
  if args.object then
    ---@type syslua.Listed
    local listed = border.call("list", options)
    local object = require("syslua.cli.object_word").find(listed, args.object, args.program)
    local referrers = find_referrers(listed, object)
    local held = border.call("hold", object.object, options)
    result = {
      root = listed.root,
      object = object,
      referrers = referrers,
      closure = { objects = held.closure, size = held.closure_size },
      holders = held.holders,
    }
    lines = store_report.render_object(object, referrers, held, args)
  else
    result = border.call("info", options)
    lines = store_report.render_info(result)
  end

  if args.json then
    terminal.write({ report.to_json("info", result) })
  elseif not args.quiet then
    terminal.write(lines)
  end
  return 0
end

return info
