--- `io` of a project: it reads only trusted files of the project. It does not know what trust is.

local border = require("syslua.border")
local failure = require("syslua.util.failure")
local position = require("syslua.util.position")

--- How the files of a directory that has an entry file of its own are read.
---@class syslua.TrustedProject
---@field name string
-- Returns a file that is trusted, or nil and why it cannot be read; raises a failure when it is not
-- trusted.
---@field read nil|fun(file: string): string?, string?
---@field contains nil|fun(file: string): boolean whether a file is one of the directory
---@field note_source nil|fun(place: string, sha256: string) is told of each `source()`

--- Makes it: `open` and `lines` give files of the project as they are trusted; all else is Lua's.
---@param project syslua.TrustedProject
---@return iolib
return function(project)
  local read, contains = assert(project.read), assert(project.contains)
  local function open_trusted(name)
    local text, problem = read(border.call("absolute", name))
    if not text then
      return nil, ("%s: %s"):format(name, problem), 2
    end
    ---@type any
    local copy = io.tmpfile()
    copy:write(text)
    copy:seek("set")
    return copy
  end
  local trusted = setmetatable({}, { __index = io })
  function trusted.open(name, mode)
    if type(name) == "string" and (mode or "r"):find("^r") and contains(name) then
      return open_trusted(name)
    end
    return io.open(name, mode)
  end
  function trusted.lines(name, ...)
    if type(name) == "string" and contains(name) then
      ---@type any, any
      local file, problem = open_trusted(name)
      if not file then
        failure.raise({ kind = "config", message = problem, position = position.caller() })
      end
      return file:lines(...)
    end
    return io.lines(name, ...)
  end
  return trusted
end
