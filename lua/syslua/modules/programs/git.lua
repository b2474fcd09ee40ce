-- git: `~/.config/git/config`, `ignore` and `attributes`.

local lib = syslua.lib

-- A value as git reads it back (git-config(1), "Syntax").
local function quote(value)
  local shown = tostring(value)
  local is_plain = shown ~= "" and not shown:find('[#;"\\\n\t]') and not shown:find("^ ")
  if is_plain and not shown:find(" $") then
    return shown
  end
  local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\t"] = "\\t" }
  return '"' .. shown:gsub('["\\\n\t]', escapes) .. '"'
end

-- `[remote "origin"]` of "remote.origin": the first dot separates.
local function get_header(name)
  local section, rest = name:match("^([^.]*)%.(.*)$")
  if not section then
    return "[" .. name .. "]"
  end
  return ('[%s "%s"]'):format(section, (rest:gsub('["\\]', "\\%0")))
end

local function render_value(lines, key, value)
  if type(value) == "table" then
    for _, item in ipairs(value) do
      render_value(lines, key, item)
    end
  else
    lines[#lines + 1] = ("\t%s = %s"):format(key, quote(value))
  end
end

local function render(settings)
  local lines = {}
  for name, section in pairs(settings) do
    lines[#lines + 1] = get_header(name)
    for key, value in pairs(section) do
      render_value(lines, key, value)
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

-- Sections by name; those of the convenient options give way to `settings`.
local function get_settings(options)
  local own = {
    user = {
      name = options.user_name,
      email = options.user_email,
      signingKey = options.signing_key,
    },
    core = { editor = options.editor, pager = options.pager },
    init = { defaultBranch = options.default_branch },
    alias = options.aliases,
    include = { path = options.includes[1] and options.includes or nil },
  }
  local settings = lib.merge(own, options.settings)
  for name, section in pairs(settings) do
    if next(section) == nil then
      settings[name] = nil
    end
  end
  return settings
end

local function write_lines(path, lines)
  if lines[1] then
    file({ path = path, content = table.concat(lines, "\n") .. "\n" })
  end
end

return syslua.module({
  name = "git",
  options = {
    default_branch = "main",
    aliases = {},
    ignores = {},
    attributes = {},
    includes = {},
    settings = {},
  },
  types = {
    user_name = "string",
    user_email = "string",
    signing_key = "string",
    editor = "string",
    pager = "string",
  },
  config = function(options)
    file({ path = "~/.config/git/config", content = render(get_settings(options)) })
    write_lines("~/.config/git/ignore", options.ignores)
    write_lines("~/.config/git/attributes", options.attributes)
  end,
})
