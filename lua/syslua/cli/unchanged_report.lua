--- The line that an apply or a plan of what is in force already ends with: of most of them it is
-- the only one, which is why it is no part of the whole report.

local path = require("syslua.util.path")

local unchanged_report = {}

--- Returns the line.
---@param what string "Nothing changed", or the like
---@param result table an ApplyResult or a PlanResult
---@param config string the config's path
---@return string
function unchanged_report.render(what, result, config)
  local snapshot = result.snapshot or {}
  return ("%s: snapshot %s matches %s."):format(
    what,
    tostring(snapshot.id or "0"),
    path.display(config, os.getenv("HOME"))
  )
end

return unchanged_report
