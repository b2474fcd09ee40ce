--- Turns the flags of every command into the options of the engine's verbs.
-- It does not know which command they are for.

local engine_options = {}

--- Returns the options for `syslua.evaluate`, `plan`, `apply` and `bindings.status`.
---@param args syslua.cli.Args
---@return table
function engine_options.from_args(args)
  local has_bars, listener = require("syslua.cli.terminal").wants_bars(args), nil
  return {
    root = args.root,
    jobs = args.jobs,
    offline = args.offline or false,
    locked = args.locked,
    pure = args.pure or false,
    lock_timeout = args.lock_timeout,
    sandbox = args.sandbox,
    answers = args.answers and require("syslua.cli.answers").parse(args.answers),
    on_event = function(event)
      -- Most calls have nothing to tell.
      listener = listener or require("syslua.cli.progress").get_listener(args, has_bars)
      listener(event)
    end,
    ticks = has_bars,
    -- Applied actions without a change are shown only on request.
    brief = not (args.json or args.verbose),
    -- The manifest stays with the engine: no command looks into it.
    raw = true,
  }
end

return engine_options
