--- `apply`: makes this machine match a config.
-- It does not know how; the engine does, and reports what it did.

local bindings = require("syslua.bindings")

local shared = require("syslua.cli.arguments").shared

local apply = {}

apply.order = 10
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

apply.arguments = {
  shared.config,
  shared.dry_run,
  {
    name = "--confirm",
    value = "TIME",
    convert = function(word)
      return require("syslua.util.duration").parse(word)
    end,
    description = "Undo the changes after TIME (30s, 5m) unless you confirm them.",
  },
  shared.answer,
  { name = "--refresh-secrets", description = "Run the commands of secrets again." },
  {
    name = "--yes",
    description = "Do not ask before the config that is in force is replaced by another one.",
  },
  {
    name = "--no-services",
    description = "Leave services as they are, and apply everything else.",
  },
  shared.json,
}

-- The lines about the lock; most applies have none.
local function render_locks(result, is_done)
  return result.locks and require("syslua.cli.lock_report").render(result.locks, is_done) or {}
end

-- On a terminal, the user may have meant the config that is in force.
local function is_refused(args, options, config, ask)
  if args.dry_run or not ask then
    return false
  end
  local current = bindings.call("environment", nil, options)
  local other = require("syslua.cli.config_path").get_replaced(current.snapshot, config)
  return other and not ask(("This replaces %s. Apply it?"):format(other)) or false
end

--- Does it.
---@param args syslua.cli.Args
---@param options table
---@param ask syslua.cli.Ask?
---@return syslua.Applied?, syslua.cli.Code?, table?
function apply.run(args, options, ask)
  local syslua = require("syslua")
  local config = require("syslua.cli.config_path").get(args.config)
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
    bindings.call("write_file", kept[1].file, kept[1].text)
  end
  if is_refused(args, options, config, ask) then
    return nil, "refused"
  end
  local foreseen = bindings.call("pending_lock", config)
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
  return result, 0, { config = config, seen = seen }
end

--- Renders it for people.
---@param result syslua.Applied
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@param more { config: string, seen: table }
---@return string[]
function apply.render(result, args, style, more)
  local append = require("syslua.util.table").append
  local notes = require("syslua.cli.answers").render(more.seen, style)
  local config = more.config
  if not (result.changed or result.applied or args.dry_run or args.verbose) then
    local lines = append(notes, render_locks(result, true))
    lines[#lines + 1] =
      require("syslua.cli.unchanged_report").render("Nothing changed", result, config)
    return lines
  end
  local report = require("syslua.cli.report")
  local lines = append(report.render_replaced(result, config), notes)
  append(lines, render_locks(result, not args.dry_run))
  if args.dry_run then
    return append(lines, report.render_plan(result, config, args, style))
  end
  return append(lines, report.render_apply(result, config, args, style))
end

--- Waits for the confirmation, where one is needed.
---@param result syslua.Applied
---@param args syslua.cli.Args
---@param options table
---@return integer?
function apply.conclude(result, args, options)
  return result.confirmation and require("syslua.cli.confirmation").ask(result, args, options)
end

return apply
