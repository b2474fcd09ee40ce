--- The position in the user's files: the frames of the call stack that are not sys.lua's own; and
-- failures about that place. It reads no file.

local failure = require("syslua.util.failure")

local position = {}

-- Kept from load on: `debug` is hidden while configs run.
local getinfo = debug.getinfo

-- "@/usr/share/lua/5.4/syslua/", from the name of this chunk.
local own_directory = assert(getinfo(1, "S")).source:gsub("util[/\\]position%.lua$", "")

--- The prefix of the chunk names of sys.lua's files.
position.own_directory = own_directory

--- What the chunk names of modules and packages that come with sys.lua begin with, when a config
-- requires them.
position.shipped = "@<syslua>/"

--- What the chunk names of programs begin with that drive a script, such as a test runner: they are
-- no files of the user.
position.foreign = {
  "@/usr/share/lua/",
  "@/usr/local/share/lua/",
  "@/usr/bin/",
  -- The stub that loads the module.
  own_directory:gsub("[/\\]$", "") .. ".lua",
}

-- "user", "shipped", "driver", "evaluation" or "ignored" by source; the sources of a process are
-- few.
---@type table<string, string>
local kinds = {}

local function begins_with(text, prefix)
  return text:sub(1, #prefix) == prefix
end

local function get_kind(source)
  if begins_with(source, position.shipped) then
    return "shipped"
  elseif begins_with(source, own_directory) then
    local inner = source:sub(#own_directory + 1):gsub("\\", "/")
    if begins_with(inner, "cli/") then
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
  for _, prefix in ipairs(position.foreign) do
    if begins_with(source, prefix) then
      return "ignored"
    end
  end
  return "user"
end

-- What is known of a function: its kind, the name of its file, and its lines as they are shown.
-- Each is asked for once: a config may declare thousands of things in one loop.
---@class syslua.position.Known
---@field kind string
---@field name string
---@field lines table<integer, string>

---@type table<function, syslua.position.Known>
local known_functions = setmetatable({}, { __mode = "k" })

-- Frames without a function: tail calls of 5.1.
local nobody = { kind = "ignored", name = "", lines = {} }

---@return syslua.position.Known
local function get_known(callback)
  if not callback then
    return nobody
  end
  local info = assert(getinfo(callback, "S"))
  local kind = kinds[info.source]
  if not kind then
    kind = get_kind(info.source)
    kinds[info.source] = kind
  end
  local first = info.source:sub(1, 1)
  local name = (first == "@" or first == "=") and info.source:sub(2) or info.short_src
  ---@type syslua.position.Known
  local known = { kind = kind, name = name, lines = {} }
  known_functions[callback] = known
  return known
end

local function get_text(known, line)
  local text = known.lines[line]
  if not text then
    text = known.name .. ":" .. line
    known.lines[line] = text
  end
  return text
end

-- Replaces the call stack, innermost last: the chain of a declaration that is handled later, or the
-- line of a function whose own line was lost in a tail call.
---@type { chain: string[], is_fallback: boolean? }[]
local bases = {}

-- Collects the lines of the user's files and those of shipped ones on the call stack, innermost
-- first. Frames outside of the evaluation do not belong to the config; frames outside of the
-- command line do not count. With `first` only the innermost line of the user is searched.
local function walk(first)
  ---@type integer, boolean, string[], string[]
  local level, found, lines, shipped = 3, false, {}, {}
  local base = bases[#bases]
  while true do
    local info = getinfo(level, "fl")
    if not info then
      return lines, shipped
    end
    local known = known_functions[info.func] or get_known(info.func)
    local kind = known.kind
    if kind == "driver" or (kind == "evaluation" and (found or base)) then
      return lines, shipped
    end
    -- Tail calls (5.1) and functions of the interpreter have no line.
    if (kind == "user" or kind == "shipped") and info.currentline > 0 then
      found = true
      local into = kind == "user" and lines or shipped
      local text = get_text(known, info.currentline)
      if into[#into] ~= text then
        into[#into + 1] = text
      end
      if first and kind == "user" then
        return lines, shipped
      end
    end
    level = level + 1
  end
end

--- Returns the innermost line of the user's files on the call stack, "init.lua:12".
---@return string?
function position.caller()
  local lines, shipped = walk(true)
  local base = bases[#bases]
  return lines[1] or base and base.chain[1] or shipped[1]
end

--- Returns all lines of the user's files on the call stack, innermost first, without repetitions in
-- succession; then those of modules that come with sys.lua.
---@return string[]
function position.chain()
  local lines, shipped = walk(false)
  local base = bases[#bases]
  if base and (not base.is_fallback or not lines[1]) then
    for _, text in ipairs(base.chain) do
      if lines[#lines] ~= text then
        lines[#lines + 1] = text
      end
    end
  end
  for _, text in ipairs(shipped) do
    lines[#lines + 1] = text
  end
  return lines
end

--- Calls a function for a declaration that was made earlier: its chain continues the call stack's.
-- When the function raises, `position.restore` has to follow.
---@param chain string[]
---@param callback function
function position.at(chain, callback, ...)
  bases[#bases + 1] = { chain = chain }
  callback(...)
  bases[#bases] = nil
end

--- Names the line that counts when the call stack has none: a tail call removes the caller's.
---@param line string
function position.set_fallback(line)
  bases[#bases + 1] = { chain = { line }, is_fallback = true }
end

--- Returns whether the call stack alone tells the chain, as long as it has a line of the user.
---@return boolean
function position.is_direct()
  local base = bases[#bases]
  return base ~= nil and base.is_fallback == true
end

--- Returns a mark for `position.restore`.
---@return integer
function position.mark()
  return #bases
end

--- Forgets what `position.at` and `position.set_fallback` added since a mark.
---@param mark integer
function position.restore(mark)
  for index = #bases, mark + 1, -1 do
    bases[index] = nil
  end
end

--- Returns the line where a function is defined.
---@param callback function
---@return string
function position.of_function(callback)
  local info = assert(getinfo(callback, "S"))
  return info.source:sub(2) .. ":" .. info.linedefined
end

--- Raises a failure of a config, about the line of the user that is running. It never returns.
---@param message string
---@param hint string? what to do about it
function position.raise(message, hint)
  failure.raise({ kind = "config", message = message, position = position.caller(), hint = hint })
end

return position
