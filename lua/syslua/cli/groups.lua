--- Puts the targets of many actions together by their directories, so that hundreds of them fit on
-- a screen. It writes nothing.

local path = require("syslua.util.path")
local text = require("syslua.util.text")

local groups = {}

-- Up to this number, targets are listed one by one.
local most_single = 30

-- As many lines a directory may take.
local most_lines = 30

-- Directories are told apart to this depth at least: `~/.config/nvim`.
local least_depth = 3

--- Targets of one directory to which the same happens.
---@class syslua.cli.Group
---@field directory string
---@field count integer
---@field replaced integer how many of them replace something
---@field may_change integer how many of them are not known yet
---@field is_told boolean?

-- What says more than where it is: these stay lines of their own.
local function can_be_grouped(action)
  return action.target ~= nil
    and action.mark ~= "unchanged"
    and not (
      action.diff
      or action.needs_build
      or action.runs_command
      or action.user
      or action.project
    )
end

-- Returns the first parts of a directory.
local function cut(directory, depth)
  local parts, root = {}, directory:sub(1, 1) == "/" and "/" or ""
  for part in directory:gmatch("[^/]+") do
    if #parts == depth then
      break
    end
    parts[#parts + 1] = part
  end
  return root .. table.concat(parts, "/")
end

local function get_depth(directory)
  return select(2, directory:gsub("[^/]+", ""))
end

local function collect(actions, depth)
  local by_key, count = {}, 0
  local of = {}
  for _, action in ipairs(actions) do
    local directory = cut(path.dirname(action.target), depth)
    local key = action.mark .. " " .. directory
    local group = by_key[key]
    if not group then
      group = { directory = directory, count = 0, replaced = 0, may_change = 0 }
      by_key[key], count = group, count + 1
    end
    group.count = group.count + 1
    group.replaced = group.replaced + (action.replaces and 1 or 0)
    group.may_change = group.may_change + (action.may_change and 1 or 0)
    of[action] = group
  end
  return of, count
end

--- Returns the group of each grouped action; an action with its own line has none.
---@param actions table[]
---@return table<table, syslua.cli.Group>
function groups.get(actions)
  local grouped, deepest = {}, least_depth
  for _, action in ipairs(actions) do
    if can_be_grouped(action) then
      grouped[#grouped + 1] = action
      deepest = math.max(deepest, get_depth(path.dirname(action.target)))
    end
  end
  if #grouped <= most_single then
    return {}
  end
  local result = {}
  for depth = deepest, least_depth, -1 do
    local count
    result, count = collect(grouped, depth)
    if count <= most_lines then
      break
    end
  end
  -- A single target is shown unchanged, and so is a file in the home itself.
  for action, group in pairs(result) do
    if group.count == 1 or group.directory == "~" then
      result[action] = nil
    end
  end
  return result
end

--- Returns how many files a group has, and what else there is to say of them.
---@param group syslua.cli.Group
---@return string
function groups.describe(group)
  local remarks = {}
  if group.may_change > 0 then
    remarks[1] = group.may_change == group.count and "may change"
      or ("%d may change"):format(group.may_change)
  end
  if group.replaced > 0 then
    remarks[#remarks + 1] = ("replaces %d"):format(group.replaced)
  end
  return text.count(group.count, "file")
    .. (remarks[1] and "  (" .. table.concat(remarks, ", ") .. ")" or "")
end

return groups
