--- Files beside the files of a config: `lib.read`, `lib.list` and `lib.exists`. Relative paths are
-- relative to the directory of the calling file. The loader of that file reads texts, so that they
-- are trusted, and kept with a snapshot, like its modules.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local guard = require("syslua.guard")
local loader = require("syslua.loader")
local path = require("syslua.util.path")
local position = require("syslua.util.position")
local scope = require("syslua.scope")
local system = require("syslua.system")
local text = require("syslua.util.text")

local beside = {}

local function raise(message, hint)
  position.raise(message, hint)
end

local function check_path(call, given)
  if type(given) ~= "string" or given == "" then
    raise(
      ("%s: expected a path, got %s"):format(
        call,
        given == "" and "an empty string" or text.describe(given)
      )
    )
  elseif given:find("%z") then
    raise(call .. ": a path cannot have a zero byte in it")
  end
end

-- The loader of the file that calls, and the file's name below the directory of that loader.
---@return syslua.Loader?, string
local function get_caller()
  local name = (position.caller() or ""):gsub(":%d+$", "")
  local current = scope.get()
  if not current or not current.loader then
    return nil, name
  end
  local key, inner = name:match("^<inputs%.(.-)>/(.*)$")
  for _, one in ipairs(key and current.loader.all or {}) do
    if one.key == key then
      return one, inner or ""
    end
  end
  return current.loader, name
end

--- Returns the directory of the file that calls, absolute within an evaluation.
---@return string
function beside.get_directory()
  local caller, name = get_caller()
  return path.join(caller and caller.directory or "", path.dirname(name))
end

-- Returns the absolute path that a path means in the file that calls, and that file's loader.
local function locate(call, given)
  check_path(call, given)
  if guard.is_active() then
    failure.raise({
      kind = "build",
      message = ("`%s` is not available in a build"):format(call),
      position = position.caller(),
      hint = "pass its result through opts, or declare the file with source()",
    })
  end
  local caller, name = get_caller()
  local home = scope.get_home()
  local file = path.join(path.dirname(name), path.expand(given, home))
  if not caller then
    return bindings.call("absolute", file)
  end
  file = path.normalize(path.join(caller.directory, file))
  local top = path.normalize(caller.directory)
  if caller.is_pure and file ~= top and not path.is_below(file, top) then
    raise(
      ("%s: %s is outside of the config, and --pure hides it"):format(call, given),
      "keep a copy of it below " .. path.display(top, home)
    )
  end
  return file, caller
end

-- What explains most failures: the line that calls is gone when a file is looked for.
local tail_call = "paths are relative to the calling file; after `return %s(...)` Lua no longer "
  .. "knows the calling file: put the result in a local variable first"

--- Returns the bytes of a file, for a call of this name, and what the file is called in messages:
-- its path below the config's directory, where it is there.
---@param call string
---@param given string relative to the directory of the calling file, absolute, or from `~/`
---@return string content
---@return string name
---@return string file its absolute path
---@return syslua.Loader? caller
function beside.read_for(call, given)
  local file, caller = locate(call, given)
  ---@type any, any
  local content, problem, hint = loader.read_kept(caller, file)
  if not content then
    raise(
      ("%s: cannot read %s: %s"):format(call, path.display(file, scope.get_home()), problem),
      hint or tail_call:format(call)
    )
  end
  local top = caller and path.normalize(caller.directory)
  local is_inside = top and path.is_below(file, top)
  local name = is_inside and file:sub(#top + 2) or path.display(file, scope.get_home())
  return content, name, file, caller
end

-- Shorter texts are in many others by chance.
local shortest_part = 4

local function trim(content)
  return content:match("^%s*(.-)%s*$")
end

--- Remembers a text as private if others than the owner of its file cannot read that.
---@param caller syslua.Loader? the loader that read it
---@param file string its absolute path
---@param content string the text, or what was made of it
---@param name string how messages name it
---@return boolean
function beside.note_private(caller, file, content, name)
  local current = scope.get()
  -- The copies that a snapshot keeps are private, whatever the files are.
  local is_copy = caller and caller.places and caller.places[file]
  if not current or is_copy or not bindings.call("is_private", file) then
    return false
  end
  local part = trim(content)
  if part ~= "" then
    current.private_texts = current.private_texts or {}
    table.insert(current.private_texts, { part = part, name = name })
  end
  return true
end

--- Returns the name of a private file whose text is in a content, white space at its ends aside.
---@param content string
---@return string?
function beside.get_private(content)
  local current = scope.get()
  for _, private in ipairs(current and current.private_texts or {}) do
    local part = private.part
    local is_part = #part >= shortest_part and content:find(part, 1, true)
    if is_part or part == trim(content) then
      return private.name
    end
  end
  return nil
end

--- Refuses a text that only the owner of its file can read where root's store or environment would
-- show it to all users.
---@param what string where the text is, for the message
---@param content string
function beside.refuse_private(what, content)
  local name = beside.has_private() and beside.get_private(content)
  if name and system.get().username == "root" then
    position.raise(
      ("%s has the text of %s, which only its owner can read: all users would"):format(what, name),
      "secrets are for `lib.secret`; chmod o+r says that it is not secret"
    )
  end
end

--- Returns whether private texts were read: then contents need a look.
---@return boolean
function beside.has_private()
  local current = scope.get()
  return current ~= nil and current.private_texts ~= nil
end

--- Returns the bytes of a file.
---@param given string relative to the directory of the calling file, absolute, or from `~/`
---@return string
function beside.read(given)
  local content, name, file, caller = beside.read_for("lib.read", given)
  beside.note_private(caller, file, content, name)
  local current = scope.get()
  if current then
    current.texts = current.texts or {}
    current.texts[content] = name
  end
  return content
end

--- Returns the name of the file with this content, if `lib.read` returned it.
---@param content string
---@return string?
function beside.get_name(content)
  local current = scope.get()
  return current and current.texts and current.texts[content]
end

-- A project remembers what was seen of a place, before it is looked at: what it gives is kept until
-- the answer is another one.
local function note_look(place, kind)
  local current = scope.get()
  local project = current and current.project
  if project and project.note_look then
    project.note_look(place, kind)
  end
end

--- Returns whether a path exists. A link exists if its target does.
---@param given string as for `beside.read`
---@return boolean
function beside.exists(given)
  local file, caller = locate("lib.exists", given)
  note_look(file, "exists")
  return bindings.call("stands", file) or (caller ~= nil and loader.contains(caller, file))
end

-- Characters of Lua patterns without a meaning in these patterns.
local function escape(character)
  return (character:gsub("%W", "%%%0"))
end

-- Returns the Lua pattern for one part of a pattern, between slashes.
local function compile_part(part, whole)
  local result, index = { "^" }, 1
  while index <= #part do
    local character = part:sub(index, index)
    local close = character == "[" and part:find("]", index + 2, true)
    if character == "*" then
      result[#result + 1] = ".*"
    elseif character == "?" then
      -- One character of UTF-8.
      result[#result + 1] = "[%z\1-\127\192-\255][\128-\191]*"
    elseif character == "[" and not close then
      raise(
        ("lib.list: a `]` is missing in the pattern `%s`"):format(whole),
        "`[ab]*.conf`, `[0-9]*`"
      )
    elseif close then
      local set = part:sub(index + 1, close - 1)
      local negated = set:match("^[!^]")
      set = negated and set:sub(2) or set
      result[#result + 1] = (negated and "[^" or "[")
        .. set:gsub("[^%w%-]", "%%%0"):gsub("^%-", "%%-"):gsub("%-$", "%%-")
        .. "]"
      index = close
    elseif character == "\\" and index < #part then
      index = index + 1
      result[#result + 1] = escape(part:sub(index, index))
    else
      result[#result + 1] = escape(character)
    end
    index = index + 1
  end
  return table.concat(result) .. "$"
end

local function split(name)
  local parts = {}
  for part in name:gmatch("[^/]+") do
    parts[#parts + 1] = part
  end
  return parts
end

-- Whether the parts of a path from an index on match those of a pattern.
local function matches(parts, at, pattern, from)
  if from > #pattern then
    return at > #parts
  elseif pattern[from] == "**" then
    -- At the end it stands for what is below, not for nothing.
    for index = from == #pattern and at + 1 or at, #parts + 1 do
      if matches(parts, index, pattern, from + 1) then
        return true
      end
    end
    return false
  end
  return at <= #parts
    and parts[at]:find(pattern[from]) ~= nil
    and matches(parts, at + 1, pattern, from + 1)
end

local function compile_pattern(glob)
  if type(glob) ~= "string" or glob == "" then
    raise(
      ("lib.list: expected a pattern, got %s"):format(
        glob == "" and "an empty string" or text.describe(glob)
      ),
      '`*` stands for any characters of a name, `**` for any directories: "**/*.conf"'
    )
  end
  local pattern, previous = {}, nil
  for _, part in ipairs(split(glob)) do
    -- Several in succession mean the same as one.
    if part ~= "**" or previous ~= "**" then
      pattern[#pattern + 1] = part == "**" and part or compile_part(part, glob)
    end
    previous = part
  end
  return pattern
end

--- Returns the names in a directory, sorted by their bytes. With a pattern those that match it:
-- `*` and `?` stand for characters of a name, `[a-z]` for one of several, `**` for any directories;
-- names below others are paths with `/`. Links are not followed.
---@param given string a directory; as for `beside.read`
---@param glob string? all names in the directory itself without it
---@return string[]
function beside.list(given, glob)
  local directory, caller = locate("lib.list", given)
  local pattern = glob ~= nil and compile_pattern(glob) or nil
  local is_deep = pattern ~= nil and (#pattern > 1 or pattern[1] == "**")
  local names = caller and loader.list(caller, directory, is_deep)
  if not names then
    note_look(directory, is_deep and "tree" or "names")
    names = bindings.call("list_directory", directory, is_deep)
  end
  if not names then
    raise(
      ("lib.list: %s is not a directory"):format(path.display(directory, scope.get_home())),
      "lib.exists(path) tells whether it is there; " .. tail_call:format("lib.list")
    )
  end
  local result = {}
  for _, name in ipairs(names) do
    if not pattern or matches(split(name), 1, pattern, 1) then
      result[#result + 1] = name
    end
  end
  table.sort(result)
  return result
end

return beside
