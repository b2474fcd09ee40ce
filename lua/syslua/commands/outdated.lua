--- `outdated`: shows which inputs of a config could move. It changes nothing but the cache.

local outdated = {}

outdated.summary = require("syslua.cli.commands").get_summary("outdated")

--- Adds the command's own arguments and flags.
---@param parser table
function outdated.add_to_parser(parser)
  parser
    :option("-c --config", "The config: a file, or a directory with an init.lua.")
    :argname("CONFIG")
  require("syslua.cli.answers").add_option(parser)
  parser:flag("--json", "Print one JSON object instead of text.")
end

--- Does it; the exit code is 3 when an input could move.
---@param args syslua.cli.Args
---@return integer
function outdated.run(args)
  local config = require("syslua.cli.config_path").get(args.config)
  local options = require("syslua.cli.options").from_args(args)
  options.locked = nil
  local changes = require("syslua.inputs").outdated(config, options)
  local otherwise = "All inputs and pins are up to date."
  require("syslua.cli.lock_report").show("outdated", args, changes, false, otherwise)
  return changes[1] and 3 or 0
end

return outdated
