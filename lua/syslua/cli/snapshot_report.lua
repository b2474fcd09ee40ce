--- Turns what is known of snapshots into lines for people.
-- It does not write them, and does not know how snapshots are made.

local columns = require("syslua.cli.table")
local path = require("syslua.util.path")
local report = require("syslua.cli.report")
local text = require("syslua.util.text")

local snapshot_report = {}

-- What a snapshot changed, in short: `+2 ~1  ~/.bashrc, ~/.config/git/config, ...`.
local function get_changes(entry)
  local changes = entry.changes
  if not changes then
    return nil
  end
  local total = changes.added + changes.changed + changes.removed
  if total == 0 then
    -- An earlier declaration, repaired.
    return entry.parent and "as " .. entry.parent
  end
  local counts = {}
  for _, kind in ipairs({ { "+", "added" }, { "~", "changed" }, { "-", "removed" } }) do
    if changes[kind[2]] > 0 then
      counts[#counts + 1] = kind[1] .. changes[kind[2]]
    end
  end
  local names = {}
  for _, change in ipairs(changes.first) do
    names[#names + 1] = report.show_path(change.what):gsub("%s+", " ")
  end
  -- Of many, directories are named, as many as there are.
  local most_named = 5
  if total > #names and (total <= 30 or #names == most_named) then
    names[#names + 1] = "..."
  end
  return table.concat(counts, " ") .. (names[1] and "  " .. table.concat(names, ", ") or "")
end

local function get_row(entry)
  local row = { mark = entry.current and "*" or " ", id = entry.id }
  local description = text.printable(entry.description or "")
  if entry.problem then
    row.rest = "cannot be used: " .. text.printable(entry.problem)
  elseif entry.id == "0" then
    row.rest = description
  else
    row.applied = entry.created_at and os.date("%Y-%m-%d %H:%M:%S", entry.created_at)
    row.targets, row.changes = tostring(entry.targets), get_changes(entry)
    row.config = entry.config_path and report.show_path(entry.config_path)
    row.description = description
  end
  return row
end

---@type syslua.cli.Column[]
local snapshot_columns = {
  { key = "id", title = "ID", is_right = true },
  { key = "applied", title = "APPLIED" },
  { key = "targets", title = "TARGETS", is_right = true },
  { key = "changes", title = "CHANGES", least = { 20, 10 } },
  { key = "config", title = "CONFIG", is_path = true, least = { 20, 8 } },
  { key = "description", title = "DESCRIPTION", is_optional = true, least = { 15, 8 } },
}

--- Returns the lines that list the snapshots, the newest first.
---@param result syslua.History
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function snapshot_report.render_history(result, args, style)
  local rows = {}
  for index = #result.snapshots, 1, -1 do
    rows[#rows + 1] = get_row(result.snapshots[index])
  end
  local lines = { "There are no snapshots: nothing was applied yet." }
  if rows[1] then
    lines = columns.lay_out(snapshot_columns, rows, style, args.verbose)
  end
  lines[#lines + 1] = report.render_pending(result.pending, style)
  return lines
end

local marks = { add = "+", change = "~", remove = "-" }

local function get_versions(change)
  local old, new = change.old_version, change.new_version
  if old and new and old ~= new then
    return (" %s -> %s"):format(old, new)
  end
  local shown = (old or new) and " " .. (old or new) or ""
  -- The same version of other content.
  local from, to = change.old_object, change.new_object
  if from and to then
    shown = ("%s  (%s -> %s)"):format(shown, from:sub(-9), to:sub(-9))
  end
  return shown
end

--- Returns the lines that tell how two snapshots differ.
---@param result syslua.SnapshotDiff
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function snapshot_report.render_diff(result, args, style)
  local rows = {}
  for _, change in ipairs(result.derivations) do
    if args.verbose or not change.file then
      rows[#rows + 1] = {
        mark = marks[change.mark],
        style = change.mark,
        text = "build   " .. change.name .. get_versions(change),
      }
    end
  end
  local lines = report.lay_out(rows, style, args.verbose)
  for _, line in ipairs(report.render_actions(result, args, style)) do
    lines[#lines + 1] = line
  end
  local names = ("snapshot %s and %s"):format(result.from.id, result.to.id)
  if #lines == 0 then
    return { ("Nothing differs between %s."):format(names) }
  end
  lines[#lines + 1] = style(
    "strong",
    ("%s: %s, %s"):format(
      "Between " .. names,
      text.count(report.count_listed(result.derivations, args.verbose), "derivation"),
      text.count(#result.actions, "action")
    )
  )
  return lines
end

--- Returns the lines that tell what going back does, or did.
---@param result syslua.RolledBack
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function snapshot_report.render_rollback(result, args, style)
  local lines = report.render_actions(result, args, style)
  lines[#lines + 1] = report.render_pending(result.pending, style)
  local id = result.to.id
  if not result.changed then
    lines[#lines + 1] = ("Nothing to do: snapshot %s is in force."):format(id)
  elseif result.applied then
    for _, line in ipairs(report.render_displaced(result, args)) do
      lines[#lines + 1] = "  " .. line
    end
    lines[#lines + 1] = style("strong", ("Snapshot %s is in force again."):format(id))
    if result.environment_changed then
      lines[#lines + 1] = "The environment changed; in this shell: . "
        .. path.display(
          require("syslua.cli.own_script").get_path(result.env_script),
          path.get_home()
        )
    end
  else
    lines[#lines + 1] =
      style("strong", ("This goes back from snapshot %s to %s."):format(result.snapshot.id, id))
  end
  return lines
end

-- What stays, and why.
local function add_kept(lines, result, args)
  for _, line in ipairs(report.render_displaced(result, args)) do
    lines[#lines + 1] = "  " .. line
  end
  for _, stuck in ipairs(result.stuck or {}) do
    lines[#lines + 1] = ("! stays    %s: the original of %s cannot be restored"):format(
      path.display(stuck.path, path.get_home()),
      path.display(stuck.target or "?", path.get_home())
    )
  end
  for _, unknown in ipairs(result.unknown or {}) do
    lines[#lines + 1] = ("! stays    %s: sys.lua did not make it"):format(
      path.display(unknown, path.get_home())
    )
  end
end

--- Returns the lines that tell what destroying does, or did.
---@param result syslua.Destroyed
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function snapshot_report.render_destroy(result, args, style)
  local root = path.display(result.root, path.get_home())
  if not result.exists then
    return { ("Nothing to do: there is no root at %s."):format(root) }
  end
  local lines = report.render_actions(result, args, style)
  lines[#lines + 1] = report.render_pending(result.pending, style)
  add_kept(lines, result, args)
  local copies = #result.displaced == 1 and "1 edit of yours stays"
    or ("%d edits of yours stay"):format(#result.displaced)
  local kept = #result.displaced > 0 and "; " .. copies or ""
  if not result.changed then
    lines[#lines + 1] = result.removed and ("%s is gone."):format(root)
      or ("Nothing to do: nothing is applied%s."):format(kept)
  elseif not result.applied then
    lines[#lines + 1] = style(
      "strong",
      ("This goes back from snapshot %s to before the first apply, and removes %s%s."):format(
        result.snapshot.id,
        root,
        kept
      )
    )
  elseif result.removed then
    lines[#lines + 1] =
      style("strong", ("Everything is as before the first apply; %s is gone."):format(root))
  else
    -- An empty one is a link, or something is mounted there.
    local is_empty = kept == "" and #result.stuck == 0 and #result.unknown == 0
    local holds = is_empty and "is empty" or "holds only what stays" .. kept
    local all = #result.stuck == 0 and "Everything" or "All but what stays"
    lines[#lines + 1] =
      style("strong", ("%s is as before the first apply; %s %s."):format(all, root, holds))
  end
  return lines
end

return snapshot_report
