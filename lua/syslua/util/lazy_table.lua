--- Tables that stand for those of a module, which is loaded when it is first needed.

--- Makes a table with the fields of a module that can be called as that module can.
---@param module string its name
---@return table
return function(module)
  return setmetatable({}, {
    __index = function(_, field)
      local value = require(module)[field]
      return value
    end,
    __call = function(_, given)
      local helper = require(module) --[[@as any]]
      return helper(given)
    end,
  })
end
