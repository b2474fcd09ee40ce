--- Coroutines of a config that Ctrl-C interrupts like other code. It does not know how.

local bindings = require("syslua").bindings

local enter, leave = bindings.enter_coroutine, bindings.leave_coroutine
local create, resume, status = coroutine.create, coroutine.resume, coroutine.status
---@type any
local close = coroutine.close

local loops = {}

local function finish(outer, ...)
  leave(outer)
  return ...
end

local function resume_watched(thread, ...)
  if type(thread) ~= "thread" then
    return resume(thread, ...)
  end
  return finish(enter(thread), resume(thread, ...))
end

local function unwrap(thread, succeeded, ...)
  if succeeded then
    return ...
  end
  if close and status(thread) == "dead" then
    close(thread)
  end
  error((...), 0)
end

--- The library `coroutine`, as configs have it. LuaJIT needs no other: there one hook is for all
--- coroutines.
---@type any
loops.coroutine = coroutine

---@diagnostic disable-next-line: access-invisible
if not rawget(_G, "jit") then
  loops.coroutine = {}
  for name, value in next, coroutine do
    loops.coroutine[name] = value
  end
  loops.coroutine.resume = resume_watched
  function loops.coroutine.wrap(callback)
    local thread = create(callback)
    return function(...)
      return unwrap(thread, resume_watched(thread, ...))
    end
  end
end

return loops
