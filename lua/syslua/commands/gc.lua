--- `gc`: deletes store objects that nothing references. The engine knows the references.

local failure = require("syslua.util.failure")

local gc = {}

gc.summary = require("syslua.cli.commands").get_summary("gc")

--- Adds the command's own arguments and flags.
---@param parser table
function gc.add_to_parser(parser)
  parser:flag("--dry-run", "Show why each object stays or would be deleted; delete nothing.")
  parser
    :option("--keep", "Keep only the newest N snapshots, including the current one.")
    :argname("N")
  parser
    :option(
      "--older-than",
      "Remove snapshots and downloads older than this (30d, 12h), but never the current snapshot."
    )
    :argname("AGE")
  parser:flag("--json", "Print one JSON object instead of text.")
end

local function get_number(word)
  local number = word:match("^%d+$") and tonumber(word) or 0
  if number < 1 or number > 1e9 then
    failure.raise({
      kind = "usage",
      message = ("--keep: expected a number of snapshots, 1 or more, got '%s'"):format(word),
      hint = "the current snapshot always stays, and counts",
    })
  end
  return math.floor(number)
end

local function get_age(word)
  local seconds = require("syslua.util.duration").parse(word)
  if not seconds then
    failure.raise({
      kind = "usage",
      message = ("--older-than: expected an age, got '%s'"):format(word),
      hint = "write 30d, 2w or 12h",
    })
  end
  return seconds
end

--- Does it.
---@param args syslua.cli.Args
---@return integer
function gc.run(args)
  local terminal = require("syslua.cli.terminal")
  local options = require("syslua.cli.options").from_args(args)
  options.dry_run = args.dry_run or false
  options.keep = args.keep and get_number(args.keep)
  options.older_than = args.older_than and get_age(args.older_than)
  ---@type syslua.Collected
  local result = require("syslua.border").call("gc", options)

  if args.json then
    terminal.write({ require("syslua.cli.report").to_json("gc", result) })
  elseif not args.quiet then
    local style = terminal.get_data_style(args)
    terminal.write(require("syslua.cli.gc_report").render(result, args, style))
  end
  return 0
end

return gc
