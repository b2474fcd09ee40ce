--- `file{}` with `recursive`: a tree declares the files in it, and each of them wins or loses
-- separately. The engine collects the contents of a tree (`src/module/src/collected.rs`); this room
-- handles the files whose paths others declare too.

local border = require("syslua.border")
local failure = require("syslua.util.failure")
local origin = require("syslua.helpers.file.origin")
local path = require("syslua.util.path")
local scope = require("syslua.scope")

local tree = {}

---@class syslua.file.Trees: syslua.file.Declared[]
---@field by_number table<integer, syslua.file.Declared>

local function raise_no_tree(file)
  failure.raise({
    kind = "config",
    message = ("`recursive` in file{}: %s is not a directory that contains files"):format(
      file.source
    ),
    position = border.call("positions_of_ticket", file.ticket)[1],
    hint = "remove `recursive` for a file",
  })
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
    if file.recursive and file.source and not origin.is_placeholder(file.source) then
      local from = origin.get_place(file)
      if not border.call("exists", from) then
        require("syslua.helpers.file.parts").raise_missing(file)
      end
      file.from = from
      file.members = border.call("collect_tree", plain, from, file.place, scope.get_directory())
        or raise_no_tree(file)
      trees[#trees + 1] = file
      trees.by_number[file.members] = file
    else
      files[#files + 1] = file
    end
  end
  return trees, files
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
