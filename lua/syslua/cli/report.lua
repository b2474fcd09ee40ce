--- Turns results into lines for people and JSON for programs. The caller writes them. The shape of
-- the JSON is in docs/reference/json.md.

local path = require("syslua.util.path")
local terminal = require("syslua.cli.terminal")
local text = require("syslua.util.text")
local unchanged_report = require("syslua.cli.unchanged_report")

local report = {}

local marks = { add = "+", change = "~", remove = "-", unchanged = " " }

local verbs = {
  symlink = "link",
  install = "install",
  merge = "merge",
  run = "run",
  add_to_path = "path",
  source_in_shell = "source",
  source_secret_in_shell = "set",
  set_alias = "alias",
  set_function = "function",
  set_variable = "set",
  enable_service = "service",
  package = "package",
}

-- The separator of an action's subject and its detail.
local joints = {
  symlink = " -> ",
  install = " <- ",
  set_variable = " = ",
  set_alias = " = ",
  set_function = ": ",
}

-- Objects have long paths, and only the end differs.
local function show_path(value, root, verbose)
  local objects = root and path.join(root, "store/obj/")
  if objects and not verbose and value:sub(1, #objects) == objects then
    return "…/" .. text.printable(value:sub(#objects + 1))
  end
  return text.printable(path.display(value, path.get_home()))
end
report.show_path = show_path

local function get_label(derivation)
  return derivation.version and derivation.name .. " " .. derivation.version or derivation.name
end

-- What people should know of an action before they agree to it.
local function get_remarks(action)
  local remarks = {}
  if action.user then
    remarks[1] = "user " .. action.user
  end
  if action.project then
    remarks[#remarks + 1] = "project " .. action.project
  end
  if action.may_change then
    remarks[#remarks + 1] = "may change"
  end
  if action.replaces then
    remarks[#remarks + 1] = "replaces " .. action.replaces
  end
  if action.kind == "run" then
    remarks[#remarks + 1] = action.always and "runs a command at each apply"
      or action.runs_command and "runs a command"
      or nil
  end
  return #remarks > 0 and "  (" .. table.concat(remarks, ", ") .. ")" or ""
end

local function get_action_text(action, root, verbose)
  local verb = text.pad(action.undo and "undo" or verbs[action.kind] or action.kind, 7)
  local subject = action.target or action.name
  local detail = action.detail and show_path(action.detail, root, verbose)
  local shown = detail
  if action.service then
    local describe = require("syslua.cli.service_report").describe
    shown = text.printable(action.name) .. "  " .. describe(action.service, action.mark)
  elseif action.kind == "package" then
    local fate = action.package and "  " .. text.printable(action.package) or ""
    shown = ("%s (%s)%s"):format(text.printable(action.name), action.detail, fate)
  elseif subject then
    shown = show_path(subject, root, verbose)
    if detail and detail ~= "" then
      shown = shown .. (joints[action.kind] or "  ") .. detail
    end
  end
  if action.kind == "run" and shown and not verbose then
    shown = text.shorten((shown:gsub("%s+", " ")), 50)
  end
  return verb .. " " .. (shown or "") .. get_remarks(action)
end

-- Where there is no terminal, for columns only.
local usual_width = 80

-- How far what is folded is indented.
local indent = 10

-- Rows of { mark, text, position }; positions are in one column if the text leaves room. Otherwise
-- the position is on the next line; a text that is too long alone is folded.
local function lay_out(rows, style, verbose)
  local room, widest = terminal.get_width() or usual_width, 0
  local is_cut = terminal.get_width() ~= nil
  for _, row in ipairs(rows) do
    local width = text.width(row.text)
    if width + text.width(row.position or "") + 5 <= room then
      widest = math.max(widest, width)
    end
  end
  local lines = {}
  for _, row in ipairs(rows) do
    local mark = row.style and style(row.style, row.mark) or row.mark
    local parts = is_cut and text.fold(row.text, room - 2, indent - 2, verbose) or { row.text }
    local line = mark .. " " .. table.concat(parts, "\n  ")
    if row.position then
      local width = text.width(parts[#parts]) + 2
      local is_below = is_cut and width + text.width(row.position) + 3 > room
      local space = is_below and "\n" .. (" "):rep(indent)
        or (" "):rep(math.max(widest + 2 - width, 0) + 3)
      line = line .. space .. style("faint", row.position)
    end
    lines[#lines + 1] = line
    for _, key in ipairs(row.keys or {}) do
      local function show(value)
        return value and text.shorten(text.printable(value), verbose and 1000 or 40) or "(absent)"
      end
      lines[#lines + 1] = ("    %s: %s -> %s"):format(
        text.printable(key.key),
        show(key.old),
        show(key.new)
      )
    end
    for _, changed in ipairs(row.diff and text.lines(row.diff) or {}) do
      local first = changed:sub(1, 1)
      lines[#lines + 1] = "    "
        .. (
          first == "+" and style("add", changed)
          or first == "-" and style("remove", changed)
          or changed
        )
    end
  end
  return lines
end

-- Single files are told by their targets.
local function is_listed(derivation, verbose)
  return verbose or not derivation.file
end

---@return integer
local function count_listed(derivations, verbose)
  ---@type integer
  local count = 0
  for _, derivation in ipairs(derivations or {}) do
    count = count + (is_listed(derivation, verbose) and 1 or 0)
  end
  return count
end
report.count_listed = count_listed

-- Whether a script of secrets says what the one before it said: there is one for each language.
local function is_said(action, earlier)
  return action.kind == "source_secret_in_shell"
    and earlier ~= nil
    and earlier.kind == action.kind
    and earlier.mark == action.mark
    and earlier.detail == action.detail
    and earlier.user == action.user
    and earlier.project == action.project
end

local function is_told(action, verbose)
  return action.mark ~= "unchanged" or action.runs_command or verbose
end

local function get_rows(result, verbose)
  local rows = {}
  for _, derivation in ipairs(result.realize or {}) do
    if is_listed(derivation, verbose) then
      rows[#rows + 1] = { mark = "*", style = "strong", text = "build   " .. get_label(derivation) }
    end
  end
  local groups = not verbose and require("syslua.cli.groups").get(result.actions or {}) or {}
  local earlier
  for _, action in ipairs(result.actions or {}) do
    local group = groups[action]
    if group then
      if not group.is_told then
        group.is_told = true
        rows[#rows + 1] = {
          mark = marks[action.mark] or "?",
          style = action.mark ~= "unchanged" and action.mark or nil,
          text = show_path(group.directory, result.root)
            .. "/ "
            .. require("syslua.cli.groups").describe(group),
        }
      end
    elseif is_told(action, verbose) and not is_said(action, earlier) then
      local positions = action.positions or {}
      rows[#rows + 1] = {
        mark = action.runs_command and "!" or marks[action.mark] or "?",
        style = action.runs_command and "warning"
          or action.mark ~= "unchanged" and action.mark
          or nil,
        diff = action.diff
          or (action.needs_build and "(its text is known after a build: --build)")
          or nil,
        keys = action.keys,
        text = get_action_text(action, result.root, verbose),
        position = verbose and table.concat(positions, " < ") or positions[1],
      }
    end
    earlier = action
  end
  return rows
end

local function count_marks(actions)
  local counts = { add = 0, change = 0, remove = 0, unchanged = 0 }
  for _, action in ipairs(actions or {}) do
    counts[action.mark] = (counts[action.mark] or 0) + 1
  end
  return counts
end

-- Snapshot 0 is the state before the first apply.
---@type table<string, string>
local pending_lines = {
  running = "process %d is switching from snapshot %s to %s",
  interrupted = "a switch of process %d from snapshot %s to %s was cut off: "
    .. "the next apply or rollback undoes it",
  unconfirmed = "the switch of process %d from snapshot %s to %s waits to be confirmed",
}

--- Returns the line about a switch that is not over, or nil.
---@param pending syslua.PendingReport?
---@param style syslua.cli.Style
---@return string?
function report.render_pending(pending, style)
  if not pending then
    return nil
  end
  local line = pending_lines[pending.state]:format(
    pending.process,
    tostring(pending.from),
    tostring(pending.to or pending.from)
  )
  if pending.deadline then
    line = line .. (", for %.0f s"):format(math.max(pending.deadline - os.time(), 0))
  end
  return style("warning", "Pending") .. "   " .. line
end

local function add_undecided(lines, result)
  report.add_left_out(lines, result)
  local commands, replaced = 0, 0
  for _, action in ipairs(result.actions or {}) do
    commands = commands + (action.runs_command and 1 or 0)
    replaced = replaced + (action.replaces and 1 or 0)
  end
  if replaced > 0 then
    lines[#lines + 1] = ("%s moved to the backups."):format(
      replaced == 1 and "The existing file at 1 target is"
        or ("The existing files at %d targets are"):format(replaced)
    )
  end
  if commands > 0 then
    lines[#lines + 1] = ("%s: what they do is not known."):format(
      text.count(commands, "command") .. " (!)"
    )
  end
end

--- Adds the line about services that are left as they are.
---@param lines string[]
---@param result { services_left_out: string[]? }
function report.add_left_out(lines, result)
  local names = result.services_left_out or {}
  if names[1] then
    lines[#lines + 1] = ("Left as they are, since --no-services was given: %s."):format(
      table.concat(names, ", ")
    )
  end
end

--- Returns the lines that tell what an apply would do.
---@param result table a PlanResult
---@param config string the config's path
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function report.render_plan(result, config, args, style)
  local lines = lay_out(get_rows(result, args.verbose), style, args.verbose)
  lines[#lines + 1] = report.render_pending(result.pending, style)
  if not result.changed then
    lines[#lines + 1] = unchanged_report.render("Nothing would be changed", result, config)
    return lines
  end
  require("syslua.cli.package_report").add(lines, result, "would")
  add_undecided(lines, result)
  local counts = count_marks(result.actions)
  local closing = ("%d to add, %d to change, %d to remove"):format(
    counts.add,
    counts.change,
    counts.remove
  )
  local builds = count_listed(result.realize, args.verbose)
  if builds > 0 then
    closing = ("%s; %d to build"):format(closing, builds)
  end
  lines[#lines + 1] = style("strong", closing)
  return lines
end

local environment_kinds = {
  add_to_path = true,
  source_in_shell = true,
  set_variable = true,
  set_alias = true,
  set_function = true,
}

local function changes_environment(actions)
  for _, action in ipairs(actions or {}) do
    if environment_kinds[action.kind] and action.mark ~= "unchanged" then
      return true
    end
  end
  return false
end

--- Returns the lines that tell what an apply did.
---@param result table an ApplyResult
---@param config string the config's path
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function report.render_apply(result, config, args, style)
  if not result.changed then
    local shows = args.verbose or result.applied
    local lines = lay_out(shows and get_rows(result, args.verbose) or {}, style, args.verbose)
    local what = result.applied and "Nothing else changed" or "Nothing changed"
    lines[#lines + 1] = unchanged_report.render(what, result, config)
    return lines
  end
  local lines = lay_out(get_rows(result, args.verbose), style, args.verbose)
  if not result.new_snapshot then
    -- The build produced an existing object.
    local what = ("Built %d; nothing else changed"):format(#(result.built or {}))
    lines[#lines + 1] = unchanged_report.render(what, result, config)
    return lines
  end
  for _, line in ipairs(report.render_displaced(result, args)) do
    lines[#lines + 1] = "  " .. line
  end
  report.add_left_out(lines, result)
  local counts = count_marks(result.actions)
  local closing = ("Snapshot %s: %d added, %d changed, %d removed"):format(
    tostring(result.new_snapshot),
    counts.add,
    counts.change,
    counts.remove
  )
  local built = count_listed(result.built, args.verbose)
  if built > 0 then
    closing = ("%s; %d built"):format(closing, built)
  end
  lines[#lines + 1] = style("strong", closing)
  if changes_environment(result.actions) and result.env_script then
    lines[#lines + 1] = "The environment changed; in this shell: . "
      .. path.display(require("syslua.cli.own_script").get_path(result.env_script), path.get_home())
  end
  return lines
end

--- Returns the lines about copies of edits that were moved away, one each.
---@param result table a result with `root` and `displaced`
---@param args syslua.cli.Args
---@return string[]
function report.render_displaced(result, args)
  local lines = {}
  local all = {}
  for _, displaced in ipairs(result.displaced or {}) do
    all[#all + 1] = { displaced, "kept     " }
  end
  for _, original in ipairs(result.lost_originals or {}) do
    all[#all + 1] = { original, "original ", "no target gets it back" }
  end
  for _, entry in ipairs(all) do
    local displaced, word, remark = entry[1], entry[2], entry[3]
    local line = word .. show_path(displaced.path, result.root, args.verbose)
    local told = {}
    if displaced.kind and displaced.kind ~= "file" then
      told[1] = "a " .. displaced.kind
    end
    if displaced.target then
      told[#told + 1] = "from " .. show_path(displaced.target, result.root)
    end
    if displaced.created_at and args.verbose then
      told[#told + 1] = os.date("%Y-%m-%d %H:%M:%S", displaced.created_at)
    end
    told[#told + 1] = remark
    if #told > 0 then
      line = line .. "  (" .. table.concat(told, ", ") .. ")"
    end
    lines[#lines + 1] = line
  end
  return lines
end

--- Returns the line about a snapshot.
---@param snapshot table? a SnapshotReport
---@return string
function report.render_snapshot(snapshot)
  if not snapshot or tostring(snapshot.id) == "0" then
    return "Snapshot  0: the state before the first apply"
  end
  local line = "Snapshot  " .. tostring(snapshot.id)
  if snapshot.created_at then
    line = line .. os.date(", applied %Y-%m-%d %H:%M:%S", snapshot.created_at)
  end
  if snapshot.config_path then
    line = line .. ", from " .. show_path(snapshot.config_path)
  end
  return line
end

--- Returns rows of { mark, style, text, position } as lines, with the positions in a column.
---@param rows { mark: string, style: string?, text: string, position: string? }[]
---@param style syslua.cli.Style
---@param verbose boolean? whether long words stay whole
---@return string[]
function report.lay_out(rows, style, verbose)
  return lay_out(rows, style, verbose)
end

--- Returns the lines of actions, one each.
---@param result { root: string, actions: table[] }
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function report.render_actions(result, args, style)
  local rows = get_rows({ actions = result.actions, root = result.root }, args.verbose)
  return lay_out(rows, style, args.verbose)
end

--- Returns the line with which a plan begins when another config is in force.
---@param result { snapshot: table } a PlanResult or an ApplyResult
---@param config string the config's path
---@return string[]
function report.render_replaced(result, config)
  local other = require("syslua.cli.config_path").get_replaced(result.snapshot, config)
  return other and { "replaces " .. other } or {}
end

--- Returns the JSON document of a command: the result's fields besides `version` and `command`.
---@param command string
---@param result table
---@return string
function report.to_json(command, result)
  local document = { version = 1, command = command }
  for key, value in pairs(result) do
    if type(key) == "string" and document[key] == nil then
      document[key] = value
    end
  end
  return text.inert_json(require("syslua.bindings").call("report_json", document))
end

return report
