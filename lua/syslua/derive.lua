--- `derive{}`: declares how to produce content. It does not know how that is built.

local beside = require("syslua.beside")
local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local position = require("syslua.util.position")
local schema = require("syslua.schema")
local system = require("syslua.system")
-- Before the first handle is made, and before a function is looked at.
require("syslua.handle")
require("syslua.fixed")

---@class syslua.derive.Opts
---@field name string letters, digits and `+ - . _ ? =`
---@field version string?
---@field outputs string[]? the names of its outputs; by default `{ "out" }`
---@field opts table|(fun(sys: syslua.System): table)|nil plain data, derivations and sources
---@field config fun(opts: any, ctx: syslua.BuildContext) builds it
---@field output_sha256 string? what its only output must hash to (SHA-256 of the NAR); its programs
--- may use the network

local fields = {
  name = { type = "string", required = true },
  version = { type = "string" },
  outputs = { type = "list", items = "string" },
  opts = { type = { "table", "function" } },
  config = { type = "function", required = true },
  output_sha256 = { type = "string" },
}

-- Refuses private texts in what all users will read in the description of the derivation.
local function check_texts(opts, seen)
  if type(opts) == "string" then
    beside.refuse_private("`opts` in derive{}", opts)
  elseif type(opts) == "table" and not seen[opts] then
    seen[opts] = true
    for key, value in next, opts do
      check_texts(key, seen)
      check_texts(value, seen)
    end
  end
end

--- Declares a derivation and returns its handle.
---@param spec syslua.derive.Opts
---@return syslua.Derivation
return function(spec)
  schema.check("derive{}", spec, fields)
  local opts = spec.opts
  if type(opts) == "function" then
    opts = opts(system.for_build())
    if opts ~= nil and type(opts) ~= "table" then
      failure.raise({
        kind = "config",
        message = ("the function `opts` of derive{} returned a %s: expected a table"):format(
          type(opts)
        ),
        position = position.caller(),
      })
    end
  end
  if beside.has_private() then
    check_texts(opts, {})
  end
  return bindings.call("derive", {
    name = spec.name,
    version = spec.version,
    outputs = spec.outputs,
    opts = opts,
    config = spec.config,
    output_sha256 = spec.output_sha256,
    positions = position.chain(),
  })
end
