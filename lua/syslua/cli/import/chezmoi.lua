--- `import chezmoi [DIR]`: a config that reproduces the files in the home from chezmoi's source
-- state. Files that differ from it, and features beyond files and values, are omitted and named.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local names = require("syslua.cli.import.chezmoi_names")
local path = require("syslua.util.path")
local templates = require("syslua.cli.import.chezmoi_template")
local writer = require("syslua.cli.import.config_writer")
local read = require("syslua.bindings").read

local formats = { json = "JSON", jsonc = "JSONC", toml = "TOML", yaml = "YAML", yml = "YAML" }
local extensions = { "json", "jsonc", "toml", "yaml", "yml" }

-- Lays one table of values over another.
local function overlay(into, from)
  for key, value in next, from do
    if type(value) == "table" and type(into[key]) == "table" and not value[1] then
      overlay(into[key], value)
    else
      into[key] = value
    end
  end
end

-- Reads a file of values; what cannot be read is noted.
local function read_values(context, file)
  local extension = file:match("%.(%l+)$")
  local content = read(file)
  if not content then
    return nil
  end
  local succeeded, values = bindings.parse(content, formats[extension])
  if not succeeded or type(values) ~= "table" then
    writer.leave_out(context.found, file, "it cannot be read as " .. extension)
    return nil
  end
  return values
end

local function get_sorted(directory)
  local list = bindings.call("list_directory", directory, false) or {}
  table.sort(list)
  return list
end

-- The values of templates: chezmoi's own of this machine, the data of the source, the user's.
local function read_data(context)
  local syslua = require("syslua")
  local data = {
    chezmoi = {
      hostname = (syslua.hostname:match("^[^.]*")),
      username = syslua.username,
      os = syslua.os,
      arch = ({ x86_64 = "amd64", aarch64 = "arm64", arm = "arm" })[syslua.arch],
      homeDir = path.normalize(path.get_home()),
    },
  }
  local source = context.directory
  for _, extension in ipairs(extensions) do
    overlay(data, read_values(context, path.join(source, ".chezmoidata." .. extension)) or {})
  end
  local directory = path.join(source, ".chezmoidata")
  for _, name in ipairs(get_sorted(directory)) do
    local extension = name:match("%.(%l+)$")
    if extension and formats[extension] ~= nil then
      overlay(data, read_values(context, path.join(directory, name)) or {})
    end
  end
  local own = context.own
  overlay(data, type(own.data) == "table" and own.data or {})
  if own.encryption == "gpg" then
    context.suffix = ".asc"
  end
  return data
end

-- chezmoi's own config of this machine.
local function read_own(found)
  local own = {}
  for _, extension in ipairs(extensions) do
    local directory = os.getenv("XDG_CONFIG_HOME") or path.join(path.get_home(), ".config")
    local file = path.join(directory, "chezmoi/chezmoi." .. extension)
    overlay(own, read_values({ found = found }, file) or {})
  end
  return own
end

local function get_value(data, name)
  local value = data
  for part in name:gmatch("[^.]+") do
    value = type(value) == "table" and value[part] or nil
  end
  return value
end

-- How the config writes a value of this machine that other machines have too.
local of_machine = {
  ["chezmoi.hostname"] = 'syslua.hostname:match("^[^.]*")',
  ["chezmoi.username"] = [[syslua.username]],
  ["chezmoi.os"] = [[syslua.os]],
}

local function leave_out(context, place, reason)
  writer.leave_out(context.found, place, reason)
end

-- The fields that a real file or a link needs to stay as it is.
local function get_fields(context, target, seen)
  local mode = writer.get_private_mode(seen)
  if mode and require("syslua").username == "root" then
    leave_out(context, target, "only its owner can read it, and the store of root is open")
    return nil
  end
  return mode
end

-- Takes a file unchanged, with a copy beside the config.
local function add_copy(context, target, seen)
  local below = path.is_below(target, context.home) and target:sub(#context.home + 2)
    or target:gsub("^/", "")
  local mode = get_fields(context, target, seen)
  if mode == nil and writer.get_private_mode(seen) then
    return
  end
  local to = writer.add_name(context.found, "files/" .. below)
  context.found.copies[#context.found.copies + 1] = { from = target, to = to }
  writer.add_file(context.found, context.group, target, { { "source", to }, { "mode", mode } })
end

-- Whether the values of a template exist, and give the file in the home.
local function gives(context, turned, used, expected)
  for _, name in ipairs(used) do
    local value = get_value(context.data, name)
    if type(value) == "table" or value == nil then
      return false
    end
  end
  local succeeded, result = bindings.render_template({ t = turned }, "t", context.data)
  return succeeded and result.text == expected
end

local function add_template(context, target, seen, content, expected)
  local secret = templates.get_secret(content)
  if secret then
    leave_out(context, target, ("its template uses `%s`, which may show a secret"):format(secret))
    return
  end
  ---@type any, any
  local turned, used = templates.turn(content)
  if not turned then
    add_copy(context, target, seen)
    leave_out(
      context,
      target,
      ("the present file is used: its template has `{{ %s }}`"):format(used)
    )
    return
  elseif not gives(context, turned, used, expected) then
    add_copy(context, target, seen)
    leave_out(context, target, "the present file is used: its template renders something else")
    return
  end
  local mode = get_fields(context, target, seen)
  if mode == nil and writer.get_private_mode(seen) then
    return
  end
  for _, name in ipairs(used) do
    context.used[name] = get_value(context.data, name)
  end
  local below = path.is_below(target, context.home) and target:sub(#context.home + 2)
    or target:gsub("^/", "")
  local to = writer.add_name(context.found, "files/" .. below .. ".in")
  context.found.texts[#context.found.texts + 1] = { to = to, text = turned }
  local is_run = not mode and writer.is_executable(seen)
  writer.add_file(context.found, context.group, target, {
    { "template", to },
    { "values", { code = "data" } },
    { "executable", is_run or nil },
    { "mode", mode },
  })
end

local function add_symlink(context, target, seen, content)
  if seen.kind ~= "symlink" then
    leave_out(context, target, "chezmoi makes a link of it, and another file is there")
  elseif not seen.real then
    leave_out(context, target, "a link that leads nowhere")
  elseif (content:gsub("%s+$", "")) ~= seen.target and not content:find("{{", 1, true) then
    leave_out(context, target, "the link leads elsewhere")
  else
    writer.add_link(context.found, "links of chezmoi", target, seen.real)
  end
end

local function add_file(context, source, target, parsed)
  local seen, content = bindings.call("look", target), read(source)
  if parsed.kind == "script" then
    leave_out(context, source, "a script: see `activate` and `ctx.run`")
  elseif parsed.kind == "modify" then
    leave_out(context, target, "a program changes it (modify_): it stays unchanged")
  elseif parsed.encrypted then
    leave_out(context, target, "encrypted: `sys secrets` keeps such files")
  elseif parsed.kind == "remove" then
    if seen then
      leave_out(context, target, "chezmoi removes it, and it is there")
    else
      local line = writer.render_file(target, { { "absent", true } })
      writer.add(context.found, context.group, line)
    end
  elseif not content then
    leave_out(context, source, "it cannot be read")
  elseif parsed.kind == "symlink" then
    if seen then
      add_symlink(context, target, seen, content)
    else
      leave_out(context, target, "it is in the source, but not in the home")
    end
  elseif content == "" and not (parsed.empty or parsed.kind == "create") then
    leave_out(context, target, "an empty file without `empty_`: chezmoi makes none")
  elseif not seen then
    leave_out(context, target, "it is in the source, but not in the home")
  elseif seen.kind ~= "file" then
    leave_out(context, target, "it is not a file")
  elseif parsed.kind == "create" then
    leave_out(context, target, "created once (create_) and yours since then: it stays unchanged")
  elseif parsed.template then
    add_template(context, target, seen, content, read(target))
  elseif read(target) ~= content then
    leave_out(context, target, "it differs from the source: `chezmoi diff` shows how")
  else
    add_copy(context, target, seen)
  end
end

-- Adds a directory that has nothing else in it: chezmoi makes it too.
local function add_directory(context, source, target)
  local seen = bindings.call("look", target)
  if seen and seen.kind == "directory" then
    local line = ("directory { path = %s }"):format(writer.quote(writer.show(target)))
    writer.add(context.found, context.group, line)
  elseif seen then
    leave_out(context, target, "it is not a directory")
  else
    leave_out(context, source, "the directory is in the source, but not in the home")
  end
end

-- Goes through a directory; returns whether it has no entry that chezmoi knows.
---@return boolean is_empty
local function walk(context, source, target)
  local is_empty = true
  for _, name in ipairs(get_sorted(source)) do
    local place = path.join(source, name)
    local kind = bindings.call("look", place).kind
    if name:sub(1, 1) == "." then
      local is_known = name:find("^%.chezmoidata") or name == ".chezmoiroot" or name == ".git"
      if name:find("^%.chezmoi") and not is_known then
        leave_out(context, place, "not part of the config: see the guide")
      end
    elseif kind == "directory" then
      local parsed = names.parse_directory(name)
      local inner = path.join(target, parsed.name)
      if parsed.external then
        leave_out(context, inner, "an external directory: see `inputs` and `ctx.fetch_git`")
      elseif parsed.kind == "remove" then
        leave_out(context, inner, "chezmoi removes the directory")
      else
        if parsed.exact then
          leave_out(context, inner, "exact_: files that are not declared stay")
        end
        if walk(context, place, inner) then
          add_directory(context, place, inner)
        end
      end
      is_empty = false
    elseif kind == "file" then
      local parsed = names.parse_file(name, context.suffix)
      add_file(context, place, path.join(target, parsed.name), parsed)
      is_empty = false
    else
      leave_out(context, place, "chezmoi knows only files and directories")
    end
  end
  return is_empty
end

-- The table of values in the config: those that templates use.
local function render_data(context)
  local by_name = require("syslua.util.table").get_sorted_keys(context.used)
  if not by_name[1] then
    return
  end
  local tree = {}
  for _, name in ipairs(by_name) do
    local at, last = tree, name:match("[^.]+$")
    for part in name:sub(1, #name - #last):gmatch("[^.]+") do
      at[part] = at[part] or {}
      at = at[part]
    end
    at[last] = { code = of_machine[name] }
    if not of_machine[name] then
      local values = { v = context.used[name] }
      at[last].code = bindings.call("render_template", { t = "{{ v | lua }}" }, "t", values).text
    end
  end
  local function render(value, indent)
    if value.code then
      return value.code
    end
    local lines = { "{" }
    for _, key in ipairs(require("syslua.util.table").get_sorted_keys(value)) do
      lines[#lines + 1] = ("%s  %s = %s,"):format(indent, key, render(value[key], indent .. "  "))
    end
    lines[#lines + 1] = indent .. "}"
    return table.concat(lines, "\n")
  end
  context.found.head = { "local data = " .. render(tree, ""), "" }
end

--- Looks at the directory; returns what it found.
---@param given string?
---@return syslua.cli.Found
return function(given)
  local home = path.normalize(path.get_home())
  local found = writer.new("chezmoi")
  local own = read_own(found)
  local named = given or type(own.sourceDir) == "string" and own.sourceDir
  named = named or path.join(os.getenv("XDG_DATA_HOME") or "~/.local/share", "chezmoi")
  local directory = path.normalize(bindings.call("absolute", path.expand(named, home)))
  local root = read(path.join(directory, ".chezmoiroot"))
  if root then
    directory = path.normalize(path.join(directory, (root:gsub("%s+$", ""))))
  end
  local seen = bindings.call("look", directory)
  if not seen or not bindings.call("list_directory", directory, false) then
    failure.raise({
      kind = "usage",
      message = ("%s is not a directory"):format(named),
      hint = "name chezmoi's source directory: `chezmoi source-path` prints it",
    })
  end
  found.what = "chezmoi " .. writer.show(directory)
  local context = {
    found = found,
    own = own,
    directory = directory,
    home = home,
    group = "files of chezmoi",
    used = {},
  }
  context.data = read_data(context)
  walk(context, directory, home)
  render_data(context)
  return context.found
end
