--- Transcripts: what a user types and sees, in one text file. A file of the machine is between
--- `=== NAME` and `===`. A command is after `$ `; below it is its output, with standard error, and
--- its exit code in brackets, unless that is 0. Other lines are descriptions.

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local tree = require("spec.support.tree")

local transcript = {}

--- The directory of the transcripts.
transcript.directory = "spec/transcripts"

---@class spec.TranscriptPart
---@field kind "text"|"file"|"command"
---@field head string the line that begins it
---@field lines string[] the file, or the expected output

-- The parts of a transcript, in order.
---@return spec.TranscriptPart[]
local function parse(text)
  ---@type spec.TranscriptPart
  local current = { kind = "text", head = "", lines = {} }
  local parts, is_in_file = { current }, false
  local function begin(kind, head)
    current = { kind = kind, head = head, lines = {} }
    parts[#parts + 1] = current
  end
  for line in text:gmatch("([^\n]*)\n") do
    if is_in_file and line == "===" then
      is_in_file = false
      begin("text", "")
    elseif not is_in_file and line:find("^=== ") then
      is_in_file = true
      begin("file", line)
    elseif not is_in_file and line:find("^%$ ") then
      begin("command", line)
    else
      current.lines[#current.lines + 1] = line
    end
  end
  return parts
end

-- What differs from run to run has a name, of the same width where columns follow.
local function normalize(text, here)
  local function replace(from, to)
    text = text:gsub(from:gsub("%p", "%%%0"), to)
  end
  replace(here.root, "ROOT")
  replace(here.directory, "DIR")
  local digit = "%x"
  text = text:gsub("%f[%x]" .. digit:rep(64), ("*"):rep(64))
  text = text:gsub("%f[%x]" .. digit:rep(12) .. "%f[%X]", ("*"):rep(12))
  text = text:gsub("%f[%x]" .. digit:rep(9) .. "%f[%X]", ("*"):rep(9))
  text = text:gsub("%f[%x]%x+%-" .. digit:rep(16) .. "%-(%d)", "<switch>-%1")
  return (text:gsub("20%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d", "YYYY-MM-DD HH:MM:SS"))
end

local function run(here, words)
  local sys = ('sys() { "$LUA" %slua/bin/sys "$@"; }; '):format(tree.root)
  local result = here.shell(("{ %s%s\n} 2>&1"):format(sys, words))
  local lines = {}
  for line in normalize(result.stdout .. result.stderr, here):gmatch("([^\n]*)\n?") do
    lines[#lines + 1] = line
  end
  while lines[#lines] == "" do
    lines[#lines] = nil
  end
  if result.code ~= 0 then
    lines[#lines + 1] = ("[%d]"):format(result.code)
  end
  return lines
end

local function add_part(written, part, lines)
  if part.head ~= "" then
    written[#written + 1] = part.head
  end
  for _, line in ipairs(lines) do
    written[#written + 1] = line
  end
end

--- Runs a transcript on a machine of its own; returns it with what the commands really print.
---@param text string
---@return string
function transcript.run(text)
  -- Its name has the same length everywhere: columns depend on it.
  local directory = process.run_line("mktemp -d /tmp/syslua-transcript.XXXXXX").stdout
  local here, written = machine.new((directory:gsub("\n", ""))), {}
  here.environment.SYSLUA_CONFIG = here.directory .. "/init.lua"
  here.environment.NO_COLOR = "1"
  local succeeded, problem = pcall(function()
    for _, part in ipairs(parse(text)) do
      if part.kind == "command" then
        add_part(written, part, run(here, part.head:sub(3)))
        written[#written + 1] = ""
      elseif part.kind == "file" then
        here.write(part.head:sub(5), table.concat(part.lines, "\n") .. "\n")
        add_part(written, part, part.lines)
        written[#written + 1] = "==="
      else
        add_part(written, part, part.lines)
      end
    end
  end)
  here.remove()
  assert(succeeded, problem)
  return (table.concat(written, "\n"):gsub("\n+$", "") .. "\n")
end

--- Returns how a transcript differs from what the commands printed.
---@param name string
---@param found string
---@return string
function transcript.diff(name, found)
  local other = os.tmpname()
  local file = assert(io.open(other, "wb"))
  file:write(found)
  file:close()
  local result = process.run({ "diff", "-u", tree.root .. name, other })
  os.remove(other)
  return result.stdout .. "\n`.ci/transcripts` writes it"
end

--- Returns the files of the transcripts.
---@return string[]
function transcript.list()
  return tree.list({ transcript.directory }, ".txt")
end

--- Whether the transcripts are written instead of compared.
transcript.is_writing = os.getenv("SYSLUA_WRITE") ~= nil

--- Writes a transcript.
---@param name string
---@param text string
function transcript.write(name, text)
  local file = assert(io.open(tree.root .. name, "wb"))
  file:write(text)
  file:close()
end

return transcript
