--- `status`: shows what is applied, and which targets are no longer as it left them.
-- It reads no config.

local status = {}

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

--- Adds the command's own arguments and flags.
---@param parser table
function status.add_to_parser(parser)
  parser:flag("--json", "Print one JSON object instead of text.")
end

--- Does it; the exit code is 3 when a target differs.
---@param args syslua.cli.Args
---@return integer
function status.run(args)
  local terminal = require("syslua.cli.terminal")

  local options = require("syslua.cli.options").from_args(args)
  -- A list of a thousand correct targets is useless.
  options.drift_only = options.brief
  local result = require("syslua.border").call("status", options)

  result.shell = require("syslua.cli.shell_state").get(result.environments or {})
  if args.json then
    terminal.write({ require("syslua.cli.report").to_json("status", result) })
  elseif not args.quiet then
    local style = terminal.get_data_style(args)
    terminal.write(require("syslua.cli.status_report").render(result, args, style))
  end
  return (result.drift or 0) > 0 and 3 or 0
end

return status
