--- `lock`: checks the lock of a config against its inputs, completes its tools for other platforms,
--- or removes pins that no build uses.

local shared = require("syslua.cli.arguments").shared

local lock = {}

lock.order = 200
lock.summary = "Check the lock of a config, complete it, or delete unused pins"

lock.description = [[
`lock --check` verifies the locked inputs, fetches those that are not in the cache, and exits with 3
when an apply would change `syslua.lock`. Use it in CI. The pins of a derivation are known once it
was built on this machine: a pin that a record names and the lock lacks is shown, and the command
names the derivations that were never built here with the pins of the lock. `lock --platform`
evaluates the config for other platforms, and locks the [tools](tools.md) that it declares there.

`lock --prune` removes this platform from the pins that no build of the config uses, projects
included, and deletes pins without a platform. It removes the tools that the config declares for no
platform of the lock. Each change is printed on a line. The pins of a
derivation are known once it was built on this machine: if one was never built here, the command
refuses and names it.
]]

lock.arguments = {
  {
    name = "--check",
    description = "Verify the locked inputs, and exit with 3 when an apply would "
      .. "change syslua.lock.",
  },
  {
    name = "--prune",
    description = "Delete the pins that no build of the config uses on this platform.",
  },
  { name = "--dry-run", description = "With --prune, show the changes, and write nothing." },
  {
    name = "--platform",
    value = "PLATFORM",
    target = "platforms",
    arity = "+",
    is_repeated = true,
    description = "Lock the tools for these platforms too, such as aarch64-darwin.",
  },
  shared.config_option,
  shared.answer,
  shared.json,
}

local function prune(args, options)
  if args.locked then
    require("syslua.util.failure").raise({
      kind = "usage",
      message = "`lock --prune` changes syslua.lock, and --locked forbids that",
    })
  end
  local config = require("syslua.cli.config_path").get(args.config)
  local changes = require("syslua.inputs").prune(config, options)
  local report = { changes = require("syslua.lib").array(changes) }
  return report, 0, { is_done = not args.dry_run, otherwise = "Every pin is used." }
end

-- The platforms of all flags, in their order.
local function get_platforms(given)
  local platforms = {}
  for _, list in ipairs(given or {}) do
    for _, platform in ipairs(type(list) == "table" and list or { list }) do
      require("syslua.cli.machine_view").parse_platform("--platform", platform)
      platforms[#platforms + 1] = platform
    end
  end
  return platforms
end

local function complete(args, platforms, options)
  if args.locked then
    require("syslua.util.failure").raise({
      kind = "usage",
      message = "`lock --platform` changes syslua.lock, and --locked forbids that",
    })
  end
  local config = require("syslua.cli.config_path").get(args.config)
  options.dry_run = nil
  local changes = require("syslua.inputs").complete(config, platforms, options)
  local otherwise = "All tools are locked for "
    .. require("syslua.util.text").enumerate(platforms, "and")
    .. "."
  local report = { changes = require("syslua.lib").array(changes) }
  return report, 0, { is_done = true, otherwise = otherwise }
end

-- The most derivations that a line names.
local most_named = 3

-- Which pins a derivation uses is known once it was built here.
local function explain_unknown(unknown)
  local text, names = require("syslua.util.text"), {}
  for index = 1, math.min(#unknown, most_named) do
    names[index] = text.printable(unknown[index].name)
  end
  if #unknown > most_named then
    names[#names + 1] = text.count(#unknown - most_named, "other")
  end
  return ("The pins of %s are unknown, because %s never built here with this lock."):format(
    text.enumerate(names, "and"),
    unknown[2] and "these were" or "it was"
  )
end

--- Does it; with `--check` the exit code is 3 when the lock is not complete.
---@param args syslua.cli.Args
---@param options table
---@return table report, integer code, table more
function lock.run(args, options)
  local platforms = get_platforms(args.platforms)
  if args.prune and args.check then
    require("syslua.util.failure").raise({
      kind = "usage",
      message = "--check and --prune cannot be combined",
      hint = "give one of them",
    })
  elseif args.prune then
    return prune(args, options)
  elseif platforms[1] and not args.check then
    return complete(args, platforms, options)
  elseif not args.check then
    require("syslua.util.failure").raise({
      kind = "usage",
      message = "lock: the action is missing",
      hint = "`lock --check` verifies syslua.lock, `lock --platform P` completes it, "
        .. "`lock --prune` deletes unused pins; "
        .. "`apply` and `update` write it",
    })
  end
  local config = require("syslua.cli.config_path").get(args.config)
  options.locked, options.dry_run = nil, nil
  local changes, unknown = require("syslua.inputs").check(config, options)
  local array = require("syslua.lib").array
  local report = { changes = array(changes), complete = not changes[1] }
  local otherwise = "syslua.lock is complete, and its inputs are available."
  if unknown[1] then
    report.unknown = array(unknown)
    otherwise = "syslua.lock has all inputs, and they are available."
  end
  return report, changes[1] and 3 or 0, { is_done = false, otherwise = otherwise }
end

--- Renders it for people.
---@param more { is_done: boolean, otherwise: string }
---@return string[]
function lock.render(report, _, _, more)
  local lock_report = require("syslua.cli.lock_report")
  local lines = lock_report.render_all(report, more.is_done, more.otherwise)
  if report.unknown then
    lines[#lines + 1] = explain_unknown(report.unknown)
  end
  return lines
end

return lock
