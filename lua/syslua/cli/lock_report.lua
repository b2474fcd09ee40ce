--- What is, or would be, written into the lock of a config, as lines or as JSON.

local text = require("syslua.util.text")

local lock_report = {}

-- What a revision is called: the first digits of a commit, else those of a hash.
local function get_short(entry)
  if entry.rev then
    return entry.rev:sub(1, 9)
  elseif entry.sha256 then
    return entry.sha256:sub(1, 9)
  end
  return "as it is"
end

local function get_date(entry)
  return entry.last_modified and os.date("!%Y-%m-%d", entry.last_modified) or nil
end

-- "1a2b3c4d5 (2026-11-29)"
local function show(entry)
  local date = get_date(entry)
  return get_short(entry) .. (date and (" (%s)"):format(date) or "")
end

-- "acme/hammer 1.4.0 for x86_64-linux and 3 others"
local function show_tool(tool)
  local platforms = require("syslua.util.table").get_sorted_keys(tool.platforms)
  return ("%s (%s)"):format(tool.version, table.concat(platforms, ", "))
end

local function get_tool_detail(change)
  local old, new = change.old, change.new
  if not new then
    return "no longer declared"
  elseif not old then
    return ("%s %s"):format(new.package, show_tool(new))
  elseif old.version == new.version then
    for _, platform in ipairs(require("syslua.util.table").get_sorted_keys(new.platforms)) do
      local before, after = old.platforms[platform], new.platforms[platform]
      if before and before.sha256 ~= after.sha256 then
        return ("%s %s for %s: sha256 %s -> %s  (the same version with other content)"):format(
          new.package,
          new.version,
          platform,
          before.sha256,
          after.sha256
        )
      end
    end
    return ("%s -> %s"):format(show_tool(old), show_tool(new))
  end
  return ("%s %s -> %s"):format(new.package, old.version, new.version)
end

-- What changed of an entry: of a move both revisions and hashes, and how many commits lead from one
-- to the other.
local function get_detail(change)
  local old, new = change.old, change.new
  if change.section == "tools" then
    return get_tool_detail(change)
  elseif not new then
    return change.section == "fetches" and "no build uses it" or "no longer declared"
  elseif not old then
    -- A pin is called by its address.
    return show(new) .. (new.url == change.name and "" or "  " .. new.url)
  end
  if change.section == "fetches" and old.sha256 == new.sha256 and old.rev == new.rev then
    local enumerate = text.enumerate
    return ("used on %s -> %s"):format(
      enumerate(old.platforms or {}, "and"),
      enumerate(new.platforms or {}, "and")
    )
  end
  local commits = change.commits and (", " .. text.count(change.commits, "commit")) or ""
  local detail = ("%s -> %s%s"):format(show(old), show(new), commits)
  if old.rev and new.rev and old.rev ~= new.rev and old.sha256 and new.sha256 then
    detail = ("%s, sha256 %s -> %s"):format(detail, old.sha256:sub(1, 9), new.sha256:sub(1, 9))
  end
  if old.url ~= new.url then
    detail = detail .. ("  %s -> %s"):format(old.url, new.url)
  elseif old.rev and old.rev == new.rev and old.sha256 ~= new.sha256 then
    detail = ("%s -> %s  (the same revision with other content)"):format(
      old.sha256 or "",
      new.sha256 or ""
    )
  end
  return detail
end

--- What happens to an input of the lock.
---@class syslua.LockChange
---@field name string its key: of an input of an input "parent/name", of a pin its address, of
--- a tool "name@request"
---@field section "inputs"|"fetches"|"tools"
---@field old syslua.LockedInput|syslua.LockedTool|nil
---@field new syslua.LockedInput|syslua.LockedTool|nil
---@field commits integer? how many lead from the old revision to the new one, where that is known

--- Returns the lines that tell of changes.
---@param changes syslua.LockChange[]
---@param is_done boolean whether they were made
---@return string[]
function lock_report.render(changes, is_done)
  local lines, width = {}, 0
  for _, change in ipairs(changes) do
    width = math.max(width, text.width(change.name))
  end
  for index, change in ipairs(changes) do
    local verb = not change.new and (is_done and "dropped" or "would drop")
      or change.old and (is_done and "updated" or "would update")
      or (is_done and "locked" or "would lock")
    local name = text.pad(change.name, width)
    lines[index] = ("%s %s  %s"):format(verb, name, text.printable(get_detail(change)))
  end
  return lines
end

--- Returns the lines of a report about the lock.
---@param report { changes: syslua.LockChange[], failures: syslua.LookupFailure[]? }
---@param is_done boolean whether the changes were made
---@param otherwise string the line when there are none
---@return string[]
function lock_report.render_all(report, is_done, otherwise)
  local lines = lock_report.render(report.changes, is_done)
  if not lines[1] and not (report.failures and report.failures[1]) then
    lines[1] = otherwise
  end
  return lines
end

return lock_report
