--- A web server on this machine that serves one directory, for as long as a spec needs it.

local process = require("spec.support.process")

local server = {}

-- It ends by itself should nobody stop it.
local start = [[
timeout 120 python3 -u -m http.server 0 --bind 127.0.0.1 --directory %s >%s 2>/dev/null </dev/null &
echo $!
i=0
while [ $i -lt 200 ]; do
  port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' %s)
  if [ -n "$port" ]; then echo "$port"; exit; fi
  sleep 0.05
  i=$((i + 1))
done
exit 1
]]

--- Starts it; `url` has no slash at its end, `stop` ends it.
---@param directory string
---@return { url: string, stop: fun() }
function server.start(directory)
  local log = os.tmpname()
  local result = process.run_line(start:format(process.quote(directory), log, log))
  os.remove(log)
  local id, port = result.stdout:match("^(%d+)\n(%d+)\n$")
  assert(id, "the web server did not start: " .. result.stdout .. result.stderr)
  return {
    url = "http://127.0.0.1:" .. port,
    stop = function()
      process.run({ "kill", id })
    end,
  }
end

return server
