--- `plan`: shows what `apply` would do.
-- It does not compute it: the engine gives the list that `apply` would perform.

local shared = require("syslua.cli.arguments").shared

local plan = {}

plan.order = 20
plan.summary = "Show what apply would do, and change nothing"

plan.description = [[
Each line is an action: `+` is added, `~` is changed, `-` is removed, and `*` is built first. "may
change" marks an action whose content is not built yet. "replaces" marks an action over a file of
yours, which is moved to the backups; "(same content)" says that the file already has the new
content. `!` runs a command with unknown effects. The end of the line names the line of the config
that declared the action.

A plan never asks: `?` shows a default that was used instead of an answer. With `--hostname`,
`--system` and `--username`, the config is evaluated for another machine or user; the plan still
compares with this machine. Those that you omit are taken from this machine.

Single files are not listed as builds. More than 30 targets are grouped by directory, such as
`+ ~/.config/nvim/ 214 files`; `--verbose` lists each. `--diff` shows how texts change, including
files that are not built yet; if that needs a build, it says so.
]]

plan.arguments = {
  shared.config,
  { name = "--build", description = "Build first, so that the plan is exact." },
  { name = "--diff", description = "Show how the text of files changes." },
  { name = "--exit-code", description = "Exit with 3 when apply would change something." },
  shared.hostname,
  shared.system,
  shared.username,
  shared.answer,
  shared.json,
}

--- Does it.
---@param args syslua.cli.Args
---@param options table
---@return syslua.Plan, integer, table
function plan.run(args, options)
  local syslua = require("syslua")
  local config = require("syslua.cli.config_path").get(args.config)
  options.build, options.diff = args.build or false, args.diff or false
  options.sys = require("syslua.cli.machine_view").get(args)
  local answers = require("syslua.cli.answers")
  local seen = answers.watch(options)
  local manifest = syslua.evaluate(config, options)
  local result = syslua.plan(manifest, options)
  local locks = require("syslua.bindings").call("pending_lock", config)
  result.locks = locks[1] and require("syslua.lib").array(locks) or nil
  result.answers = answers.to_json(seen)
  local code = args.exit_code and result.changed and 3 or 0
  return result, code, { config = config, seen = seen }
end

--- Renders it for people.
---@param result syslua.Plan
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@param more { config: string, seen: table }
---@return string[]
function plan.render(result, args, style, more)
  local report = require("syslua.cli.report")
  local lines = report.render_replaced(result, more.config)
  local tables = require("syslua.util.table")
  if result.locks then
    tables.append(lines, require("syslua.cli.lock_report").render(result.locks, false))
  end
  tables.append(lines, require("syslua.cli.answers").render(more.seen, style))
  return tables.append(lines, report.render_plan(result, more.config, args, style))
end

return plan
