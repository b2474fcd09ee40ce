--- Another machine's view of a config: `--hostname`, `--system` and `--username`. It does not know
--- what is shown of it.

local failure = require("syslua.util.failure")

local machine_view = {}

local systems = { "linux", "darwin", "windows" }
local architectures = { "x86_64", "aarch64", "arm" }

local function has(list, word)
  for _, one in ipairs(list) do
    if one == word then
      return true
    end
  end
  return false
end

--- Returns the two parts of a platform: "linux", "x86_64".
---@param flag string that gave it
---@param word string
---@return string, string
function machine_view.parse_platform(flag, word)
  local arch, os_name = word:match("^([%w_]+)%-(%l+)$")
  if not (arch and has(systems, os_name) and has(architectures, arch)) then
    local names = {}
    for _, os_known in ipairs(systems) do
      for _, arch_known in ipairs(architectures) do
        names[#names + 1] = arch_known .. "-" .. os_known
      end
    end
    local near = require("syslua.util.closest")(word, names)
    failure.raise({
      kind = "usage",
      message = ("%s takes ARCHITECTURE-SYSTEM, not `%s`"):format(flag, word),
      hint = near and ("did you mean `%s`?"):format(near)
        or "for example x86_64-linux, aarch64-darwin or x86_64-windows",
    })
  end
  ---@cast os_name string
  ---@cast arch string
  return os_name, arch
end

local function check_name(flag, name)
  if name and (name == "" or name:find("[%c/:%s]")) then
    failure.raise({ kind = "usage", message = ("%s takes a name, not %q"):format(flag, name) })
  end
end

--- Returns the machine that a command line names, as `syslua.evaluate` takes it; nil when it names
-- none.
---@param args syslua.cli.Args
---@return { os: syslua.Os, arch: syslua.Arch, hostname: string?, username: string? }?
function machine_view.get(args)
  if not (args.hostname or args.system or args.username) then
    return nil
  end
  check_name("--hostname", args.hostname)
  check_name("--username", args.username)
  local here = require("syslua.system").get()
  ---@type any, any
  local os_name, arch = here.os, here.arch
  if args.system then
    os_name, arch = machine_view.parse_platform("--system", args.system)
  end
  return { os = os_name, arch = arch, hostname = args.hostname, username = args.username }
end

return machine_view
