--- The user's editor: $VISUAL, $EDITOR, or vi. It does not know what is edited.

local editor = {}

-- Splits a text into words as shells do: quotes group, and a backslash takes the next character as
-- it is. On Windows it is a part of paths.
local function split(value)
  local is_windows = require("syslua").os == "windows"
  local words, word, index = {}, nil, 1
  while index <= #value do
    local character = value:sub(index, index)
    local closing = (character == "'" or character == '"')
      and value:find(character, index + 1, true)
    if closing then
      word = (word or "") .. value:sub(index + 1, closing - 1)
      index = closing
    elseif character:find("%s") then
      words[#words + 1] = word
      word = nil
    elseif character == "\\" and not is_windows and index < #value then
      index = index + 1
      word = (word or "") .. value:sub(index, index)
    else
      word = (word or "") .. character
    end
    index = index + 1
  end
  words[#words + 1] = word
  return words
end

--- Returns the words of the editor, which may have arguments.
---@return string[]
function editor.get_words()
  for _, name in ipairs({ "VISUAL", "EDITOR" }) do
    local words = split(os.getenv(name) or "")
    if words[1] and words[1] ~= "" then
      return words
    end
  end
  return { "vi" }
end

-- Editors that take the number of a line before the file.
local takes_line = { vi = true, vim = true, nvim = true, nano = true, emacs = true, kak = true }

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- Opens a file, and waits until the editor ends.
---@param file string
---@param line integer? where to begin
---@return boolean succeeded
function editor.open(file, line)
  local words = editor.get_words()
  local quoted = {}
  for index, word in ipairs(words) do
    quoted[index] = quote(word)
  end
  local name = (words[1] or ""):match("[^/\\]*$") or ""
  if line and takes_line[name] then
    quoted[#quoted + 1] = quote("+" .. line)
  end
  -- A name that begins with a dash would be an option.
  quoted[#quoted + 1] = quote(file:sub(1, 1) == "-" and "./" .. file or file)
  io.stdout:flush()
  io.stderr:flush()
  ---@type any
  local result = os.execute(table.concat(quoted, " "))
  return result == true or result == 0
end

return editor
