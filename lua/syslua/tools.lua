--- `tools{}`: command-line tools by their names in a registry, resolved once, locked, and put on
-- PATH. And `syslua.tools.resolve`: where a release is.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local position = require("syslua.util.position")
local schema = require("syslua.schema")
local scope = require("syslua.scope")
local system = require("syslua.system")
local tables = require("syslua.util.table")
local text = require("syslua.util.text")
local tool_build = require("syslua.tool_build")
local tool_key = require("syslua.tool_key")
local tool_registry = require("syslua.tool_registry")
-- Before the first handle is made.
require("syslua.handle")

--- A release of a tool.
---@class syslua.tools.Release
---@field name string its name in the registry
---@field version string the tag
---@field url string
---@field asset string the name of the file
---@field format string "tar.gz", "zip", "raw", "gz"
---@field files { name: string, path: string?, link: string?, hard: boolean }[]
---@field checksum { url: string, algorithm: string }?
---@field signatures string[] which signatures the registry names
---@field emulated boolean whether it is for another processor, which the system emulates
---@field platforms string[] which platforms the version is released for
---@field unevaluated string[] constraints that cannot be evaluated, and so count as false

--- Which release is wanted: `registry` is a directory, `platform` is by default this one.
---@class syslua.tools.Question
---@field registry string
---@field name string
---@field version string
---@field platform string?
---@field vars table<string, string>?
---@field root string?

--- What is asked for: names in a list, and versions by name.
---@alias syslua.tools.Version string|{ version: string?, vars: table<string, string>? }
---@alias syslua.tools.Given table<integer|string, syslua.tools.Version>

---@class syslua.Tools
---@overload fun(given: syslua.tools.Given): table<string, syslua.Derivation>
local tools = {}

local raise = position.raise

local example = 'for example tools { "ripgrep@14", "fd", node = "22", ["cli/cli"] = "latest" }'

-- What says how tools are found, not which.
---@type table<any, boolean?>
local own_words = { registry = true, github = true }

local tool_fields = {
  version = { type = "string" },
  vars = { type = "map" },
}

local function check_name(name)
  local is_name = type(name) == "string" and name:find("^[%w@_][%w@_./+-]*$") ~= nil
  if not is_name or name:find("..", 1, true) or name:sub(-1) == "@" then
    raise(("tools{}: %s is not the name of a tool"):format(text.describe(name)), example)
  end
end

-- Values for the templates of the registry are texts.
local function check_vars(name, vars)
  for _, variable in ipairs(tables.get_sorted_keys(vars or {})) do
    local value = vars[variable]
    if type(value) ~= "string" or text.is_secret(value) then
      raise(
        ("`%s` in tools{}: `vars.%s` is a string, got %s"):format(
          tostring(name),
          text.printable(variable),
          text.describe(value)
        ),
        ('for example vars = { %s = "stable" }'):format(text.printable(variable))
      )
    end
  end
end

-- What is asked for, in the order in which it is written, names by their order.
local function parse(given)
  local registry = given.registry ~= "tools" and given.registry or nil
  local list = {}
  for index, word in ipairs(given) do
    if type(word) ~= "string" then
      raise(("tools{}: item %d is %s, not a name"):format(index, text.describe(word)), example)
    end
    local name, version = tool_key.split(word)
    list[#list + 1] = { name = name, version = version, vars = {} }
  end
  local count = #list
  ---@type any[]
  local keys = tables.get_sorted_keys(given)
  for _, key in ipairs(keys) do
    if type(key) == "number" then
      if key < 1 or key > count or key % 1 ~= 0 then
        raise(("tools{}: the list has a gap before item %s"):format(tostring(key)), example)
      end
    elseif not own_words[key] then
      ---@type any
      local value = given[key]
      if type(value) == "string" then
        value = { version = value }
      elseif type(value) ~= "table" or text.is_secret(value) then
        raise(
          ("`%s` in tools{}: a version is a string, got %s"):format(
            tostring(key),
            text.describe(value)
          ),
          example
        )
      end
      schema.check(("`%s` in tools{}"):format(tostring(key)), value, tool_fields)
      check_vars(key, value.vars)
      list[#list + 1] = { name = key, version = value.version or "latest", vars = value.vars or {} }
    end
  end
  for _, tool in ipairs(list) do
    check_name(tool.name)
    tool.registry = registry
    tool.plain = tool.name .. "@" .. tool.version
    tool.full = tool_key.get_full(tool.plain, registry, tool.vars)
  end
  return list
end

local function raise_twice(tool, before, what)
  local function show(one)
    local named = one.name ~= before.name or tool.name ~= before.name
    local request = named and one.plain or one.version
    local has_more = what == "settings"
    return has_more and one.full or request
  end
  failure.raise({
    kind = "conflict",
    message = ("the tool %s is declared twice, with different %s:\n  %s at %s\n  %s at %s"):format(
      tool.name,
      what,
      show(before),
      before.position or "an unknown place",
      show(tool),
      tool.position or "an unknown place"
    ),
    position = tool.position,
    hint = "keep one of them; a project{} may have another version",
  })
end

-- Refuses one tool in two versions in one block.
local function check_once(tool, where)
  local collected = assert(scope.collect("tools"))
  collected.pending = false
  tool.position = where
  local before = collected[tool.name]
  if before and before.full ~= tool.full then
    raise_twice(tool, before, before.plain == tool.plain and "settings" or "versions")
  end
  collected[tool.name] = tool
  return before ~= nil
end

-- Refuses one package by two names in two versions in one block.
local function check_package(tool, entry)
  local packages = assert(scope.collect("tool_packages"))
  packages.pending = false
  local key = ("%s %s"):format(tool.registry or "tools", entry.package)
  local before = packages[key]
  if before and before.release ~= entry.version then
    raise_twice(tool, before, "versions")
  end
  tool.release, packages[key] = entry.version, tool
end

local function notify(notices, where)
  local current = assert(scope.get())
  for _, notice in ipairs(notices) do
    current.notify(notice, where)
  end
end

-- Reports constraints of the registry that cannot be evaluated and therefore count as false.
local function notify_unevaluated(place, key, entry, platform, where)
  local succeeded, release =
    pcall(bindings.call, "resolve_tool", place, entry.package, entry.version, platform, {
      vars = entry.vars,
    })
  local notices = {}
  for index, text_of in ipairs(succeeded and release.unevaluated or {}) do
    notices[index] = ("%s: a constraint of the registry counts as false: %s"):format(key, text_of)
  end
  notify(notices, where)
end

-- An entry for a tool that is not resolved.
local function get_unknown(tool, platform)
  local row =
    { url = "https://unknown.invalid/", sha256 = ("0"):rep(64), format = "raw", files = {} }
  return { package = tool.name, version = "0", platforms = { [platform] = row } }
end

-- Resolves and locks the tools that the lock does not have for this platform.
local function complete(list, entries, platform, github, where)
  local missing = {}
  for _, tool in ipairs(list) do
    local entry = entries[tool.key]
    if not entry or not entry.platforms[platform] then
      missing[#missing + 1] = {
        key = tool.key,
        name = tool.name,
        version = tool.version,
        vars = next(tool.vars) and tool.vars or nil,
        registry = tool.registry,
        position = where,
      }
    end
  end
  if not missing[1] then
    return
  end
  ---@type any
  local registry = assert(scope.get()).registry
  if not registry then
    raise(
      "tools{} needs an entry file: its lock is beside it",
      "call it in the setup() of a config"
    )
  end
  local options = registry.options
  if options.on_tools then
    -- Only what is declared is asked for.
    for _, one in ipairs(missing) do
      entries[one.key] = get_unknown(one, platform)
    end
    return
  end
  if options.locked then
    failure.raise({
      kind = "lock",
      message = ("syslua.lock has no `%s` for %s, and --locked forbids adding it"):format(
        missing[1].key,
        platform
      ),
      position = where,
      hint = (
        "apply once without --locked, or `sys lock --platform %s`, "
        .. "and commit syslua.lock"
      ):format(platform),
    })
  end
  local place = registry.get(list[1].registry, where, github)
  local how = { github = github, platforms = { platform } }
  local answer = bindings.call("lock_tools", place, missing, how, options)
  notify(answer.notices, where)
  for key, entry in next, answer.entries do
    entries[key] = entry
    -- Only --verbose names what counts as false.
    if options.brief == false then
      notify_unevaluated(place, key, entry, platform, where)
    end
  end
end

-- "1.2.3" of "v1.2.3" or "cli/v1.2.3": what people call it.
function tools.get_version(tag)
  local version = tag:match("%d[%w.+-]*$") or tag
  return (version:gsub("[^%w_.+-]", "-"))
end

-- The files of a row, each as a table.
local function get_files(row)
  local files = {}
  for name, file in next, row.files do
    if type(file) == "string" then
      file = { path = file }
    end
    files[name] = { path = file.path, link = file.link, hard = file.hard or nil }
  end
  return files
end

-- The recipe of a tool contains only the row of its platform. `chain` has the lines that declare
-- it: all tools of a call have the same, which is found once.
local function make(entry, row, github, chain)
  return bindings.call("derive", {
    name = (entry.package:match("[^/]+$"):gsub("[^%w_.+-]", "-")),
    version = tools.get_version(entry.version),
    opts = {
      url = github and bindings.call("mirrored", row.url, github) or row.url,
      sha256 = row.sha256,
      checksum = row.checksum,
      format = row.format,
      files = get_files(row),
    },
    config = tool_build.build,
    positions = chain,
  })
end

local function put_on_path(derivation, chain)
  local action = { kind = "add_to_path", directory = derivation.out .. "/bin" }
  scope.for_shells(bindings.call, "record", action, chain)
end

local function declare(_, given)
  if type(given) ~= "table" then
    raise(("tools{}: expected a table of tools, got %s"):format(text.describe(given)), example)
  elseif not scope.get() then
    raise("tools{} works only while a config is evaluated", "call it in setup()")
  end
  for word in next, own_words do
    if given[word] ~= nil and type(given[word]) ~= "string" then
      raise(("`%s` in tools{}: expected a string"):format(word))
    end
  end
  local list, where, chain = parse(given), position.caller(), position.chain()
  local fresh, keys = {}, {}
  for _, tool in ipairs(list) do
    if not check_once(tool, where) then
      fresh[#fresh + 1] = tool
      keys[#keys + 1], keys[#keys + 2] = tool.plain, tool.full
    end
  end
  local platform = system.get().platform
  local entries = keys[1] and bindings.call("locked_tools", keys) or {}
  for _, tool in ipairs(fresh) do
    tool.key = tool_key.choose(tool.plain, tool, entries)
  end
  local github, made = given.github or tool_registry.get_github(), {}
  ---@type any
  local registry = assert(scope.get()).registry
  if registry and registry.options.on_tools then
    registry.options.on_tools(fresh, github)
  end
  complete(fresh, entries, platform, github, where)
  for _, tool in ipairs(fresh) do
    ---@type any
    local entry = entries[tool.key]
    check_package(tool, entry)
    made[tool.name] = make(entry, entry.platforms[platform], github, chain)
    put_on_path(made[tool.name], chain)
  end
  return made
end

local resolve_fields = {
  registry = { type = "string", required = true },
  name = { type = "string", required = true },
  version = { type = "string", required = true },
  platform = { type = "string" },
  vars = { type = "map" },
  root = { type = "string" },
}

--- Finds the address of a tool's release with a registry, without the network.
---@param given syslua.tools.Question
---@return syslua.tools.Release
function tools.resolve(given)
  schema.check("syslua.tools.resolve{}", given, resolve_fields)
  check_vars(given.name, given.vars)
  return bindings.call(
    "resolve_tool",
    { path = given.registry },
    given.name,
    given.version,
    given.platform or system.get().platform,
    { vars = given.vars, root = given.root }
  )
end

return require("syslua.util.strict")(tools, "config", "there is no `tools.%s`", declare)
