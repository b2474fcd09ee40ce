--- `confirm`: keeps the changes of `apply --confirm`, which are undone otherwise.

local shared = require("syslua.cli.arguments").shared

local confirm = {}

confirm.order = 70
confirm.summary = "Keep the changes of apply --confirm"

confirm.description = [[
The exit code is 1 when no change waits for confirmation.
]]

confirm.arguments = {
  shared.json,
}

--- Does it.
---@param options table
---@return syslua.Confirmed
function confirm.run(_, options)
  return require("syslua.bindings").call("confirm", options)
end

--- Renders it for people.
---@param report syslua.Confirmed
---@return string[]
function confirm.render(report)
  return { ("Confirmed: snapshot %s stays."):format(report.snapshot.id) }
end

return confirm
