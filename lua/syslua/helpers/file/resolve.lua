--- Chooses among several `file{}` for one path, and records those that lost.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local source_path = require("syslua.helpers.file.source_path")
local path = require("syslua.util.path")
local priority = require("syslua.priority")
local secret = require("syslua.secret")
local text = require("syslua.util.text")
-- Before the first handle is made.
require("syslua.handle")

local resolve = {}

local function get_positions(file)
  return bindings.call("positions_of_ticket", file.ticket)
end

-- What a declaration puts there, for messages.
local function describe(file)
  if file.secret then
    return "secret " .. secret.describe(file.secret)
  elseif file.content then
    return "content " .. text.describe(file.content):gsub("^string ", "")
  elseif file.absent then
    return "nothing (absent)"
  elseif file.merge then
    return "keys of a file (" .. file.merge .. ")"
  elseif file.below then
    return ("source %s/%s"):format(file.tree.source, file.below)
  end
  local is_built = source_path.is_placeholder(file.source)
  return "source " .. (is_built and "of a derivation" or file.source)
end

-- What two declarations of a path have in common when they say the same, besides their content.
local compared =
  { "content", "absent", "merge", "mutable", "executable", "copy", "mode", "owner", "is_once" }

-- What is known of the content of a source: of a local one its hash, of what is built its path.
local function get_content_key(file)
  if file.secret then
    return secret.get_identity(file.secret)
  elseif file.declared then
    return file.declared.sha256
  elseif not file.source or not source_path.is_local(file) then
    return file.source
  end
  local place = source_path.get_place(file)
  if file.below and not file.mutable then
    place = path.join(place, file.below)
  end
  if file.mutable then
    return place
  end
  return bindings.call("exists", place) and bindings.call("source", place).sha256 or place
end

-- Whether two declarations of a path say the same.
local function is_equal(left, right)
  for _, field in ipairs(compared) do
    if (left[field] or false) ~= (right[field] or false) then
      return false
    end
  end
  return get_content_key(left) == get_content_key(right)
end

-- The fields besides the content in which two declarations of one content differ.
local function get_differences(winner, rival)
  local differing = {}
  for _, field in ipairs(compared) do
    if (winner[field] or false) ~= (rival[field] or false) then
      if field == "content" or field == "absent" or field == "merge" then
        return {}
      elseif field ~= "is_once" then
        differing[#differing + 1] = field
      end
    end
  end
  return get_content_key(winner) == get_content_key(rival) and differing or {}
end

local function raise_conflict(winner, rival)
  local differing = get_differences(winner, rival)
  local function place(file)
    local words = { describe(file) }
    for index, field in ipairs(differing) do
      local value = file[field]
      local shown = type(value) == "string" and value or value and "true" or "not set"
      words[index + 1] = field .. " " .. shown
    end
    local position = get_positions(file)[1] or "an unknown place"
    return table.concat(words, ", ") .. " at " .. position
  end
  local what = {}
  for index, field in ipairs(differing) do
    what[index] = "`" .. field .. "`"
  end
  failure.raise({
    kind = "conflict",
    message = ("the file %s is declared twice, with different %s:\n  %s\n  %s"):format(
      winner.path,
      what[1] and text.enumerate(what, "and") or "contents",
      place(winner),
      place(rival)
    ),
    position = get_positions(rival)[1],
    hint = (priority.hint:gsub("lib%.mkForce%(%.%.%.%)", "content = lib.mkForce(...)")),
  })
end

local function to_losers(lost)
  local losers = {}
  for index, file in ipairs(lost) do
    local positions = get_positions(file)
    losers[index] = { value = describe(file), priority = file.number, positions = positions }
  end
  return losers
end

--- Chooses among the declarations of one path; notes in the winner what it won over.
---@param files syslua.file.Declared[]
---@return syslua.file.Declared winner
function resolve.choose(files)
  local combined = files[1]
    and files[1].merge
    and require("syslua.helpers.file.merge").combine(files)
  if combined then
    return combined
  end
  local winner, rival, lost = priority.choose(files, is_equal)
  if rival then
    raise_conflict(winner, rival)
  end
  winner.has_more = true
  winner.overridden = lost[1] and to_losers(lost) or nil
  return winner
end

-- A declaration with all that is known of it: who declared it, and where its source is, when that
-- is a place.
local function complete(file)
  file.positions = get_positions(file)
  file.from = source_path.is_local(file) and source_path.get_place(file) or nil
  return file
end

-- Like it, for a file of a tree that has another name there.
local function complete_renamed(file)
  file.positions = get_positions(file)
  file.from = file.source
  if file.below and not file.mutable then
    file.from = path.join(file.tree.from, file.below)
  end
  return file
end

--- Tells of the declarations that count: of single files first, then of trees.
---@param winners syslua.file.Declared[]
---@param on_file fun(file: table)
function resolve.tell(winners, on_file)
  local trees, seen = {}, {}
  for _, file in ipairs(winners) do
    local tree = file.tree
    if tree and tree.rename then
      -- Its place says nothing of where it is in the tree.
      on_file(complete_renamed(file))
    elseif tree and not seen[tree] then
      seen[tree] = true
      trees[#trees + 1] = tree
    elseif not tree and not file.members then
      on_file(complete(file))
    end
  end
  for _, tree in ipairs(trees) do
    on_file(complete(tree))
  end
end

return resolve
