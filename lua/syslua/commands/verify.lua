--- `verify`: checks every object of the store, and with `--repair` restores those that are damaged.
-- It chooses the configs that a repair may build from; the rest is the engine's.

local bindings = require("syslua.bindings")
local kept_config = require("syslua.cli.kept_config")

local shared = require("syslua.cli.arguments").shared

local verify = {}

verify.order = 240
verify.summary = "Check every object of the store, and repair what is damaged"

verify.description = [[
`verify` hashes every object again and compares it with its record: content, names, links, modes.
The exit code is 3 when an object is damaged. Each damaged object is named, with the problem and the
affected targets and snapshots.

`--repair` restores damaged objects: from the system's store if it has the same object, or else by
building again. It builds from `CONFIG`; without `CONFIG`, from the applied config in its present
form, and then from the copies that snapshots keep of it and of its sources. A config that cannot be
evaluated is a warning. Objects that cannot be restored are moved to `store/quarantine/`, and the
exit code is 3; nothing is deleted. If all objects are restored, the exit code is 0.
]]

verify.arguments = {
  {
    name = "CONFIG",
    arity = "?",
    description = "With --repair, the config from which damaged objects are rebuilt.",
  },
  { name = "--repair", description = "Restore damaged objects, or move them to the quarantine." },
  shared.answer,
  shared.json,
}

-- Returns what a repair may build from, in the order in which it tries: the config that is applied,
-- as it is now and as it was then, and those of the other snapshots, newest first. A later edit may
-- have taken out what makes an object.
local function get_applied_configs(options)
  ---@type syslua.Status
  local status = bindings.call("status", options)
  local current = status.snapshot
  local configs = {}
  if current.config_path and bindings.call("exists", current.config_path) then
    configs[1] = { path = current.config_path }
  end
  if current.config_path then
    configs[#configs + 1] = { snapshot = current.id }
  end
  local snapshots = bindings.call("history", options).snapshots
  for index = #snapshots, 1, -1 do
    local snapshot = snapshots[index]
    if snapshot.config_path and snapshot.id ~= current.id then
      configs[#configs + 1] = { snapshot = snapshot.id }
    end
  end
  return configs
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

-- The text of the lock beside a config, where a copy may have it; empty without one.
local function read_lock(config, places)
  local path = require("syslua.util.path")
  local name = path.normalize(path.dirname(config) .. "/syslua.lock")
  local place = name
  if places then
    place = places[name] or ""
  end
  return require("syslua.bindings").read(place) or ""
end

-- Repairs with what one config and its lock make, unless an earlier one makes the same; returns nil
-- then.
local function repair_from(config, options, tried)
  local manifest = kept_config.evaluate(config, options)
  local text = manifest and bindings.call("manifest_json", manifest)
  local key = text and text .. read_lock(config, options.places)
  if not key or tried[key] then
    return nil
  end
  tried[key] = true
  return bindings.call("repair", manifest, options)
end

---@return syslua.Verified
local function repair(configs, options)
  ---@type any
  local result
  local tried = {}
  for _, config in ipairs(configs) do
    ---@type any
    local round
    if config.snapshot then
      round = kept_config.use(config.snapshot, options, function(entry)
        return repair_from(entry, options, tried)
      end)
    else
      round = repair_from(config.path, options, tried)
    end
    if round then
      result = result and merge(result, round) or round
      if result.broken == 0 then
        return result
      end
    end
  end
  return result or bindings.call("repair", nil, options)
end

--- Does it; the exit code is 3 when something is damaged, or still is after the repair.
---@param args syslua.cli.Args
---@param options table
---@return syslua.Verified, integer
function verify.run(args, options)
  local given = args.config and { { path = require("syslua.cli.config_path").get(args.config) } }
  if args.repair then
    bindings.call("check_owner", options)
  end
  ---@type syslua.Verified
  local result = bindings.call("verify", options)
  if args.repair and result.broken > 0 then
    result = repair(given or get_applied_configs(options), options)
  end
  return result, result.broken > 0 and 3 or 0
end

--- Renders it for people.
---@param report syslua.Verified
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function verify.render(report, args, style)
  return require("syslua.cli.store_report").render_verify(report, args, style)
end

return verify
