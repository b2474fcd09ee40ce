--- `service{}`: a program that the service manager keeps running. It checks and completes what is
-- declared; the engine writes the units.

local bindings = require("syslua.bindings")
local enablement = require("syslua.enablement")
local position = require("syslua.util.position")
local schema = require("syslua.schema")
local scope = require("syslua.scope")
local subjects = require("syslua.subjects")
local system = require("syslua.system")
local tables = require("syslua.util.table")
local text = require("syslua.util.text")

local raise = position.raise

---@class syslua.service.Schedule
---@field calendar string|string[]|nil when it starts: "daily", "Mon *-*-* 03:00"
---@field every string? the time between two starts: "15m"
---@field on_boot string? the time after the machine, or the user's session, started: "1m"

---@class syslua.service.Socket
---@field listen string|integer|(string|integer)[] paths, ports, addresses; "udp:53" for datagrams

---@class syslua.service.Opts
---@field name string its name, without a suffix
---@field scope "system"|"user"|nil whose it is; by default root's own are the system's
---@field description string? a line for people; by default its name
---@field command string|string[] a line for /bin/sh, or the program and its arguments
---@field environment table<string, string|number>? variables
---@field environment_files string|string[]|nil files with variables; `-`: it may be missing
---@field user string? the user that it runs as
---@field group string? the group that it runs as
---@field directory string? the directory that it runs in
---@field restart "no"|"on-failure"|"always"|nil when it is started again; by default "on-failure"
---@field ready "exec"|"notify"|"forking"|"oneshot"|nil how it is ready; by default "exec"
---@field after string|string[]|nil units that start before it
---@field requires string|string[]|nil units that it does not run without
---@field wants string|string[]|nil units that are started with it
---@field limits table<string, string|number>? `memory`, `cpu`, `tasks`, `files`, `nice`
---@field schedule syslua.service.Schedule? when it is started by the clock
---@field socket syslua.service.Socket? where the manager listens for it
-- What it depends on besides what `command` and `environment_files` name: a change is one of it.
---@field depends (syslua.Derivation|syslua.Source|syslua.Secret|string)[]?
---@field on_switch "restart"|"reload"|"nothing"|nil what a change does; by default "restart"
---@field check string|string[]|nil what must succeed on the new files before anything changes
---@field linger boolean? whether a user's service runs without a session
---@field unit table<string, table<string, any>>? sections, verbatim; a list repeats the key

local strings = { type = { "string", "list" }, items = "string" }

local fields = {
  name = { type = "string", required = true },
  scope = { type = "string" },
  description = { type = "string" },
  command = { type = { "string", "list" }, items = "string", required = true },
  environment = { type = "map" },
  environment_files = strings,
  user = { type = "string" },
  group = { type = "string" },
  directory = { type = "string" },
  restart = { type = "string" },
  ready = { type = "string" },
  after = strings,
  requires = strings,
  wants = strings,
  limits = { type = "map" },
  schedule = { type = "map" },
  socket = { type = "map" },
  depends = { type = "list" },
  on_switch = { type = "string" },
  check = strings,
  linger = { type = "boolean" },
  unit = { type = "map" },
}

local schedule_fields = {
  calendar = strings,
  every = { type = "string" },
  on_boot = { type = "string" },
}
local socket_fields = { listen = { type = { "string", "integer", "list" }, required = true } }

local choices = {
  restart = { "no", "on-failure", "always" },
  ready = { "exec", "notify", "forking", "oneshot" },
  on_switch = { "restart", "reload", "nothing" },
}

local function check_choices(given)
  for _, name in ipairs({ "restart", "ready", "on_switch" }) do
    local value, is_known = given[name], given[name] == nil
    for _, choice in ipairs(choices[name]) do
      is_known = is_known or value == choice
    end
    if not is_known then
      local shown = {}
      for index, choice in ipairs(choices[name]) do
        shown[index] = ('"%s"'):format(choice)
      end
      raise(("`%s` in service{}: expected %s, got %q"):format(name, text.enumerate(shown), value))
    end
  end
end

-- Characters of more than one byte (RFC 3629).
local characters = {
  "\240[\144-\191][\128-\191][\128-\191]",
  "[\241-\243][\128-\191][\128-\191][\128-\191]",
  "\244[\128-\143][\128-\191][\128-\191]",
  "\224[\160-\191][\128-\191]",
  "\237[\128-\159][\128-\191]",
  "[\225-\236\238\239][\128-\191][\128-\191]",
  "[\194-\223][\128-\191]",
}

local function is_utf8(value)
  if not value:find("[\128-\255]") then
    return true
  end
  for _, character in ipairs(characters) do
    value = value:gsub(character, ".")
  end
  return not value:find("[\128-\255]")
end

-- Raises which text in a table is not UTF-8, which no manager reads.
local function check_encoding(prefix, value, depth)
  for _, key in ipairs(tables.get_sorted_keys(value)) do
    local item = value[key]
    local field = type(key) == "number" and ("%s[%d]"):format(prefix, key)
      or (prefix == "" and "" or prefix .. ".") .. tostring(key)
    if type(item) == "table" and key ~= "depends" and depth < 4 then
      check_encoding(field, item, depth + 1)
    elseif type(item) == "string" and not is_utf8(item) then
      raise(("`%s` in service{} is not a text in UTF-8"):format(text.printable(field)))
    end
  end
end

-- A path, with the home in the place of `~/`.
local function expand(value)
  return value:find("^~/") and scope.get_place(value) or value
end

-- A text or a list of texts as a list; nothing where there is none.
local function to_list(value, change)
  if value == nil or type(value) == "table" and not value[1] then
    return nil
  end
  local list = {}
  for index, item in ipairs(type(value) == "table" and value or { value }) do
    list[index] = change and change(item) or item
  end
  return list
end

local function to_text(field, value)
  local shown = type(value) == "number" and text.number(value) or value
  if type(value) == "boolean" then
    shown = value and "yes" or "no"
  end
  if type(shown) ~= "string" then
    raise(
      ("`%s` in service{}: expected a string or a number, got %s"):format(
        field,
        text.describe(value)
      )
    )
  end
  return shown
end

local function to_texts(field, map)
  local result
  for _, name in ipairs(tables.get_sorted_keys(map or {})) do
    result = result or {}
    result[name] = to_text(field .. "." .. name, map[name])
  end
  return result
end

-- The sections that are given verbatim: each key with the list of its values.
local function get_sections(unit)
  local sections, count = {}, 0
  for _, section in ipairs(tables.get_sorted_keys(unit or {})) do
    if type(unit[section]) ~= "table" then
      raise(
        ("`unit.%s` in service{}: expected a table, got %s"):format(
          section,
          text.describe(unit[section])
        ),
        "for example unit = { Service = { ProtectHome = true } }"
      )
    end
    local entries = {}
    for _, key in ipairs(tables.get_sorted_keys(unit[section])) do
      local field, values = ("unit.%s.%s"):format(section, tostring(key)), {}
      if type(key) ~= "string" then
        raise(("`unit.%s` in service{}: expected keys with values"):format(section))
      end
      local value = unit[section][key]
      for index, item in ipairs(type(value) == "table" and value or { value }) do
        values[index] = to_text(field, item)
      end
      entries[key], count = values, count + 1
    end
    sections[section] = next(entries) and entries
  end
  return count > 0 and sections or nil
end

-- The words of a command.
local function get_words(command)
  return type(command) == "table" and command or { command }
end

-- What the texts of a command name of objects. The rest is looked for when targets change.
local function get_depends(given, files)
  local depends = subjects.get("`depends[%d]` in service{}", given.depends or {})
  local unique, seen = {}, {}
  local function add(about)
    if not seen[about] then
      seen[about] = true
      unique[#unique + 1] = about
    end
  end
  for _, about in ipairs(depends) do
    add(about)
  end
  for _, list in ipairs({ get_words(given.command), files or {} }) do
    for _, words in ipairs(list) do
      for object in words:gmatch("/syslua%-placeholder/[^%s\"'`;|&<>()=:,]+") do
        add(object)
      end
    end
  end
  return unique
end

-- A text in which the home has its path.
local function spell_home(value, given)
  local home = scope.get_place("~/"):gsub("/$", "")
  local function get_home()
    return home
  end
  -- Of another user it is not known.
  if not given.user then
    value = value:gsub("%${HOME}", get_home):gsub("%$HOME%f[^%w_]", get_home)
  end
  local spelled = (" " .. value):gsub("([^%w/._~@+-])~/", function(before)
    return before .. home .. "/"
  end)
  return spelled:sub(2)
end

-- The texts that may name targets: each word of the command, and each file with variables. What
-- does not begin at the root is in the directory that the service runs in.
local function get_names(given, files)
  local names, seen = {}, {}
  local function add(name)
    if name:find("/", 1, true) and not seen[name] then
      seen[name] = true
      names[#names + 1] = name
    end
  end
  for _, word in ipairs(get_words(given.command)) do
    add(spell_home(word, given))
  end
  if given.directory then
    local directory = expand(given.directory):gsub("/$", "")
    for _, word in ipairs(get_words(given.command)) do
      for relative in word:gmatch("[^%s\"'`;|&<>()=]+") do
        if relative:find("^[%w._]") and relative:find("%D") then
          add(directory .. "/" .. relative)
        end
      end
    end
  end
  for _, file in ipairs(files or {}) do
    add((file:gsub("^%-", "")))
  end
  return names
end

local function get_schedule(given)
  if not given then
    return nil
  end
  schema.check("`schedule` in service{}", given, schedule_fields)
  return { calendar = to_list(given.calendar), every = given.every, on_boot = given.on_boot }
end

local function get_socket(given)
  if not given then
    return nil
  end
  schema.check("`socket` in service{}", given, socket_fields)
  if type(given.listen) == "table" and not given.listen[1] then
    raise("`socket.listen` in service{} is empty", "a path, a port, or an address: 127.0.0.1:80")
  end
  return {
    listen = to_list(given.listen, function(item)
      return expand(to_text("socket.listen", item))
    end),
  }
end

--- Declares a service.
---@param given syslua.service.Opts
return function(given)
  schema.check("service{}", given, fields)
  check_choices(given)
  if not scope.get() then
    raise("service{} works only while a config is evaluated", "call it in setup()")
    return
  end
  local whose = enablement.get_scope("service{}", given.scope)
  if given.linger and whose == "system" then
    raise("`linger` in service{} is only for services of users")
  end
  if type(given.command) == "table" and not given.command[1] then
    raise("`command` in service{} is empty")
  end
  if type(given.check) == "table" and not given.check[1] then
    raise("`check` in service{} is empty", "leave it out where there is nothing to check")
  end
  check_encoding("", given, 1)
  local files = to_list(given.environment_files, function(file)
    local rest = file:match("^%-(.*)$")
    return rest and "-" .. expand(rest) or expand(file)
  end)
  local command = given.command
  local units = bindings.call("render_service", {
    name = given.name,
    scope = whose,
    description = given.description,
    command = type(command) == "table" and to_list(command, expand) or command,
    environment = to_texts("environment", given.environment),
    environment_files = files,
    user = given.user,
    group = given.group,
    directory = given.directory and expand(given.directory),
    restart = given.restart,
    ready = given.ready,
    after = to_list(given.after),
    requires = to_list(given.requires),
    wants = to_list(given.wants),
    limits = to_texts("limits", given.limits),
    schedule = get_schedule(given.schedule),
    socket = get_socket(given.socket),
    unit = get_sections(given.unit),
  }, system.get().os)
  if units.why then
    enablement.raise("service{}", units)
  end
  enablement.record(given.name, units, {
    scope = whose,
    on_switch = given.on_switch,
    depends = get_depends(given, files),
    names = get_names(given, files),
    check = given.check,
    linger = given.linger,
  })
end
