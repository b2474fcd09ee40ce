--- Turns a failure into lines for people and JSON for programs: what happened, where, why, what to
-- do. It does not write them, and does not know exit codes.

local text = require("syslua.util.text")
local unpack = require("syslua.util.table").unpack

local failure_report = {}

-- What a failure may take up without --verbose.
local most_lines = 15
local most_hint_lines = 8
-- More than any failure has.
local unlimited = 1000000

local function get_cut_line(count)
  return ("  … %s with --verbose"):format(text.count(count, "more line"))
end

local function add_all(lines, added)
  for _, line in ipairs(added) do
    lines[#lines + 1] = line
  end
end

---@return string[]
local function prefix(value, first, others)
  local lines = {}
  for index, line in ipairs(text.lines(value)) do
    lines[index] = (index == 1 and first or others) .. line
  end
  return lines
end

-- The first lines, at most `room`.
---@param lines string[]
---@param room integer
---@return string[]
local function keep_first(lines, room)
  if #lines <= room then
    return lines
  end
  local kept = { unpack(lines, 1, room - 1) }
  kept[room] = get_cut_line(#lines - room + 1)
  return kept
end

-- The last lines, at most `room`: of the output of a build they tell most.
---@param lines string[]
---@param room integer
---@return string[]
local function keep_last(lines, room)
  if #lines <= room then
    return lines
  end
  local kept = { get_cut_line(#lines - room + 1) }
  add_all(kept, { unpack(lines, #lines - room + 2) })
  return kept
end

local function get_position_lines(value, style, verbose)
  local lines = {}
  if value.position then
    lines[1] = "  at " .. style("strong", value.position)
  end
  for _, position in ipairs(verbose and value.trace or {}) do
    if position ~= value.position then
      lines[#lines + 1] = "  from " .. position
    end
  end
  return lines
end

--- Returns the lines that tell a failure, at most 15 unless --verbose asks for all or they list
--- wrong hashes.
---@param value syslua.Failure
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function failure_report.render(value, args, style)
  -- Of wrong hashes each is needed.
  local room = (args.verbose or value.mismatches) and unlimited or most_lines
  local lines = prefix(tostring(value.message), style("error", "error: "), "  ")
  local positions = get_position_lines(value, style, args.verbose)
  local hint = value.hint and prefix(value.hint, "  hint: ", "        ") or {}
  -- A usage line comes last and stands for itself; other details are quoted.
  local is_usage = value.kind == "usage"
  local quote = is_usage and "" or "  | "
  local details = (value.details or "") ~= "" and prefix(value.details, quote, quote) or {}

  hint = keep_first(hint, args.verbose and unlimited or most_hint_lines)
  local least_details = math.min(#details, 3)
  lines = keep_first(lines, room - #positions - #hint - least_details)
  details = keep_last(details, room - #lines - #positions - #hint)

  add_all(lines, positions)
  if not is_usage then
    add_all(lines, details)
  end
  add_all(lines, hint)
  if is_usage then
    add_all(lines, details)
  end
  return lines
end

--- Returns the JSON document of a failure.
---@param command string
---@param value syslua.Failure
---@return string
function failure_report.to_json(command, value)
  return require("syslua.cli.report").to_json(command, {
    error = {
      kind = value.kind,
      message = value.message,
      position = value.position,
      hint = value.hint,
      mismatches = value.mismatches,
    },
  })
end

return failure_report
