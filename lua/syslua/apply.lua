--- `syslua.apply(manifest, options)`: makes the system match a manifest. It does not know how.

local border = require("syslua.border")

--- Makes the system match a manifest; with `dry_run` it only says what it would do.
---@param manifest syslua.Manifest
---@param options syslua.Options?
---@return syslua.Applied
return function(manifest, options)
  return border.call("apply", manifest, options)
end
