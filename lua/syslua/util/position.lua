--- Where in the user's files we are: the frames of the call stack that are not sys.lua's own.
-- It does not know what is done with a position, and reads no file.

local position = {}

-- Kept from load on: `debug` is hidden while configs run.
local getinfo = debug.getinfo

-- "@/usr/share/lua/5.4/syslua/", from our own chunk name.
local own_directory = assert(getinfo(1, "S")).source:gsub("util[/\\]position%.lua$", "")

--- What the chunk names of our own files begin with.
position.own_directory = own_directory

-- Programs that drive a script, such as a test runner, are no files of the user.
local foreign_patterns = { "^@/usr/share/lua/", "^@/usr/local/share/lua/", "^@/usr/bin/" }

-- "user", "internal" or "ignored" by source; the sources of a process are few.
local kinds = {}

local function begins_with(text, prefix)
  return text:sub(1, #prefix) == prefix
end

local function get_kind(source)
  if begins_with(source, own_directory) then
    local inner = source:sub(#own_directory + 1):gsub("\\", "/")
    if begins_with(inner, "modules/") then
      return "user"
    elseif begins_with(inner, "cli/") then
      return "driver"
    elseif begins_with(inner, "evaluate") then
      return "evaluation"
    end
    return "ignored"
  end
  -- "=[C]", and chunks that the engine names "=[syslua]".
  if begins_with(source, "=[") then
    return "ignored"
  end
  for _, pattern in ipairs(foreign_patterns) do
    if source:find(pattern) then
      return "ignored"
    end
  end
  return "user"
end

local function render(info)
  local first = info.source:sub(1, 1)
  local name = (first == "@" or first == "=") and info.source:sub(2) or info.short_src
  return name .. ":" .. info.currentline
end

--- Calls `visit` with each of the user's positions, innermost first, until it returns true.
-- Frames outside of the evaluation of a config are not the config's; those outside of the command
-- line are nobody's.
local function walk(visit)
  local level, found = 3, false
  while true do
    local info = getinfo(level, "Sl")
    if not info then
      return
    end
    local kind = kinds[info.source]
    if not kind then
      kind = get_kind(info.source)
      kinds[info.source] = kind
    end
    if kind == "driver" or (kind == "evaluation" and found) then
      return
    end
    -- Tail calls (5.1) and functions of the interpreter have no line.
    if kind == "user" and info.currentline > 0 then
      found = true
      if visit(render(info)) then
        return
      end
    end
    level = level + 1
  end
end

--- Returns the innermost line of the user's files on the call stack, "init.lua:12".
---@return string?
function position.caller()
  local result
  walk(function(text)
    result = text
    return true
  end)
  return result
end

--- Returns all lines of the user's files on the call stack, innermost first, without repetitions.
---@return string[]
function position.chain()
  local result = {}
  walk(function(text)
    if result[#result] ~= text then
      result[#result + 1] = text
    end
    return false
  end)
  return result
end

return position
