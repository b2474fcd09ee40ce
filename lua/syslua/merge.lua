--- Which variables merge, and how declarations of one variable become one value.
-- It does not know where they come from.

local failure = require("syslua.util.failure")

local merge = {}

-- Variables that are lists of places, by the conventions of the programs that read them.
---@type table<string, string>
local separators = {
  PATH = ":",
  MANPATH = ":",
  INFOPATH = ":",
  CDPATH = ":",
  FPATH = ":",
  XDG_DATA_DIRS = ":",
  XDG_CONFIG_DIRS = ":",
  LD_LIBRARY_PATH = ":",
  LIBRARY_PATH = ":",
  CPATH = ":",
  PKG_CONFIG_PATH = ":",
  PYTHONPATH = ":",
  NODE_PATH = ":",
  PERL5LIB = ":",
  GOPATH = ":",
  LUA_PATH = ";",
  LUA_CPATH = ";",
}

--- Returns whether declarations of a variable are put one after the other.
---@param name string
---@return boolean
function merge.is_mergeable(name)
  return separators[name] ~= nil
end

--- Returns what stands between the entries of a mergeable variable.
---@param name string
---@return string
function merge.get_separator(name)
  return separators[name]
end

local function raise_conflict(name, first, second)
  failure.raise({
    kind = "conflict",
    message = ("the variable %s is declared twice, with different values:\n  %q at %s\n  %q at %s"):format(
      name,
      first.value,
      first.positions[1] or "an unknown place",
      second.value,
      second.positions[1] or "an unknown place"
    ),
    position = second.positions[1],
    hint = "remove one of the two declarations",
  })
end

local function add(merged, variable)
  if not merge.is_mergeable(variable.name) then
    if merged.value ~= variable.value then
      raise_conflict(variable.name, merged, variable)
    end
    return
  end
  for _, entry in ipairs(variable.value) do
    table.insert(merged.value.entries, entry)
  end
end

--- Merges declarations in their order; returns one record a variable, in order of first declaration.
---@param variables { name: string, value: string|string[], positions: string[] }[]
---@return { name: string, value: string|{ entries: string[], separator: string }, positions: string[] }[]
function merge.merge_variables(variables)
  local merged, by_name = {}, {}
  for _, variable in ipairs(variables) do
    local known = by_name[variable.name]
    if not known then
      local is_list = merge.is_mergeable(variable.name)
      local value = is_list and { entries = {}, separator = separators[variable.name] }
        or variable.value
      known = { name = variable.name, value = value, positions = variable.positions }
      by_name[variable.name] = known
      merged[#merged + 1] = known
    end
    add(known, variable)
  end
  return merged
end

return merge
