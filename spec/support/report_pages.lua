--- Renders reports from their schema: as tables of the reference, and as classes for editors.

local report_schema = require("spec.support.report_schema")

local report_pages = {}

-- Where the reference uses another name than the type without "Report".
local shown_names = { ChangeReport = "SnapshotChange", RootReport = "Root" }

local function get_shown_name(name)
  return shown_names[name] or name:gsub("Report$", "")
end

-- A type as people read it.
local function show_type(schema)
  local name, words = report_schema.get_reference(schema), report_schema.get_words(schema)
  if name then
    local shown = get_shown_name(name)
    return ("[%s](#%s)"):format(shown, shown:lower())
  elseif words then
    local quoted = {}
    for index, word in ipairs(words) do
      quoted[index] = '"' .. word .. '"'
    end
    return table.concat(quoted, ", ")
  elseif schema.type == "array" then
    return "list of " .. show_type(schema.items)
  elseif schema.type == "object" then
    return show_type(schema.additionalProperties) .. " by name"
  end
  return schema.type or "any"
end

-- "Whether it stays." is a cell, "whether it stays".
local function to_cell(text)
  text = text:gsub("%.$", ""):gsub("\n", " "):gsub("|", "\\|")
  if text:find("^%u%l") or text:find("^A ") then
    text = text:sub(1, 1):lower() .. text:sub(2)
  end
  return text
end

-- What does not fit into a cell follows below the table.
local longest_cell = 120

-- The fields of a report, without those of another one.
local function get_own_fields(name, base)
  local left_out, own = {}, {}
  for _, field in ipairs(base and report_schema.get(base).fields or {}) do
    left_out[field.name] = true
  end
  for _, field in ipairs(report_schema.get(name).fields) do
    if not left_out[field.name] then
      own[#own + 1] = field
    end
  end
  return own
end

--- Returns the table of a report's fields; "Applied without PlanReport" leaves fields out.
---@param words string
---@return string
function report_pages.render_table(words)
  local name, base = words:match("^(%w+) without (%w+)$")
  local lines, notes = { "| field | type | |", "|---|---|---|" }, {}
  for _, field in ipairs(get_own_fields(name or words, base)) do
    local mark = field.is_optional and "?" or ""
    local kind, cell = show_type(field.schema), to_cell(field.text)
    if #kind > longest_cell then
      notes[#notes + 1] = ("`%s` is one of %s."):format(field.name, kind)
      kind = "string"
    end
    if #cell > longest_cell then
      notes[#notes + 1] = ("`%s`: %s."):format(field.name, cell)
      cell = "see below"
    end
    lines[#lines + 1] = ("| `%s`%s | %s | %s |"):format(field.name, mark, kind, cell)
  end
  local text = table.concat(lines, "\n")
  for _, note in ipairs(notes) do
    local folded = require("syslua.util.text").fold(note, 100, 0)
    text = text .. "\n\n" .. table.concat(folded, "\n")
  end
  return text
end

-- The classes in `types/syslua.lua` by report, in order. Those that are missing have no class: they
-- are only printed.
local classes = {
  { "Plan", "Plan" },
  { "Applied", "Applied" },
  { "RollbackReport", "RolledBack" },
  { "Destroyed", "Destroyed" },
  { "PendingReport", "PendingReport" },
  { "SnapshotReport", "SnapshotReport" },
  { "DerivationReport", "DerivationReport" },
  { "ActionReport", "ActionReport" },
  { "KeyReport", "KeyReport" },
  { "ServiceReport", "ServiceReport" },
  { "UnitJob", "UnitJob" },
  { "PackagesReport", "PackagesReport" },
  { "Item", "PackageItem" },
  { "DisplacedReport", "DisplacedReport" },
  { "Status", "Status" },
  { "TargetReport", "TargetReport" },
  { "OldSnapshotsReport", "OldSnapshotsReport" },
  { "StampReport", "StampReport" },
  { "ServicesReport", "Services" },
  { "ServiceStateReport", "ServiceStateReport" },
  { "PackageStateReport", "PackageStateReport" },
  { "HistoryReport", "History" },
  { "HistoryEntry", "HistoryEntry" },
  { "ChangesReport", "Changes" },
  { "ChangeReport", "SnapshotChange" },
  { "EnvironmentReport", "Environment" },
  { "VariableReport", "VariableReport" },
  { "ScriptReport", "ScriptReport" },
  { "SnapshotDiffReport", "SnapshotDiff" },
  { "DerivationChange", "DerivationChange" },
  { "DiffReport", "Diff" },
  { "Difference", "Difference" },
  { "ConfirmReport", "Confirmed" },
  { "ListReport", "Listed" },
  { "ObjectReport", "ObjectReport" },
  { "UnreadableReport", "UnreadableReport" },
  { "InfoReport", "Info" },
  { "HoldReport", "Held" },
  { "Holder", "Holder" },
  { "HolderReport", "ObjectHolder", "Holder" },
  { "VerifyReport", "Verified" },
  { "DamageReport", "DamageReport" },
  { "CheckReport", "Checked" },
  { "GcReport", "Collected" },
  { "GcObject", "CollectedObject" },
  { "GcFiles", "CollectedFiles" },
  { "ExportReport", "Exported" },
  { "ClosureObjectReport", "ClosureObject" },
  { "ImportReport", "Imported" },
  { "RootReport", "ImportedRoot" },
  { "Answer", "AnswerReport" },
}

---@type table<string, string>
local class_of = { Change = "LockChange" }
for _, class in ipairs(classes) do
  class_of[class[1]] = class[2]
end

local function to_class(schema)
  local name, words = report_schema.get_reference(schema), report_schema.get_words(schema)
  if name then
    return "syslua." .. assert(class_of[name], name)
  elseif words then
    return '"' .. table.concat(words, '"|"') .. '"'
  elseif schema.type == "array" then
    local item = to_class(schema.items)
    return (item:find("|", 1, true) and "(" .. item .. ")" or item) .. "[]"
  elseif schema.type == "object" then
    return ("table<string, %s>"):format(to_class(schema.additionalProperties))
  end
  return schema.type or "any"
end

--- Returns the classes of the reports for editors.
---@return string
function report_pages.render_classes()
  local fold = require("syslua.util.text").fold
  local parts = {}
  for _, class in ipairs(classes) do
    local base = class[3]
    local lines = { "---@class syslua." .. class[2] .. (base and ": syslua." .. base or "") }
    for _, field in ipairs(get_own_fields(class[1], base)) do
      local kind = to_class(field.schema)
      if field.is_optional then
        kind = (kind:find("|", 1, true) and "(" .. kind .. ")" or kind) .. "?"
      end
      local line = ("%s %s %s"):format(field.name, kind, to_cell(field.text))
      for index, part in ipairs(fold(line, 89, 0)) do
        lines[#lines + 1] = (index == 1 and "---@field " or "--- ") .. part
      end
    end
    parts[#parts + 1] = table.concat(lines, "\n")
  end
  return table.concat(parts, "\n\n")
end

return report_pages
