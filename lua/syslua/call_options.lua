--- The options that each function of the module knows: a misspelled option must not be ignored,
--- because `dryrun = true` would then apply. This room does not know what options mean.

local schema = require("syslua.schema")

local call_options = {}

-- One table may serve an evaluation too.
local common = {
  root = { type = "string" },
  jobs = { type = "integer" },
  offline = { type = "boolean" },
  locked = { type = "boolean" },
  lock_timeout = { type = "number" },
  sandbox = { type = "string" },
  build_users = { type = "string" },
  ticks = { type = "boolean" },
  brief = { type = "boolean" },
  on_event = { type = "function" },
  pure = { type = "boolean" },
  raw = { type = "boolean" },
  sys = { type = "map" },
  answers = { type = "map" },
  ask = { type = "function" },
  on_answers = { type = "function" },
  on_kept_answers = { type = "function" },
}

--- Returns a check of the options of one function, which raises a failure at what it does not know.
---@param name string what messages call the function: "syslua.build"
---@param own table<string, syslua.schema.Field>? the options that only this function has
---@return fun(options: table?)
function call_options.new_check(name, own)
  local fields = {}
  for _, part in ipairs({ common, own or {} }) do
    for key, field in next, part do
      fields[key] = field
    end
  end
  local what = "the options of " .. name
  return function(options)
    if options ~= nil then
      schema.check(what, options, fields)
    end
  end
end

return call_options
