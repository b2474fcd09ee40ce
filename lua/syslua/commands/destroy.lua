--- `destroy`: goes back to before the first apply, and removes the root. It needs neither the
-- config nor the network.

local destroy = {}

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

--- Adds the command's own arguments and flags.
---@param parser table
function destroy.add_to_parser(parser)
  parser:flag("--dry-run", "Show what would be done, and change nothing.")
  parser:flag("--yes", "Do not ask.")
  parser:flag("--json", "Print one JSON object instead of text.")
end

local function raise_unasked()
  require("syslua.util.failure").raise({
    kind = "usage",
    message = "`destroy` removes the whole root, and there is no terminal to ask on",
    hint = "say it with --yes; --dry-run shows what it would do",
  })
end

-- Whether the user, who saw what it would do, does not want it after all.
local function is_refused(args, options, border, write)
  local question = require("syslua.cli.question")
  options.dry_run = true
  local planned = border.call("destroy", options)
  options.dry_run = false
  if not planned.changed then
    return false
  elseif args.json or args.quiet or not question.can_ask() then
    raise_unasked()
  end
  write(planned)
  return not question.ask("Do it?")
end

--- Does it.
---@param args syslua.cli.Args
---@return integer
function destroy.run(args)
  local border = require("syslua.border")
  local terminal = require("syslua.cli.terminal")
  local options = require("syslua.cli.options").from_args(args)
  options.dry_run = args.dry_run or false

  local function write(result)
    local style = terminal.get_data_style(args)
    terminal.write(require("syslua.cli.snapshot_report").render_destroy(result, args, style))
  end

  if not args.dry_run and not args.yes and is_refused(args, options, border, write) then
    terminal.write({ "Nothing was done." })
    return 1
  end
  -- Afterwards, the place of the root is unknown.
  local profiles = require("syslua.cli.shell_profiles")
  local shells = profiles.list(options)
  local result = border.call("destroy", options)
  result.profiles = require("syslua.lib").array(profiles.remove(shells, options.dry_run))

  if args.json then
    terminal.write({ require("syslua.cli.report").to_json("destroy", result) })
  elseif not args.quiet then
    write(result)
    terminal.write(result.profiles)
    if args.dry_run and result.changed then
      terminal.write({ "Dry run: no changes were made." })
    end
  end
  return 0
end

return destroy
