--- Errors as tables: what happened, where, why, what to do.
-- It does not know who prints them (see `cli/report.lua`), nor how the engine makes its own.

local failure = {}

---@class syslua.Failure
---@field kind string what sort of failure it is: "usage", "config", "build", "conflict", "io",
--- "internal" ...
---@field message string what happened, and why; may have several lines
---@field position string? the user's line that it is about, "init.lua:12"
---@field hint string? what to do about it
---@field trace string[]? the user's lines that led there, innermost first
---@field details string? more lines, such as the last output of a build
---@field mismatches syslua.Mismatch[]? the contents that differ from the declaration; the message
--- has them too

---@class syslua.Mismatch
---@field position string? where it was declared, "init.lua:12"
---@field url string where it came from, or the name of the derivation whose output it is
---@field expected string the SHA-256 that was declared, in hexadecimal digits
---@field found string the hash of the actual content

local metatable = { __name = "syslua.Failure" }

--- Returns the text of a failure in Lua's own style: "init.lua:12: message", then the hint.
---@param value syslua.Failure
---@return string
function failure.render(value)
  local text = tostring(value.message)
  if value.position then
    text = value.position .. ": " .. text
  end
  if value.hint then
    text = text .. "\n  hint: " .. value.hint
  end
  return text
end

metatable.__tostring = failure.render

--- Returns a failure made of the given fields; the table is taken over, not copied.
---@param fields syslua.Failure
---@return syslua.Failure
function failure.new(fields)
  fields.kind = fields.kind or "config"
  return setmetatable(fields, metatable)
end

-- `lua5.1` prints no table that reaches it: there the text is raised, and the last failures are
-- remembered by their texts. LuaJIT prints tables.
---@type boolean
local raises_text = _VERSION == "Lua 5.1" and not rawget(_G, "jit")
local remembered, order, most = {}, {}, 16

--- Raises a failure made of the given fields. It never returns.
---@param fields syslua.Failure
function failure.raise(fields)
  local raised = failure.new(fields)
  if not raises_text then
    error(raised, 0)
  end
  local text = failure.render(raised)
  -- A text that is raised again keeps its place, or its old place would take the new failure along.
  if not remembered[text] then
    order[#order + 1] = text
  end
  remembered[text] = raised
  if #order > most then
    remembered[table.remove(order, 1)] = nil
  end
  error(text, 0)
end

-- A field of a failure that need not be there.
local function may_be(value, key, kind)
  local field = rawget(value, key)
  return field == nil or type(field) == kind
end

--- Returns whether a caught value is a failure, from any source: failures of the engine have
-- another metatable, so the shape decides. A config may raise a table that only resembles one.
---@param value any
---@return boolean
function failure.is(value)
  if
    type(value) ~= "table"
    or type(rawget(value, "kind")) ~= "string"
    or type(rawget(value, "message")) ~= "string"
    or not (may_be(value, "position", "string") and may_be(value, "hint", "string"))
    or not (may_be(value, "details", "string") and may_be(value, "trace", "table"))
    or not may_be(value, "mismatches", "table")
  then
    return false
  end
  for _, line in ipairs(rawget(value, "trace") or {}) do
    if type(line) ~= "string" then
      return false
    end
  end
  for _, one in ipairs(rawget(value, "mismatches") or {}) do
    if type(one) ~= "table" or type(one.expected) ~= "string" or type(one.found) ~= "string" then
      return false
    end
  end
  return true
end

-- The failure of a text that was raised where tables cannot be. On its way through `error` and
-- `coroutine.wrap` more lines may have come before it, and in `debug.traceback` after it.
local function recall(text)
  local rest = text
  while rest do
    if remembered[rest] then
      return remembered[rest]
    end
    rest = rest:match("^[^\n]-:%d+: (.*)$")
  end
  for index = #order, 1, -1 do
    if text:sub(1, #order[index] + 1) == order[index] .. "\n" then
      return remembered[order[index]]
    end
  end
  return nil
end

-- Lua 5.1 and LuaJIT word these otherwise than later versions; a message should not depend on it.
---@param message string
---@return string
local function normalize(message)
  local verb, what, kind = message:match("^attempt to (.-) (%l+ '[^\n]-') %(a (%l+) value%)$")
  if verb then
    message = ("attempt to %s a %s value (%s)"):format(verb, kind, what)
  end
  -- LuaJIT tells no more of a field of something than `?`; others leave it out.
  message = message:gsub(" %(field '%?'%)$", "")
  return (message:gsub("'<(%l+)>' expected", "<%1> expected"):gsub("near '<eof>'$", "near <eof>"))
end

--- Returns a failure for any caught value; a plain string gives up its leading "file:line:".
---@param value any
---@return syslua.Failure
function failure.from(value)
  if failure.is(value) then
    return value
  end
  if type(value) ~= "string" then
    local custom = type(value) == "table" and getmetatable(value)
    local shown
    if type(custom) == "table" and rawget(custom, "__tostring") then
      local found, text = pcall(tostring, value)
      shown = found and text or "a table whose __tostring fails"
    else
      -- An address would be another one on each run.
      shown = (type(value) == "number" or type(value) == "boolean") and tostring(value)
        or value == nil and "nil"
        or "a " .. (custom == "syslua.Secret" and "secret" or type(value))
    end
    local message = "the raised error is not a text: " .. shown
    return failure.new({ kind = "error", message = message })
  end
  local known = recall(value)
  if known then
    return known
  end
  local position, message = value:match("^([^\n]-:%d+): (.*)$")
  local text = normalize(message or value)
  if not text:find("%S") then
    text = "the raised error has no text"
  end
  return failure.new({ kind = "error", message = text, position = position })
end

return failure
