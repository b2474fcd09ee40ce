--- What a text contains. A failure shows the text, and the variables of the spec: in a loop they
--- tell which round it was.

local text_checks = {}

-- A longer value tells nothing at a glance.
local longest_value = 200
local longest_text = 8000

local function render_variable(name, value, text)
  if type(value) == "table" and rawget(value, "stderr") then
    -- The result of a program.
    name, value = name .. ".stderr", value.stderr
  end
  local is_plain = type(value) == "string" or type(value) == "number"
  if not is_plain or value == text or #tostring(value) > longest_value or name:find("^%(") then
    return ""
  end
  return ("\n  %s = %q"):format(name, value)
end

-- The local variables of the spec's functions that led here.
local function render_variables(level, text)
  local lines = {}
  local frame = debug.getinfo(level, "S")
  while frame and frame.source:find("_spec%.lua$") do
    local index = 1
    local name, value = debug.getlocal(level, index)
    while name do
      lines[#lines + 1] = render_variable(name, value, text)
      index = index + 1
      name, value = debug.getlocal(level, index)
    end
    level = level + 1
    frame = debug.getinfo(level, "S")
  end
  return table.concat(lines)
end

-- Fails in the spec's own line.
local function fail(problem, part, text)
  local variables = render_variables(4, text)
  error(("%s %q:\n%s%s"):format(problem, part, text:sub(1, longest_text), variables), 3)
end

--- Checks that a text contains each of some words.
---@param text string
---@param ... string
function text_checks.contains(text, ...)
  for index = 1, select("#", ...) do
    local part = select(index, ...)
    if part == "" or not text:find(part, 1, true) then
      fail("the text does not contain", part, text)
    end
  end
end

--- Checks that a text contains none of some words.
---@param text string
---@param ... string
function text_checks.contains_none(text, ...)
  for index = 1, select("#", ...) do
    local part = select(index, ...)
    if text:find(part, 1, true) then
      fail("the text contains", part, text)
    end
  end
end

--- Checks that each of some patterns of Lua is found in a text.
---@param text string
---@param ... string
function text_checks.matches(text, ...)
  for index = 1, select("#", ...) do
    local pattern = select(index, ...)
    -- One that nothing ties to the text is found in any text.
    local is_loose = not pattern:find("^%^") and not pattern:find("%$$") and (""):find(pattern)
    if is_loose or not text:find(pattern) then
      fail("the text does not match", pattern, text)
    end
  end
end

--- Checks that none of some patterns of Lua is found in a text.
---@param text string
---@param ... string
function text_checks.matches_none(text, ...)
  for index = 1, select("#", ...) do
    local pattern = select(index, ...)
    if text:find(pattern) then
      fail("the text matches", pattern, text)
    end
  end
end

return text_checks
