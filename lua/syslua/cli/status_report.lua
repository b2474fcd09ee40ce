--- Turns the state of what is applied into lines for people.
-- It does not write them, and does not look at anything itself: it gets a report.

local path = require("syslua.util.path")
local report = require("syslua.cli.report")
local terminal = require("syslua.cli.terminal")
local text = require("syslua.util.text")

local status_report = {}

-- States in which apply moves an existing file at a target away.
local occupied_states = { replaced = true, changed = true }

-- Whether a link leads to a file of the user's that is gone, rather than to an object.
local function leads_to_own(target, root)
  return target.state == "broken"
    and target.detail ~= nil
    and not path.is_below(target.detail, path.join(root or "", "store"))
end

local function count_states(targets, root)
  ---@type table<string, integer>
  local counts = { drift = 0, occupied = 0, unreadable = 0, broken = 0, own = 0 }
  for _, target in ipairs(targets) do
    local state = leads_to_own(target, root) and "own" or target.state
    counts.drift = counts.drift + ((state ~= "ok" and state ~= "switching") and 1 or 0)
    counts.occupied = counts.occupied + (occupied_states[state] and 1 or 0)
    counts[state] = (counts[state] or 0) + 1
  end
  return counts
end

-- `apply` restores the declared state, and keeps the file that is there instead.
local function get_closing_lines(result, program)
  local counts = count_states(result.targets or {}, result.root)
  local lines, stopped = {}, 0
  for _, service in ipairs(result.services or {}) do
    stopped = stopped + (require("syslua.cli.service_report").is_drift(service) and 1 or 0)
  end
  if stopped > 0 then
    lines[1] = ("%s as declared; `apply` leaves that until what is declared changes"):format(
      text.count(stopped, "service") .. (stopped == 1 and " does not run" or " do not run")
    )
  end
  local of_packages =
    require("syslua.cli.package_report").get_closing_line(result.packages or {}, program)
  lines[#lines + 1] = of_packages
  if counts.drift == 0 and stopped == 0 and not of_packages then
    local is_busy = (counts.switching or 0) > 0
    if not is_busy and (result.managed or 0) > 0 then
      lines[1] = "Everything is as applied."
    end
    return lines
  end
  local function is_or_are(count)
    return text.count(count, "target") .. (count == 1 and " is" or " are")
  end
  local restorable = counts.drift - counts.unreadable - counts.broken - counts.own
  if restorable > 0 then
    local line = ("%s not as applied; `%s apply` restores %s"):format(
      is_or_are(restorable),
      program,
      restorable == 1 and "it" or "them"
    )
    if counts.occupied > 0 then
      line = line .. ", and moves existing files to the backups"
    end
    local room = terminal.get_width()
    if room and text.width(line) > room then
      line = line:gsub(", and", ",\nand")
    end
    lines[#lines + 1] = line
  end
  if counts.broken > 0 then
    local line = "%s linked to objects that are gone; `%s verify --repair` builds them again"
    lines[#lines + 1] = line:format(is_or_are(counts.broken), program)
  end
  if counts.own > 0 then
    local line = "%s linked to files of yours that are gone: put them back, or change the config"
    lines[#lines + 1] = line:format(is_or_are(counts.own))
  end
  if counts.unreadable > 0 then
    local line = "%s out of sight: whether %s as applied cannot be told"
    local them = counts.unreadable == 1 and "it is" or "they are"
    lines[#lines + 1] = line:format(is_or_are(counts.unreadable), them)
  end
  return lines
end

local function get_differences(target)
  local declared = { mode = target.mode, owner = target.owner, group = target.group }
  local words = {}
  for _, aspect in ipairs(target.differs or {}) do
    if aspect ~= "link" then
      local should = declared[aspect]
      words[#words + 1] = should and ("%s, not %s"):format(aspect, should) or aspect
    end
  end
  return words
end

-- What there is to say of a target besides its state.
local function get_details(target, result, args)
  local parts = {}
  if target.state == "changed" then
    parts = get_differences(target)
    if parts[1] then
      parts = { table.concat(parts, ", ") }
    end
  end
  if target.found then
    parts[#parts + 1] = "now " .. text.printable(target.found)
  end
  if target.problem then
    parts[#parts + 1] = text.printable(target.problem)
  end
  if target.state == "missing" or target.state == "broken" or args.verbose then
    local detail = target.detail
    if detail and detail ~= "" then
      local joint = target.kind == "install" and "a copy of " or "-> "
      parts[#parts + 1] = joint .. report.show_path(detail, result.root, args.verbose)
    end
  end
  if target.user then
    parts[#parts + 1] = "user " .. target.user
  end
  return #parts > 0 and "  (" .. table.concat(parts, "; ") .. ")" or ""
end

local function get_rows(result, args)
  local rows, width = {}, 8
  for _, target in ipairs(result.targets or {}) do
    width = math.max(width, target.state ~= "ok" and #target.state or 0)
  end
  for _, target in ipairs(result.targets or {}) do
    if target.state ~= "ok" or args.verbose then
      rows[#rows + 1] = {
        mark = target.state == "ok" and " " or "!",
        style = target.state ~= "ok" and "change" or nil,
        text = text.pad(target.state, width)
          .. " "
          .. report.show_path(target.target, result.root)
          .. get_details(target, result, args),
        position = (target.positions or {})[1],
      }
    end
  end
  local of_services =
    require("syslua.cli.service_report").get_rows(result.services or {}, args.verbose)
  for _, row in ipairs(of_services) do
    rows[#rows + 1] = row
  end
  local of_packages =
    require("syslua.cli.package_report").get_rows(result.packages or {}, args.verbose)
  for _, row in ipairs(of_packages) do
    rows[#rows + 1] = row
  end
  for _, line in ipairs(report.render_displaced(result, args)) do
    rows[#rows + 1] = { mark = " ", text = line }
  end
  return rows
end

-- How to be rid of edits that were moved away: they are the user's, and nothing else removes them.
local function get_clearing_line(result)
  local count = #(result.displaced or {})
  if count == 0 then
    return nil
  end
  local directory = report.show_path(result.root .. "/backups/displaced")
  return ("%s of edits %s until you remove %s: rm -r %s/*"):format(
    count == 1 and "1 copy" or ("%d copies"):format(count),
    count == 1 and "stays" or "stay",
    count == 1 and "it" or "them",
    directory
  )
end

-- Less is not worth a line.
local least_held = 10 ^ 6

-- The number of snapshots that are worth keeping.
local usual_keep = 10

local function get_old_line(result, program)
  local old = result.old_snapshots
  if not old or old.size < least_held then
    return nil
  end
  -- The current one is one of those that stay.
  local keep = old.count >= usual_keep and usual_keep or 1
  return ("%s in %s: %s gc --keep %d"):format(
    text.size(old.size),
    text.count(old.count, "old snapshot"),
    program,
    keep
  )
end

local shell_words = {
  current = "has the current environment",
  old = "has an older environment",
  none = "has not read the environment",
}

-- Whether the shell that asks has what is applied.
local function get_shell_line(result)
  local words = shell_words[result.shell]
  return words and "Shell     " .. words
end

--- Returns the lines that tell what is applied, and what differs from it.
---@param result syslua.Status
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function status_report.render(result, args, style)
  local lines = terminal.fold({
    "Root      " .. report.show_path(result.root),
    report.render_snapshot(result.snapshot),
    ("Managed   %s, %s"):format(
      text.count(result.managed or 0, "target"),
      text.count(result.derivations or 0, "derivation")
    ),
    get_shell_line(result),
  }, 10)
  for _, line in ipairs(report.lay_out(get_rows(result, args), style, args.verbose)) do
    lines[#lines + 1] = line
  end
  lines[#lines + 1] = get_clearing_line(result)
  lines[#lines + 1] = get_old_line(result, args.program)
  lines[#lines + 1] = report.render_pending(result.pending, style)
  for _, line in ipairs(get_closing_lines(result, args.program)) do
    lines[#lines + 1] = style("strong", line)
  end
  return lines
end

return status_report
