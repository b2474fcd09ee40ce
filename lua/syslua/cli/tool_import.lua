--- Reads what mise and aqua have of tools, and writes them as `tools{}`, with the hashes that they
--- locked. It does not know the command line.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local path = require("syslua.util.path")
local tables = require("syslua.util.table")

local tool_import = {}

--- A tool as another program has it.
---@class syslua.tool_import.Tool
---@field name string
---@field version string the request
---@field locked string? the version that it locked, when that says more than the request
---@field get_hash (fun(platform: string, release: table): string?)? the SHA-256 of a release

-- What a lock is called.
local lock_name = "syslua" .. ".lock"

-- What mise calls otherwise than the registry.
local renamed = { golang = "golang/go", go = "golang/go", nodejs = "node" }

-- Systems and processors, as mise writes them.
local mise_platforms = {
  ["x86_64-linux"] = "linux-x64",
  ["aarch64-linux"] = "linux-arm64",
  ["x86_64-darwin"] = "macos-x64",
  ["aarch64-darwin"] = "macos-arm64",
  ["x86_64-windows"] = "windows-x64",
  ["aarch64-windows"] = "windows-arm64",
}

local read = bindings.read

local function must_read(file)
  local text, problem, hint = read(file)
  if not text then
    failure.raise({
      kind = "usage",
      message = ("cannot read %s: %s"):format(file, problem),
      hint = hint,
    })
  end
  return text --[[@as string]]
end

local function parse(format, text, file)
  local succeeded, result = pcall(bindings.call, "parse_document", format, text)
  if succeeded and type(result) == "table" then
    return result
  end
  failure.raise({
    kind = "usage",
    message = ("%s cannot be read: %s"):format(
      file,
      succeeded and "it has no table" or failure.from(result).message
    ),
  })
end

-- The name in the registry of a name of mise, or nil for what comes another way.
local function from_mise(word)
  local backend, rest = word:match("^([%w_-]+):(.+)$")
  if not backend then
    return renamed[word] or word
  elseif backend == "aqua" or backend == "ubi" or backend == "github" then
    return (rest:gsub("%[.*$", ""))
  end
  return nil
end

-- What of the options of a tool says which version, and what its files are named by.
---@type table<string, boolean?>
local version_words = { version = true, os = true }

-- The versions of an entry of mise: a text, a table, or a list of these. The second list has the
-- options that are not taken over.
local function get_versions(value)
  local versions, options = {}, {}
  if type(value) ~= "table" then
    value = { { version = value } }
  elseif value[1] == nil then
    value = { value }
  end
  for _, one in ipairs(value) do
    if type(one) == "table" then
      for _, option in ipairs(tables.get_sorted_keys(one)) do
        if not version_words[option] then
          options[#options + 1] = tostring(option)
        end
      end
      one = one.version
    end
    versions[#versions + 1] = one == nil and "latest" or tostring(one)
  end
  return versions, options
end

-- A version of mise as one of `tools{}`; nil for what means another thing
-- than a version of a release.
local function to_request(version)
  local prefix = version:match("^prefix:(.+)$")
  if prefix then
    return prefix
  elseif version == "system" or version == "lts" or version:find(":", 1, true) then
    return nil
  end
  return version
end

-- Whether a version begins as a request does, part by part: "22.1.0" as "22".
local function is_version_of(version, request)
  local bare = request:gsub("^v(%d)", "%1"):gsub("%.x$", "")
  version = version:gsub("^v(%d)", "%1")
  return version == bare or version:sub(1, #bare + 1) == bare .. "."
end

-- What `mise.lock` has for a tool: of several versions that which the request means.
local function get_entry(tool, word, lock)
  local entries = lock and lock.tools and lock.tools[word]
  if type(entries) ~= "table" then
    return nil
  elseif entries[1] == nil then
    entries = { entries }
  end
  local meant = {}
  for _, entry in ipairs(entries) do
    if type(entry) == "table" and entry.version then
      local version = tostring(entry.version)
      if is_version_of(version, tool.version) then
        return entry
      end
      meant[#meant + 1] = entry
    end
  end
  -- `latest` and ranges do not tell.
  local says_one = tool.version:find("^v?%d") ~= nil
  return not says_one and #meant == 1 and meant[1] or nil
end

-- What `mise.lock` has of a tool: its version, and hashes by platform.
local function add_lock(tool, word, lock)
  local entry = get_entry(tool, word, lock)
  if not entry then
    return
  end
  tool.locked = tostring(entry.version)
  tool.get_hash = function(platform, release)
    local name = mise_platforms[platform]
    local row = entry.platforms and entry.platforms[name] or entry["platforms." .. name]
    if type(row) ~= "table" or row.url and row.url ~= release.url then
      return nil
    end
    return tostring(row.checksum or ""):match("^sha256:(%x+)$")
  end
end

-- The tools of `.tool-versions`: the versions of each, by its name.
local function read_tool_versions(text)
  local all = {}
  for line in (text .. "\n"):gmatch("(.-)\r?\n") do
    local words = {}
    for word in line:gsub("#.*", ""):gmatch("%S+") do
      words[#words + 1] = word
    end
    local name = table.remove(words, 1)
    all[name or false] = words
  end
  all[false] = nil
  return all
end

-- The variables of `[env]` that are plain texts; the others are named in `left`.
local function read_variables(given, left)
  local variables = {}
  for _, name in ipairs(tables.get_sorted_keys(given)) do
    local value = given[name]
    local is_plain = type(value) == "string" or type(value) == "number"
    -- Templates of mise.
    is_plain = is_plain and not tostring(value):find("{[{%%]")
    if is_plain and tostring(name):find("^[%a_][%w_]*$") and name ~= "_" then
      variables[#variables + 1] = { name = name, value = tostring(value) }
    else
      left[#left + 1] = ("[env] %s"):format(tostring(name))
    end
  end
  return variables
end

-- Reads a `mise.toml`: its tools, the variables that are plain texts, and what is left.
local function read_mise_toml(text, file)
  local document, all, left = parse("toml", text, file), {}, {}
  local given, variables = document.tools or {}, {}
  for _, name in ipairs({ "tools", "env" }) do
    local section = document[name]
    if section ~= nil and (type(section) ~= "table" or section[1] ~= nil) then
      failure.raise({
        kind = "usage",
        message = ("%s cannot be read: `%s` is not a table"):format(file, name),
        hint = ("mise writes [%s], and a line for each below it"):format(name),
      })
    end
  end
  for word, value in next, given do
    local versions, options = get_versions(value)
    all[word] = versions
    for _, option in ipairs(options) do
      left[#left + 1] = ("the option `%s` of %s"):format(option, word)
    end
  end
  table.sort(left)
  for _, section in ipairs(tables.get_sorted_keys(document)) do
    if section == "env" then
      variables = read_variables(document.env, left)
    elseif section ~= "tools" then
      local value = document[section]
      local names = type(value) == "table" and tables.get_sorted_keys(value) or {}
      for index, name in ipairs(names) do
        names[index] = tostring(name)
      end
      left[#left + 1] = ("[%s] %s"):format(tostring(section), table.concat(names, ", "))
    end
  end
  return all, left, variables
end

-- Reads a `mise.lock` alone: each tool in the version that is locked, and the lock itself.
local function read_mise_lock(text, file)
  local lock, all = parse("toml", text, file), {}
  for word, entries in next, type(lock.tools) == "table" and lock.tools or {} do
    local versions = {}
    entries = type(entries) == "table" and entries or {}
    for _, entry in ipairs(entries[1] and entries or { entries }) do
      local version = type(entry) == "table" and entry.version
      versions[#versions + 1] = version and tostring(version) or nil
    end
    all[word] = versions
  end
  return all, lock
end

local function read_mise(file)
  local text, found = must_read(file), {}
  local left, variables = {}, {}
  ---@type table<string, string[]>, table?
  local all, lock
  if path.basename(file) == ".tool-versions" then
    all = read_tool_versions(text)
  else
    all, left, variables = read_mise_toml(text, file)
    local beside = (file:gsub("%.toml$", ".lock"))
    local lock_text = beside ~= file and read(beside) or nil
    lock = lock_text and parse("toml", lock_text, beside)
    if not lock and file:find("%.lock$") then
      all, lock = read_mise_lock(text, file)
      left, variables = {}, {}
    end
  end
  for _, word in ipairs(tables.get_sorted_keys(all)) do
    local name, versions = from_mise(word), all[word] or {}
    local first = versions[1] or "latest"
    local request = to_request(first)
    if not name then
      left[#left + 1] = word
    elseif not request then
      left[#left + 1] = ("%s %s"):format(word, first)
    else
      local tool = { name = name, version = request }
      add_lock(tool, word, lock)
      found[#found + 1] = tool
    end
    -- One block has a tool once.
    for index = 2, name and #versions or 0 do
      left[#left + 1] = ("%s %s"):format(word, versions[index])
    end
  end
  return found, left, variables
end

-- The hashes of `aqua-checksums.json`, by what follows the host in their names.
local function read_checksums(file)
  local beside = path.join(path.dirname(file), "aqua-checksums.json")
  local text = read(beside)
  local hashes = {}
  if text then
    local succeeded, document = pcall(require("syslua").lib.fromJSON, text)
    if not succeeded or type(document) ~= "table" then
      failure.raise({
        kind = "usage",
        message = ("%s cannot be read: %s"):format(
          beside,
          succeeded and "it is not an object" or failure.from(document).message
        ),
        hint = "`aqua update-checksum` writes it anew; without the file no hash is taken over",
      })
    end
    for _, entry in ipairs(document.checksums or {}) do
      if entry.algorithm == "sha256" then
        local address = tostring(entry.id):gsub("^[%w_]+/", "https://", 1)
        address = address:gsub(
          "^https://github%.com/([^/]+/[^/]+)/(.*)/([^/]+)$",
          "https://github.com/%1/releases/download/%2/%3"
        )
        hashes[address] = tostring(entry.checksum):lower()
      end
    end
  end
  return hashes
end

local function read_aqua(file)
  local document, found, left = parse("yaml", must_read(file), file), {}, {}
  local hashes = read_checksums(file)
  if document.packages ~= nil and type(document.packages) ~= "table" then
    failure.raise({
      kind = "usage",
      message = ("%s cannot be read: `packages` is not a list"):format(file),
      hint = "aqua writes `packages:`, and a line `- name: owner/repo@version` for each below it",
    })
  end
  for _, entry in ipairs(document.packages or {}) do
    local name, version = entry.name, entry.version
    if type(name) == "string" and not version then
      name, version = require("syslua.tool_key").split(name)
    end
    if type(name) == "string" and (entry.registry == nil or entry.registry == "standard") then
      found[#found + 1] = {
        name = name,
        version = version or "latest",
        locked = version,
        get_hash = function(_, release)
          return hashes[release.url]
        end,
      }
    else
      left[#left + 1] = name or "an entry without a name"
    end
  end
  return found, left
end

-- The entries of a lock: of each platform whose hash is known.
local function make_entries(tools, place, options)
  local entries = {}
  for _, tool in ipairs(tools) do
    local entry = { platforms = {} }
    for platform in next, mise_platforms do
      ---@type boolean, any
      local succeeded, release = false, nil
      if tool.locked and tool.get_hash then
        succeeded, release = pcall(
          bindings.call,
          "resolve_tool",
          place,
          tool.name,
          tool.locked,
          platform,
          { root = options.root }
        )
      end
      ---@type any
      local hash = succeeded and tool.get_hash(platform, release) or nil
      if hash and #hash == 64 then
        local files = {}
        for _, file in ipairs(release.files) do
          files[file.name] = file.link
              and { path = file.path or "", link = file.link, hard = file.hard }
            or file.path
            or ""
        end
        entry.package, entry.version = release.name, release.version
        entry.platforms[platform] =
          { url = release.url, format = release.format, sha256 = hash, files = files }
      end
    end
    if entry.package then
      entries[tool.name .. "@" .. tool.version] = entry
    end
  end
  return entries
end

local function render(tools, left, variables, source)
  local lines = {
    ("-- Tools of %s. `sys apply tools.lua` installs them; from another config:"):format(source),
    '-- require("tools").setup()',
    "",
    "return {",
    "  setup = function()",
    "    tools({",
  }
  for _, tool in ipairs(tools) do
    lines[#lines + 1] = ("      [%q] = %q,"):format(tool.name, tool.version)
  end
  lines[#lines + 1] = "    })"
  if variables[1] then
    lines[#lines + 1] = "    env({"
    for _, variable in ipairs(variables) do
      lines[#lines + 1] = ("      %s = %q,"):format(variable.name, variable.value)
    end
    lines[#lines + 1] = "    })"
  end
  for _, word in ipairs(left) do
    lines[#lines + 1] = ("    -- not taken over: %s"):format((word:gsub("%c", " ")))
  end
  lines[#lines + 1] = "  end,"
  lines[#lines + 1] = "}"
  return table.concat(lines, "\n") .. "\n"
end

local function write(file, text)
  bindings.call("write_file", file, text)
end

-- Takes the tools out that the registry does not have: a config with one of them cannot be applied.
local function remove_unknown(tools, left, place, options)
  for index = #tools, 1, -1 do
    local name = assert(tools[index]).name
    local succeeded, problem = pcall(bindings.call, "find_tool", place, name, options)
    if not succeeded then
      local kind = failure.from(problem).kind
      if kind ~= "tools" then
        error(problem, 0)
      end
      table.remove(tools, index)
      left[#left + 1] = name
    end
  end
end

-- Adds what is locked elsewhere to the lock beside `tools.lua`; returns how many tools, and why
-- there are none when the registry cannot be had. What the registry does not have is `left`.
local function add_to_lock(tools, left, directory, target, options)
  local has_hashes = false
  for _, tool in ipairs(tools) do
    has_hashes = has_hashes or tool.get_hash ~= nil
  end
  if not tools[1] then
    return 0
  end
  local with_registry = require("syslua.tool_lock").with_registry
  local given = {}
  for name, value in next, options do
    given[name] = value
  end
  -- Without hashes to lock, only a registry that is at hand is looked at.
  given.offline = given.offline or not has_hashes
  local succeeded, entries = pcall(with_registry, target, given, function(place)
    remove_unknown(tools, left, place, options)
    return make_entries(tools, place, options)
  end)
  if not succeeded then
    local problem = failure.from(entries)
    if problem.kind == "interrupted" then
      error(entries, 0)
    end
    return 0, has_hashes and problem.message or nil
  end
  local lib, file = require("syslua").lib, path.join(directory, lock_name)
  local text, count = read(file), 0
  local lock = text and lib.fromJSON(text) or { version = 1 }
  lock.tools = lock.tools or {}
  for key, entry in next, entries do
    if not lock.tools[key] then
      lock.tools[key], count = entry, count + 1
    end
  end
  if count > 0 then
    write(file, lib.toJSON(lock, { pretty = true }) .. "\n")
  end
  return count
end

--- Imports a file; returns what was made of it.
---@param kind "mise"|"aqua"
---@param file string
---@param directory string where `tools.lua` goes
---@param is_forced boolean whether a `tools.lua` that is there is replaced
---@param options table
---@return { tools: integer, locked: integer, left: string[], file: string, problem: string? }
function tool_import.plan(kind, file, directory, is_forced, options)
  local target = path.join(directory, "tools.lua")
  if read(target) and not is_forced then
    failure.raise({
      kind = "usage",
      message = ("%s already exists"):format(target),
      hint = "--force replaces it, --output writes into another directory",
    })
  end
  local tools, left, variables = (kind == "mise" and read_mise or read_aqua)(file)
  local locked, problem = add_to_lock(tools, left, directory, target, options)
  write(target, render(tools, left, variables or {}, path.basename(file)))
  return { tools = #tools, locked = locked, left = left, file = target, problem = problem }
end

return tool_import
