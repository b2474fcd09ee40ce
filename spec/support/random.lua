--- Numbers that look random, the same on each run and each Lua (Park and Miller's generator).

local random = {}

--- Returns a function that returns a number from 1 to a limit.
---@param seed integer
---@return fun(limit: integer): integer
function random.new(seed)
  local state = seed * 7919 % 2147483647 + 1
  return function(limit)
    state = state * 48271 % 2147483647
    return state % limit + 1
  end
end

return random
