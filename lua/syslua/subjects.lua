--- The things that commands and services depend on (derivations, sources, secrets and targets) as
-- texts, by which the engine detects changes.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local path = require("syslua.util.path")
local position = require("syslua.util.position")
local secret = require("syslua.secret")
local text = require("syslua.util.text")

local subjects = {}

-- A field of what may be a handle, which answers only for its own fields.
local function get_field(value, key)
  local succeeded, found = pcall(function()
    return value[key]
  end)
  return succeeded and found or nil
end

--- Returns the texts: paths of objects, hashes of sources and of encrypted values, targets.
---@param what string how messages name the list: "`on_change[%d]` in ctx.run"
---@param given any[]
---@return string[]
function subjects.get(what, given)
  local result = {}
  for index, value in ipairs(given) do
    local is_target = type(value) == "string"
      and not value:find("%z")
      and (path.is_absolute(value) or value:find("^~/.") ~= nil)
    local is_reference = type(value) == "table" and bindings.call("is_reference", value)
    local sha256 = is_reference and get_field(value, "sha256")
    if is_target then
      result[#result + 1] = value
    elseif secret.is(value) then
      secret.each_sealed(value, function(sealed)
        result[#result + 1] = "secret-" .. sealed
      end)
    elseif sha256 then
      result[#result + 1] = "source-" .. sha256
    elseif is_reference then
      for _, name in ipairs(get_field(value, "outputs") or {}) do
        result[#result + 1] = value.outputs[name]
      end
    else
      failure.raise({
        kind = "config",
        message = (
          what
          .. ": expected a derivation, a source(), a secret "
          .. "or a target such as ~/.config/x, got %s"
        ):format(index, text.describe(value)),
        position = position.caller(),
      })
    end
  end
  return result
end

return subjects
