--- `syslua.plan(manifest, options)`: what an apply would do. It changes nothing.

local bindings = require("syslua.bindings")

local check_options = require("syslua.call_options").new_check("syslua.plan", {
  build = { type = "boolean" },
  diff = { type = "boolean" },
})

--- Compares a manifest with what is applied.
---@param manifest syslua.Manifest
---@param options syslua.PlanOptions?
---@return syslua.Plan
return function(manifest, options)
  check_options(options)
  return bindings.call("plan", manifest, options)
end
