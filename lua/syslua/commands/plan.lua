--- `plan`: shows what `apply` would do.
-- It does not compute it: the engine gives the list that `apply` would perform.

local plan = {}

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
plan.argument = "config"

--- Adds the command's own arguments and flags.
---@param parser table
function plan.add_to_parser(parser)
  parser
    :argument("CONFIG", "The config: a file, or a directory with an init.lua.")
    :argname("CONFIG")
    :target("config")
    :args("?")
  parser:flag("--build", "Build first, so that the plan is exact.")
  parser:flag("--diff", "Show how the text of files changes.")
  parser:flag("--exit-code", "Exit with 3 when apply would change something.")
  require("syslua.cli.machine_view").add_options(parser)
  require("syslua.cli.answers").add_option(parser)
  parser:flag("--json", "Print one JSON object instead of text.")
end

--- Does it.
---@param args syslua.cli.Args
---@return integer
function plan.run(args)
  local syslua = require("syslua")
  local report = require("syslua.cli.report")
  local terminal = require("syslua.cli.terminal")

  local config = require("syslua.cli.config_path").get(args.config)
  local options = require("syslua.cli.options").from_args(args)
  options.build, options.diff = args.build or false, args.diff or false
  options.sys = require("syslua.cli.machine_view").get(args)
  local answers = require("syslua.cli.answers")
  local seen = answers.watch(options)
  local manifest = syslua.evaluate(config, options)
  local result = syslua.plan(manifest, options)
  local locks = require("syslua.border").call("pending_lock", config)
  result.locks = locks[1] and require("syslua.lib").array(locks) or nil

  result.answers = answers.to_json(seen)

  if args.json then
    terminal.write({ report.to_json("plan", result) })
  elseif not args.quiet then
    local style = terminal.get_data_style(args)
    terminal.write(report.render_replaced(result, config))
    if locks[1] then
      terminal.write(require("syslua.cli.lock_report").render(locks, false))
    end
    terminal.write(answers.render(seen, style))
    terminal.write(report.render_plan(result, config, args, style))
  end
  return args.exit_code and result.changed and 3 or 0
end

return plan
