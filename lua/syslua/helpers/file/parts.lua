--- What a checked declaration of `file{}` becomes: derivations and recorded actions. For those that are
-- more than a path and a content. It checks no fields.

local border = require("syslua.border")
local derive = require("syslua.derive")
local origin = require("syslua.helpers.file.origin")
local path = require("syslua.util.path")
local position = require("syslua.util.position")
local scope = require("syslua.scope")
local source = require("syslua.source")

local native = require("syslua").native

local parts = {}

local is_placeholder, get_source_place = origin.is_placeholder, origin.get_place
local raise = position.raise

-- The derivation of what a file is made of.
local function derive_content(file, recipe)
  local opts = { content = file.content, executable = file.executable or nil }
  if file.source and is_placeholder(file.source) then
    opts.source = file.source
  elseif file.source then
    opts.source = file.declared or source(file.source)
  end
  return derive({ name = border.call("name_of_file", file.path), opts = opts, config = recipe })
end

-- What every file of a tree is linked to: its own place, or that in the copy of the tree.
local function get_tree_links(file, recipe)
  local place = border.call("absolute", get_source_place(file))
  local entries = border.call("list_tree", place)
  local links = {}
  ---@type syslua.Derivation?
  local derivation
  local from = place
  if not file.mutable then
    local declared = derive_content(file, recipe)
    derivation, from = declared, declared.out
  end
  for _, entry in ipairs(entries) do
    if entry.kind == "special" then
      raise(("%s is no file, directory or link"):format(path.join(place, entry.path)))
    elseif entry.kind ~= "directory" then
      links[#links + 1] = {
        kind = "symlink",
        source = from .. "/" .. entry.path,
        target = file.path .. "/" .. entry.path,
        mutable = file.mutable or nil,
      }
    end
  end
  if not links[1] then
    raise(
      ("`recursive` in file{}: %s is no directory with files in it"):format(file.source),
      "leave out `recursive` for a file"
    )
  end
  return links, derivation
end

local function raise_missing(file)
  raise(
    ("the source %s does not exist"):format(file.source),
    ("it would be %s"):format(path.display(get_source_place(file), scope.get_home()))
  )
end

-- Declares what most files are, a link to one content or a copy of it, in one call of the engine.
local function declare_plain(file, recipe, place)
  local install
  if file.mode or file.owner or file.copy or file.is_once then
    install = { mode = file.mode, owner = file.owner, mutable = file.is_once or nil }
  end
  file.action = border.answer(
    native.declare_file(
      file.path,
      place,
      file.content,
      file.executable,
      install,
      recipe,
      file.positions
    )
  )
  if not file.action then
    raise_missing(file)
  end
end

-- Returns the actions of a file that is more than that, and the derivation that was declared for them.
local function get_actions(file, recipe)
  if file.recursive then
    return get_tree_links(file, recipe)
  elseif file.mutable and file.source then
    local own = border.call("absolute", get_source_place(file))
    return { { kind = "symlink", source = own, target = file.path, mutable = true } }
  end
  local derivation
  local from = file.source
  if not is_placeholder(from) or file.executable then
    local declared = derive_content(file, recipe)
    derivation, from = declared, declared.out
  end
  local action = { kind = "symlink", source = from, target = file.path }
  if file.mode or file.owner or file.copy then
    action.kind, action.mode, action.owner = "install", file.mode, file.owner
  end
  return { action }, derivation
end

--- Declares and records what a file needs; notes it in the file.
---@param file table
---@param recipe function how its content is built
function parts.declare(file, recipe)
  local is_path = file.source and not file.declared and not is_placeholder(file.source)
  if is_path and not file.recursive and not file.mutable then
    return declare_plain(file, recipe, get_source_place(file))
  elseif file.content then
    return declare_plain(file, recipe)
  elseif is_path and not border.call("exists", get_source_place(file)) then
    raise_missing(file)
  end
  local actions, derivation = get_actions(file, recipe)
  file.numbers, file.hash = {}, derivation and derivation.hash
  for index, action in ipairs(actions) do
    file.numbers[index] = border.call("record", action, file.positions)
  end
end

return parts
