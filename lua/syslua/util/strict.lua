--- Tables in which a name that is not there is an error: a typing mistake, which `nil` would only
--- hide.

local closest = require("syslua.util.closest")
local failure = require("syslua.util.failure")
local position = require("syslua.util.position")
local tables = require("syslua.util.table")

--- Makes a table refuse names that it does not have, with the closest that it has.
---@generic T: table
---@param values T
---@param kind string the kind of the failure
---@param message string with `%s` for the name
---@param call function? what a call of the table does
---@return T
return function(values, kind, message, call)
  return setmetatable(values, {
    __call = call,
    __index = function(_, name)
      local near = type(name) == "string" and closest(name, tables.get_sorted_keys(values))
      failure.raise({
        kind = kind,
        message = message:format(tostring(name)),
        position = position.caller(),
        hint = near and ("did you mean `%s`?"):format(near) or nil,
      })
    end,
  })
end
