--- `info`: shows the root as a whole, or one object of its store.
-- It reads records only.

local bindings = require("syslua.bindings")

local shared = require("syslua.cli.arguments").shared

local info = {}

info.order = 230
info.summary = "Show the root, or one object"

info.description = [[
`OBJECT` is the name of an object in the store or its beginning, the digits at its end, the name of
its derivation, `NAME/VERSION`, or a path inside the object. If several objects match, they are
listed, and the exit code is 2.
]]

info.arguments = {
  {
    name = "OBJECT",
    arity = "?",
    description = "An object: its name, the beginning of it, its nine digits, or a path in it.",
  },
  shared.json,
}

local function list_referrers(listed, object)
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
---@param options table
---@return table report, integer code, table? held what is known of the object
function info.run(args, options)
  if not args.object then
    return bindings.call("info", options), 0, nil
  end
  ---@type syslua.Listed
  local listed = bindings.call("list", options)
  local object = require("syslua.cli.object_argument").get(listed, args.object, args.program)
  local held = bindings.call("hold", object.object, options)
  local report = {
    root = listed.root,
    object = object,
    referrers = list_referrers(listed, object),
    closure = { objects = held.closure, size = held.closure_size },
    holders = held.holders,
  }
  return report, 0, held
end

--- Renders it for people.
---@param args syslua.cli.Args
---@param held table?
---@return string[]
function info.render(report, args, _, held)
  local store_report = require("syslua.cli.store_report")
  if held then
    return store_report.render_object(report.object, report.referrers, held, args)
  end
  return store_report.render_info(report)
end

return info
