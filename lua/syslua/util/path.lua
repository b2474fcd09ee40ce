--- Paths as text: join, take apart, normalize, expand and show.
-- It does not touch the file system and does not know the home directory: callers pass it.

local path = {}

-- Both separators are understood, as Windows does; results have "/".
local function is_separator(character)
  return character == "/" or character == "\\"
end

--- Returns whether a path starts at a root: "/x", "C:/x", "C:\x".
---@param text string
---@return boolean
function path.is_absolute(text)
  return text:sub(1, 1) == "/" or text:find("^%a:[/\\]") ~= nil
end

--- Returns the parts joined with "/"; an absolute part starts over, empty ones are left out.
---@param ... string
---@return string
function path.join(...)
  local result = ""
  for index = 1, select("#", ...) do
    local part = select(index, ...)
    if part ~= "" then
      if result == "" or path.is_absolute(part) then
        result = part
      elseif is_separator(result:sub(-1)) then
        result = result .. part
      else
        result = result .. "/" .. part
      end
    end
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

--- Returns the path without ".", "x/..", doubled and trailing "/"; by text only, so a symlink
-- before ".." is not followed.
---@param text string
---@return string
function path.normalize(text)
  local root, rest = split_root(text)
  local parts = {}
  for part in rest:gmatch("[^/]+") do
    if part == ".." and #parts > 0 and parts[#parts] ~= ".." then
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
  if text == "~" then
    return home
  elseif text:sub(1, 2) == "~/" then
    return path.join(home, text:sub(3))
  end
  return text
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

return path
