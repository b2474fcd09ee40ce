--- `syslua.snapshots`: the applied snapshots, and going back to them. It reads no config.

local bindings = require("syslua.bindings")
local call_options = require("syslua.call_options")

local dry_run = { dry_run = { type = "boolean" } }
local check = {
  list = call_options.new_check("syslua.snapshots.list"),
  diff = call_options.new_check("syslua.snapshots.diff"),
  rollback = call_options.new_check("syslua.snapshots.rollback", dry_run),
  destroy = call_options.new_check("syslua.snapshots.destroy", dry_run),
  confirm = call_options.new_check("syslua.snapshots.confirm"),
}

---@class syslua.Snapshots
local snapshots = {}

--- Lists the snapshots, oldest first.
---@param options syslua.Options?
---@return syslua.History
function snapshots.list(options)
  check.list(options)
  return bindings.call("history", options)
end

--- Returns the differences of two snapshots; by default the previous and the current one.
---@param first string|integer|nil
---@param second string|integer|nil
---@param options syslua.Options?
---@return syslua.SnapshotDiff
function snapshots.diff(first, second, options)
  check.diff(options)
  return bindings.call(
    "diff_snapshots",
    first and tostring(first),
    second and tostring(second),
    options
  )
end

--- Returns to a snapshot; by default the previous one. With `dry_run`, only reports the changes.
---@param id string|integer|nil
---@param options syslua.DryOptions?
---@return syslua.RolledBack
function snapshots.rollback(id, options)
  check.rollback(options)
  return bindings.call("rollback", id and tostring(id), options)
end

--- Restores the state before the first apply and removes the root, except for displaced copies.
-- With `dry_run`, only reports the changes.
---@param options syslua.DryOptions?
---@return syslua.Destroyed
function snapshots.destroy(options)
  check.destroy(options)
  return bindings.call("destroy", options)
end

--- Confirms an apply that waits for confirmation.
---@param options syslua.Options?
---@return syslua.Confirmed
function snapshots.confirm(options)
  check.confirm(options)
  return bindings.call("confirm", options)
end

return snapshots
