--- The two ways out: data on stdout, talk on stderr; and whether they are coloured.
-- It does not know what is written. All of it goes through Lua's `io`, so that it stays in order,
-- and through `finish`, so that no text from elsewhere controls the terminal.

local text = require("syslua.util.text")

local terminal = {}

---@alias syslua.cli.Style fun(name: string, text: string): string colours a text, or leaves it

-- How wide tables are laid out, in characters, where the terminal does not tell; and the least they
-- need.
local usual_width, least_width = 80, 40

local codes = {
  add = "32",
  change = "33",
  remove = "31",
  error = "1;31",
  warning = "1;33",
  strong = "1",
  faint = "2",
}

--- The style that leaves the text as it is.
---@param _ string
---@param value string
---@return string
function terminal.plain(_, value)
  return value
end

-- Precedes the codes of sys.lua's own colors until they are written: foreign text cannot contain
-- it, so foreign escapes are recognized.
---@type string
local own

local function get_own()
  if not own then
    -- An address is as random as the system makes it; no program that ran before now knows it.
    own = "\27" .. tostring({}):gsub("%W", "") .. os.time() .. "["
  end
  return own
end

local function colour(name, value)
  local start = get_own()
  return start .. codes[name] .. "m" .. value .. start .. "0m"
end

--- Returns a text that is safe to write: sys.lua's own colors become codes for the terminal, and
-- all other control sequences are shown as escapes.
---@param value string
---@return string
function terminal.finish(value)
  if not own or not value:find(own, 1, true) then
    return text.inert(value)
  end
  local parts, from = {}, 1
  while true do
    local first, last = value:find(own, from, true)
    if not first or not last then
      parts[#parts + 1] = text.inert(value:sub(from))
      return table.concat(parts)
    end
    local code = value:match("^[%d;]*", last + 1) --[[@as string]]
    parts[#parts + 1] = text.inert(value:sub(from, first - 1))
    parts[#parts + 1] = "\27[" .. code .. "m"
    from = last + #code + 2
  end
end

local function is_terminal(descriptor)
  local ok, syslua = pcall(require, "syslua")
  local bindings = ok and syslua.bindings
  return bindings ~= nil
    and bindings ~= false
    and bindings.is_terminal ~= nil
    and bindings.is_terminal(descriptor)
end

local function wants_colour(descriptor, args)
  if args.json or args.color == "never" then
    return false
  elseif args.color == "always" then
    return true
  end
  -- https://no-color.org: set and not empty.
  local refusal = os.getenv("NO_COLOR")
  if (refusal and refusal ~= "") or os.getenv("TERM") == "dumb" then
    return false
  end
  return is_terminal(descriptor)
end

--- Returns how many characters a line on stdout may have; nil if it is not a terminal: programs get
--- complete lines.
---@return integer?
function terminal.get_width()
  if not is_terminal(1) then
    return nil
  end
  local bindings = require("syslua").bindings
  return math.max(bindings.terminal_width and bindings.terminal_width() or usual_width, least_width)
end

--- Returns lines folded to the width of the terminal, at spaces; elsewhere as they are.
---@param lines string[]
---@param indent integer of what is folded
---@return string[]
function terminal.fold(lines, indent)
  local room = terminal.get_width()
  if not room then
    return lines
  end
  local folded = {}
  for _, line in ipairs(lines) do
    for _, part in ipairs(text.fold(line, room, indent, true)) do
      folded[#folded + 1] = part
    end
  end
  return folded
end

--- Returns the style for stdout.
---@param args syslua.cli.Args
---@return syslua.cli.Style
function terminal.get_data_style(args)
  return wants_colour(1, args) and colour or terminal.plain
end

--- Returns the style for stderr.
---@param args syslua.cli.Args
---@return syslua.cli.Style
function terminal.get_talk_style(args)
  return wants_colour(2, args) and colour or terminal.plain
end

--- Returns whether progress bars are shown on stderr: where colours are shown by default.
---@param args syslua.cli.Args
---@return boolean
function terminal.wants_bars(args)
  return not args.quiet and is_terminal(2) and wants_colour(2, args)
end

-- Takes the bars off the screen; returns what to write for that.
---@type nil|fun(): string
local clear_status

--- Sets what takes bars off the screen, before anything else is written.
---@param clear fun(): string returns what to write
function terminal.set_status(clear)
  clear_status = clear
end

--- Takes the bars off the screen, if there are any.
function terminal.clear()
  if clear_status then
    io.stderr:write(clear_status())
    io.stderr:flush()
  end
end

-- The reason why stdout did not accept output; nil if it did. Lua's buffer forgets it.
---@type string?
local write_problem

-- A closed pipe would end the process without a message.
local function survive_closed_pipe()
  local ok, syslua = pcall(require, "syslua")
  if ok and syslua.bindings and syslua.bindings.ignore_closed_pipes then
    syslua.bindings.ignore_closed_pipes()
  end
  survive_closed_pipe = function() end
end

--- Writes bytes to stdout as they are.
---@param bytes string
function terminal.put(bytes)
  survive_closed_pipe()
  local written, problem = io.stdout:write(bytes)
  if not written then
    write_problem = write_problem or tostring(problem)
  end
end

--- Writes what stdout has not taken yet; returns why it did not take all that was written.
---@return string? problem
function terminal.flush()
  survive_closed_pipe()
  local flushed, problem = io.stdout:flush()
  if not flushed then
    write_problem = write_problem or tostring(problem)
  end
  return write_problem
end

--- Writes lines to stdout.
---@param lines string[]
function terminal.write(lines)
  terminal.clear()
  for _, line in ipairs(lines) do
    terminal.put(terminal.finish(line) .. "\n")
  end
end

--- Writes lines to stderr, after what stdout has so far.
---@param lines string[]
function terminal.talk(lines)
  if #lines == 0 then
    return
  end
  terminal.clear()
  terminal.flush()
  for _, line in ipairs(lines) do
    io.stderr:write(terminal.finish(line), "\n")
  end
end

return terminal
