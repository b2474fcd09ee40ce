--- `syslua.plan(manifest, options)`: what an apply would do. It changes nothing.

local border = require("syslua.border")

--- Compares a manifest with what is applied.
---@param manifest syslua.Manifest
---@param options syslua.PlanOptions?
---@return syslua.Plan
return function(manifest, options)
  return border.call("plan", manifest, options)
end
