--- `syslua.lib`: functions for configs. Nothing here touches the system.

local border = require("syslua.border")
local schema = require("syslua.schema")

---@class syslua.Library
local lib = {}

local json_fields = { pretty = { type = "boolean" } }

--- Returns a value as JSON: keys sorted, integral numbers without a point. An empty table is `{}`;
-- `lib.array {}` is `[]`.
---@param value any
---@param opts { pretty: boolean? }?
---@return string
function lib.toJSON(value, opts)
  schema.check("the options of lib.toJSON", opts or {}, json_fields)
  return border.call("to_json", value, opts and opts.pretty)
end

--- Marks a table as a list, so that it is one in JSON also when it is empty; returns it.
---@generic T: table
---@param list T
---@return T
function lib.array(list)
  return setmetatable(list, require("syslua").native.array_metatable)
end

return lib
