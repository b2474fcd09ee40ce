--- Texts of characters that grammars give a meaning to, put together at random.

local hostile_texts = {}

local pieces = {
  "a",
  "B7",
  " ",
  "  ",
  "\t",
  '"',
  "'",
  "\\",
  "#",
  ";",
  "$HOME",
  "${x}",
  "~/",
  "=",
  "%h",
  "{",
  "}",
  "[",
  "]",
  "*",
  "-",
  "!",
  "ü",
  ",",
  "`",
  "|",
}

--- Makes texts.
---@param numbers fun(limit: integer): integer a generator of numbers
---@param count integer how many
---@param more string[] pieces besides those of all grammars
---@return string[]
function hostile_texts.make(numbers, count, more)
  local texts = {}
  for index = 1, count do
    local text = {}
    for part = 1, numbers(6) do
      local known = #pieces
      local number = numbers(known + #more)
      text[part] = pieces[number] or more[number - known]
    end
    texts[index] = table.concat(text)
  end
  return texts
end

--- Writes a text as a literal of Lua, on one line.
---@param text string
---@return string
function hostile_texts.to_lua(text)
  return (("%q"):format(text):gsub("\\\n", "\\n"):gsub("\r", "\\r"))
end

return hostile_texts
