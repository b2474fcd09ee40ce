--- `syslua.build(derivation, options)`: realizes a derivation now. It does not know how.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local path = require("syslua.util.path")
local position = require("syslua.util.position")
local call_options = require("syslua.call_options")

local check_options = call_options.new_check("syslua.build", { check = { type = "boolean" } })

-- Builds a realized derivation again, and raises a failure when it comes out differently.
---@return syslua.OutputPaths
local function check(derivation, options)
  ---@type syslua.Checked
  local checked = bindings.call("check", derivation, options)
  local found = checked.derivation
  ---@cast found syslua.RealizedReport
  local output, file = checked.output, checked.file
  if output and file then
    failure.raise({
      kind = "build",
      message = ("%s is not reproducible: built again, %s differs: %s"):format(
        found.version and found.name .. " " .. found.version or found.name,
        path.normalize(path.join(found.outputs[output], file)),
        checked.how
      ),
      position = position.caller(),
      hint = "the second build had another umask, build directory, time zone and locale; "
        .. "times and the order of entries of directories often differ too",
    })
  end
  return found.outputs
end

--- Realizes a derivation and what it needs; returns the paths of its outputs by name.
---@param derivation syslua.Derivation|string a handle, or a hash
---@param options syslua.BuildOptions?
---@return syslua.OutputPaths
return function(derivation, options)
  check_options(options)
  if options and options.check then
    return check(derivation, options)
  end
  return bindings.call("build", { derivation }, options)[1]
end
