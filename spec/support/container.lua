--- A machine with systemd: a Debian in a container, which boots in seconds and forgets what was
-- written. `.ci/setup` makes the directory that it is of, once.

local json = require("dkjson")
local process = require("spec.support.process")

local container = {}

-- Writes itself into a control group of its own, so that two containers do not end each other's
-- services, then boots.
local boot = [[
set -e
group=GROUPS_DIRECTORY/NAME
mkdir "$group"
echo $$ >"$group/cgroup.procs"
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
exec setsid systemd-nspawn --quiet --register=no --keep-unit --volatile=overlay --directory=IMAGE \
  --bind-ro=TREE:/opt/syslua --private-network --console=read-only --machine=NAME --boot
]]

local function first_line(command)
  return (process.run_line(command).stdout:match("^[^\n]*"))
end

local function get_image()
  local tools = os.getenv("SYSLUA_TOOLS") or "/var/cache/syslua-tools"
  local name = first_line(". /etc/os-release; echo debian-$VERSION_CODENAME-1")
  return tools .. "/" .. name
end

--- Returns why no container can run here, or nil.
---@return string?
function container.get_obstacle()
  if first_line("id -u") ~= "0" then
    return "only root starts a container"
  elseif process.run_line("command -v systemd-nspawn").code ~= 0 then
    return "systemd-nspawn is not installed (Debian: systemd-container)"
  elseif process.run_line("test -d " .. process.quote(get_image())).code ~= 0 then
    return ("there is no Debian in %s: `.ci/setup` makes it"):format(get_image())
  elseif first_line("awk '$3 == \"cgroup2\" { print $2; exit }' /proc/mounts") == nil then
    return "the control groups of version 2 are not mounted"
  end
  return nil
end

--- Returns the lines that declare a program of a version, so that processes tell which one runs.
---@param version string
---@return string
function container.program(version)
  return ([[
    local tool = derive {
      name = "tool", version = %q, opts = { program = source("/bin/sleep") },
      config = function(opts, ctx) ctx.copy(opts.program, ctx.out .. "/bin/tool") end,
    }
  ]]):format(version)
end

--- Starts a container and waits until it has booted.
---@param name string
---@return spec.Container
function container.start(name)
  ---@class spec.Container
  local self = {}
  local tree = first_line("pwd -P")
  local groups = first_line("awk '$3 == \"cgroup2\" { print $2; exit }' /proc/mounts")
  name = ("%s-%s"):format(name, first_line("echo $$"))
  local log = os.tmpname()
  local script = boot
    :gsub("GROUPS_DIRECTORY", (groups:gsub("%%", "%%%%")))
    :gsub("IMAGE", (get_image():gsub("%%", "%%%%")))
    :gsub("TREE", (tree:gsub("%%", "%%%%")))
    :gsub("NAME", name)
  local started =
    process.run_line(("sh -c %s </dev/null >%s 2>&1 & echo $!"):format(process.quote(script), log))
  local pid = started.stdout:match("%d+")
  local leader

  -- What the log says, for messages.
  local function get_log()
    return process.run_line("tail -n 20 " .. log).stdout
  end

  local function wait(seconds, what, condition)
    for _ = 1, seconds * 10 do
      local found = condition()
      if found then
        return found
      end
      process.run_line("sleep 0.1")
    end
    error(("the container: %s after %d s\n%s"):format(what, seconds, get_log()))
  end

  --- Runs a line of the shell in the container, as root or as a user.
  ---@param line string
  ---@param user string?
  ---@param before string[]? words before it, of a program outside of the container
  ---@return spec.Result
  function self.run(line, user, before)
    local words = {}
    local function add(...)
      for _, word in ipairs({ ... }) do
        words[#words + 1] = word
      end
    end
    for _, word in ipairs(before or {}) do
      add(word)
    end
    add("nsenter", "-t", leader, "-m", "-u", "-i", "-n", "-p", "-C", "--", "env", "-i")
    add("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8")
    add("LUA_PATH=/opt/syslua/lua/?.lua;/opt/syslua/lua/?/init.lua;;")
    add("LUA_CPATH=/opt/syslua/target/lua/5.4/?.so;;", "TERM=dumb", "NO_COLOR=1")
    if user then
      local id = self.run("id -u " .. user).stdout:match("%d+")
      add("HOME=/home/" .. user, "USER=" .. user, "XDG_RUNTIME_DIR=/run/user/" .. id)
      add("setpriv", "--reuid=" .. user, "--regid=" .. user, "--init-groups")
    else
      add("HOME=/root")
    end
    add("sh", "-c", "cd ~; " .. line)
    return process.run(words)
  end

  --- Runs a line that has to succeed; returns what it printed.
  ---@param line string
  ---@param user string?
  ---@return string
  function self.shell(line, user)
    local result = self.run(line, user)
    if result.code ~= 0 then
      error(("%s: exit code %d\n%s%s"):format(line, result.code, result.stdout, result.stderr), 2)
    end
    return (result.stdout:gsub("\n$", ""))
  end

  --- Runs a command of sys.lua.
  ---@param arguments string as in a shell
  ---@param user string?
  ---@return spec.Result
  function self.sys(arguments, user)
    return self.run("lua5.4 -l syslua " .. arguments, user)
  end

  --- Writes a file.
  ---@param path string
  ---@param text string
  ---@param user string?
  function self.write(path, text, user)
    local directory = path:match("^(.*)/")
    self.shell(
      ("mkdir -p %s && printf %%s %s >%s"):format(directory, process.quote(text), path),
      user
    )
  end

  --- Writes a config; returns its path.
  ---@param lines string of `setup`
  ---@param user string?
  ---@return string
  function self.write_config(lines, user)
    local path = user and "/home/" .. user .. "/init.lua" or "/etc/syslua/init.lua"
    self.write(path, "return { setup = function()\n" .. lines .. "\nend }\n", user)
    return path
  end

  --- Writes a config and applies it.
  ---@param lines string of `setup`
  ---@param user string?
  ---@param options string? of `apply`
  ---@return spec.Result
  function self.apply(lines, user, options)
    local path = self.write_config(lines, user)
    return self.sys(("apply %s %s"):format(path, options or ""), user)
  end

  --- Writes a config and applies it, which has to succeed; returns what it printed.
  ---@param lines string of `setup`
  ---@param user string?
  ---@param options string? of `apply`
  ---@return string
  function self.must_apply(lines, user, options)
    local applied = self.apply(lines, user, options)
    if applied.code ~= 0 then
      error(applied.stdout .. applied.stderr, 2)
    end
    return applied.stdout
  end

  --- Returns a property of a unit, as systemd tells it.
  ---@param property string
  ---@param unit string
  ---@param user string?
  ---@return string
  function self.show(property, unit, user)
    local scope = user and "--user " or ""
    return self.shell(("systemctl %sshow --value -p %s %s"):format(scope, property, unit), user)
  end

  --- Returns the program that the main process of a unit runs.
  ---@param unit string
  ---@return string
  function self.executable_of(unit)
    return self.shell("readlink /proc/" .. self.show("MainPID", unit) .. "/exe")
  end

  --- Returns a point of the journal.
  ---@return string
  function self.get_mark()
    self.run("journalctl --sync")
    return self.shell("journalctl -n 0 --show-cursor | sed -n 's/^-- cursor: //p'")
  end

  --- Returns the jobs that systemd did since a point of its journal, in their order.
  ---@param mark string
  ---@return string[]
  function self.get_jobs(mark)
    self.run("journalctl --sync")
    local fields = "--output-fields=JOB_TYPE,JOB_RESULT,UNIT"
    local text =
      self.shell(("journalctl --after-cursor='%s' -o json %s _PID=1"):format(mark, fields))
    local jobs = {}
    for line in text:gmatch("[^\n]+") do
      local entry = json.decode(line)
      if entry.JOB_RESULT then
        jobs[#jobs + 1] = entry.JOB_TYPE .. " " .. entry.UNIT
      end
    end
    return jobs
  end

  --- Ends it.
  function self.stop()
    if leader then
      process.run_line("kill -KILL " .. leader)
    end
    -- It is nobody's any more: ask the system, not the shell.
    process.run_line(
      ("for n in $(seq 50); do [ -e /proc/%s ] || exit; sleep 0.1; done; kill -KILL %s"):format(
        pid,
        pid
      )
    )
    local group = process.quote(groups .. "/" .. name)
    process.run_line(("find %s -depth -type d -exec rmdir {} +"):format(group))
    os.remove(log)
  end

  local is_up, problem = pcall(function()
    leader = wait(20, "did not start", function()
      -- The process that was started becomes systemd-nspawn, whose child boots. Before that it has
      -- another child of its own name, which ends.
      local line = "cat /proc/%s/task/%s/children"
      local child = process.run_line(line:format(pid, pid)).stdout:match("%d+")
      local name_of = child and process.run_line(("cat /proc/%s/comm"):format(child)).stdout
      return name_of and name_of:find("^systemd%s*$") and child
    end)
    wait(60, "did not boot", function()
      local state = self.run("systemctl is-system-running").stdout
      return state:find("running") or state:find("degraded")
    end)
  end)
  if not is_up then
    self.stop()
    error(problem, 0)
  end
  return self
end

--- Declares a container for the specs of the block that calls it: it starts before them and ends
-- after them. Where none can run, one pending spec says why.
---@param name string
---@param prepare (fun(here: spec.Container))? what is done in it first
---@return spec.Container? here nil where none can run
function container.use(name, prepare)
  local busted = require("busted")
  local obstacle = container.get_obstacle()
  if obstacle then
    busted.it("are tried in a container", function()
      busted.pending("no container: " .. obstacle)
    end)
    return nil
  end
  local started
  busted.setup(function()
    started = container.start(name)
    if prepare then
      prepare(started)
    end
  end)
  busted.teardown(function()
    if started then
      started.stop()
    end
  end)
  return setmetatable({}, {
    __index = function(_, key)
      return started[key]
    end,
  })
end

return container
