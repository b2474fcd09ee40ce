--- `plan`: shows what `apply` would do.
-- It does not compute it: the engine gives the list that `apply` would perform.

local plan = {}

plan.summary = require("syslua.cli.commands").get_summary("plan")
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
