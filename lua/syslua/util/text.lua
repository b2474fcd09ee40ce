--- Small helpers for text. Widths count the cells of a terminal; it does not know which terminal
--- that is.

local text = {}

--- Returns the lines of a text, without their ends.
---@param value string
---@return string[]
function text.lines(value)
  local result = {}
  for line in (value:gsub("\n$", "") .. "\n"):gmatch("(.-)\r?\n") do
    result[#result + 1] = line
  end
  return result
end

--- Returns a number as Lua prints integers, the same on every Lua; nil for what is not finite.
---@param number number
---@return string?
function text.number(number)
  if number ~= number or number == math.huge or number == -math.huge then
    return nil
  elseif number == 0 then
    return "0"
  elseif number % 1 ~= 0 or math.abs(number) >= 2 ^ 63 then
    return ("%.14g"):format(number)
  end
  -- An integer of Lua 5.3 or later may have more digits than a float.
  return math.type and math.type(number) == "integer" and ("%d"):format(number)
    or ("%.0f"):format(number)
end

--- Returns how many terminal cells a UTF-8 text takes: two for a wide character, none for a
--- combining one.
---@param value string
---@return integer
function text.width(value)
  if not value:find("[\128-\255]") then
    return #value
  end
  return require("syslua").bindings.cells(value)
end

--- Returns the text filled up with spaces to a width; a longer one stays as it is.
---@param value string
---@param width integer
---@return string
function text.pad(value, width)
  return value .. (" "):rep(width - text.width(value))
end

local replacement = "\239\191\189"

-- The bytes of a character by its first one; nil where none begins with it.
local function get_length(byte)
  if byte < 128 then
    return 1
  elseif byte >= 194 and byte < 224 then
    return 2
  elseif byte >= 224 and byte < 240 then
    return 3
  end
  return byte >= 240 and byte < 245 and 4 or nil
end

-- Characters that change the order of what a terminal shows: the bidirectional controls of Unicode
-- (UAX #9).
---@type table<string, boolean?>
local directing = {
  ["\216\156"] = true, -- U+061C
}
for last = 142, 143 do
  directing["\226\128" .. string.char(last)] = true -- U+200E, U+200F
end
for last = 170, 174 do
  directing["\226\128" .. string.char(last)] = true -- U+202A to U+202E
end
for last = 166, 169 do
  directing["\226\129" .. string.char(last)] = true -- U+2066 to U+2069
end

-- Returns the number of a character of two or three bytes.
local function get_code_point(character)
  local first, second, third = character:byte(1, 3)
  if third then
    return (first - 224) * 4096 + (second - 128) * 64 + third - 128
  end
  return (first - 192) * 64 + second - 128
end

-- Whether a character of two bytes or more is a control character: C1 (U+0080 to U+009F), or
-- bidirectional.
local function is_control(character)
  return directing[character] or character:find("^\194[\128-\159]$") ~= nil
end

-- Replaces invalid UTF-8, and writes control characters except those of `kept` as escapes.
local function escape(value, kept)
  local shown, index = {}, 1
  while index <= #value do
    local byte = value:byte(index)
    local length = get_length(byte)
    local character = length and value:sub(index, index + length - 1)
    if not character or not character:find("^.[\128-\191]*$") or #character < length then
      character, length = replacement, 1
    elseif length == 1 then
      if (byte < 32 or byte == 127) and not kept:find(character, 1, true) then
        character = ("\\x%02x"):format(byte)
      end
    elseif is_control(character) then
      character = ("\\u{%04x}"):format(get_code_point(character))
    end
    shown[#shown + 1] = character
    index = index + length
  end
  return table.concat(shown)
end

--- Returns bytes as a terminal can show them on one line: invalid UTF-8 is replaced, and control
-- characters, which file names may contain, are written as escapes.
---@param value string
---@return string
function text.printable(value)
  -- Almost always.
  if not value:find("[%c\127-\255]") then
    return value
  end
  return escape(value, "")
end

--- Returns bytes as a terminal can show them without acting on them: like `printable`, but lines
--- and tabs stay.
---@param value string
---@return string
function text.inert(value)
  if not value:find("[^\t\n\32-\126]") then
    return value
  end
  return escape(value, "\t\n")
end

--- Returns a JSON document in which the control characters that JSON allows in strings are written
--- as escapes.
---@param document string
---@return string
function text.inert_json(document)
  if not document:find("[\127-\255]") then
    return document
  end
  local function to_escape(character)
    return is_control(character) and ("\\u%04x"):format(get_code_point(character)) or nil
  end
  return (
    document
      :gsub("\127", "\\u007f")
      :gsub("[\194\216][\128-\191]", to_escape)
      :gsub("\226[\128\129][\128-\191]", to_escape)
  )
end

-- The byte position after the characters that fit into a number of cells; with `is_more`, after
-- those that fill them.
local function skip(value, cells, is_more)
  local index, used = 1, 0
  while index <= #value do
    local after = index + 1
    while value:find("^[\128-\191]", after) do
      after = after + 1
    end
    local width = text.width(value:sub(index, after - 1))
    if is_more and used >= cells and width > 0 or not is_more and used + width > cells then
      return index
    end
    index, used = after, used + width
  end
  return index
end

--- Returns the text cut to at most `width` cells, with an ellipsis where it was cut.
---@param value string
---@param width integer
---@return string
function text.shorten(value, width)
  if text.width(value) <= width then
    return value
  end
  return value:sub(1, skip(value, width - 1) - 1) .. "…"
end

--- Returns the text cut to at most `width` cells, with an ellipsis in its middle where it was cut:
--- paths and names of objects tell most at their ends.
---@param value string
---@param width integer at least 1
---@return string
function text.squeeze(value, width)
  local all = text.width(value)
  if all <= width then
    return value
  end
  local tail = math.floor((width - 1) * 2 / 3)
  local head = value:sub(1, skip(value, width - 1 - tail) - 1)
  return head .. "…" .. value:sub(skip(value, all - tail, true))
end

-- A character between two others belongs to the second one.
---@type table<string, boolean?>
local joints = { ["->"] = true, ["<-"] = true, ["="] = true, ["(->"] = true }

-- A first word that is no longer, with the spaces after it, is a heading, from which what follows
-- is not torn.
local widest_head = 14

--- Returns a text as lines of at most `width` cells, broken at spaces; those after the first one
--- are indented. A word that is too long alone is cut in its middle, or left to the terminal if
--- `is_whole`.
---@param value string
---@param width integer
---@param indent integer
---@param is_whole boolean?
---@return string[]
function text.fold(value, width, indent, is_whole)
  if text.width(value) <= width then
    return { value }
  end
  local head = value:match("^ *%S+ +")
  local lines, glued = {}, ""
  local line = head and text.width(head) <= widest_head and head or ""
  local is_begun = false
  for space, word in value:sub(#line + 1):gmatch("( *)(%S+)") do
    space, word = glued == "" and space or glued, word
    if joints[word] then
      glued = space .. word .. " "
    else
      local lead = space:match("^ *")
      local whole = space:sub(#lead + 1) .. word
      if not is_begun then
        lead = ""
      elseif text.width(line .. lead .. whole) > width then
        lines[#lines + 1] = line
        line, lead = (" "):rep(indent), ""
      end
      local room = math.max(width - text.width(line .. lead), 8)
      line = line .. lead .. (is_whole and whole or text.squeeze(whole, room))
      is_begun, glued = true, ""
    end
  end
  lines[#lines + 1] = (line .. glued):gsub(" +$", "")
  return lines
end

--- Returns "1 object", "2 objects".
---@param count integer
---@param noun string
---@return string
function text.count(count, noun)
  return ("%d %s%s"):format(count, noun, count == 1 and "" or "s")
end

local units = { "kB", "MB", "GB", "TB" }

--- Returns a number of bytes as people read it: "999 B", "1.2 kB", "35 MB".
---@param bytes number
---@return string
function text.size(bytes)
  local unit, value = "B", bytes
  for _, larger in ipairs(units) do
    -- What would be rounded up to 1000 is 1.0 of the next unit.
    if value < 999.5 then
      break
    end
    unit, value = larger, value / 1000
  end
  return ((unit == "B" or value >= 9.95) and "%.0f %s" or "%.1f %s"):format(value, unit)
end

--- Returns "a", "a or b", "a, b or c".
---@param words string[]
---@param conjunction string? by default "or"
---@return string
function text.enumerate(words, conjunction)
  if #words < 2 then
    return words[1] or ""
  end
  local head = table.concat(words, ", ", 1, #words - 1)
  return head .. " " .. (conjunction or "or") .. " " .. words[#words]
end

--- What `getmetatable` gives for a secret.
text.secret_mark = "syslua.Secret"

--- Returns whether a value is a secret.
---@param value any
---@return boolean
function text.is_secret(value)
  return type(value) == "table" and getmetatable(value) == text.secret_mark
end

--- Returns a value as an error message shows it: short, on one line, tables and functions by type.
---@param value any
---@return string
function text.describe(value)
  local kind = type(value)
  if text.is_secret(value) then
    return "a secret"
  end
  if kind == "string" then
    local shown = text.shorten(value, 40)
    return "string " .. ("%q"):format(shown):gsub("\\?[\r\n]", " ")
  elseif kind == "number" or kind == "boolean" then
    return kind .. " " .. tostring(value)
  end
  return kind
end

return text
