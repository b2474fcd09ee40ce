--- Standard output belongs to the command that evaluates a config, which may print JSON there.
-- While a config is evaluated, what it writes goes to standard error instead.

local text = require("syslua.util.text")

local config_output = {}

local stderr = io.stderr

local function write(...)
  for index = 1, select("#", ...) do
    local value = select(index, ...)
    if type(value) ~= "string" and type(value) ~= "number" then
      error(("bad argument #%d to 'write' (string expected, got %s)"):format(index, type(value)), 3)
    end
    stderr:write(text.inert(tostring(value)))
  end
end

--- Takes standard output from the config; returns the function that gives it back.
---@return fun()
function config_output.redirect()
  ---@type any
  local library = io
  local before = {
    write = rawget(library, "write"),
    stdout = rawget(library, "stdout"),
    output = rawget(library, "output"),
  }
  -- What the config opens itself it may write to.
  ---@type any
  local own
  rawset(library, "stdout", stderr)
  rawset(library, "write", function(...)
    if own then
      return own:write(...)
    end
    write(...)
    return library.stdout
  end)
  rawset(library, "output", function(file)
    if type(file) == "string" then
      own = assert(library.open(file, "w"))
    elseif file ~= nil then
      own = file
    end
    return own or library.stdout
  end)
  return function()
    for name, value in pairs(before) do
      rawset(library, name, value)
    end
  end
end

return config_output
