--- `syslua.testing`: tests of configs. Evaluates a config for any machine, and shows what it
-- declares: files, environment, packages, services. Where luassert is there, as under busted, it
-- adds assertions. Nothing is built or applied.

local evaluate = require("syslua.evaluate")
local bindings = require("syslua.bindings")
local closest = require("syslua.util.closest")
local failure = require("syslua.util.failure")
local system = require("syslua.system")
local tables = require("syslua.util.table")
local text = require("syslua.util.text")

---@class syslua.Testing
local testing = {}

---@class syslua.testing.Options
---@field platform string? "aarch64-darwin"; by default that of this machine
---@field hostname string?
---@field username string? "root" sees the blocks of every `user{}`
---@field pure boolean? as `--pure`
---@field answers table<string, string>? answers to what the config asks, by name

--- What a config declares for one machine.
---@class syslua.testing.Machine: syslua.testing.Scope
---@field manifest syslua.Manifest all of it, as plain data
---@field packages table<string, syslua.testing.Package> what has a version, by name
---@field users table<string, syslua.testing.Scope> what `user{}` scopes to each user
---@field projects table<string, syslua.testing.Scope> what `project{}` scopes to each project
---@field notices string[] what the evaluation had to say

---@class syslua.testing.Scope
---@field files table<string, syslua.testing.File> by path, as the config has it
---@field environment table<string, string|string[]> the values of variables; of lists, the entries
---@field path string[] the entries of PATH
---@field services table<string, syslua.testing.Service> by name

---@class syslua.testing.File
---@field path string
---@field kind "symlink"|"install"
---@field content string? the bytes, where they are known without a build
---@field target string what a link leads to
---@field mutable boolean
---@field executable boolean
---@field mode string?
---@field owner string?
---@field positions string[] who declared it

---@class syslua.testing.Service
---@field name string
---@field scope "system"|"user"
---@field unit string the name of the main unit
---@field text string? the text of the main unit, where it is known without a build
---@field texts table<string, string> the texts of all units, by their names
---@field on_switch "restart"|"reload"|"nothing"
---@field depends string[] what a change of is a change of the service
---@field names string[] texts that may name targets, whose change is one of the service
---@field check string|string[]|nil
---@field linger boolean
---@field positions string[] who declared it

---@class syslua.testing.Package
---@field name string
---@field version string
---@field hash string
---@field on_path boolean whether a directory of it is on PATH

-- The derivation of a path, and the path below its output.
local function get_derivation(self, path)
  local start = path:find("/syslua-placeholder/", 1, true)
  if not start then
    return nil, nil
  end
  local prefix = path:sub(start, start + #"/syslua-placeholder/" + 39)
  return self.by_path[prefix], path:sub(start + #prefix)
end

local function get_content(self, action)
  local detail, below = get_derivation(self, action.source)
  if not detail then
    return (bindings.read(action.source))
  elseif detail.content and below == (detail.below and "/" .. detail.below or "") then
    return detail.content
  end
  return detail.source and bindings.read(detail.source .. below) or nil
end

local function is_executable(detail, mode)
  if mode then
    return (tonumber(mode, 8) or 0) % 2 == 1
  end
  return detail ~= nil and detail.executable == true
end

local function add_file(self, scope, action, home)
  local path = action.target
  -- Of another user's files the manifest has whole paths.
  if home and path:sub(1, #home + 1) == home .. "/" then
    path = "~" .. path:sub(#home + 1)
  end
  local detail = get_derivation(self, action.source)
  local mode = action.mode
  scope.files[path] = {
    path = path,
    kind = action.kind,
    content = get_content(self, action),
    target = action.source,
    mutable = action.mutable or false,
    executable = is_executable(detail, mode),
    mode = mode,
    owner = action.owner,
    positions = action.positions,
  }
end

-- A text with references, as `lib.ref` shows it.
local function to_text(value)
  if type(value) == "string" then
    return value
  end
  local shown = {}
  for index, part in ipairs(value.parts or {}) do
    shown[index] = type(part) == "table" and part.reference and "$" .. part.reference or part
  end
  return table.concat(shown)
end

local function add_variable(scope, action)
  local value = action.value
  if type(value) == "table" and value.entries then
    local entries = scope.environment[action.name] or {}
    for _, entry in ipairs(value.entries) do
      entries[#entries + 1] = to_text(entry)
    end
    scope.environment[action.name] = entries
  else
    scope.environment[action.name] = to_text(value)
  end
end

local function add_service(self, scope, action)
  local texts, unit = {}, nil
  for _, one in ipairs(action.units) do
    texts[one.name], unit = get_content(self, { source = one.file }), one
  end
  scope.services[action.name] = {
    name = action.name,
    scope = action.scope,
    unit = unit and unit.name,
    text = unit and texts[unit.name],
    texts = texts,
    on_switch = action.on_switch or "restart",
    depends = action.depends or {},
    names = action.names or {},
    check = action.check,
    linger = action.linger or false,
    positions = action.positions,
  }
end

local function new_scope()
  return { files = {}, environment = {}, path = {}, services = {} }
end

local function get_scope(machine, action)
  local map, name = machine.users, action.user
  if action.project then
    map, name = machine.projects, action.project.name
  end
  if not name then
    return machine
  end
  map[name] = map[name] or new_scope()
  return map[name]
end

local function add_packages(self, machine, details)
  for index, derivation in ipairs(machine.manifest.derivations) do
    local detail = details[index]
    detail.name, detail.version = derivation.name, derivation.version
    for _, path in next, detail.paths do
      self.by_path[path] = detail
    end
    if derivation.version then
      machine.packages[derivation.name] = {
        name = derivation.name,
        version = derivation.version,
        hash = derivation.hash,
        on_path = false,
      }
    end
  end
end

local function add_action(self, machine, action, os)
  local scope = get_scope(machine, action)
  if action.kind == "symlink" or action.kind == "install" then
    add_file(self, scope, action, action.user and system.get_usual_home(os, action.user))
  elseif action.kind == "set_variable" then
    add_variable(scope, action)
  elseif action.kind == "add_to_path" then
    scope.path[#scope.path + 1] = action.directory
    local detail = get_derivation(self, action.directory)
    local package = detail and detail.version and machine.packages[detail.name]
    if package then
      package.on_path = true
    end
  elseif action.kind == "enable_service" then
    add_service(self, scope, action)
  end
end

-- The declared entries of PATH come before those that were added.
local function finish_scope(scope)
  local path = {}
  for _, entry in ipairs(scope.environment.PATH or {}) do
    path[#path + 1] = entry
  end
  for _, entry in ipairs(scope.path) do
    path[#path + 1] = entry
  end
  scope.path = path
end

local function get_sys(options)
  local here = require("syslua")
  local platform = options.platform or here.platform
  local arch, os = platform:match("^([^-]+)%-(%l+)$")
  if not arch then
    failure.raise({
      kind = "usage",
      message = ("testing.evaluate: expected a platform such as aarch64-darwin, got %s"):format(
        text.describe(platform)
      ),
    })
  end
  return { os = os, arch = arch, hostname = options.hostname, username = options.username }
end

--- Evaluates a config and returns what it declares.
---@param config string the entry file, or a directory with an init.lua
---@param options syslua.testing.Options?
---@return syslua.testing.Machine
function testing.evaluate(config, options)
  options = options or {}
  ---@type table
  local machine = new_scope()
  machine.packages, machine.users, machine.projects = {}, {}, {}
  machine.notices = {}
  local sys = get_sys(options)
  local raw = evaluate(config, {
    sys = sys,
    pure = options.pure,
    answers = options.answers,
    raw = true,
    on_event = function(event)
      machine.notices[#machine.notices + 1] = event.message
    end,
  })
  machine.manifest = bindings.call("manifest_table", raw, true)
  local self = { by_path = {} }
  add_packages(self, machine, bindings.call("manifest_details", raw))
  for _, action in ipairs(machine.manifest.activations) do
    add_action(self, machine, action, sys.os)
  end
  finish_scope(machine)
  for _, scopes in ipairs({ machine.users, machine.projects }) do
    for _, scope in next, scopes do
      finish_scope(scope)
    end
  end
  ---@cast machine any
  return machine
end

-- What assertions say. They return whether it is so, and a text that tells why not, or that it is.

local function list(map)
  local names = tables.get_sorted_keys(map)
  if not names[1] then
    return "it has none"
  end
  local shown = {}
  for index = 1, math.min(#names, 10) do
    shown[index] = tostring(names[index])
  end
  local more = #names > 10 and (" and %d more"):format(#names - 10) or ""
  return "it has " .. table.concat(shown, ", ") .. more
end

local function say_missing(what, name, map)
  local near = type(name) == "string" and closest(name, tables.get_sorted_keys(map))
  local hint = near and ("did you mean %s?"):format(near) or list(map)
  return ("the config declares no %s %s: %s"):format(what, tostring(name), hint)
end

local function show(value)
  if type(value) == "table" then
    local shown = {}
    for index, item in ipairs(value) do
      shown[index] = tostring(item)
    end
    return " { " .. table.concat(shown, ", ") .. " }"
  end
  local shown = tostring(value)
  return shown:find("\n", 1, true) and "\n    " .. shown:gsub("\n(.)", "\n    %1") or " " .. shown
end

local function is_same(left, right)
  if type(left) ~= "table" or type(right) ~= "table" then
    return left == right
  end
  for key, value in next, left do
    if right[key] ~= value then
      return false
    end
  end
  for key in next, right do
    if left[key] == nil then
      return false
    end
  end
  return true
end

local function say_differs(what, expected, given)
  return ("%s is not as expected:\n  expected:%s\n  given:   %s"):format(
    what,
    show(expected),
    show(given)
  )
end

local function check_contains(found, name, part)
  local content = found.content
  if content == nil then
    return false, ("the content of %s is known only once it is built"):format(name)
  end
  for _, one in ipairs(type(part) == "table" and part or { part }) do
    if not content:find(one, 1, true) then
      return false,
        ("%s does not contain:\n    %s\n  its content is:%s"):format(
          name,
          one,
          show(content .. "\n")
        )
    end
  end
  return true
end

local checks = {}

function checks.file(machine, name, expected)
  local found = machine.files[name]
  if not found then
    return false, say_missing("file", name, machine.files)
  end
  if type(expected) == "string" then
    expected = { content = expected }
  end
  for _, key in ipairs(tables.get_sorted_keys(expected or {})) do
    if key == "contains" then
      local contains, message = check_contains(found, name, expected.contains)
      if not contains then
        return false, message
      end
    elseif not is_same(expected[key], found[key]) then
      return false, say_differs(("`%s` of %s"):format(key, name), expected[key], found[key])
    end
  end
  return true, ("the config declares the file %s, at %s"):format(name, found.positions[1] or "?")
end

function checks.variable(machine, name, expected)
  local found = machine.environment[name]
  if found == nil then
    return false, say_missing("variable", name, machine.environment)
  elseif expected ~= nil and not is_same(expected, found) then
    return false, say_differs(("the variable %s"):format(name), expected, found)
  end
  return true, ("the config sets %s to%s"):format(name, show(found))
end

function checks.package(machine, name, expected)
  local found = machine.packages[name]
  if not found then
    return false, say_missing("package", name, machine.packages)
  elseif expected ~= nil and expected ~= found.version then
    return false, say_differs(("the version of %s"):format(name), expected, found.version)
  end
  return true, ("the config declares the package %s %s"):format(name, found.version)
end

function checks.service(machine, name, expected)
  local found = machine.services[name]
  if not found then
    return false, say_missing("service", name, machine.services)
  end
  for _, key in ipairs(tables.get_sorted_keys(expected or {})) do
    if key == "contains" then
      local contains, message = check_contains({ content = found.text }, found.unit, expected[key])
      if not contains then
        return false, message
      end
    elseif not is_same(expected[key], found[key]) then
      return false, say_differs(("`%s` of %s"):format(key, name), expected[key], found[key])
    end
  end
  return true, ("the config declares the service %s, at %s"):format(name, found.positions[1] or "?")
end

local function to_message(message)
  return setmetatable({}, {
    __tostring = function()
      return message
    end,
  })
end

--- Adds the assertions `has_file`, `has_variable`, `has_package` and `has_service`, and with
--- `has_no_`
-- their opposites, to luassert; `require("syslua.testing")` does it where luassert is there.
---@param luassert table
function testing.register(luassert)
  for name, check in next, checks do
    luassert:register("assertion", name, function(state, arguments)
      local machine = arguments[1]
      if type(machine) ~= "table" or type(machine.files) ~= "table" then
        local message = "assert.has_%s: expected what testing.evaluate returns, got %s"
        error(message:format(name, text.describe(machine)), 3)
      end
      -- Whole machines in a message would hide it.
      arguments.nofmt = { true, true, true }
      local holds, message = check(machine, arguments[2], arguments[3])
      state.failure_message = to_message(message)
      return holds
    end)
  end
end

local is_there, luassert = pcall(require, "luassert")
if is_there and type(luassert) == "table" then
  testing.register(luassert)
end

return testing
