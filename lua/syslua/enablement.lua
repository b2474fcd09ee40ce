--- Enables services: records the files of their units, the links that enable them, and what their
-- manager is asked to do. It does not know how units are written.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local position = require("syslua.util.position")
local scope = require("syslua.scope")
local system = require("syslua.system")

local enablement = {}

---@class syslua.enablement.Unit
---@field name string
---@field target string
---@field copy boolean
---@field text string
---@field links { [1]: string, [2]: string }[]
---@field starts boolean
---@field file string? the object that it is, if its text is not known yet

---@class syslua.enablement.Options
---@field scope string
---@field on_switch string?
---@field depends string[]?
---@field names string[]?
---@field check string|string[]|nil
---@field linger boolean?

--- Returns whose service it is unless that is given: root's is the machine's, but not in `user{}`.
---@param what string how messages name the helper
---@param given string?
---@return string
function enablement.get_scope(what, given)
  local current = scope.get()
  local user = current and current.block.user
  local is_root = system.get().username == "root"
  local result = given or (is_root and not user and "system" or "user")
  local message, hint
  if result ~= "system" and result ~= "user" then
    message = ('`scope` in %s: expected "system" or "user", got %q'):format(what, tostring(given))
  elseif result == "system" and user then
    message = ("a service of the system in user{}: `scope` in %s"):format(what)
    hint = "declare it separately, in setup()"
  elseif result == "system" and not is_root and not system.get().is_windows then
    message = ("only root has services of the system: `scope` in %s"):format(what)
    hint = "remove `scope` for your own service, or apply as root"
  end
  if message then
    failure.raise({
      kind = "config",
      message = message,
      position = position.caller(),
      hint = hint,
    })
  end
  return result
end

--- Raises what the engine refuses of a service.
---@param what string how messages name the helper
---@param refusal { field: string, why: string, hint: string? }
function enablement.raise(what, refusal)
  failure.raise({
    kind = "config",
    message = ("`%s` in %s %s"):format(refusal.field, what, refusal.why),
    position = position.caller(),
    hint = refusal.hint,
  })
end

--- Records a service.
---@param name string
---@param units syslua.enablement.Unit[] what starts others before these
---@param options syslua.enablement.Options
function enablement.record(name, units, options)
  local chain, described = position.chain(), {}
  for index, unit in ipairs(units) do
    local file = unit.file or bindings.call("declare_text", unit.name, unit.text, chain)
    local links = {}
    bindings.call("record", {
      kind = unit.copy and "install" or "symlink",
      source = file,
      target = unit.target,
    }, chain)
    for number, link in ipairs(unit.links) do
      links[number] = link[1]
      local source = scope.get_place(link[2])
      bindings.call("record", { kind = "symlink", source = source, target = link[1] }, chain)
    end
    described[index] = {
      name = unit.name,
      file = file,
      target = unit.target,
      links = links[1] and links or nil,
      starts = unit.starts or nil,
    }
  end
  local depends, names = options.depends, options.names
  bindings.call("record", {
    kind = "enable_service",
    name = name,
    scope = options.scope,
    units = described,
    on_switch = options.on_switch ~= "restart" and options.on_switch or nil,
    depends = depends and depends[1] and depends or nil,
    names = names and names[1] and names or nil,
    check = options.check,
    linger = options.linger or nil,
  }, chain)
end

return enablement
