--- The lines through which shells read the environment at their start: adding them to the files of
-- a user, and removing them. The engine knows the files and lines.

local read = require("syslua.cli.read_file")
local border = require("syslua.border")
local path = require("syslua.util.path")

local shell_profiles = {}

--- A shell that reads the environment.
---@class syslua.cli.ShellProfile
---@field name string
---@field script string its script in the root
---@field profile string? the file that it reads at its start
---@field line string the line for that file
---@field earlier_line string? what it was in earlier versions, where it was another one

-- This marks a line of sys.lua.
local mark = " # sys.lua"

local function get_home()
  return os.getenv("HOME") or os.getenv("USERPROFILE") or ""
end

-- A directory of a dotfiles manager may be a link, and so may the file: it is written through it.
local function write(name, text)
  local file, problem = io.open(name, "wb")
  if not file then
    return problem
  end
  local written, failed = file:write(text)
  local closed, unwritten = file:close()
  return not (written and closed) and (failed or unwritten) or nil
end

-- The text without the line, or nil when it is not there.
local function without(text, line)
  local first, last = text:find(line .. mark, 1, true)
  if not first or first > 1 and text:sub(first - 1, first - 1) ~= "\n" then
    return nil
  end
  return text:sub(1, first - 1) .. text:sub(last + 1):gsub("^\r?\n", "", 1)
end

--- Returns the shells.
---@param options table
---@return syslua.cli.ShellProfile[]
function shell_profiles.list(options)
  return border.call("shells", options)
end

--- Returns whether a shell has its own file already.
---@param shell syslua.cli.ShellProfile
---@return boolean
function shell_profiles.exists(shell)
  return shell.profile ~= nil and read(shell.profile) ~= nil
end

--- Adds the line of a shell to its file; returns what there is to say of it.
---@param shell syslua.cli.ShellProfile
---@return string[]
function shell_profiles.add(shell)
  if not shell.profile then
    return {
      ("%s reads no file at its start; it reads the environment with:"):format(shell.name),
      "  " .. shell.line,
    }
  end
  local shown = path.display(shell.profile, get_home())
  local text, unread = border.read(shell.profile)
  text = text and shell.earlier_line and without(text, shell.earlier_line) or text
  if text and (text:find(shell.line, 1, true) or text:find(shell.script, 1, true)) then
    return { ("%s reads the environment already"):format(shown) }
  end
  local problem
  if not text and border.call("exists", shell.profile) then
    problem = unread
  elseif not text then
    border.call("write_file", shell.profile, "")
    text = ""
  end
  if text then
    local joint = text ~= "" and text:sub(-1) ~= "\n" and "\n" or ""
    problem = write(shell.profile, text .. joint .. shell.line .. mark .. "\n")
  end
  if not problem then
    return { ("%s reads the environment from now on"):format(shown) }
  end
  return {
    ("%s cannot be changed: %s"):format(shown, tostring(problem)),
    "  add this line yourself: " .. shell.line .. mark,
  }
end

--- Takes the lines away that `add` added; returns from which files, and what failed. A file that is
-- empty then stays: it may have been there before.
---@param shells syslua.cli.ShellProfile[]
---@param is_dry boolean whether only to say what would be done
---@return string[] lines what there is to say of it
function shell_profiles.remove(shells, is_dry)
  local lines = {}
  for _, shell in ipairs(shells) do
    local profile = shell.profile or ""
    local text = profile ~= "" and read(profile)
    local rest = text
      and (without(text, shell.line) or shell.earlier_line and without(text, shell.earlier_line))
    if rest then
      local shown = path.display(profile, get_home())
      local problem
      if is_dry then
        lines[#lines + 1] = ("%s would no longer read the environment"):format(shown)
      else
        problem = write(profile, rest)
      end
      if problem then
        lines[#lines + 1] = ("%s cannot be changed: %s"):format(shown, tostring(problem))
        lines[#lines + 1] = "  remove this line yourself: " .. shell.line .. mark
      elseif not is_dry then
        lines[#lines + 1] = ("%s no longer reads the environment"):format(shown)
      end
    end
  end
  return lines
end

return shell_profiles
