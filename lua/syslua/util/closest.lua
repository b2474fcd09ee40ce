--- "Did you mean": the closest of a list of words to a mistyped one. Does not know what the words
-- are.

--- Returns the number of insertions, deletions, changes and swaps of neighbours that turn `left`
-- into `right` (optimal string alignment).
local function get_distance(left, right)
  ---@type table<integer, integer>, table<integer, integer>
  local before_last, last = {}, {}
  for column = 0, #right do
    last[column] = column
  end
  for row = 1, #left do
    local current, beside = { [0] = row }, row
    for column = 1, #right do
      local cost = left:byte(row) == right:byte(column) and 0 or 1
      ---@type integer
      local best = math.min(last[column] + 1, beside + 1, last[column - 1] + cost)
      if
        row > 1
        and column > 1
        and left:byte(row) == right:byte(column - 1)
        and left:byte(row - 1) == right:byte(column)
      then
        best = math.min(best, before_last[column - 2] + 1)
      end
      current[column], beside = best, best
    end
    before_last, last = last, current
  end
  return last[#right]
end

--- Returns the candidate that is closest to the word, or nil when none is near: one mistake in
-- every three characters is forgiven, upper and lower case are one.
---@param word string
---@param candidates string[]
---@return string?
local function closest(word, candidates)
  local lowered = word:lower()
  local best, best_distance
  for _, candidate in ipairs(candidates) do
    local limit = math.max(1, math.floor(math.max(#word, #candidate) / 3))
    -- Different lengths alone are that many insertions.
    if math.abs(#word - #candidate) <= limit then
      local distance = get_distance(lowered, candidate:lower())
      local sensible = distance <= limit and distance < #candidate
      local better = not best
        or distance < best_distance
        or (distance == best_distance and candidate < best)
      if sensible and better then
        best, best_distance = candidate, distance
      end
    end
  end
  return best
end

return closest
