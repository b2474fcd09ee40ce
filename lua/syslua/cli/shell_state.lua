--- Which environment the shell has that runs a command: its variables tell.

local shell_state = {}

-- With what the value of a memory begins.
local function get_stamp(memory)
  return (os.getenv(memory) or ""):match("^[^ ]*")
end

--- Returns whether the shell has the current environment, an older one, or none; nil when nothing
--- is declared.
---@param environments syslua.StampReport[]
---@return "current"|"old"|"none"|nil
function shell_state.get(environments)
  ---@type "old"|"none"|nil
  local state
  for _, environment in ipairs(environments) do
    local stamp = get_stamp(environment.memory)
    if stamp == environment.stamp and environment.variables > 0 then
      return "current"
    elseif stamp ~= "" and stamp ~= environment.stamp then
      state = "old"
    elseif environment.variables > 0 then
      state = state or "none"
    end
  end
  return state
end

--- Returns the value of a variable in this shell before sys.lua, or nil; and whether that is known
--- at all.
---@param environments syslua.StampReport[]
---@param name string
---@param separator string? of a list
---@return string? value
---@return boolean is_known
function shell_state.get_earlier(environments, name, separator)
  for _, environment in ipairs(environments) do
    local word = separator and ("%s+%d"):format(name, #separator) or name
    local memory = os.getenv(environment.memory) or ""
    if (memory .. " "):find(" " .. word .. " ", 1, true) then
      local remembered = os.getenv(environment.memory .. "_" .. name)
      if not separator then
        return remembered, true
      end
      local kept = {}
      local value = os.getenv(name) or ""
      for entry in (value .. separator):gmatch("(.-)" .. separator:gsub("%p", "%%%0")) do
        if not (remembered or ""):find(separator .. entry .. separator, 1, true) then
          kept[#kept + 1] = entry
        end
      end
      return kept[1] and table.concat(kept, separator), true
    end
  end
  return nil, false
end

return shell_state
