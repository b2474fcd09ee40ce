--- Times as people write them: "30s", "5m", "1.5h". It does not know what they are for.

local duration = {}

local units = { ms = 0.001, s = 1, m = 60, h = 3600, d = 86400, w = 604800 }

--- Returns the seconds that a word says, or nil and what is wrong. A number alone means seconds.
---@param word string
---@return number? seconds above 0
---@return string? problem
function duration.parse(word)
  local number, unit = word:match("^(%d+%.?%d*)(%l*)$")
  local seconds = tonumber(number)
  local factor = units[unit == "" and "s" or unit]
  if not seconds or not factor or seconds <= 0 then
    return nil, ("invalid duration '%s' (examples: 30s, 5m, 1h)"):format(word)
  end
  return seconds * factor
end

return duration
