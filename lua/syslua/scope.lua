--- The scope of declarations in the evaluation under way: the user or project that they are for,
-- and what helpers collect in each block until the end. It does not know what they collect.

local bindings = require("syslua.bindings")
local evaluation = require("syslua.evaluation")
local path = require("syslua.util.path")

local scope = {}

local byte = string.byte
local tilde = byte("~")

--- Declarations of one scope: common ones, those of one user, those of one project.
---@class syslua.Block
---@field user string?
---@field project { name: string, path: string? }?
---@field home string what `~` stands for
---@field whose string? of root's own block, root: only its environment is of that user, all else is
--- common, with precedence
---@field collected table<string, table> what helpers collect, by helper

local function new_block(user, project, home)
  return { user = user, project = project, home = home, collected = {} }
end

local function activate(block)
  bindings.call("set_scope", block.user, block.home, block.project)
end

--- Returns an evaluation to begin, with a block of common declarations.
---@param directory string
---@param home string
---@param fields table the other fields of the evaluation
---@return syslua.Evaluation
function scope.new(directory, home, fields)
  local block = new_block(nil, nil, home)
  fields.directory, fields.home, fields.separators = directory, home, {}
  fields.block, fields.blocks = block, { block }
  return fields
end

--- Returns the evaluation under way, or nil.
---@return syslua.Evaluation?
function scope.get()
  return evaluation.current
end

--- Returns the list in which a helper collects what is declared in the current block.
---@param helper string
---@return table? list nil outside of an evaluation
function scope.collect(helper)
  local current = evaluation.current
  if not current then
    return nil
  end
  -- Files of root's own block compete with the common ones.
  local is_common = current.block.whose and helper == "file"
  local collected = (is_common and current.blocks[1] or current.block).collected
  collected[helper] = collected[helper] or {}
  return collected[helper]
end

--- Calls a function in a block.
---@param block syslua.Block
---@param callback function
function scope.within(block, callback, ...)
  local current = assert(evaluation.current)
  local before = current.block
  current.block = block
  activate(block)
  -- A config may catch the error, and continue.
  local succeeded, problem = pcall(callback, ...)
  current.block = before
  activate(before)
  if not succeeded then
    error(problem, 0)
  end
end

local function is_same(left, right)
  return left == right or (left and right and left.name == right.name and left.path == right.path)
end

--- Calls a function while declarations are scoped to a user or a project.
---@param user string?
---@param project { name: string, path: string? }?
---@param home string
---@param callback function
function scope.run(user, project, home, callback)
  local current = assert(evaluation.current)
  for _, block in ipairs(current.blocks) do
    if block.user == user and is_same(block.project, project) then
      return scope.within(block, callback)
    end
  end
  local block = new_block(user, project, home)
  current.blocks[#current.blocks + 1] = block
  scope.within(block, callback)
end

--- Calls a function whose declarations belong to the user: they take precedence over common ones.
---@param callback function
function scope.run_own(callback)
  local current = assert(evaluation.current)
  local before = current.is_own
  current.is_own = true
  local succeeded, problem = pcall(callback)
  current.is_own = before
  if not succeeded then
    error(problem, 0)
  end
end

--- Does the same for root: what is common is for all users, so what root declares for its own
-- shells is an environment of its own.
---@param user string
---@param callback function
function scope.run_own_apart(user, callback)
  local current = assert(evaluation.current)
  local block = current.own_block
  if not block then
    block = new_block(nil, nil, current.block.home)
    block.whose = user
    current.own_block = block
    current.blocks[#current.blocks + 1] = block
  end
  scope.within(block, callback)
end

--- Calls a function that records parts of the environment. In root's own block they are for root
-- only.
---@param callback function
function scope.for_shells(callback, ...)
  local block = evaluation.current and evaluation.current.block
  if not block or not block.whose then
    callback(...)
    return
  end
  bindings.call("set_scope", block.whose, block.home, nil)
  local succeeded, problem = pcall(callback, ...)
  activate(block)
  if not succeeded then
    error(problem, 0)
  end
end

--- Returns the amount by which the priority number of a declaration is lower here.
---@return integer
function scope.get_advantage()
  local current = evaluation.current
  return current and (current.is_own or current.block.whose) and 1 or 0
end

--- Returns the directory that relative paths start from.
---@return string
function scope.get_directory()
  local current = evaluation.current
  return current and current.directory or "."
end

--- Returns whether a path is in an input that came from elsewhere.
---@param place string
---@return boolean
function scope.is_in_input(place)
  local current = evaluation.current
  for _, tree in ipairs(current and current.input_trees or {}) do
    if place == tree or place:sub(1, #tree + 1) == tree .. "/" then
      return true
    end
  end
  return false
end

--- Returns the home that `~` stands for in paths of the config.
---@return string
function scope.get_home()
  local current = evaluation.current
  return current and current.block.home or os.getenv("HOME") or "/"
end

-- The home in its one way of writing, without a slash at its end.
local last_home, last_normal_home

local function get_normal_home()
  local home = scope.get_home()
  if home ~= last_home then
    last_home, last_normal_home = home, (path.normalize(home):gsub("/$", ""))
  end
  return last_normal_home
end

--- Returns the place of a target that is written in its shortest form.
---@param target string absolute, or from `~/`
---@return string
function scope.get_place(target)
  return byte(target) == tilde and get_normal_home() .. target:sub(2) or target
end

return scope
