--- Web servers for specs, in Python: one that misbehaves as its paths say, one of git repositories.

local daemon = require("spec.support.daemon")
local process = require("spec.support.process")
local tree = require("spec.support.tree")

local python_server = {}

---@class spec.PythonServer
---@field url string without a slash at its end
---@field port string
---@field list_requests fun(): string[] what was asked for until now
---@field stop fun()

--- Starts one; a directory is its content.
---@param name "rude_server"|"git_server"
---@param directory string
---@return spec.PythonServer
function python_server.start(name, directory)
  local log = os.tmpname()
  local server = daemon.start({
    "python3",
    "-u",
    tree.root .. "spec/support/" .. name .. ".py",
    directory,
    log,
  })
  local port = server.wait_for("(%d+)\n")
  return {
    url = "http://127.0.0.1:" .. port,
    port = port,
    list_requests = function()
      local requests = {}
      for line in process.run({ "cat", log }).stdout:gmatch("[^\n]+") do
        requests[#requests + 1] = line
      end
      return requests
    end,
    stop = function()
      server.stop()
      os.remove(log)
    end,
  }
end

return python_server
