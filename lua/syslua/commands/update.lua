--- `update`: locks what the inputs and tools of a config are now.
-- It does not know how they are resolved.

local update = {}

update.summary = require("syslua.cli.commands").get_summary("update")

--- Adds the command's own arguments and flags.
---@param parser table
function update.add_to_parser(parser)
  parser
    :argument(
      "NAME",
      "The inputs, tools or addresses of pins to update. Default: all. `*` matches any text."
    )
    :argname("NAME")
    :target("names")
    :args("*")
  parser
    :option("-c --config", "The config: a file, or a directory with an init.lua.")
    :argname("CONFIG")
  parser:flag("--dry-run", "Show what would be locked, and write nothing.")
  parser:flag("--commit", "Commit only the lock, with git.")
  require("syslua.cli.answers").add_option(parser)
  parser:flag("--json", "Print one JSON object instead of text.")
end

-- Commits the lock alone, whatever else is staged.
local function commit(config, changes)
  local border = require("syslua.border")
  local names = {}
  for index, change in ipairs(changes) do
    names[index] = change.name
  end
  local enumerate = require("syslua.util.text").enumerate
  border.call(
    "commit_lock",
    config,
    ("Update %s in syslua.lock\n\n%s\n"):format(
      enumerate(names, "and"),
      table.concat(require("syslua.cli.lock_report").render(changes, true), "\n")
    )
  )
end

--- Does it.
---@param args syslua.cli.Args
---@return integer
function update.run(args)
  local config = require("syslua.cli.config_path").get(args.config)
  local options = require("syslua.cli.options").from_args(args)
  options.dry_run = args.dry_run or false
  if args.locked then
    require("syslua.util.failure").raise({
      kind = "usage",
      message = "`update` changes syslua.lock, and --locked forbids that",
      hint = "`outdated` shows available updates",
    })
  end
  local inputs = require("syslua.inputs")
  local changes, failures = inputs.try_update(config, args.names, options)
  if args.commit and not args.dry_run and changes[1] then
    commit(config, changes)
  end
  require("syslua.cli.lock_report").show(
    "update",
    args,
    changes,
    not args.dry_run,
    "All inputs, pins and tools are up to date.",
    {
      applied = not args.dry_run and changes[1] ~= nil,
      failures = require("syslua.lib").array(failures),
    },
    failures
  )
  return failures[1] and 1 or 0
end

return update
