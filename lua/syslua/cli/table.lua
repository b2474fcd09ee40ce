--- Lays rows out in columns below their headings, as wide as the terminal. It does not know what is
--- in them.

local terminal = require("syslua.cli.terminal")
local text = require("syslua.util.text")

local columns = {}

---@class syslua.cli.Column
---@field key string the field of a row
---@field title string
---@field is_right boolean? whether it is aligned to the right
---@field is_path boolean? whether it is cut in its middle rather than at its end
---@field least integer[]? how narrow it may become, at first and when that is not enough; as it is
--- unless given
---@field is_optional boolean? whether it is left out when no row has it

local gap = "  "

local function measure(wanted, rows)
  local used, widths = {}, {}
  for _, column in ipairs(wanted) do
    local width, is_there = text.width(column.title), not column.is_optional
    for _, row in ipairs(rows) do
      local value = row[column.key] or ""
      is_there = is_there or value ~= ""
      width = math.max(width, text.width(value))
    end
    if is_there then
      used[#used + 1] = column
      widths[column.key] = width
    end
  end
  return used, widths
end

-- Takes from the columns, the last one first, until all fit.
local function shrink(used, widths, room)
  local excess = (#used - 1) * #gap - room
  for _, column in ipairs(used) do
    excess = excess + widths[column.key]
  end
  for round = 1, 2 do
    for index = #used, 1, -1 do
      local column = used[index]
      local least = column.least and column.least[round] or widths[column.key]
      local taken = math.max(math.min(widths[column.key] - least, excess), 0)
      widths[column.key] = widths[column.key] - taken
      excess = excess - taken
    end
  end
end

local function render_cell(column, value, width)
  local cut = column.is_path and text.squeeze(value, width) or text.shorten(value, width)
  local space = (" "):rep(width - text.width(cut))
  return column.is_right and space .. cut or cut .. space
end

--- Returns the lines of a table. A row has a `mark`, which precedes it, and its cells; instead of
--- the second and later cells it may have `rest`, a text.
---@param wanted syslua.cli.Column[]
---@param rows table<string, string>[]
---@param style syslua.cli.Style
---@param is_whole boolean? whether nothing is cut
---@return string[]
function columns.lay_out(wanted, rows, style, is_whole)
  local used, widths = measure(wanted, rows)
  local room = terminal.get_width()
  if room and not is_whole then
    shrink(used, widths, room - 2)
  end
  local titles = { mark = " " }
  for _, column in ipairs(used) do
    titles[column.key] = column.title
  end
  local lines = {}
  local function add(row, name)
    local cells = {}
    for index, column in ipairs(used) do
      cells[index] = row.rest and index > 1 and ""
        or render_cell(column, row[column.key] or "", widths[column.key])
    end
    local line = table.concat(cells, gap, 1, row.rest and 1 or #cells):gsub(" +$", "")
    local parts = { line }
    if row.rest then
      local indent = text.width(line .. gap)
      parts = room and text.fold(line .. gap .. row.rest, room - 2, indent, true)
        or { line .. gap .. row.rest }
    end
    for index, part in ipairs(parts) do
      local mark = index == 1 and row.mark or " "
      mark = mark == "*" and style("strong", mark) or mark
      lines[#lines + 1] = mark .. " " .. (name and style(name, part) or part)
    end
  end
  add(titles, "strong")
  for _, row in ipairs(rows) do
    add(row)
  end
  return lines
end

return columns
