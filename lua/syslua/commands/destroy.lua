--- `destroy`: goes back to before the first apply, and removes the root. It needs neither the
-- config nor the network.

local shared = require("syslua.cli.arguments").shared

local destroy = {}

destroy.order = 60
destroy.summary = "Restore the state before the first apply, and remove the root"

destroy.description = [[
`destroy` undoes everything that is applied, as `rollback 0` does, and restores your original files.
Then it removes the root: store, snapshots, caches and secrets, and empty directories above it that
were created for it. It names what stays: your edits of managed targets, in `backups/displaced/` of
the root, and files in the root that sys.lua did not create. It needs neither the config nor the
network, and waits for running builds and switches.

On a terminal it asks first; without a terminal it requires `--yes`. `destroy` and `gc` do not touch
a directory that is not a root of sys.lua. If `destroy` is interrupted, run it again to continue.
]]

destroy.asks, destroy.risk = "required", "removes the whole root"

destroy.arguments = {
  shared.dry_run,
  { name = "--yes", description = "Do not ask." },
  shared.json,
}

--- Does it.
---@param args syslua.cli.Args
---@param options table
---@return syslua.Destroyed, integer, boolean
function destroy.run(args, options)
  -- Afterwards, the place of the root is unknown.
  local profiles = require("syslua.cli.shell_profiles")
  local shells = profiles.list(options)
  local result = require("syslua.bindings").call("destroy", options)
  result.profiles = require("syslua.lib").array(profiles.remove(shells, options.dry_run))
  local is_preview = options.dry_run and not args.dry_run
  return result, 0, is_preview
end

--- Renders it for people.
---@param report syslua.Destroyed
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@param is_preview boolean whether the command asks now
---@return string[]
function destroy.render(report, args, style, is_preview)
  local lines = require("syslua.cli.snapshot_report").render_destroy(report, args, style)
  return is_preview and lines or require("syslua.util.table").append(lines, report.profiles or {})
end

return destroy
