--- `rollback`: goes back to an earlier snapshot. It needs neither the config nor the network.

local rollback = {}

rollback.summary = "Go back to an earlier snapshot"

rollback.description = [[
Without `ID`, it goes back to the snapshot that was current before the current one was made. Files,
commands and the environment become what they were. No snapshot is made, so you can go to a later
snapshot too. `rollback` needs neither the config nor the network. On a terminal it asks first.

`rollback` can also leave a damaged snapshot: it finds what the snapshot applied from other records.
With an `ID`, an unreadable journal is moved to `store/quarantine`; without an `ID`, it is an error.
]]

--- Adds the command's own arguments and flags.
---@param parser table
function rollback.add_to_parser(parser)
  parser
    :argument("ID", "The number of a snapshot. Default: the snapshot before the current one.")
    :argname("ID")
    :target("id")
    :args("?")
  parser:flag("--dry-run", "Show what would be done, and change nothing.")
  parser:flag("--yes", "Do not ask.")
  parser:flag("--json", "Print one JSON object instead of text.")
end

-- On a terminal, the user may have meant another snapshot.
local function is_refused(args, options, border, terminal)
  local question = require("syslua.cli.question")
  if not question.is_due(args) then
    return false
  end
  options.dry_run = true
  local planned = border.call("rollback", args.id, options)
  options.dry_run = false
  if not planned.changed then
    return false
  end
  local style = terminal.get_data_style(args)
  terminal.write(require("syslua.cli.snapshot_report").render_rollback(planned, args, style))
  return not question.ask("Do it?")
end

--- Does it.
---@param args syslua.cli.Args
---@return integer
function rollback.run(args)
  local border = require("syslua.border")
  local terminal = require("syslua.cli.terminal")
  local options = require("syslua.cli.options").from_args(args)
  options.dry_run = args.dry_run or false
  if not args.dry_run and is_refused(args, options, border, terminal) then
    terminal.write({ "Nothing was done." })
    return 1
  end
  local result = border.call("rollback", args.id, options)

  if args.json then
    terminal.write({ require("syslua.cli.report").to_json("rollback", result) })
  elseif not args.quiet then
    local style = terminal.get_data_style(args)
    terminal.write(require("syslua.cli.snapshot_report").render_rollback(result, args, style))
    if args.dry_run and result.changed then
      terminal.write({ "Dry run: no changes were made." })
    end
  end
  return 0
end

return rollback
