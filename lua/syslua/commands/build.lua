--- `build`: builds what a config declares, and applies nothing.
-- It does not know how; with `--check` the engine builds again and says what differs.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")

local shared = require("syslua.cli.arguments").shared

local build = {}

build.order = 110
build.summary = "Build what a config declares, and apply nothing"

build.description = [[
`build` builds everything that the config declares, or only the derivations called NAME and their
dependencies. It prints the paths of the outputs, one on each line, including those that existed. A
single word is a NAME in the default config if it is not a file, has no `/` and does not end in
`.lua`.

With `--check`, each derivation is built, then built again in a fresh directory, and the results are
compared. Differences are named on stderr, with the first file that differs; the objects do not
change.
]]

build.arguments = {
  shared.config,
  {
    name = "NAME",
    arity = "?",
    description = "The derivation to build; by default everything that the config declares.",
  },
  { name = "--check", description = "Build again, and exit with 3 when the result differs." },
  shared.hostname,
  shared.system,
  shared.username,
  shared.answer,
  shared.json,
}

-- A word alone is a config when there is such a file, or when it looks like one; else it is the
-- name of a derivation of the default config.
local function is_config(word)
  return word:find("[/\\]") ~= nil or word:find("%.lua$") ~= nil or bindings.call("exists", word)
end

local function get_config_and_name(args)
  local config_path = require("syslua.cli.config_path")
  local word = args.config
  if word and not args.name and not is_config(word) then
    return config_path.get(nil), word
  end
  return config_path.get(word), args.name
end

local function raise_unknown(name, config, derivations)
  local names = {}
  for index, derivation in ipairs(derivations) do
    names[index] = derivation.name
  end
  local near = require("syslua.util.closest")(name, names)
  failure.raise({
    kind = "usage",
    message = ("%s declares no derivation called `%s`"):format(config, name),
    hint = near and ("did you mean `%s`?"):format(near)
      or (#names > 0 and "it declares " .. require("syslua.util.text").enumerate(names, "and"))
      or "it declares none",
  })
end

---@param manifest syslua.Manifest
---@return syslua.ManifestDerivation[]
local function select_derivations(manifest, name, config)
  if not name then
    return manifest.derivations
  end
  local selected = {}
  for _, derivation in ipairs(manifest.derivations) do
    if derivation.name == name then
      selected[#selected + 1] = derivation
    end
  end
  if #selected == 0 then
    raise_unknown(name, config, manifest.derivations)
  end
  return selected
end

---@class syslua.cli.BuildResult
---@field derivation syslua.RealizedReport
---@field reproducible boolean? whether a second build came out the same
---@field difference { output: string, file: string, how: string }?

---@return syslua.cli.BuildResult
local function check(derivation, options)
  ---@type syslua.Checked
  local checked = bindings.call("check", derivation.hash, options)
  ---@type { output: string, file: string, how: string }?
  local difference
  if checked.output and checked.file and checked.how then
    difference = { output = checked.output, file = checked.file, how = checked.how }
  end
  return {
    derivation = checked.derivation,
    reproducible = checked.reproducible,
    difference = difference,
  }
end

-- Builds all of them side by side.
---@return syslua.cli.BuildResult[]
local function realize(derivations, options)
  local hashes = {}
  for index, derivation in ipairs(derivations) do
    hashes[index] = derivation.hash
  end
  local outputs = bindings.call("build", hashes, options)
  local results = {}
  for index, derivation in ipairs(derivations) do
    results[index] = {
      derivation = {
        name = derivation.name,
        version = derivation.version,
        hash = derivation.hash,
        outputs = outputs[index],
      },
    }
  end
  return results
end

-- Resolved inputs are locked also when a build fails.
local function realize_and_lock(derivations, options, config)
  local succeeded, results = pcall(realize, derivations, options)
  bindings.call("write_lock", config)
  if not succeeded then
    error(results, 0)
  end
  return results
end

-- The paths of all outputs, each once: derivations with equal content share an object.
local function list_paths(derivations, results)
  local paths, seen = {}, {}
  for index, derivation in ipairs(derivations) do
    for _, output in ipairs(derivation.outputs) do
      local path = results[index].derivation.outputs[output]
      if not seen[path] then
        seen[path] = true
        paths[#paths + 1] = path
      end
    end
  end
  return paths
end

local function to_document(args, results, differ)
  local lib = require("syslua.lib")
  local list = lib.array({})
  for index, result in ipairs(results) do
    local entry = {}
    for key, value in pairs(result.derivation) do
      entry[key] = value
    end
    entry.reproducible, entry.difference = result.reproducible, result.difference
    list[index] = entry
  end
  return { derivations = list, differ = args.check and differ or nil }
end

local function render_check(results, differ, args)
  local store_report = require("syslua.cli.store_report")
  local style = require("syslua.cli.terminal").get_talk_style(args)
  local lines = {}
  for _, result in ipairs(results) do
    if result.difference then
      lines[#lines + 1] =
        store_report.render_difference(result.derivation, result.difference, style)
    end
  end
  local count = require("syslua.util.text").count(#results, "derivation")
  local verdict = differ == 0 and "nothing differs"
    or ("%d %s"):format(differ, differ == 1 and "differs" or "differ")
  lines[#lines + 1] = ("%s built again: %s"):format(count, verdict)
  return lines
end

--- Does it; with `--check` the exit code is 3 when a second build differs.
---@param args syslua.cli.Args
---@param options table
---@return table report, integer code, table more
function build.run(args, options)
  local config, name = get_config_and_name(args)
  options.raw = false
  options.sys = require("syslua.cli.machine_view").get(args)
  options.config = config
  local manifest = require("syslua").evaluate(config, options)
  local derivations = select_derivations(manifest, name, config)
  local results, differ = realize_and_lock(derivations, options, config), 0
  if args.check then
    for index, derivation in ipairs(derivations) do
      results[index] = check(derivation, options)
      differ = differ + (results[index].difference and 1 or 0)
    end
  end

  local report = to_document(args, results, differ)
  local more = { derivations = derivations, results = results, differ = differ }
  return report, differ > 0 and 3 or 0, more
end

--- Renders it for people.
---@param args syslua.cli.Args
---@return string[] paths, string[]? differences
function build.render(_, args, _, more)
  return list_paths(more.derivations, more.results),
    args.check and render_check(more.results, more.differ, args) or nil
end

return build
