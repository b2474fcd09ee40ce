--- `update`: locks what the inputs and tools of a config are now.
-- It does not know how they are resolved.

local shared = require("syslua.cli.arguments").shared

local update = {}

update.order = 180
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

update.arguments = {
  {
    name = "NAME",
    target = "names",
    arity = "*",
    description = "The inputs, tools or addresses to update. Default: all. `*` matches any text.",
  },
  shared.config_option,
  { name = "--dry-run", description = "Show what would be locked, and write nothing." },
  { name = "--commit", description = "Commit only the lock, with git." },
  shared.answer,
  shared.json,
}

-- Commits the lock alone, whatever else is staged.
local function commit(config, changes)
  local bindings = require("syslua.bindings")
  local names = {}
  for index, change in ipairs(changes) do
    names[index] = change.name
  end
  local enumerate = require("syslua.util.text").enumerate
  bindings.call(
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
---@param options table
---@return table, integer
function update.run(args, options)
  local config = require("syslua.cli.config_path").get(args.config)
  if args.locked then
    require("syslua.util.failure").raise({
      kind = "usage",
      message = "`update` changes syslua.lock, and --locked forbids that",
      hint = "`outdated` shows available updates",
    })
  end
  local changes, failures = require("syslua.inputs").try_update(config, args.names, options)
  if args.commit and not args.dry_run and changes[1] then
    commit(config, changes)
  end
  local array = require("syslua.lib").array
  local report = {
    changes = array(changes),
    applied = not args.dry_run and changes[1] ~= nil,
    failures = array(failures),
  }
  return report, failures[1] and 1 or 0
end

--- Renders it for people.
---@param args syslua.cli.Args
---@return string[]
function update.render(report, args)
  local otherwise = "All inputs, pins and tools are up to date."
  return require("syslua.cli.lock_report").render_all(report, not args.dry_run, otherwise)
end

return update
