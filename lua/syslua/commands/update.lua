--- `update`: locks what the inputs and tools of a config are now.
-- It does not know how they are resolved.

local update = {}

update.summary = "Lock the current versions of a config's inputs, pins and tools"

update.description = [[
All [inputs](config.md#inputs), or the named ones, are resolved again, and `syslua.lock` records the
results: branches move, full revisions stay. Inputs are named by their names or addresses, and `*`
matches any text; an input of an input is `parent/name`. Each line shows the old and the new
revision with their dates, the number of commits between them, and the old and the new hash. Nothing
is built or applied: `plan` shows the effect of the update.
[Tools](tools.md) move to the newest version of their request; `update tools` moves the registry.
The hashes of a tool that is named are asked for again, even if its version stays.

[Pins](config.md#inputs) are named by their addresses, `sys update 'https://example.org/*'`. Pins of
git move with their branch or tag; other addresses are downloaded again, from their mirrors where
the address itself does not answer, and the new hash is locked. A pin of a full commit does not
move.

An input, pin or tool that cannot be looked up stays as it is locked: the others move, an error
names each that did not, and the exit code is 1. If git cannot commit with `--commit`, the lock is
taken back.
]]

--- Adds the command's own arguments and flags.
---@param parser table
function update.add_to_parser(parser)
  parser
    :argument(
      "NAME",
      "The inputs, tools or addresses to update. Default: all. `*` matches any text."
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
