--- The line at the end of an apply or a plan without changes. For most of them it is the only line,
-- so it is separate from the complete report.

local path = require("syslua.util.path")

local unchanged_report = {}

--- Returns the line.
---@param what string "Nothing changed", or a similar text
---@param result table an ApplyResult or a PlanResult
---@param config string the config's path
---@return string
function unchanged_report.render(what, result, config)
  local snapshot = result.snapshot or {}
  return ("%s: snapshot %s matches %s."):format(
    what,
    tostring(snapshot.id or "0"),
    path.display(config, path.get_home())
  )
end

return unchanged_report
