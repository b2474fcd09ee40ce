--- `packages{}`: packages that the package manager of the system installs.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local position = require("syslua.util.position")
local schema = require("syslua.schema")
local scope = require("syslua.scope")
local tables = require("syslua.util.table")

local raise = position.raise

---@class syslua.packages.Opts
---@field apt string|string[]|nil packages of Debian and what comes from it; `name=version` too
---@field dnf string|string[]|nil packages of Fedora and what comes from it
---@field pacman string|string[]|nil packages of Arch Linux and what comes from it
---@field brew string|string[]|nil formulae and casks of Homebrew

local names = { type = { "string", "list" }, items = "string" }
local fields = { apt = names, dnf = names, pacman = names, brew = names }

local function check_place()
  local current = scope.get()
  if not current then
    raise("packages{} works only while a config is evaluated", "call it in setup()")
    return
  end
  local block = current.block
  local whose = block.user and "user{}" or block.project and "project{}"
  if whose then
    raise(
      ("packages{} in %s: packages are installed for the whole system"):format(whose),
      "declare them beside it, in setup(), or use tools{}"
    )
  end
end

--- Declares packages of the system. Each manager's list counts where the machine has that manager.
---@param given syslua.packages.Opts
return function(given)
  schema.check("packages{}", given, fields)
  check_place()
  local chain = position.chain()
  for _, manager in ipairs(tables.get_sorted_keys(given)) do
    local list = given[manager]
    for _, name in ipairs(type(list) == "table" and list or { list }) do
      local why = bindings.call("check_package", manager, name)
      if why then
        failure.raise({
          kind = "config",
          message = ("%q in `%s` of packages{} is not a package: it %s"):format(name, manager, why),
          position = position.caller(),
          hint = ('for example packages { %s = { "git" } }'):format(manager),
        })
      end
      bindings.call("record", { kind = "package", manager = manager, package = name }, chain)
    end
  end
end
