-- git: `~/.config/git/config`, `ignore` and `attributes`, by the grammar of git-config(1),
-- "Syntax".

---@alias syslua.programs.git.Value string|number|boolean

---@class syslua.programs.git.Options
---@field user_name string? user.name
---@field user_email string? user.email
---@field signing_key string? user.signingKey
---@field editor string? core.editor
---@field pager string? core.pager
---@field default_branch string? init.defaultBranch
---@field aliases table<string, string>?
---@field ignores string[]? lines of `~/.config/git/ignore`
---@field attributes string[]? lines of `~/.config/git/attributes`
---@field includes string[]? files that are read last, so that they count for more
---@field settings table<string, table|syslua.programs.git.Value>? by section; a table in a section
--- is a subsection
---@field extra string[]? lines at the end, as they are

---@class syslua.programs.Git: syslua.ConfigModule
---@field setup fun(opts: syslua.programs.git.Options?)

local lib = syslua.lib

local function fail(message, ...)
  error(("modules.programs.git: " .. message):format(...), 0)
end

-- A value as git reads it back.
local function quote(key, value)
  local shown = value
  if type(value) == "number" then
    shown = lib.toJSON(value)
  elseif type(value) == "boolean" then
    shown = tostring(value)
  elseif type(value) ~= "string" then
    fail("%s: expected a string, a number, a boolean or a list of these", key)
  end
  if shown:find("%z") then
    fail("%s has a NUL byte", key)
  end
  if
    shown ~= ""
    and not shown:find('[#;"\\%c]')
    and not shown:find("^%s")
    and not shown:find("%s$")
  then
    return shown
  end
  local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\t"] = "\\t", ["\b"] = "\\b" }
  return '"' .. shown:gsub('["\\\n\t\b]', escapes) .. '"'
end

-- `[remote "origin"]` of "remote.origin": the first dot separates.
local function get_header(name)
  local section, rest = name:match("^([^.]*)%.(.*)$")
  section = section or name
  if not section:find("^[%w-]+$") then
    fail("%q cannot be the name of a section: it has letters, digits and `-`", section)
  elseif not rest then
    return "[" .. section .. "]"
  elseif rest:find("[%z\n]") then
    fail("the section %q has a line break in it", name)
  end
  return ('[%s "%s"]'):format(section, (rest:gsub('["\\]', "\\%0")))
end

local function is_list(value)
  return type(value) == "table" and (value[1] ~= nil or next(value) == nil)
end

-- Sorts settings into sections: a table in a section is a subsection, and "a.b" with a plain value
-- the key b of a.
local function add_section(sections, name, values)
  local own = sections[name] or {}
  for key, value in pairs(values) do
    if type(value) == "table" and not is_list(value) then
      add_section(sections, name .. "." .. key, value)
    else
      own[key] = value
    end
  end
  if next(own) ~= nil then
    sections[name] = own
  end
end

local function get_sections(settings)
  local sections = {}
  for name, value in pairs(settings) do
    local section, key = name, nil
    if type(value) ~= "table" or is_list(value) and value[1] ~= nil then
      section, key = name:match("^(.+)%.([^.]+)$")
      if not section then
        fail("settings.%s: expected a table, { key = value }", name)
      end
    end
    add_section(sections, section, key and { [key] = value } or value)
  end
  return sections
end

local function add_value(lines, key, value)
  if type(value) == "table" then
    for _, item in ipairs(value) do
      add_value(lines, key, item)
    end
  else
    lines[#lines + 1] = ("\t%s = %s"):format(key, quote(key, value))
  end
end

local function add_sections(lines, sections, are_includes)
  for name, section in pairs(sections) do
    local kind = name:lower():match("^[^.]*")
    if (kind == "include" or kind == "includeif") == are_includes then
      lines[#lines + 1] = get_header(name)
      for key, value in pairs(section) do
        if type(key) ~= "string" or not key:find("^%a[%w-]*$") then
          fail("%q cannot be a key of %s: it has letters, digits and `-`", tostring(key), name)
        end
        add_value(lines, key, value)
      end
    end
  end
end

-- The last value of a key counts: so what is included comes after what it should override.
local function render(settings, extra)
  local lines, sections = {}, get_sections(settings)
  add_sections(lines, sections, false)
  add_sections(lines, sections, true)
  for _, line in ipairs(extra) do
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n") .. "\n"
end

-- Settings by section; those of the convenient options give way to `settings`.
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
  return lib.merge(own, options.settings)
end

local function write_lines(path, lines)
  if lines[1] then
    file({ path = path, content = table.concat(lines, "\n") .. "\n" })
  end
end

local module = syslua.module({
  name = "git",
  options = {
    default_branch = "main",
    aliases = {},
    ignores = {},
    attributes = {},
    includes = {},
    settings = {},
    extra = {},
  },
  types = {
    user_name = "string",
    user_email = "string",
    signing_key = "string",
    editor = "string",
    pager = "string",
  },
  config = function(options)
    file({ path = "~/.config/git/config", content = render(get_settings(options), options.extra) })
    write_lines("~/.config/git/ignore", options.ignores)
    write_lines("~/.config/git/attributes", options.attributes)
  end,
})

---@cast module syslua.programs.Git
return module
