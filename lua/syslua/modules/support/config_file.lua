-- What modules for services share: the file that a program reads, as an object of the store, so
-- that it can be checked before it is put where the program looks.

local config_file = {}

local function write(opts, ctx)
  ctx.write(ctx.out, opts.text)
end

--- Returns the path that a file with a text will have in the store.
---@param name string
---@param text string
---@return string
function config_file.build(name, text)
  return derive({ name = name, opts = { text = text }, config = write }).out
end

--- Returns a text of one line, or fails.
---@param module string how messages call the module
---@param what string
---@param value any
---@return string
function config_file.check_line(module, what, value)
  if type(value) == "number" then
    value = syslua.lib.toJSON(value)
  end
  if type(value) ~= "string" then
    local given = getmetatable(value) == "syslua.Secret" and "secret" or type(value)
    error(("%s: %s: expected a string or a number, got a %s"):format(module, what, given), 0)
  elseif value:find("%c") then
    error(("%s: %s has a control character in it: %q"):format(module, what, value), 0)
  end
  return value
end

return config_file
