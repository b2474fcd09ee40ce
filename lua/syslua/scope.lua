--- What is evaluated right now: the config's directory, and what helpers collect until its end.
-- It does not know what they collect.

local scope = {}

-- Evaluations under way, innermost last.
local stack = {}

---@class syslua.Scope
---@field directory string the absolute directory of the entry file
---@field home string the user's home
---@field variables table[] what `env{}` declared
---@field finalizers table<string, fun(scope: syslua.Scope)> run at the end of the evaluation

--- Begins an evaluation.
---@param directory string
---@param home string
function scope.push(directory, home)
  stack[#stack + 1] = { directory = directory, home = home, variables = {}, finalizers = {} }
end

--- Ends it.
function scope.pop()
  stack[#stack] = nil
end

--- Returns the evaluation under way, or nil.
---@return syslua.Scope?
function scope.get()
  return stack[#stack]
end

--- Returns the directory that relative paths start from.
---@return string
function scope.get_directory()
  local current = stack[#stack]
  return current and current.directory or "."
end

--- Returns the home that `~` stands for in paths of the config.
---@return string
function scope.get_home()
  local current = stack[#stack]
  return current and current.home or os.getenv("HOME") or "/"
end

return scope
