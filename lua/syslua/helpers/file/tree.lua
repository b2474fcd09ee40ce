--- `file{}` with `recursive`: a tree declares the files in it, and each of them wins or loses
-- separately. The engine collects the contents of a tree (`src/module/src/collected.rs`); this room
-- handles the files whose paths others declare too.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local source_path = require("syslua.helpers.file.source_path")
local path = require("syslua.util.path")
local scope = require("syslua.scope")
local text = require("syslua.util.text")

local tree = {}

---@class syslua.file.Trees: syslua.file.Declared[]
---@field by_number table<integer, syslua.file.Declared>

local function get_position(file)
  return bindings.call("positions_of_ticket", file.ticket)[1]
end

local function raise_no_tree(file)
  if file.exclude or file.include or bindings.call("look", file.from .. "/.sysluaignore") then
    failure.raise({
      kind = "config",
      message = ("the patterns of file{} take no file of %s"):format(file.source),
      position = get_position(file),
      hint = "`include` lists what alone is taken, and `exclude` wins over it",
    })
  end
  failure.raise({
    kind = "config",
    message = ("`recursive` in file{}: %s is not a directory that contains files"):format(
      file.source
    ),
    position = get_position(file),
    hint = "remove `recursive` for a file",
  })
end

-- Has the engine collect what is in one tree; returns what it found.
local function collect(plain, file)
  file.from = source_path.get_place(file)
  if not bindings.call("exists", file.from) then
    require("syslua.helpers.file.declare").raise_missing(file)
  end
  local found = bindings.call("collect_tree", {
    collection = plain,
    source = file.from,
    place = file.place,
    directory = scope.get_directory(),
    exclude = file.exclude,
    include = file.include,
    ticket = file.ticket,
    gives_members = file.rename ~= nil,
  }) or raise_no_tree(file)
  file.members = found.number
  for _, below in ipairs(found.passed) do
    require("syslua.helpers.file.declare").tell_passed(path.join(file.source, below), file.ticket)
  end
  return found
end

--- Has the engine collect what is in trees; returns these, and the other declarations. What
-- is in a built tree is known when it is built: it counts as a file.
---@param plain integer the number of the engine's collection
---@param collected syslua.file.Declared[]
---@return syslua.file.Trees trees in the order of declaration
---@return syslua.file.Declared[] files
function tree.collect(plain, collected)
  ---@type syslua.file.Trees, syslua.file.Declared[]
  local trees, files = { by_number = {} }, {}
  for _, file in ipairs(collected) do
    if file.recursive and file.source and not source_path.is_placeholder(file.source) then
      collect(plain, file)
      trees[#trees + 1] = file
      trees.by_number[file.members] = file
    else
      files[#files + 1] = file
    end
  end
  return trees, files
end

-- The path below the target that a function of the config gave for a file.
local function check_name(file, below, name)
  local problem = type(name) ~= "string" and "expected a path or nil, got " .. text.describe(name)
    or name == "" and "the new path is empty"
    or name:find("%z") and "the new path has a NUL byte"
    or path.is_absolute(name) and ("the new path %q is absolute"):format(name)
    or ("/" .. name .. "/"):find("/../", 1, true) and ("the new path %q has `..`"):format(name)
    or name:find("/$") and ("the new path %q ends with a slash"):format(name)
  local normal = not problem and path.normalize("/" .. name):sub(2)
  if not normal or normal == "" then
    failure.raise({
      kind = "config",
      message = ("`rename` in file{}, for %s: %s"):format(
        below,
        problem or ("%q is not the path of a file"):format(name)
      ),
      position = get_position(file),
      hint = "return a path below the target, such as .config/app, or nil to leave the file out",
    })
  end
  return normal
end

--- Returns the files of a tree under the names that a function of the config gives them, without
-- those that it leaves out.
---@param plain integer the number of the engine's collection
---@param file syslua.file.Declared the tree
---@return syslua.file.Declared[]
function tree.get_renamed(plain, file)
  local members, origins = {}, {}
  local rename = assert(file.rename)
  for _, found in ipairs(collect(plain, file).members) do
    local name = rename(found.below)
    if name ~= nil then
      name = check_name(file, found.below, name)
      if origins[name] then
        failure.raise({
          kind = "config",
          message = ("`rename` in file{}: %s and %s both become %s"):format(
            origins[name],
            found.below,
            name
          ),
          position = get_position(file),
          hint = "each file of a tree needs a path of its own; nil leaves one out",
        })
      end
      origins[name] = found.below
      local member = tree.get_member(file, found.below, found.followed)
      member.path, member.place = path.join(file.path, name), path.join(file.place, name)
      members[#members + 1] = member
    end
  end
  return members
end

--- Returns the declaration of one file of a tree.
---@param file syslua.file.Declared the tree
---@param below string the path of the file below it
---@param followed string? where a link ends that leads out of the tree
---@return syslua.file.Declared
function tree.get_member(file, below, followed)
  local member = {
    path = path.join(file.path, below),
    place = path.join(file.place, below),
    copy = file.copy,
    number = file.number,
    ticket = file.ticket,
    has_more = true,
  }
  if followed and not file.mutable then
    member.source, member.public = followed, file.public
  else
    local from = file.from --[[@as string]]
    member.source = file.mutable and path.join(from, below) or from
    member.mutable, member.tree, member.below = file.mutable, file, below
  end
  return member
end

return tree
