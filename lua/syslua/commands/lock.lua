--- `lock`: checks the lock of a config against its inputs. It changes nothing but the cache.

local lock = {}

lock.summary = require("syslua.cli.commands").get_summary("lock")

--- Adds the command's own arguments and flags.
---@param parser table
function lock.add_to_parser(parser)
  parser:flag(
    "--check",
    "Verify the locked inputs, and exit with 3 when an apply would change syslua.lock."
  )
  parser
    :option("-c --config", "The config: a file, or a directory with an init.lua.")
    :argname("CONFIG")
  require("syslua.cli.answers").add_option(parser)
  parser:flag("--json", "Print one JSON object instead of text.")
end

--- Does it; the exit code is 3 when the lock is not complete.
---@param args syslua.cli.Args
---@return integer
function lock.run(args)
  if not args.check then
    require("syslua.util.failure").raise({
      kind = "usage",
      message = "`lock` needs a word on what to do",
      hint = "`lock --check` verifies syslua.lock; `apply` and `update` write it",
    })
  end
  local config = require("syslua.cli.config_path").get(args.config)
  local options = require("syslua.cli.options").from_args(args)
  options.locked = nil
  local inputs = require("syslua.inputs")
  local changes = inputs.check(config, options)
  local otherwise = "syslua.lock is complete, and what it locks is there."
  local fields = { complete = not changes[1] }
  require("syslua.cli.lock_report").show("lock", args, changes, false, otherwise, fields)
  return changes[1] and 3 or 0
end

return lock
