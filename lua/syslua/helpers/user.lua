--- `user{}`: declarations of one user: files in that user's home, variables in that user's
-- environment. It does not know how the engine becomes that user.

local bindings = require("syslua.bindings")
local position = require("syslua.util.position")
local schema = require("syslua.schema")
local scope = require("syslua.scope")
local system = require("syslua.system")

---@class syslua.user.Opts
---@field name string the user's name
---@field setup fun()? declares what is the user's
---@field config fun()? another name for `setup`

local fields = {
  name = { type = "string", required = true },
  setup = { type = "function" },
  config = { type = "function" },
}

local raise = position.raise

local function get_home(name, target)
  if system.is_foreign() then
    return system.get_usual_home(target.os, name)
  end
  local home = bindings.call("user_home", name)
  if not home then
    raise(
      ("there is no user `%s` on this machine"):format(name),
      "make the user first, or declare it for machines that have it: if syslua.hostname == ..."
    )
  end
  return home
end

--- Declares for a user what `setup` declares. Root does it for any user; other users only for
-- themselves, and the block of another user is skipped.
---@param given syslua.user.Opts
return function(given)
  schema.check("user{}", given, fields)
  local setup = schema.get_callback("user{}", given)
  local current = scope.get()
  if not current then
    raise("user{} works only while a config is evaluated", "call it in setup()")
    return
  end
  local name = given.name
  if name == "" or name:find("[%c/:]") then
    raise(("%q cannot be the name of a user"):format(name))
  end
  local block = current.block
  if block.user or block.whose or block.project then
    local outer = block.project and "project{}" or "user{}"
    raise(("user{} inside of %s"):format(outer), "declare it separately, in setup()")
  end
  local target = system.get()
  if target.username == name and name == "root" then
    scope.run_own_apart(name, setup)
  elseif target.username == name then
    scope.run_own(setup)
  elseif target.username == "root" then
    scope.run(name, nil, get_home(name, target), setup)
  else
    current.notify(
      ("what is declared for the user %s is left out: you are %s"):format(name, target.username),
      position.caller()
    )
  end
end
