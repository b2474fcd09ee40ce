--- The part of Markdown in which commands describe themselves, read into blocks: paragraphs, lists,
-- fences, tables and titles. It does not know what is shown with them.

local markdown = {}

---@class syslua.cli.Block
---@field kind "paragraph"|"item"|"fence"|"table"|"title"
---@field text string? of a paragraph, an item or a title, in one line
---@field mark string? what an item begins with: "-" or "1."
---@field level integer? of a title
---@field lines string[]? of a fence
---@field rows string[][]? of a table: the cells of each row without the head

---@return string[]
local function split_cells(line)
  local cells = {}
  for cell in line:gsub("^|", ""):gsub("\\|", "\1"):gmatch("([^|]*)|") do
    cells[#cells + 1] = (cell:gsub("\1", "|"):match("^%s*(.-)%s*$"))
  end
  return cells
end

-- A table: a head, a line of dashes, and rows.
local function add_row(blocks, line)
  local last = blocks[#blocks]
  if last and last.kind == "table" and not last.is_over then
    last.count = last.count + 1
    if last.count > 2 then
      last.rows[#last.rows + 1] = split_cells(line)
    end
  else
    blocks[#blocks + 1] = { kind = "table", rows = {}, count = 1 }
  end
end

local function add_text(blocks, line, is_new)
  local mark, text = line:match("^(%-) +(.*)$")
  if not mark then
    mark, text = line:match("^(%d+%.) +(.*)$")
  end
  local last = blocks[#blocks]
  if mark then
    blocks[#blocks + 1] = { kind = "item", mark = mark, text = text }
  elseif is_new or not last or not (last.kind == "paragraph" or last.kind == "item") then
    blocks[#blocks + 1] = { kind = "paragraph", text = line:match("^%s*(.-)$") }
  else
    last.text = last.text .. " " .. line:match("^%s*(.-)$")
  end
end

--- Returns the blocks of a text.
---@param text string
---@return syslua.cli.Block[]
function markdown.parse(text)
  ---@type any[]
  local blocks = {}
  ---@type any
  local fence
  local is_new = true
  for line in (text:gsub("\n$", "") .. "\n"):gmatch("([^\n]*)\n") do
    if fence then
      if line:find("^%s*```") then
        fence = nil
      else
        fence.lines[#fence.lines + 1] = line
      end
    elseif line:find("^%s*```") then
      fence = { kind = "fence", lines = {} }
      blocks[#blocks + 1] = fence
      is_new = true
    elseif line == "" then
      is_new = true
      if blocks[#blocks] then
        blocks[#blocks].is_over = true
      end
    elseif line:find("^#+ ") then
      local marks, title = line:match("^(#+) (.*)$")
      blocks[#blocks + 1] = { kind = "title", level = #marks, text = title }
      is_new = true
    elseif line:find("^|") then
      add_row(blocks, line)
      is_new = true
    elseif not line:find("^<!%-%-") then
      add_text(blocks, line, is_new)
      is_new = false
    end
  end
  return blocks
end

--- Returns a line without links and marks of emphasis; code keeps its backticks.
---@param text string
---@return string
function markdown.strip(text)
  return (text:gsub("%[([^%]]*)%]%([^)]*%)", "%1"):gsub("%*%*", ""))
end

-- Items of one list follow each other without an empty line.
local function is_same_list(block, before)
  return before ~= nil and before.kind == "item" and block.kind == "item"
end

--- Returns a text for a terminal: one line for each paragraph and item, which may be wrapped.
---@param text string
---@return string
function markdown.to_text(text)
  local lines = {}
  ---@type any
  local before
  for _, block in ipairs(markdown.parse(text)) do
    ---@cast block any
    if before and not is_same_list(block, before) then
      lines[#lines + 1] = ""
    end
    if block.kind == "fence" then
      for _, line in ipairs(block.lines) do
        lines[#lines + 1] = "    " .. line
      end
    elseif block.kind == "table" then
      for _, row in ipairs(block.rows) do
        lines[#lines + 1] = "- " .. markdown.strip(table.concat(row, ": "))
      end
    else
      local mark = block.mark and block.mark .. " " or ""
      lines[#lines + 1] = mark .. markdown.strip(block.text)
    end
    before = block
  end
  return table.concat(lines, "\n")
end

return markdown
