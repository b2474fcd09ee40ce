--- Says on stderr what the engine is doing, event by event.
-- It does not know what the work is for; kinds of events that it does not know are left out.

local terminal = require("syslua.cli.terminal")
local text = require("syslua.util.text")

local progress = {}

local function get_label(event)
  return event.version and event.name .. " " .. event.version or tostring(event.name)
end

-- The programs that `packages{}` runs.
local package_managers = { ["apt-get"] = true, dnf = true, pacman = true, brew = true }

-- Kind of event -> text, or nil to stay silent.
---@type table<string, fun(event: table, seen: table<string, boolean>, verbose: boolean?): string?>
local renderers = {
  build_started = function(event, _, verbose)
    -- There are hundreds of single files, and each takes almost no time.
    return (verbose or not event.file) and "building " .. get_label(event) or nil
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
  command_started = function(event, seen)
    local name = tostring(event.name)
    -- Installing packages takes long, and people want to see what their manager does.
    seen.is_manager = package_managers[name:match("^%S*")]
    return "running " .. text.printable(name)
  end,
  command_output = function(event, seen, verbose)
    local is_shown = verbose or seen.is_manager
    return is_shown and "  " .. text.printable(tostring(event.line)) or nil
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
  -- A program reads the result; only why nothing happens is worth a line.
  if args.json and event.kind ~= "waiting" then
    return {}
  end
  local line = renderer(event, seen, args.verbose)
  return line and { style("faint", line) } or {}
end

-- The last part of a URL or path.
local function get_short(name)
  return text.printable(tostring(name):match("([^/]+)/*$") or tostring(name))
end

-- Kind of event -> what it does to the bars; returns what to write.
---@type table<string, fun(bindings: syslua.Bindings, event: table): string>
local drawers = {
  build_started = function(bindings, event)
    return bindings.bars_put("build " .. event.hash, "building " .. get_label(event))
  end,
  build_finished = function(bindings, event)
    return bindings.bars_remove("build " .. event.hash)
  end,
  build_failed = function(bindings, event)
    return bindings.bars_remove("build " .. event.hash)
  end,
  download = function(bindings, event)
    local key = "download " .. event.url
    if event.total and event.bytes >= event.total then
      return bindings.bars_remove(key)
    end
    local label = "downloading " .. get_short(event.url)
    return bindings.bars_put(key, label, event.bytes, event.total)
  end,
  unpack_started = function(bindings, event)
    return bindings.bars_put("unpack " .. event.archive, "unpacking " .. get_short(event.archive))
  end,
  unpack_finished = function(bindings, event)
    return bindings.bars_remove("unpack " .. event.archive)
  end,
  tick = function(bindings)
    return bindings.bars_tick()
  end,
}
-- What a bar shows needs no line besides, unless all is to be told.
---@type table<string, boolean?>
local shown_by_bars = { build_started = true, download = true }

local function get_bars_listener(bindings, args, style)
  terminal.set_status(bindings.bars_clear)
  local seen = {}
  return function(event)
    local shown = ""
    local draw = drawers[event.kind]
    if not shown_by_bars[event.kind] then
      for _, line in ipairs(progress.render(event, seen, args, style)) do
        shown = shown .. bindings.bars_print(terminal.finish(line))
      end
    end
    shown = shown .. (draw and draw(bindings, event) or "")
    if shown ~= "" then
      io.stderr:write(shown)
      io.stderr:flush()
    end
  end
end

--- Returns a function that tells events as they come: by bars, or line by line.
---@param args syslua.cli.Args
---@param has_bars boolean whether it draws bars, and then wants to know how time goes by
---@return fun(event: table)
function progress.get_listener(args, has_bars)
  local style = terminal.get_talk_style(args)
  if has_bars then
    return get_bars_listener(require("syslua").bindings, args, style)
  end
  local seen = {}
  return function(event)
    terminal.talk(progress.render(event, seen, args, style))
  end
end

return progress
