--- Of several declarations of one path by `file{}`, the one that counts, and what becomes of the others.

local border = require("syslua.border")
local failure = require("syslua.util.failure")
local origin = require("syslua.helpers.file.origin")
local priority = require("syslua.priority")
local text = require("syslua.util.text")

local choice = {}

-- What a declaration puts there, for messages.
local function describe(file)
  if file.content then
    return "content " .. text.describe(file.content):gsub("^string ", "")
  end
  local is_built = origin.is_placeholder(file.source)
  return "source " .. (is_built and "of a derivation" or file.source)
end

local function get_positions(file)
  return file.positions or border.call("positions_of_action", file.action)
end

-- The numbers of a file's recorded actions.
local function get_numbers(file)
  return file.numbers or { file.action }
end

-- Whether two declarations of a path say the same.
local function is_equal(left, right)
  local numbers, others = get_numbers(left), get_numbers(right)
  if #numbers ~= #others then
    return false
  end
  for index, number in ipairs(numbers) do
    if not border.call("is_same_action", number, others[index]) then
      return false
    end
  end
  return true
end

local function raise_conflict(winner, rival)
  local function place(file)
    return ("%s at %s"):format(describe(file), get_positions(file)[1] or "an unknown place")
  end
  failure.raise({
    kind = "conflict",
    message = ("the file %s is declared twice, with different contents:\n  %s\n  %s"):format(
      winner.path,
      place(winner),
      place(rival)
    ),
    position = get_positions(rival)[1],
    hint = (priority.hint:gsub("lib%.mkForce%(%.%.%.%)", "content = lib.mkForce(...)")),
  })
end

-- The hash of the derivation that was declared for a file, if one was.
local function get_hash(file)
  return file.action and border.call("derivation_of_action", file.action) or file.hash
end

--- Takes back what lost; what the winners need of its derivations stays.
---@param lost table[]
---@param winners table[]
function choice.withdraw(lost, winners)
  local used = {}
  for _, file in ipairs(winners) do
    used[get_hash(file) or ""] = true
  end
  for _, file in ipairs(lost) do
    local hash = get_hash(file)
    for _, number in ipairs(get_numbers(file)) do
      border.call("withdraw", number)
    end
    if hash and not used[hash] then
      border.call("forget", hash)
    end
  end
end

local function to_losers(lost)
  local losers = {}
  for index, file in ipairs(lost) do
    local positions = get_positions(file)
    losers[index] = { value = describe(file), priority = file.number, positions = positions }
  end
  return losers
end

--- Chooses among the declarations of one path; adds those that lost to a list.
---@param files table[]
---@param all_lost table[]
---@return table winner
function choice.choose(files, all_lost)
  local winner, rival, lost = priority.choose(files, is_equal)
  if rival then
    raise_conflict(winner, rival)
  end
  if lost[1] or winner.number ~= priority.plain then
    local number = winner.number ~= priority.plain and winner.number or nil
    for _, action in ipairs(get_numbers(winner)) do
      border.call("explain", action, number, to_losers(lost))
    end
  end
  for _, file in ipairs(lost) do
    all_lost[#all_lost + 1] = file
  end
  return winner
end

--- Returns a file with all that is known of it: who declared it, and where its source is, when that is a
-- place.
---@param file table
---@return table file
function choice.complete(file)
  file.positions = get_positions(file)
  if file.source and not file.declared and not origin.is_placeholder(file.source) then
    file.from = border.call("absolute", origin.get_place(file))
  end
  return file
end

return choice
