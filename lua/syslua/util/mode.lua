--- Permission bits, as configs write them.

local position = require("syslua.util.position")
local text = require("syslua.util.text")

local mode = {}

--- Returns the three or four octal digits of a mode; raises at the caller's line when it is wrong.
---@param where string the table that it is a field of, such as "file{}"
---@param value any
---@param is_special boolean? whether set-id and sticky bits are allowed
---@return string?
function mode.parse(where, value, is_special)
  if value == nil then
    return nil
  end
  local digits = is_special and "^[0-7]?[0-7][0-7][0-7]$" or "^0?[0-7][0-7][0-7]$"
  if type(value) ~= "string" or not value:find(digits) then
    position.raise(
      ("`mode` in %s: expected permission bits, got %s"):format(where, text.describe(value)),
      type(value) == "number"
          and ('a number is ambiguous: write octal digits, such as "%d"'):format(value)
        or 'write them in octal as a string, such as "640"'
    )
  end
  return value
end

return mode
