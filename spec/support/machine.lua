--- A throw-away machine: a directory with a home, a root and configs in it, and the means to run
-- sys.lua there. Nothing of the real home is touched.

local interpreter = require("spec.support.interpreter")
local process = require("spec.support.process")

local machine = {}

local function run_or_fail(line)
  local result = process.run_line(line)
  assert(result.code == 0, line .. ": " .. result.stderr)
  return result.stdout
end

local function make_directory()
  local pattern = (os.getenv("TMPDIR") or "/tmp") .. "/syslua-machine.XXXXXX"
  return (run_or_fail("mktemp -d " .. process.quote(pattern)):gsub("\n", ""))
end

local function copy(map)
  local result = {}
  for key, value in pairs(map) do
    result[key] = value
  end
  return result
end

--- Makes a machine. `machine.directory` is where programs run; `home` and `root` are below it.
---@param directory string? an existing one, which may have a home; a new one unless given
---@return spec.Machine
function machine.new(directory)
  ---@class spec.Machine
  local self = { directory = directory or make_directory() }
  self.home = self.directory .. "/home"
  self.root = self.directory .. "/root"
  self.environment = interpreter.get_environment()
  self.environment.HOME = self.home
  self.environment.SYSLUA_ROOT = self.root
  self.environment.TMPDIR = self.directory
  run_or_fail("mkdir -p " .. process.quote(self.home))

  local function absolute(name)
    return name:sub(1, 1) == "/" and name or self.directory .. "/" .. name
  end

  local function get_options(environment)
    local variables = copy(self.environment)
    for name, value in pairs(environment or {}) do
      variables[name] = value
    end
    return { directory = self.directory, environment = variables }
  end

  --- Writes a file, and makes the directories above it.
  function self.write(name, text)
    local path = absolute(name)
    local file = io.open(path, "wb")
    if not file then
      run_or_fail("mkdir -p " .. process.quote(path:match("^(.*)/")))
      file = assert(io.open(path, "wb"))
    end
    file:write(text)
    file:close()
    return path
  end

  --- Writes a config whose `setup` has the given lines; its first line is line 2 of the file.
  function self.write_config(lines, name)
    return self.write(name or "init.lua", "return { setup = function()\n" .. lines .. "\nend }\n")
  end

  --- Writes a config as `write_config` does, and returns what it declares: see `syslua.testing`.
  function self.evaluate(lines, options)
    self.write_config(lines)
    return require("syslua.testing").evaluate(self.directory, options)
  end

  --- Returns the failure of a config that `write_config` would write.
  function self.fail(lines, options)
    local succeeded, problem = pcall(self.evaluate, lines, options)
    assert(not succeeded, "the config is not refused")
    return require("syslua").error(problem)
  end

  --- Returns the text of a file, or nil.
  function self.read(name)
    local file = io.open(absolute(name), "rb")
    if not file then
      return nil
    end
    local text = file:read("*a")
    file:close()
    return text
  end

  --- Copies a file or tree of the project, by its path there.
  function self.copy(from, to)
    run_or_fail(("cp -R %s %s"):format(process.quote(from), process.quote(absolute(to))))
  end

  --- Returns where a link leads, or nil.
  function self.read_link(name)
    local result = process.run({ "readlink", "-n", absolute(name) })
    return result.code == 0 and result.stdout or nil
  end

  --- Returns whether something is there; a link that leads nowhere is something too.
  function self.exists(name)
    local path = process.quote(absolute(name))
    return process.run_line(("[ -e %s ] || [ -L %s ]"):format(path, path)).code == 0
  end

  --- Returns what a directory holds, one entry a line: kind, mode, name, where a link leads; of
  -- files size and time too. Nothing for a directory that is not there.
  function self.list(name)
    if not self.exists(name) then
      return ""
    end
    local line =
      "find . -type f -printf '%y %m %p %s %T@\\n' -o -printf '%y %m %p %l\\n' | LC_ALL=C sort -k 3"
    return process.run_line(line, { directory = absolute(name) }).stdout
  end

  --- Runs a line of the shell; `$LUA` is the interpreter.
  function self.shell(line, environment)
    local options = get_options(environment)
    options.environment.LUA = interpreter.name
    return process.run_line(line, options)
  end

  --- Runs the interpreter with arguments.
  function self.lua(...)
    return process.run({ interpreter.name, ... }, get_options())
  end

  --- Runs `lua -l syslua ...`.
  function self.run(...)
    return self.lua("-l", "syslua", ...)
  end

  --- Runs `lua -l syslua ...`, which has to end with a code; returns all that it says.
  ---@param code integer
  function self.run_to(code, ...)
    local result = self.run(...)
    local said = result.stdout .. result.stderr
    if result.code ~= code then
      local words = table.concat({ ... }, " ")
      error(("%s: exit code %d instead of %d\n%s"):format(words, result.code, code, said), 2)
    end
    return said
  end

  --- Returns what a command shows in a terminal without colours.
  ---@param line string
  ---@param columns integer? 80 by default
  function self.show(line, columns)
    local words = "script -qec 'stty cols %d; $LUA -l syslua %s' /dev/null | tr -d '\\r'"
    local variables = { NO_COLOR = "1", TERM = "xterm" }
    return self.shell(words:format(columns or 80, line), variables).stdout
  end

  --- Runs `lua -l syslua ...`, which has to end well.
  function self.must(...)
    local result = self.run(...)
    if result.code ~= 0 then
      error(
        ("%s: exit code %d\n%s%s"):format(
          table.concat({ ... }, " "),
          result.code,
          result.stdout,
          result.stderr
        ),
        2
      )
    end
    return result
  end

  --- Applies a config with the lines of `write_config`.
  function self.apply(lines)
    self.write_config(lines)
    return self.must("apply", "init.lua")
  end

  --- Runs a text as a script with the module loaded as `syslua`; what it prints is the result.
  function self.script(text, ...)
    local name = self.write("script.lua", 'local syslua = require("syslua")\n' .. text)
    return self.lua(name, ...)
  end

  --- Removes everything; objects are read-only, and may be immutable for root.
  function self.remove()
    local path = process.quote(self.directory)
    local unlock = "if [ $(id -u) = 0 ]; then chattr -R -f -i %s 2>/dev/null; fi; "
    run_or_fail((unlock .. "chmod -R u+rwX %s; rm -rf %s"):format(path, path, path))
  end

  return self
end

--- Makes a machine before each test of the block that calls this, and removes it afterwards.
---@param prepare nil|fun(here: spec.Machine) is called with each
---@return spec.Machine here stands for that of the test that runs; `here.renew()` makes another
function machine.for_each_test(prepare)
  local busted = require("busted")
  local current
  local function begin()
    current = machine.new()
    if prepare then
      prepare(current)
    end
  end
  busted.before_each(begin)
  busted.after_each(function()
    current.remove()
  end)
  local here = {
    renew = function()
      current.remove()
      begin()
    end,
  }
  return setmetatable(here, {
    __index = function(_, name)
      return current[name]
    end,
    __newindex = function(_, name, value)
      current[name] = value
    end,
  })
end

--- Returns the text of a store's only object record whose object's name begins with a name.
---@param self spec.Machine
---@param name string
---@return string object its name
---@return string info its record
function machine.get_object(self, name)
  local result = process.run_line(("ls %s"):format(process.quote(self.root .. "/store/obj")))
  for object in result.stdout:gmatch("[^\n]+") do
    -- All but the hyphen and the nine digits: `tool` must not find `tool-doc-...`.
    if object:sub(1, -11) == name then
      return object, self.read("root/store/info/" .. object .. ".json")
    end
  end
  error("no object of the name " .. name .. " in:\n" .. result.stdout, 2)
end

return machine
