--- Says on stderr what the engine is doing, event by event.
-- It does not know what the work is for; kinds of events that it does not know are left out.

local terminal = require("syslua.cli.terminal")

local progress = {}

local function get_label(event)
  return event.version and event.name .. " " .. event.version or tostring(event.name)
end

-- Kind of event -> text, or nil to stay silent.
---@type table<string, fun(event: table, seen: table<string, boolean>, verbose: boolean?): string?>
local renderers = {
  build_started = function(event)
    return "building " .. get_label(event)
  end,
  build_finished = function(event, _, verbose)
    return verbose and ("built %s in %.1f s"):format(get_label(event), event.seconds or 0) or nil
  end,
  download = function(event, seen)
    -- Repeated as bytes arrive; the first one tells enough.
    if seen[event.url] then
      return nil
    end
    seen[event.url] = true
    return "downloading " .. tostring(event.url)
  end,
  waiting = function(event)
    local holder = event.pid and ("process %d"):format(event.pid) or "another process"
    return ("waiting for %s, which holds %s"):format(holder, event.lock or "a lock")
  end,
  notice = function(event)
    local where = event.position and (" (%s)"):format(event.position) or ""
    return "note: " .. tostring(event.message) .. where
  end,
  log = function(event, _, verbose)
    return verbose and event.message or nil
  end,
}

--- Returns the lines that an event is worth.
---@param event table
---@param seen table<string, boolean> the downloads that were told already
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function progress.render(event, seen, args, style)
  if event.kind == "warning" then
    return { style("warning", "warning: ") .. tostring(event.message) }
  end
  local renderer = renderers[event.kind]
  if args.quiet or not renderer then
    return {}
  end
  local line = renderer(event, seen, args.verbose)
  return line and { style("faint", line) } or {}
end

--- Returns a function that tells events as they come.
---@param args syslua.cli.Args
---@return fun(event: table)
function progress.get_listener(args)
  local style = terminal.get_talk_style(args)
  local seen = {}
  return function(event)
    terminal.talk(progress.render(event, seen, args, style))
  end
end

return progress
