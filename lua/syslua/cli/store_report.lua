--- Turns what the store holds, and what is wrong with it, into lines for people.
-- It does not write them, and does not know the engine: it gets reports.

local columns = require("syslua.cli.table")
local path = require("syslua.util.path")
local report = require("syslua.cli.report")
local terminal = require("syslua.cli.terminal")
local text = require("syslua.util.text")

local store_report = {}

local function show_path(value)
  return text.printable(path.display(value, path.get_home()))
end

--- Returns "greet 1.0", or the name alone when there is no version.
---@param derivation { name: string, version: string? }
---@return string
function store_report.get_label(derivation)
  return derivation.version and derivation.name .. " " .. derivation.version or derivation.name
end

--- Returns the nine digits that an object's name ends with.
---@param object string
---@return string
function store_report.get_digits(object)
  return object:sub(-9)
end

local function get_object_row(object)
  return {
    mark = object.current and "*" or " ",
    name = object.output == "out" and object.name or object.name .. ":" .. object.output,
    version = object.version or "",
    digits = store_report.get_digits(object.object),
    size = text.size(object.size),
    references = table.concat(object.references, ", "),
  }
end

---@type syslua.cli.Column[]
local object_columns = {
  { key = "name", title = "NAME", least = { 26, 10 } },
  { key = "version", title = "VERSION", least = { 14, 7 } },
  { key = "digits", title = "OBJECT" },
  { key = "size", title = "SIZE", is_right = true },
  { key = "references", title = "REFERENCES", least = { 15, 1 } },
}

--- Returns the lines that list objects.
---@param result syslua.Listed
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function store_report.render_list(result, args, style)
  local lines = {}
  local unreadable = #result.unreadable
  if unreadable > 0 then
    lines[1] = ("%s cannot be shown: `%s verify` tells why"):format(
      text.count(unreadable, "object"),
      args.program
    )
  elseif #result.objects == 0 then
    lines[1] = "The store is empty."
  end
  if #result.objects == 0 then
    return lines
  end
  local rows = {}
  local size, current = 0, 0
  for _, object in ipairs(result.objects) do
    rows[#rows + 1] = get_object_row(object)
    size = size + object.size
    current = current + (object.current and 1 or 0)
  end
  local note = lines[1]
  lines = columns.lay_out(object_columns, rows, style, args.verbose)
  local count = text.count(#result.objects, "object")
  lines[#lines + 1] = ("%s, %s; %d in the current snapshot (*)"):format(
    count,
    text.size(size),
    current
  )
  lines[#lines + 1] = note
  return lines
end

---@type syslua.cli.Column[]
local package_columns = {
  { key = "name", title = "NAME", least = { 26, 10 } },
  { key = "version", title = "VERSION", least = { 14, 7 } },
  { key = "size", title = "SIZE", is_right = true },
}

--- Returns the lines that list packages and tools.
---@param result syslua.Listed
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function store_report.render_packages(result, args, style)
  if not result.objects[1] then
    return {
      ("The current snapshot has no packages or tools; `%s list --all` shows all objects."):format(
        args.program
      ),
    }
  end
  local rows = {}
  for index, object in ipairs(result.objects) do
    rows[index] = get_object_row(object)
  end
  return columns.lay_out(package_columns, rows, style, args.verbose)
end

--- Returns the lines about a root as a whole.
---@param result syslua.Info
---@return string[]
function store_report.render_info(result)
  return terminal.fold({
    "Root      " .. show_path(result.root),
    "Platform  " .. result.platform,
    report.render_snapshot(result.snapshot),
    ("Store     %s, %s"):format(text.count(result.objects, "object"), text.size(result.size)),
  }, 10)
end

local function add_field(lines, name, values)
  for index, value in ipairs(values) do
    lines[#lines + 1] = text.pad(index == 1 and name or "", 11) .. value
  end
end

--- Returns the lines about one object.
---@param object syslua.ObjectReport
---@param referrers string[] the objects that refer to it
---@param held syslua.Held
---@param args syslua.cli.Args
---@return string[]
function store_report.render_object(object, referrers, held, args)
  local lines = {}
  local made = store_report.get_label(object)
  if object.output ~= "out" then
    made = made .. ", output " .. object.output
  end
  add_field(lines, "Object", { object.object })
  add_field(lines, "Path", { show_path(object.path) })
  add_field(lines, "Name", { made })
  add_field(lines, "Size", { text.size(object.size) })
  add_field(lines, "Closure", {
    ("%s, %s"):format(text.count(#held.closure, "object"), text.size(held.closure_size)),
  })
  add_field(lines, "Derivation", { object.deriver })
  add_field(lines, "Content", { object.content })
  add_field(lines, "NAR", { object.nar })
  add_field(lines, "Refers to", object.references)
  add_field(lines, "Used by", referrers)
  add_field(
    lines,
    "Current",
    { object.current and "yes" or "no: not named by the current snapshot" }
  )
  add_field(lines, "Kept by", require("syslua.cli.holders").render(held.holders, args.verbose))
  add_field(lines, "Movable", {
    object.relocatable and "yes" or "no: its bytes name the place of the store",
  })
  add_field(lines, "Sandbox", { object.sandbox or "off" })
  return terminal.fold(lines, 13)
end

local function get_damage_lines(damage, style)
  local is_restored = damage.state == "restored"
  local lines = { style(is_restored and "change" or "error", "!") .. " " .. damage.object }
  local function add(name, value)
    lines[#lines + 1] = "    " .. text.pad(name, 11) .. value
  end
  add("problem", damage.problem)
  if #damage.targets > 0 then
    add("targets", table.concat(damage.targets, ", "))
  end
  if #damage.snapshots > 0 then
    add("snapshots", table.concat(damage.snapshots, ", "))
  end
  if is_restored then
    add("repaired", "it is as it was")
  elseif damage.state ~= "found" then
    add("broken", damage.reason or "it could not be restored")
  end
  if damage.quarantine then
    add("moved to", show_path(damage.quarantine))
  end
  return lines
end

local function get_verify_line(result, program)
  local count = #result.damaged
  local checked = text.count(result.checked, "object") .. " checked: "
  if count == 0 then
    return checked .. "all are as they were built"
  end
  local is_repair = result.damaged[1].state ~= "found"
  if not is_repair then
    local them = count == 1 and "it" or "them"
    local line = "%s%d %s damaged; `%s verify --repair` restores %s"
    return line:format(checked, count, count == 1 and "is" or "are", program, them)
  end
  local line = "%s%d %s damaged, %d restored, %d still broken"
  local was = count == 1 and "was" or "were"
  return line:format(checked, count, was, count - result.broken, result.broken)
end

--- Returns the lines that tell which objects are damaged, and what became of them.
---@param result syslua.Verified
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function store_report.render_verify(result, args, style)
  local lines = {}
  for _, damage in ipairs(result.damaged) do
    for _, line in ipairs(get_damage_lines(damage, style)) do
      lines[#lines + 1] = line
    end
  end
  lines[#lines + 1] = style("strong", get_verify_line(result, args.program))
  return lines
end

-- Where two texts begin to differ, at the beginning of a character.
local function get_difference(first, second)
  local index = 1
  while index <= #first and first:byte(index) == second:byte(index) do
    index = index + 1
  end
  while index > 1 and first:find("^[\128-\191]", index) do
    index = index - 1
  end
  return index
end

-- Two values as they fit on lines of their own: what they have in common before they differ is cut.
local function shorten_pair(first, second, room)
  local skipped = 0
  if first and second and math.max(text.width(first), text.width(second)) > room then
    skipped = get_difference(first, second) - 1 - 20
    while skipped > 0 and first:find("^[\128-\191]", skipped + 1) do
      skipped = skipped - 1
    end
  end
  local function shorten(value)
    local rest = skipped > 0 and "…" .. value:sub(skipped + 1) or value
    return text.shorten(rest, room)
  end
  return first and shorten(first), second and shorten(second)
end

-- What a derivation does not have is absent, or null.
local function get_value(json)
  return json ~= "null" and json or nil
end

-- The name of an object says more than a hash.
local function name_value(value, name)
  return value and name and ("%s  (%s)"):format(name, value:gsub('"', ""):sub(1, 12)) or value
end

-- A unified diff without its heading, below the name of the input.
local function add_text_lines(lines, difference, style)
  for _, line in ipairs(text.lines(difference)) do
    local first = line:sub(1, 1)
    local name = first == "+" and "add" or first == "-" and "remove" or nil
    if not line:find("^%-%-%- ") and not line:find("^%+%+%+ ") then
      lines[#lines + 1] = "  " .. (name and style(name, line) or line)
    end
  end
end

--- Returns the lines that tell which inputs of two derivations differ.
---@param result syslua.Diff
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function store_report.render_diff(result, args, style)
  local lines = {}
  for _, difference in ipairs(result.differences) do
    lines[#lines + 1] = style("strong", difference.path)
    local first, second = get_value(difference.first), get_value(difference.second)
    local room = terminal.get_width()
    if room and not args.verbose then
      first, second = shorten_pair(first, second, room - 4)
    end
    first = name_value(first, difference.first_name)
    second = name_value(second, difference.second_name)
    if difference.diff then
      add_text_lines(lines, difference.diff, style)
    else
      lines[#lines + 1] = first and "  " .. style("remove", "- " .. first)
      lines[#lines + 1] = second and "  " .. style("add", "+ " .. second)
    end
  end
  local count = #result.differences
  if count == 0 then
    lines[1] = "Nothing differs: it is the same derivation."
  else
    lines[#lines + 1] = count == 1 and "1 input differs" or count .. " inputs differ"
  end
  return lines
end

--- Returns the line about a derivation that came out differently when it was built again.
---@param derivation syslua.RealizedReport
---@param difference { output: string, file: string, how: string }
---@param style syslua.cli.Style
---@return string
function store_report.render_difference(derivation, difference, style)
  local file = path.join(derivation.outputs[difference.output], difference.file)
  return ("%s is not reproducible: %s: %s"):format(
    style("change", "! ") .. store_report.get_label(derivation),
    show_path(path.normalize(file)),
    difference.how
  )
end

return store_report
