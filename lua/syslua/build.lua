--- `syslua.build(derivation, options)`: realizes a derivation now. It does not know how.

local border = require("syslua.border")

--- Realizes a derivation and what it needs; returns the paths of its outputs by name.
---@param derivation syslua.Derivation
---@param options syslua.Options?
---@return syslua.OutputPaths
return function(derivation, options)
  return border.call("build", derivation, options)
end
