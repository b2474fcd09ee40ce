--- `status`: shows what is applied, and which targets are no longer as it left them.
-- It reads no config.

local shared = require("syslua.cli.arguments").shared

local status = {}

status.order = 30
status.summary = "Show what is applied, and what differs from it"

status.description = [[
`status` lists targets that are missing or were changed since, and exits with 3: `missing`,
`changed` (a link to another place, a file with other content, mode, owner or group) or `replaced`
(a file of another kind). The next `apply` restores them and keeps the changed files; earlier copies
are listed as `kept`. Modes and owners are compared if they are declared; whether a file is
executable is always compared. A `mutable` target is yours: `status` only checks that it exists.

Copies of edits stay until you delete them. A copy that equals the applied content of its target is
dropped. When more than a megabyte is only used by old snapshots, `status` names the `gc` command
that frees it.

A target that cannot be read for lack of permission is `unreadable`. A target that links to a
missing object is `broken`: `verify --repair` builds the object again. So is a `mutable` link whose
file is gone. All count as differences.

While a switch runs, or after an interrupted switch, `status` says so, and the targets of that
switch are not differences. A program may write into the store through a link after it changed the
modes there. `status` lists each target with other bytes, also below a linked directory. `apply` and
`verify --repair` keep such files as displaced copies and restore the declared content. Changed
modes and times alone are not drift; the next `apply` restores them. `status` also lists originals
that no managed target would restore.

`status` takes no lock, writes nothing, and never waits; its answer is always about one snapshot.
With `--verbose` it also lists the targets that are as applied.
]]

status.arguments = {
  shared.json,
}

--- Does it; the exit code is 3 when a target differs.
---@param options table
---@return syslua.Status, integer
function status.run(_, options)
  -- A list of a thousand correct targets is useless.
  options.drift_only = options.brief
  local result = require("syslua.bindings").call("status", options)
  result.shell = require("syslua.cli.shell_state").get(result.environments or {})
  return result, (result.drift or 0) > 0 and 3 or 0
end

--- Renders it for people.
---@param report syslua.Status
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function status.render(report, args, style)
  return require("syslua.cli.status_report").render(report, args, style)
end

return status
