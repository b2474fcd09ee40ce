--- The configs that snapshots keep copies of: what builds an object again that only they declare.

local bindings = require("syslua.bindings")

local kept_config = {}

--- Evaluates a config. When that fails, warns with the reason, and returns nil.
---@param config string
---@param options table
---@return syslua.Manifest?
function kept_config.evaluate(config, options)
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

--- Restores the copy of a snapshot's config, calls a function with the path of its entry file, and
-- removes it. Returns what the function returns, or nil without a copy.
---@generic T
---@param snapshot integer
---@param options table
---@param use fun(entry: string): T
---@return T?
function kept_config.use(snapshot, options, use)
  local copy = bindings.call("restore_config", snapshot, options)
  if not copy then
    return nil
  end
  options.places = copy.places
  local succeeded, result = pcall(use, copy.entry)
  options.places = nil
  bindings.call("remove_restored_config", snapshot, options)
  if not succeeded then
    error(result, 0)
  end
  return result
end

return kept_config
