--- The lines through which shells read the environment at their start: adding them to the files of
-- a user, and removing them. The engine knows the files and lines.

local bindings = require("syslua.bindings")
local path = require("syslua.util.path")

local shell_profiles = {}

--- A shell that reads the environment.
---@class syslua.cli.ShellProfile
---@field name string
---@field script string its script in the root
---@field profile string? the file that it reads at its start
---@field line string the line for that file
---@field earlier_line string? what it was in earlier versions, where it was another one

-- This marks a line of sys.lua; what may follow it says how the file was before.
local mark = " # sys.lua"
local after_open_line, made_file = ", after a line without an end", ", which made this file"

-- A login shell of bash reads the first of these files that is there, and not ~/.bashrc.
local login_files = { ".bash_profile", ".bash_login", ".profile" }

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

-- The text without the line, or nil when it is not there; and whether the file is to go with it.
---@param text string
---@param line string
---@return string?
---@return boolean?
local function without(text, line)
  local first, last = text:find(line .. mark, 1, true)
  if not first or not last or first > 1 and text:sub(first - 1, first - 1) ~= "\n" then
    return nil
  end
  local note = text:match("^[^\r\n]*", last + 1)
  if note == after_open_line or note == made_file then
    last = last + #note
  end
  local before, after = text:sub(1, first - 1), text:sub(last + 1):gsub("^\r?\n", "", 1)
  if note == after_open_line and after == "" then
    before = before:gsub("\n$", "", 1)
  end
  return before .. after, note == made_file and before .. after == ""
end

--- Returns the shells.
---@param options table
---@return syslua.cli.ShellProfile[]
function shell_profiles.list(options)
  return bindings.call("shells", options)
end

--- Returns whether a shell has its own file already.
---@param shell syslua.cli.ShellProfile
---@return boolean
function shell_profiles.exists(shell)
  return shell.profile ~= nil and bindings.read(shell.profile) ~= nil
end

-- Adds the line to a file, unless it reads the environment already. A file that is made for it may
-- be `passing`: then it goes with the line.
local function add_to(profile, shell, is_passing)
  local shown = path.display(profile, path.get_home())
  local text, unread = bindings.read(profile)
  text = text and shell.earlier_line and without(text, shell.earlier_line) or text
  if text and (text:find(shell.line, 1, true) or text:find(shell.script, 1, true)) then
    return { ("%s reads the environment already"):format(shown) }
  end
  local problem
  if not text and bindings.call("exists", profile) then
    problem = unread
  elseif not text then
    bindings.call("write_file", profile, "")
    text = ""
  else
    is_passing = false
  end
  if text then
    local is_open = text ~= "" and text:sub(-1) ~= "\n"
    local note = is_open and after_open_line or is_passing and made_file or ""
    local start = is_open and text .. "\n" or text
    problem = write(profile, start .. shell.line .. mark .. note .. "\n")
  end
  if not problem then
    return { ("%s reads the environment from now on"):format(shown) }
  end
  return {
    ("%s cannot be changed: %s"):format(shown, tostring(problem)),
    "  add this line yourself: " .. shell.line .. mark,
  }
end

-- The file that a login shell of bash reads, unless it reads ~/.bashrc in turn; a new one where
-- there is none.
local function get_login_file()
  for _, name in ipairs(login_files) do
    local file = path.join(path.get_home(), name)
    if bindings.call("exists", file) then
      local text = bindings.read(file)
      return not (text and text:find("bashrc", 1, true)) and file or nil
    end
  end
  return path.join(path.get_home(), login_files[1])
end

--- Adds the line of a shell to its file, and that of bash also to the one of its login shells if
-- that does not read ~/.bashrc; returns what there is to say of it.
---@param shell syslua.cli.ShellProfile
---@return string[]
function shell_profiles.add(shell)
  if not shell.profile then
    return {
      ("%s reads no file at its start; it reads the environment with:"):format(shell.name),
      "  " .. shell.line,
    }
  end
  local lines = add_to(shell.profile, shell)
  local login = shell.name == "bash" and get_login_file()
  if login then
    for _, line in ipairs(add_to(login, shell, true)) do
      lines[#lines + 1] = line
    end
  end
  return lines
end

-- The files that may have the line of a shell.
local function get_files(shell)
  local files = { shell.profile }
  if shell.name == "bash" then
    for _, name in ipairs({ ".bash_profile", ".bash_login" }) do
      files[#files + 1] = path.join(path.get_home(), name)
    end
  end
  return files
end

--- Takes the lines away that `add` added; returns from which files, and what failed. A file that is
-- empty then stays: it may have been there before.
---@param shells syslua.cli.ShellProfile[]
---@param is_dry boolean whether only to say what would be done
---@return string[] lines what there is to say of it
function shell_profiles.remove(shells, is_dry)
  local lines = {}
  for _, shell in ipairs(shells) do
    for _, profile in ipairs(get_files(shell)) do
      local text = bindings.read(profile)
      local rest, is_to_go = without(text or "", shell.line)
      rest = rest or shell.earlier_line and without(text or "", shell.earlier_line)
      if rest then
        local shown = path.display(profile, path.get_home())
        local problem
        if is_dry then
          lines[#lines + 1] = ("%s would no longer read the environment"):format(shown)
        else
          problem = write(profile, rest)
          if is_to_go and not problem then
            os.remove(profile)
          end
        end
        if problem then
          lines[#lines + 1] = ("%s cannot be changed: %s"):format(shown, tostring(problem))
          lines[#lines + 1] = "  remove this line yourself: " .. shell.line .. mark
        elseif not is_dry then
          lines[#lines + 1] = ("%s no longer reads the environment"):format(shown)
        end
      end
    end
  end
  return lines
end

return shell_profiles
