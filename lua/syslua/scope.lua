--- What is evaluated right now: the config's directory, the user or project that declarations are
-- scoped to, and what helpers collect until the end. It does not know what they collect.

local border = require("syslua.border")
local path = require("syslua.util.path")

local scope = {}

local byte = string.byte
local tilde = byte("~")

-- Evaluations under way, innermost last.
---@type syslua.Scope[]
local stack = {}

--- One evaluation.
---@class syslua.Scope
---@field directory string the absolute directory of the entry file
---@field home string the home of who evaluates
---@field blocks syslua.Block[] all blocks, in order of their first use
---@field block syslua.Block the current one
---@field is_own boolean? inside of `user{}` for oneself, which takes precedence over common
--- declarations
---@field own_block syslua.Block? what root declares for the environment of root alone
---@field separators table<string, string|false> of variables that the config
--- defined: false is singular
---@field notify fun(message: string, position: string?) tells the user something
---@field project syslua.TrustedProject? the project that the files evaluated are the body of
---@field on_file fun(file: table)? is told of each `file{}` that counts
---@field loader syslua.Loader? reads its files
---@field private_texts { part: string, name: string }[]? what only the owners of files can read
---@field texts table<string, string>? the files that texts of `lib.read` are the contents of
---@field answers syslua.answers.Session? what it asks its user, and the answers
---@field registry syslua.tool_registry.Session? where the registries of tools are
---@field input_trees string[]? the trees of inputs that came from elsewhere

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
  border.call("set_scope", block.user, block.home, block.project)
end

--- Begins an evaluation.
---@param directory string
---@param home string
---@param notify fun(message: string, position: string?)
---@param on_file fun(file: table)?
---@param project syslua.TrustedProject?
function scope.push(directory, home, notify, on_file, project)
  local block = new_block(nil, nil, home)
  stack[#stack + 1] = {
    directory = directory,
    home = home,
    blocks = { block },
    block = block,
    separators = {},
    notify = notify,
    on_file = on_file,
    project = project,
  }
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

--- Returns the list in which a helper collects what is declared in the current block.
---@param helper string
---@return table? list nil outside of an evaluation
function scope.collect(helper)
  local current = stack[#stack]
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
  local current = stack[#stack]
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
  local current = stack[#stack]
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
  local current = stack[#stack]
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
  local current = stack[#stack]
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
  local block = stack[#stack] and stack[#stack].block
  if not block or not block.whose then
    callback(...)
    return
  end
  border.call("set_scope", block.whose, block.home, nil)
  local succeeded, problem = pcall(callback, ...)
  activate(block)
  if not succeeded then
    error(problem, 0)
  end
end

--- Returns the amount by which the priority number of a declaration is lower here.
---@return integer
function scope.get_advantage()
  local current = stack[#stack]
  return current and (current.is_own or current.block.whose) and 1 or 0
end

--- Returns the directory that relative paths start from.
---@return string
function scope.get_directory()
  local current = stack[#stack]
  return current and current.directory or "."
end

--- Returns whether a path is in an input that came from elsewhere.
---@param place string
---@return boolean
function scope.is_in_input(place)
  local current = stack[#stack]
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
  local current = stack[#stack]
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
