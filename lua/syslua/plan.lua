--- `syslua.plan(manifest, options)`: what an apply would do. It changes nothing.

local border = require("syslua.border")

local check_options = require("syslua.settings").new_check("syslua.plan", {
  build = { type = "boolean" },
  diff = { type = "boolean" },
})

--- Compares a manifest with what is applied.
---@param manifest syslua.Manifest
---@param options syslua.PlanOptions?
---@return syslua.Plan
return function(manifest, options)
  check_options(options)
  return border.call("plan", manifest, options)
end
