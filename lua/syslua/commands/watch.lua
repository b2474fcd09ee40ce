--- `watch`: applies whenever a file changes that the config reads. It does not know how files are
--- watched.

local shared = require("syslua.cli.arguments").shared

local watch = {}

watch.order = 140
watch.summary = "Apply whenever a file of the config changes"

watch.description = [[
`watch` applies once. Then it watches the config's directory and the other files that the config
reads, and applies again when they stop changing. It reports a mistake in the config and continues
with the next change. Ctrl-C ends it, with exit code 130.
]]

watch.arguments = {
  shared.config,
  shared.answer,
}

local interrupted = 130

-- Returns what is watched: the config's directory, and what the config reads outside of it.
local function list_paths(directory, manifest)
  local bindings = require("syslua.bindings")
  local path = require("syslua.util.path")
  local paths = { directory }
  for _, place in ipairs(manifest and bindings.call("manifest_reads", manifest) or {}) do
    local normal = path.normalize(place)
    if not path.is_below(normal, directory) then
      paths[#paths + 1] = normal
    end
  end
  return paths
end

-- Applies once; a failure is reported, and ends nothing but this apply.
---@return syslua.Failure? problem
local function apply(args)
  local terminal = require("syslua.cli.terminal")
  local succeeded, problem = pcall(require("syslua.cli.runner").run, "apply", args)
  terminal.clear()
  if succeeded then
    return nil
  end
  ---@type any
  local syslua = require("syslua")
  local known = syslua.error(problem)
  if known.kind ~= "interrupted" then
    local report = require("syslua.cli.failure_report")
    terminal.talk(report.render(known, args, terminal.get_talk_style(args)))
  end
  return known
end

--- Does it, until it is interrupted.
---@param args syslua.cli.Args
---@return nil, integer
function watch.run(args)
  local bindings = require("syslua.bindings")
  local path = require("syslua.util.path")
  local terminal = require("syslua.cli.terminal")

  local config = require("syslua.cli.config_path").get(args.config)
  local directory = path.dirname(path.normalize(bindings.call("absolute", config)))
  ---@type any
  local given = {}
  for key, value in next, args do
    given[key] = value
  end
  given.config = config
  local paths = { directory }
  local manifest
  given.on_evaluated = function(evaluated)
    manifest = evaluated
  end
  while true do
    -- Before the apply, so that nothing is lost that changes while it runs.
    local known = bindings.call("watch_look", paths)
    local problem = apply(given)
    if problem and problem.kind == "interrupted" then
      return nil, interrupted
    end
    local all = list_paths(directory, manifest)
    if table.concat(all, "\0") ~= table.concat(paths, "\0") then
      -- What changed there during the apply was not watched: it is applied once more.
      paths = all
    else
      if not args.quiet then
        local count = require("syslua.util.text").count(#paths, "place")
        terminal.talk({ ("Watching %s. Ctrl-C stops."):format(count) })
      end
      io.stdout:flush()
      local changed, found = bindings.watch_wait(paths, known)
      if not changed then
        if found.kind == "interrupted" then
          return nil, interrupted
        end
        require("syslua.util.failure").raise(found)
      end
    end
  end
end

return watch
