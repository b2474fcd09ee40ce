--- The script that the shells of the user read who runs a command: what root declares for itself
-- alone is in a script beside that of all users.

local bindings = require("syslua.bindings")
local path = require("syslua.util.path")

local own_script = {}

--- Returns whose script the user's shells read: nil for that of all users.
---@param root string
---@return string?
function own_script.get_user(root)
  local is_own = require("syslua").username == "root"
    and bindings.call("exists", path.join(root, "users/root/env.sh"))
  return is_own and "root" or nil
end

--- Returns the path of that script.
---@param script string that of all users, in the root
---@return string
function own_script.get_path(script)
  local root, name = script:match("^(.*)/([^/]*)$")
  if not (root and name) then
    return script
  end
  local user = own_script.get_user(root)
  return user and path.join(root, ("users/%s/%s"):format(user, name)) or script
end

return own_script
