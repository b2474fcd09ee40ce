--- `apply`: makes this machine match a config.
-- It does not know how; the engine does, and reports what it did.

local border = require("syslua.border")

local apply = {}

apply.summary = "Make this machine match a config"

apply.description = [[
`apply` undoes what the config no longer declares. When nothing differs, it writes nothing.

An existing file at a target is moved to `backups/` in the root. It is restored when the target is
removed from the config, for any reason. If you edited a target, `apply` and the removal of the
target keep your edit in the backups. The command and `status` name such copies, and nothing deletes
them.

When a step fails, all earlier steps are undone, and the exit code is 1. After a kill or a power
failure, the next `apply` or `rollback` undoes them first; until then, `status` and `plan` say so.

On a terminal, `apply` asks all questions of [`lib.ask`](library.md#answers) together. It keeps the
answers in `syslua.local.json` beside the config, including those of `--answer`. Without a terminal,
use `--answer`. Otherwise the default is used, and the report shows it in a line with `?`.

When another config is in force, `plan` and `apply` begin with `replaces CONFIG`. On a terminal,
`apply` asks before it replaces that config, unless you use `--yes`.

With `--confirm`, the new state is undone after TIME, unless you answer on the terminal or run
`confirm`. This is for remote machines: if the change cuts you off, wait. A separate process keeps
the time, and survives the end of the terminal and of the session. Until then, no other `apply` or
`rollback` begins.
]]
apply.argument = "config"

--- Adds the command's own arguments and flags.
---@param parser table
function apply.add_to_parser(parser)
  parser
    :argument("CONFIG", "The config: a file, or a directory with an init.lua.")
    :argname("CONFIG")
    :target("config")
    :args("?")
  parser:flag("--dry-run", "Show what would be done, and change nothing.")
  parser
    :option("--confirm", "Undo the changes after TIME (30s, 5m) unless you confirm them.")
    :argname("TIME")
    :convert(function(word)
      return require("syslua.util.duration").parse(word)
    end)
  require("syslua.cli.answers").add_option(parser)
  parser:flag("--refresh-secrets", "Run the commands of secrets again.")
  parser:flag("--yes", "Do not ask before the config that is in force is replaced by another one.")
  parser:flag("--no-services", "Leave services as they are, and apply everything else.")
  parser:flag("--json", "Print one JSON object instead of text.")
end

-- The lines about the lock; most applies have none.
local function render_locks(locks, is_done)
  return locks[1] and require("syslua.cli.lock_report").render(locks, is_done) or {}
end

-- On a terminal, the user may have meant the config that is in force.
local function is_refused(args, options, config)
  local question = require("syslua.cli.question")
  if args.dry_run or not question.is_due(args) then
    return false
  end
  local current = border.call("environment", nil, options)
  local other = require("syslua.cli.config_path").get_replaced(current.snapshot, config)
  return other and not question.ask(("This replaces %s. Apply it?"):format(other)) or false
end

--- Does it.
---@param args syslua.cli.Args
---@return integer
function apply.run(args)
  local syslua = require("syslua")
  local terminal = require("syslua.cli.terminal")

  local config = require("syslua.cli.config_path").get(args.config)
  local options = require("syslua.cli.options").from_args(args)
  options.dry_run = args.dry_run or false
  options.confirm = args.confirm
  options.refresh_secrets = args.refresh_secrets
  local answers = require("syslua.cli.answers")
  options.ask = answers.get_asker(args)
  local seen = answers.watch(options)
  local kept = {}
  options.on_kept_answers = function(file, text)
    kept[1] = { file = file, text = text }
  end
  options.no_services = args.no_services or nil
  local manifest = syslua.evaluate(config, options)
  if args.on_evaluated then
    args.on_evaluated(manifest)
  end
  if kept[1] and not args.dry_run then
    border.call("write_file", kept[1].file, kept[1].text)
  end
  if is_refused(args, options, config) then
    terminal.write({ "Nothing was done." })
    return 1
  end
  local foreseen = border.call("pending_lock", config)
  local result = syslua.apply(manifest, options)
  -- What builds pinned is known only after them.
  local locks = args.dry_run and foreseen or result.locks or {}
  result.locks = locks[1] and require("syslua.lib").array(locks) or nil
  if not args.dry_run then
    require("syslua.cli.editor_files").refresh(config)
  end
  if result.confirmation then
    require("syslua.cli.confirmation").watch(result, options)
  end

  result.answers = answers.to_json(seen)
  local notes = answers.render(seen, terminal.get_data_style(args))
  local is_calm = not (
    result.changed
    or result.applied
    or args.json
    or args.dry_run
    or args.verbose
  )
  if args.quiet and not args.json then
    return 0
  elseif is_calm then
    terminal.write(notes)
    terminal.write(render_locks(locks, true))
    terminal.write({
      require("syslua.cli.unchanged_report").render("Nothing changed", result, config),
    })
    return 0
  end
  local report, style = require("syslua.cli.report"), terminal.get_data_style(args)
  if not args.json then
    terminal.write(report.render_replaced(result, config))
  end
  if args.json then
    terminal.write({ report.to_json("apply", result) })
  elseif args.dry_run then
    terminal.write(notes)
    terminal.write(render_locks(locks, false))
    terminal.write(report.render_plan(result, config, args, style))
    if result.changed then
      terminal.write({ "Dry run: no changes were made." })
    end
  else
    terminal.write(notes)
    terminal.write(render_locks(locks, true))
    terminal.write(report.render_apply(result, config, args, style))
    if result.confirmation then
      return require("syslua.cli.confirmation").ask(result, args, options)
    end
  end
  return 0
end

return apply
