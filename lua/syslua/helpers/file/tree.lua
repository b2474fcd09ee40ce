--- `file{}` with `recursive`: a tree declares the files in it, each of which may win or lose by itself.

local border = require("syslua.border")
local failure = require("syslua.util.failure")
local origin = require("syslua.helpers.file.origin")
local path = require("syslua.util.path")
local scope = require("syslua.scope")

local tree = {}

local function raise_no_tree(file)
  failure.raise({
    kind = "config",
    message = ("`recursive` in file{}: %s is no directory with files in it"):format(file.source),
    position = border.call("positions_of_ticket", file.ticket)[1],
    hint = "leave out `recursive` for a file",
  })
end

-- The declaration of one file of a tree. `followed` is where a link ends that leads out of the tree.
local function get_member(file, place, below, followed)
  if followed and not file.mutable then
    return {
      path = path.join(file.path, below),
      place = path.join(file.place, below),
      source = followed,
      copy = file.copy,
      public = file.public,
      number = file.number,
      ticket = file.ticket,
      has_more = true,
    }
  end
  return {
    path = path.join(file.path, below),
    place = path.join(file.place, below),
    source = file.mutable and path.join(place, below) or place,
    mutable = file.mutable,
    copy = file.copy,
    number = file.number,
    ticket = file.ticket,
    has_more = true,
    tree = file,
    below = below,
  }
end

--- Returns declarations with the files of each tree in its place.
---@param collected syslua.file.Declared[]
---@return syslua.file.Declared[]
function tree.expand(collected)
  local files = {}
  for _, file in ipairs(collected) do
    -- What is in a built tree is known when it is built.
    if file.recursive and file.source and not origin.is_placeholder(file.source) then
      local place = origin.get_place(file)
      if not border.call("exists", place) then
        require("syslua.helpers.file.parts").raise_missing(file)
      end
      local list = border.call("list_files", place, scope.get_directory())
      if not list or not list.files[1] then
        raise_no_tree(file)
      end
      for _, below in ipairs(list.files) do
        files[#files + 1] = get_member(file, place, below, list.followed[below])
      end
    else
      files[#files + 1] = file
    end
  end
  return files
end

return tree
