--- Turns what `gc` answers into lines for people. It does not write them, and does not know the
--- engine.

local holders = require("syslua.cli.holders")
local path = require("syslua.util.path")
local text = require("syslua.util.text")

local gc_report = {}

local function show_path(value)
  -- Users name their links and programs themselves, and root reads it.
  return text.printable(path.display(value, path.get_home()))
end

--- Returns what holds an object, in words.
---@param object syslua.CollectedObject
---@return string
function gc_report.get_reason(object)
  local reasons, snapshots = {}, {}
  for _, holder in ipairs(object.held_by or {}) do
    if holder.kind == "snapshot" then
      snapshots[#snapshots + 1] = tostring(holder.id) .. (holder.current and " (current)" or "")
    else
      reasons[#reasons + 1] = holders.describe(holder)
    end
  end
  if #snapshots > 0 then
    local word = #snapshots == 1 and "snapshot " or "snapshots "
    table.insert(reasons, 1, word .. table.concat(snapshots, ", "))
  end
  if #reasons == 0 and object.referred_by then
    reasons[1] = object.referred_by .. " refers to it"
  end
  return #reasons > 0 and table.concat(reasons, "; ") or "nothing holds it"
end

-- Whether only something other than a snapshot keeps it.
local function is_held_otherwise(object)
  local first = object.held_by and object.held_by[1]
  if not first then
    return false
  end
  for _, holder in ipairs(object.held_by) do
    if holder.kind == "snapshot" then
      return false
    end
  end
  return true
end

local function add_objects(lines, result, args)
  for _, object in ipairs(result.objects) do
    if not result.applied or args.verbose or (object.kept and is_held_otherwise(object)) then
      local word = object.kept and "keep" or (result.applied and "removed" or "remove")
      lines[#lines + 1] = ("  %-7s %s: %s"):format(
        word,
        object.object,
        gc_report.get_reason(object)
      )
    end
  end
end

local function add_snapshots(lines, result)
  for _, id in ipairs(result.snapshots) do
    lines[#lines + 1] = ("  %-7s snapshot %s"):format(result.applied and "removed" or "remove", id)
  end
end

local function add_files(lines, result)
  for _, kind in ipairs({
    { "downloads", "download" },
    { "logs", "log" },
    { "leftovers", "leftover" },
    { "sources", "copied source" },
  }) do
    local files = result[kind[1]]
    if files.count > 0 then
      lines[#lines + 1] = ("  %-7s %s, %s"):format(
        result.applied and "removed" or "remove",
        text.count(files.count, kind[2]),
        text.size(files.size)
      )
    end
  end
end

--- Returns the lines about what `gc` did, or would do.
---@param result syslua.Collected
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function gc_report.render(result, args, style)
  local lines = {}
  add_snapshots(lines, result)
  add_objects(lines, result, args)
  add_files(lines, result)
  for _, link in ipairs(result.dangling) do
    lines[#lines + 1] = ("  note    %s points to no object"):format(show_path(link))
  end
  local format = result.applied and "%s %s removed, %s kept: %s freed."
    or "%s %s would be removed, %s kept: %s would be freed."
  lines[#lines + 1] = format:format(
    style("strong", tostring(result.removed)),
    result.removed == 1 and "object" or "objects",
    result.kept,
    text.size(result.freed)
  )
  if result.blocked then
    lines[#lines + 1] = "A deletion would be refused now: " .. result.blocked
  end
  return lines
end

return gc_report
