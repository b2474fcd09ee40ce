--- `syslua.apply(manifest, options)`: makes the system match a manifest. It does not know how.

local bindings = require("syslua.bindings")

local check_options = require("syslua.call_options").new_check("syslua.apply", {
  dry_run = { type = "boolean" },
  description = { type = "string" },
  confirm = { type = "number" },
  refresh_secrets = { type = "boolean" },
  no_services = { type = "boolean" },
})

--- Makes the system match a manifest; with `dry_run` it only says what it would do.
---@param manifest syslua.Manifest
---@param options syslua.ApplyOptions?
---@return syslua.Applied
return function(manifest, options)
  check_options(options)
  return bindings.call("apply", manifest, options)
end
