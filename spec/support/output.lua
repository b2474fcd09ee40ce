--- Catches what a function writes to stdout and stderr through Lua's `io`.

local output = {}

local function new_sink()
  local sink = { pieces = {} }
  function sink:write(...)
    for index = 1, select("#", ...) do
      self.pieces[#self.pieces + 1] = tostring((select(index, ...)))
    end
    return self
  end
  function sink.flush()
    return true
  end
  return sink
end

--- Returns what a function returned, and what it wrote to stdout and to stderr.
---@param callback fun(): any
---@return any result
---@return string data
---@return string talk
function output.catch(callback)
  -- luacheck: push ignore 122
  local real_stdout, real_stderr = io.stdout, io.stderr
  local data, talk = new_sink(), new_sink()
  io.stdout, io.stderr = data, talk
  local ok, result = pcall(callback)
  io.stdout, io.stderr = real_stdout, real_stderr
  -- luacheck: pop
  if not ok then
    error(result, 0)
  end
  return result, table.concat(data.pieces), table.concat(talk.pieces)
end

return output
