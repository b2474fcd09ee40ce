--- Paths as text: join, take apart, normalize, expand and show.
-- It does not touch the file system and does not know the home directory: callers pass it.

local path = {}

local byte, find = string.byte, string.find
local slash, backslash, colon, tilde = byte("/\\:~", 1, 4)

--- Returns whether a path starts at a root: "/x", "C:/x", "C:\x".
---@param text string
---@return boolean
function path.is_absolute(text)
  local first, second = byte(text, 1, 2)
  return first == slash or (second == colon and find(text, "^%a:[/\\]") ~= nil)
end

local function join(base, part)
  if part == "" then
    return base
  end
  -- Both separators are understood, as Windows does; results have "/".
  local last = byte(base, -1)
  if not last or path.is_absolute(part) then
    return part
  elseif last == slash or last == backslash then
    return base .. part
  end
  return base .. "/" .. part
end

--- Returns the parts joined with "/"; an absolute part starts over, empty ones are left out.
---@param ... string
---@return string
function path.join(...)
  local count = select("#", ...)
  if count == 2 then
    return join(...)
  end
  local result = ""
  for index = 1, count do
    result = join(result, (select(index, ...)))
  end
  return result
end

-- "/" of "/x", "C:/" of "C:/x", "" of "x"; and the rest.
local function split_root(text)
  local drive = text:match("^%a:[/\\]")
  if drive then
    return drive, text:sub(4)
  elseif text:sub(1, 1) == "/" then
    return "/", text:sub(2)
  end
  return "", text
end

--- Returns the path without its last part: "/a" of "/a/b", "." of "b", "/" of "/a".
---@param text string
---@return string
function path.dirname(text)
  local root, rest = split_root(text)
  local parent = rest:gsub("/+$", ""):match("^(.*)/[^/]*$")
  if parent then
    return root .. parent:gsub("/+$", "")
  end
  return root ~= "" and root or "."
end

--- Returns the last part of a path: "b" of "/a/b" and of "/a/b/".
---@param text string
---@return string
function path.basename(text)
  local _, rest = split_root(text)
  return rest:gsub("/+$", ""):match("[^/]*$")
end

--- Returns whether a path is absolute or below "~", is not that directory itself, and has nothing
-- that can be left out. Of those that are written otherwise on Windows it says no.
---@param text string
---@return boolean
function path.is_plain(text)
  return find(text, "^~?/[^/]") ~= nil and not find(text, "/%.?%.?/") and not find(text, "/%.?%.?$")
end

--- Returns the path without ".", "x/..", doubled and trailing "/"; by text only, so a symlink
-- before ".." is not followed.
---@param text string
---@return string
function path.normalize(text)
  -- Most paths are, which is quicker to see than to make so.
  if path.is_plain(text) then
    return text
  end
  local root, rest = split_root(text)
  local parts = {}
  for part in rest:gmatch("[^/]+") do
    -- What is above the home keeps its name: `~/..` stays.
    local is_home = #parts == 1 and parts[1] == "~" and root == ""
    if part == ".." and #parts > 0 and parts[#parts] ~= ".." and not is_home then
      parts[#parts] = nil
    elseif part ~= "." and not (part == ".." and root ~= "") then
      parts[#parts + 1] = part
    end
  end
  local result = root .. table.concat(parts, "/")
  return result ~= "" and result or "."
end

--- Returns the path with a leading "~" replaced by the home directory; "~name" is left alone.
---@param text string
---@param home string
---@return string
function path.expand(text, home)
  local first, second = byte(text, 1, 2)
  if first ~= tilde then
    return text
  elseif not second then
    return home
  elseif second == slash then
    return join(home, text:sub(3))
  end
  return text
end

--- Returns the home directory of the user: "/" if the environment does not tell.
---@return string
function path.get_home()
  return os.getenv("HOME") or os.getenv("USERPROFILE") or "/"
end

--- Returns the path as people read it: with "~" for the home directory.
---@param text string
---@param home string?
---@return string
function path.display(text, home)
  if not home or home == "" or home == "/" then
    return text
  elseif text == home then
    return "~"
  elseif text:sub(1, #home + 1) == home .. "/" then
    return "~" .. text:sub(#home + 1)
  end
  return text
end

--- Returns whether a path is below a directory, by name. Both are absolute and normalized.
---@param text string
---@param directory string
---@return boolean
function path.is_below(text, directory)
  local start = directory:sub(-1) == "/" and directory or directory .. "/"
  return #text > #start and text:sub(1, #start) == start
end

return path
