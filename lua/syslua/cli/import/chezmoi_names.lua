--- The names of chezmoi's source directory: attributes are prefixes, in a fixed order. From the
-- documentation of chezmoi, "Source state attributes". It looks at no file.

local chezmoi_names = {}

---@class syslua.cli.ChezmoiName
---@field kind "file"|"create"|"modify"|"remove"|"symlink"|"script"|"directory"
---@field name string the name in the home
---@field encrypted boolean?
---@field ["private"] boolean?
---@field ["readonly"] boolean?
---@field empty boolean?
---@field executable boolean?
---@field template boolean?
---@field exact boolean?
---@field external boolean?
---@field order "before"|"after"|nil of a script
---@field condition "once"|"onchange"|nil of a script

-- The attributes of each kind of file, in their order.
local attributes = {
  file = { "encrypted", "private", "readonly", "empty", "executable" },
  create = { "encrypted", "private", "readonly", "empty", "executable" },
  modify = { "encrypted", "private", "readonly", "executable" },
  remove = {},
  symlink = {},
}

local function cut_prefix(name, prefix)
  if name:sub(1, #prefix) == prefix then
    return name:sub(#prefix + 1), true
  end
  return name, false
end

local function cut_suffix(name, suffix)
  if #name >= #suffix and name:sub(-#suffix) == suffix then
    return name:sub(1, -#suffix - 1), true
  end
  return name, false
end

-- `dot_` stands for a dot, and `literal_` ends the attributes.
local function cut_dot(name)
  local rest, is_dot = cut_prefix(name, "dot_")
  if is_dot then
    return "." .. rest
  end
  return (cut_prefix(name, "literal_"))
end

local function cut_template(parsed, name)
  local rest, is_literal = cut_suffix(name, ".literal")
  if is_literal then
    return rest
  end
  rest, parsed.template = cut_suffix(name, ".tmpl")
  return parsed.template and (cut_suffix(rest, ".literal")) or rest
end

--- Returns what the name of a file says.
---@param source string
---@param suffix string? what encrypted files end with: ".age", or ".asc"
---@return syslua.cli.ChezmoiName
function chezmoi_names.parse_file(source, suffix)
  local parsed = { kind = "file" }
  local name, is_script = cut_prefix(source, "run_")
  if is_script then
    parsed.kind = "script"
    for _, condition in ipairs({ "once", "onchange" }) do
      local rest, has = cut_prefix(name, condition .. "_")
      if has then
        name, parsed.condition = rest, condition
        break
      end
    end
    for _, order in ipairs({ "before", "after" }) do
      local rest, has = cut_prefix(name, order .. "_")
      if has then
        name, parsed.order = rest, order
        break
      end
    end
    parsed.name = cut_template(parsed, name)
    return parsed
  end
  for _, kind in ipairs({ "create", "modify", "remove", "symlink" }) do
    local rest, has = cut_prefix(name, kind .. "_")
    if has then
      name, parsed.kind = rest, kind
      break
    end
  end
  for _, attribute in ipairs(attributes[parsed.kind]) do
    name, parsed[attribute] = cut_prefix(name, attribute .. "_")
  end
  name = cut_dot(name)
  if parsed.encrypted then
    name = cut_suffix(name, suffix or ".age")
  end
  parsed.name = cut_template(parsed, name)
  return parsed
end

--- Returns what the name of a directory says.
---@param source string
---@return syslua.cli.ChezmoiName
function chezmoi_names.parse_directory(source)
  local parsed = { kind = "directory" }
  local name, is_removed = cut_prefix(source, "remove_")
  parsed.kind = is_removed and "remove" or "directory"
  for _, attribute in ipairs({ "external", "exact", "private", "readonly" }) do
    name, parsed[attribute] = cut_prefix(name, attribute .. "_")
  end
  parsed.name = cut_dot(name)
  return parsed
end

return chezmoi_names
