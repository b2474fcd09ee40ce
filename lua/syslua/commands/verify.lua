--- `verify`: checks every object of the store, and with `--repair` restores those that are damaged.
-- It chooses the configs that a repair may build from; the rest is the engine's.

local border = require("syslua.border")

local verify = {}

verify.summary = require("syslua.cli.commands").get_summary("verify")

--- Adds the command's own arguments and flags.
---@param parser table
function verify.add_to_parser(parser)
  parser
    :argument("CONFIG", "With --repair, the config to build damaged objects again from.")
    :argname("CONFIG")
    :target("config")
    :args("?")
  parser:flag("--repair", "Restore what is damaged, or move it to the quarantine.")
  parser:flag("--json", "Print one JSON object instead of text.")
end

-- The config that is applied, as it is now and as it was then, and those of the other snapshots, newest first: a later
-- edit may have taken out what makes an object, and a copy has the Lua files only.
local function get_applied_configs(options)
  local path = require("syslua.util.path")
  ---@type syslua.Status
  local status = border.call("status", options)
  local configs, seen = {}, {}
  local function add(config)
    if not seen[config] and border.call("exists", config) then
      seen[config] = true
      configs[#configs + 1] = config
    end
  end
  local function add_copy(snapshot, named)
    if named then
      local directory = path.join(status.root, "store/metadata/snapshots/" .. tostring(snapshot))
      add(path.join(directory, "config/" .. path.basename(named)))
    end
  end
  if status.snapshot.config_path then
    add(status.snapshot.config_path)
    add_copy(status.snapshot.id, status.snapshot.config_path)
  end
  local snapshots = border.call("history", options).snapshots
  for index = #snapshots, 1, -1 do
    add_copy(snapshots[index].id, snapshots[index].config_path)
  end
  return configs
end

-- Returns the manifest of a config, or nil after a warning that tells why there is none.
local function try_to_evaluate(config, options)
  local syslua = require("syslua")
  local succeeded, manifest = pcall(syslua.evaluate, config, options)
  if succeeded then
    return manifest
  end
  local problem = syslua.error(manifest)
  local where = problem.position and " (" .. problem.position .. ")" or ""
  options.on_event({
    kind = "warning",
    message = ("nothing can be built from %s: %s%s"):format(config, problem.message, where),
  })
  return nil
end

-- Takes what another round of repair found over into the result of those before it.
local function merge(result, round)
  local known = {}
  for _, damage in ipairs(result.damaged) do
    known[damage.object] = damage
  end
  for _, damage in ipairs(round.damaged) do
    local earlier = known[damage.object]
    if not earlier then
      result.damaged[#result.damaged + 1] = damage
    elseif damage.state == "restored" then
      earlier.state, earlier.reason = damage.state, nil
    elseif earlier.reason ~= damage.reason then
      earlier.reason = ("%s; then: %s"):format(earlier.reason, damage.reason)
    end
  end
  result.broken = 0
  for _, damage in ipairs(result.damaged) do
    result.broken = result.broken + (damage.state ~= "restored" and 1 or 0)
  end
  return result
end

---@return syslua.Verified
local function repair(configs, options)
  local result, tried = nil, {}
  for _, config in ipairs(configs) do
    local manifest = try_to_evaluate(config, options)
    local text = manifest and border.call("manifest_json", manifest)
    if text and not tried[text] then
      tried[text] = true
      local round = border.call("repair", manifest, options)
      result = result and merge(result, round) or round
      if result.broken == 0 then
        return result
      end
    end
  end
  return result or border.call("repair", nil, options)
end

--- Does it; the exit code is 3 when something is damaged, or still is after the repair.
---@param args syslua.cli.Args
---@return integer
function verify.run(args)
  local terminal = require("syslua.cli.terminal")

  local options = require("syslua.cli.options").from_args(args)
  local given = args.config and { require("syslua.cli.config_path").get(args.config) }
  ---@type syslua.Verified
  local result = border.call("verify", options)
  if args.repair and result.broken > 0 then
    result = repair(given or get_applied_configs(options), options)
  end

  if args.json then
    terminal.write({ require("syslua.cli.report").to_json("verify", result) })
  elseif not args.quiet then
    local style = terminal.get_data_style(args)
    terminal.write(require("syslua.cli.store_report").render_verify(result, args, style))
  end
  return result.broken > 0 and 3 or 0
end

return verify
