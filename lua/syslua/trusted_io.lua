--- `io` of a project: it reads only trusted files of the project, and starts no programs. It does
-- not know what trust is.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local position = require("syslua.util.position")

local trusted_io = {}

--- How the files of a directory that has an entry file of its own are read.
---@class syslua.TrustedProject
---@field name string
-- Returns a file that is trusted, or nil and why it cannot be read; raises a failure when it is not
-- trusted.
---@field read nil|fun(file: string): string?, string?
---@field contains nil|fun(file: string): boolean whether a file is one of the directory
---@field note_source nil|fun(place: string, sha256: string) is told of each `source()`
-- Is told, before evaluation looks, of each place that it looks at: `kind` is what it asks, as
-- `bindings.project_look` takes it.
---@field note_look nil|fun(place: string, kind: "exists"|"names"|"tree"|"content")

local function raise(message, hint)
  failure.raise({
    kind = "config",
    message = message,
    position = position.caller(),
    hint = hint,
  })
end

--- Raises that a project starts no programs: which files they run and read is not known, so these
-- could not be compared.
---@param name string the function that was to start one
function trusted_io.refuse_program(name)
  raise(
    name .. ": a syslua.lua starts no programs, because trust does not cover what they read",
    "run it in a build, with source() for its files: derive { config = function(opts, ctx) "
      .. "ctx.run(...) end }"
  )
end

--- Makes it: whatever opens a file of the project to read it gives the file as it is trusted; all
-- else is Lua's. What `io.input` sets is the project's alone.
---@param project syslua.TrustedProject
---@return iolib
function trusted_io.make(project)
  local read, contains = assert(project.read), assert(project.contains)
  -- The file that io.read and io.lines read unless given.
  ---@type any
  local input

  local function open_trusted(name)
    local text, problem = read(bindings.call("absolute", name))
    if not text then
      return nil, ("%s: %s"):format(name, problem), 2
    end
    ---@type any
    local copy = io.tmpfile()
    copy:write(text)
    copy:seek("set")
    return copy
  end

  local function is_own(name)
    return (type(name) == "string" or type(name) == "number") and contains(tostring(name))
  end

  -- As `io.input` and `io.lines` do, raises what `io.open` returns.
  local function open_or_raise(name)
    ---@type any, any
    local file, problem = open_trusted(tostring(name))
    if not file then
      raise(problem)
    end
    return file
  end

  local trusted = setmetatable({}, { __index = io, __metatable = false })

  function trusted.popen()
    trusted_io.refuse_program("io.popen")
  end

  function trusted.open(name, mode, ...)
    if is_own(name) then
      local wanted = mode == nil and "r" or tostring(mode)
      if wanted:find("^r") and not wanted:find("+", 1, true) then
        return open_trusted(tostring(name))
      elseif wanted:find("^[ra]") and wanted:find("+", 1, true) then
        raise(
          ("io.open: a file of a project is not opened to be read and written: %s"):format(name),
          'read it with "r", and write with "w" or "a"'
        )
      end
    end
    return io.open(name, mode, ...)
  end

  function trusted.input(file)
    if is_own(file) then
      input = open_or_raise(file)
    elseif type(file) == "string" or type(file) == "number" then
      ---@type any, any
      local opened, problem = io.open(tostring(file), "r")
      if not opened then
        raise(problem)
      end
      input = opened
    elseif file ~= nil then
      if io.type(file) == nil then
        raise(("io.input: expected a file or its name, got a %s"):format(type(file)))
      end
      input = file
    end
    return input or io.input()
  end

  function trusted.read(...)
    return trusted.input():read(...)
  end

  function trusted.lines(name, ...)
    if name == nil then
      return trusted.input():lines(...)
    elseif is_own(name) then
      return open_or_raise(name):lines(...)
    end
    return io.lines(name, ...)
  end

  function trusted.close(file)
    if file == nil then
      return io.close()
    elseif file == input then
      input = nil
    end
    return file:close()
  end

  return trusted
end

return trusted_io
