--- Programs that run beside a spec, and end with it: servers on this machine.

local process = require("spec.support.process")

local daemon = {}

-- It stops after a while if no spec stops it. It has its own process group and ends with its
-- children.
local start = [[
setsid timeout -k 1 150 %s >%s 2>%s </dev/null &
echo $!
]]

---@class spec.Daemon
---@field output string the file of what it printed
---@field errors string the file of what it said
---@field stop fun() ends it
---@field wait_for fun(pattern: string): string waits until it printed something, and returns what

local function read(name)
  local file = io.open(name, "rb")
  local text = file and file:read("*a") or ""
  if file then
    file:close()
  end
  return text
end

--- Starts a program, given as words.
---@param words string[]
---@param options { directory: string?, environment: table<string, string>? }?
---@return spec.Daemon
function daemon.start(words, options)
  local quoted = {}
  for index, word in ipairs(words) do
    quoted[index] = process.quote(word)
  end
  local output, errors = os.tmpname(), os.tmpname()
  local line = start:format(table.concat(quoted, " "), output, errors)
  local id = process.run_line(line, options).stdout:match("%d+")
  ---@type spec.Daemon
  local self = {
    output = output,
    errors = errors,
    stop = function()
      if id then
        process.run_line(("kill -- -%s 2>/dev/null || kill %s"):format(id, id))
        id = nil
        os.remove(output)
        os.remove(errors)
      end
    end,
    wait_for = function(pattern)
      for _ = 1, 200 do
        local found = read(output):match(pattern)
        if found then
          return found
        end
        process.run_line("sleep 0.02")
      end
      error(("%s did not start: %s%s"):format(words[1], read(output), read(errors)), 2)
    end,
  }
  return self
end

--- Waits until something listens on a port of this machine.
---@param port string|integer
function daemon.wait_for_port(port)
  local probe = (
    "i=0; while [ $i -lt 100 ]; do bash -c ': </dev/tcp/127.0.0.1/%s' 2>/dev/null && exit 0; "
    .. "sleep 0.05; i=$((i + 1)); done; exit 1"
  )
  assert(process.run_line(probe:format(port)).code == 0, "nothing listens on port " .. port)
end

--- Returns ports that nothing listens on.
---@param count integer
---@return string[]
function daemon.find_ports(count)
  local program = [[
import socket, sys
sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for one in sockets:
    one.bind(("127.0.0.1", 0))
print(*[one.getsockname()[1] for one in sockets])
]]
  local ports = {}
  local result = process.run({ "python3", "-c", program, tostring(count) })
  for port in result.stdout:gmatch("%d+") do
    ports[#ports + 1] = port
  end
  return ports
end

return daemon
