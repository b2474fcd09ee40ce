--- The user's editor: $VISUAL, $EDITOR, or vi. It does not know what is edited.

local editor = {}

--- Returns the words of the editor, which may have arguments.
---@return string[]
function editor.get_words()
  for _, name in ipairs({ "VISUAL", "EDITOR" }) do
    local words = {}
    for word in (os.getenv(name) or ""):gmatch("%S+") do
      words[#words + 1] = word
    end
    if words[1] then
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
