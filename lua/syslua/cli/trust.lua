--- Asks on the terminal whether the files of a directory are trusted. It shows which they are, and
-- runs none of them.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local path = require("syslua.util.path")
local prompt = require("syslua.cli.prompt")
local text = require("syslua.util.text")

local trust = {}

-- More are only counted.
local most_files = 200

-- The files that a text names for `require` and its kin, as far as they can be seen without running
-- it.
local function get_named(code)
  local found = {}
  for name in code:gmatch("require%s*%(?%s*[\"']([%w_.%-]+)[\"']") do
    local relative = name:gsub("%.", "/")
    found[#found + 1] = relative .. ".lua"
    found[#found + 1] = relative .. "/init.lua"
  end
  for _, call in ipairs({ "dofile", "loadfile" }) do
    for name in code:gmatch("%f[%w_]" .. call .. "%s*%(?%s*[\"']([^\"'%c]+)[\"']") do
      found[#found + 1] = name
    end
  end
  return found
end

--- A file that the user is asked about.
---@class syslua.cli.TrustedFile
---@field path string
---@field text string
---@field sha256 string
---@field is_trusted boolean? false when it was trusted with another content

-- The files of a directory that evaluation is going to read: its entry file, its lock, and what
-- these name.
---@return syslua.cli.TrustedFile[]
local function get_files(found, options)
  local pending = { found.entry, found.lock }
  for _, file in ipairs(found.files) do
    pending[#pending + 1] = file
  end
  local files, seen, index = {}, {}, 1
  while pending[index] and #files < most_files do
    local file = path.normalize(pending[index])
    index = index + 1
    ---@type boolean, any
    local readable, look = false, nil
    if not seen[file] then
      readable, look = bindings.trust_look(found.directory, file, options)
    end
    seen[file] = true
    if readable then
      look.path = file
      files[#files + 1] = look
      for _, name in ipairs(file:find("%.lua$") and get_named(look.text) or {}) do
        pending[#pending + 1] = path.join(found.directory, name)
      end
    elseif look and look.kind ~= "missing" then
      failure.raise(look)
    end
  end
  return files
end

-- "+" for a new file, "~" for a changed one.
---@param is_trusted boolean?
local function get_mark(is_trusted)
  if is_trusted == nil then
    return "+"
  end
  return is_trusted and " " or "~"
end

local function describe(found, file, code, mark)
  local inner = path.is_below(file, found.directory) and file:sub(#found.directory + 2) or file
  local size = ""
  if code then
    local _, lines = code:gsub("[^\n]+", "")
    size = "  (" .. text.count(lines, "line") .. ")"
  end
  return ("  %s %s%s"):format(mark, text.printable(inner), size)
end

local function check_terminal(found)
  if not prompt.can_ask() then
    failure.raise({
      kind = "usage",
      message = ("%s is not trusted, and --trust asks on a terminal only"):format(found.directory),
      hint = "run `sys shell --trust` in a terminal",
    })
  end
end

--- Returns what asks on the terminal.
---@param options table
---@return syslua.cli.Asker
function trust.get_asker(options)
  local asker = {}

  function asker.directory(found)
    check_terminal(found)
    local files = get_files(found, options)
    local lines = {
      ("%s has its own syslua.lua. When you enter the directory, these files run as you,"):format(
        text.printable(found.directory)
      ),
      "and nothing confines them (+ new, ~ changed):",
    }
    for _, file in ipairs(files) do
      lines[#lines + 1] = describe(found, file.path, file.text, get_mark(file.is_trusted))
    end
    require("syslua.cli.terminal").write(lines)
    if not prompt.ask("Have you read them, and do you trust them?") then
      return false
    end
    local accepted = {}
    for _, file in ipairs(files) do
      accepted[file.path] = file.sha256
    end
    bindings.call("trust_accept", found.directory, accepted, nil, options)
    return true
  end

  function asker.file(found, file, code, is_known)
    check_terminal(found)
    require("syslua.cli.terminal").write({
      ("%s wants one more file (+ new, ~ changed):"):format(text.printable(found.directory)),
      describe(found, file, code, is_known and "~" or "+"),
    })
    return prompt.ask("Do you trust it?")
  end

  return asker
end

return trust
