--- Prose in source files: comments and strings of Rust and Lua, and the text of Markdown pages.
-- Code between backticks and in fences is not prose.

local prose = {}

---@class Piece
---@field text string
---@field line integer where it begins
---@field last integer the line of its end
---@field comment boolean

-- The readers below get a text and the position where a comment or string may begin. They return
-- its content and the position of its last byte, or nothing.

local function read_line_comment(text, start, marker)
  local stop = (text:find("\n", start, true) or #text + 1) - 1
  return text:sub(start, stop):gsub("^" .. marker .. "+!?", ""), stop
end

local function read_quoted(text, start, quote)
  local position = start + 1
  while position <= #text and text:sub(position, position) ~= quote do
    position = position + (text:sub(position, position) == "\\" and 2 or 1)
  end
  -- A backslash at the end of a line joins it with the next.
  return text:sub(start + 1, position - 1):gsub("\\\n%s*", ""), position
end

local function read_delimited(text, start, opening, closing)
  local from = start + #opening
  local found, stop = text:find(closing, from, true)
  return text:sub(from, (found or #text + 1) - 1), stop or #text
end

local function read_lua(text, start)
  local dashes, level = text:match("^(%-?%-?)%[(=*)%[", start)
  if level and dashes ~= "-" then
    return read_delimited(text, start, dashes .. "[" .. level .. "[", "]" .. level .. "]")
  elseif text:find("^%-%-", start) then
    return read_line_comment(text, start, "%-")
  end
  local quote = text:match("^[\"']", start)
  if quote then
    return read_quoted(text, start, quote)
  end
end

local function read_rust(text, start)
  if text:find("^//", start) then
    return read_line_comment(text, start, "/")
  elseif text:find("^/%*", start) then
    return read_delimited(text, start, "/*", "*/")
  elseif text:find('^"', start) then
    return read_quoted(text, start, '"')
  end
  local hashes = text:match('^r(#*)"', start)
  if hashes and not text:sub(start - 1, start - 1):find("[%w_]") then
    return read_delimited(text, start, "r" .. hashes .. '"', '"' .. hashes)
  end
  -- A character, not a lifetime: only the first has a quote at its end.
  local character = text:match("^'\\u{%x+}'", start)
    or text:match("^'\\x%x%x'", start)
    or text:match("^'\\.'", start)
    or text:match("^'[^\\'\n][\128-\191]*'", start)
  if character then
    return "", start + #character - 1
  end
end

-- Comments that follow each other line by line are one piece.
local function read_code(text, read)
  ---@type Piece[]
  local pieces = {}
  local position, line, counted = 1, 1, 1
  local function move_to(at)
    line = line + select(2, text:sub(counted, at - 1):gsub("\n", ""))
    counted = at
    return line
  end
  while true do
    local start = text:find("[%-/\"'%[r]", position)
    if not start then
      return pieces
    end
    local content, stop = read(text, start)
    if not stop then
      position = start + 1
    else
      local comment = text:find("^[%-/]", start) ~= nil
      local first, last = move_to(start), move_to(stop)
      local before = pieces[#pieces]
      if comment and before and before.comment and before.last == first - 1 then
        before.text, before.last = before.text .. "\n" .. content, last
      else
        pieces[#pieces + 1] = { text = content, line = first, last = last, comment = comment }
      end
      position = stop + 1
    end
  end
end

-- Blank lines take the place of fences, so that lines keep their numbers.
local function read_markdown(text)
  text = text:gsub("```.-```", function(fence)
    return (fence:gsub("[^\n]", ""))
  end)
  return { { text = text, line = 1, last = 1, comment = false } }
end

-- What Rust tests say is data of theirs.
local function without_tests(text)
  local start = text:find("\n#[cfg(test)]\nmod tests {", 1, true)
  return start and text:sub(1, start) or text
end

--- Returns the prose of a source file, in lower case, without code between backticks.
---@param name string its ending tells the language
---@param text string
---@return Piece[]
function prose.read(name, text)
  local pieces
  if name:find("%.md$") then
    pieces = read_markdown(text)
  elseif name:find("%.rs$") then
    pieces = read_code(without_tests(text), read_rust)
  else
    pieces = read_code(text, read_lua)
  end
  for _, piece in ipairs(pieces) do
    piece.text = piece.text
      :gsub("`[^`]*`", function(code)
        return "`" .. code:gsub("[^\n]", "") .. "`"
      end)
      :lower()
  end
  return pieces
end

-- A blank of a pattern stands for any blanks, also for the end of a line.
local function with_blanks(pattern)
  return (pattern:gsub(" ", "%%s+"))
end

--- Returns the lines where a pattern is found in a piece. A blank of a pattern stands for any
-- blanks, also for the end of a line.
---@param piece Piece
---@param pattern string
---@param except? string[] phrases that are left out before
---@return integer[]
function prose.find(piece, pattern, except)
  local text = piece.text
  for _, phrase in ipairs(except or {}) do
    text = text:gsub(with_blanks(phrase), function(found)
      return "*" .. found:gsub("[^\n]", "")
    end)
  end
  local lines, position = {}, 1
  while true do
    local start, stop = text:find(with_blanks(pattern), position)
    if not start then
      return lines
    end
    local _, ends = text:sub(1, start - 1):gsub("\n", "")
    lines[#lines + 1] = piece.line + ends
    position = stop + 1
  end
end

return prose
