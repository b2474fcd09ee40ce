--- The `print` of configs: standard output belongs to the command that evaluates them.

local text = require("syslua.util.text")

local stderr = io.stderr

--- Writes values to standard error, as `print` does to standard output.
---@param ... any
return function(...)
  local words = {}
  for index = 1, select("#", ...) do
    words[index] = tostring((select(index, ...)))
  end
  stderr:write(text.inert(table.concat(words, "\t")), "\n")
end
