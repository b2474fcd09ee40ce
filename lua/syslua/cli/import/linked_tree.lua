--- A tree whose files are linked into a home, as by GNU Stow and many scripts. The files in the
-- home decide, not what a tool would do.

local bindings = require("syslua.bindings")
local path = require("syslua.util.path")
local read = require("syslua.bindings").read
local writer = require("syslua.cli.import.config_writer")

local linked_tree = {}

-- Returns where the link at a place leads, its own last component not followed; nil when nowhere.
local function get_end(seen)
  local lead = path.join(path.dirname(seen.place), seen.target)
  local succeeded, found = pcall(bindings.call, "look", path.normalize(lead))
  return succeeded and found and found.place or nil
end

-- Whether an entry of a tree is a link that leads nowhere: a config cannot declare it.
local function is_dangling(own)
  return own.kind == "symlink" and not own.real
end

local dangling = "a link that leads nowhere"

local function add_link(found, group, source, target)
  writer.add(
    found,
    group,
    writer.render_file(target, { { "source", writer.show(source) }, { "mutable", true } })
  )
end

-- Whether a file of the home has the bytes of one of the tree.
local function is_same(source, target)
  return read(source) == read(target)
end

local function add_same(found, group, source, target, seen)
  local own = bindings.call("look", source)
  local mode = writer.get_private_mode(seen)
  if mode and require("syslua").username == "root" then
    writer.leave_out(found, target, "only its owner can read it, and the store of root is open")
    return
  end
  local is_run = not mode and writer.is_executable(seen)
  local line = writer.render_file(target, {
    { "source", writer.show(source) },
    { "executable", is_run and not writer.is_executable(own) or nil },
    { "mode", mode },
  })
  writer.add(found, group, line)
end

-- What a directory of the tree has in the home: whether all of it is links to plain files, how
-- many, and what adds the lines.
---@type any
local walk

local passed_by = { [".git"] = true, [".hg"] = true, [".svn"] = true }

-- One entry; returns its kind in the home: "link", "tree" with its result, or nil.
---@return string? what
---@return any seen
local function observe(context, source, target)
  if passed_by[path.basename(source)] then
    return nil
  end
  local own, seen = bindings.call("look", source), bindings.call("look", target)
  if not own then
    return nil
  elseif not seen then
    context.missing[#context.missing + 1] = target
    return nil
  elseif seen.kind == "symlink" and get_end(seen) == own.place then
    if is_dangling(own) then
      context.found.places[target] = true
      writer.leave_out(context.found, target, dangling)
      return nil
    end
    return own.kind == "file" and "link" or "odd"
  elseif seen.kind == "directory" and own.kind == "directory" then
    return "tree"
  elseif context.takes_same and seen.kind == "file" and own.kind == "file" then
    if is_same(source, target) then
      return "same", seen
    end
    writer.leave_out(context.found, target, "it differs from " .. writer.show(source))
    return nil
  end
  local reason = seen.kind == "symlink" and "there is a link with another target"
    or "there is another file"
  writer.leave_out(context.found, target, reason)
  return nil
end

-- Returns the place of an entry in the home: with `dot-` for `.` if that name exists.
local function get_target(directory, name)
  local target = path.join(directory, name)
  local rest = name:match("^dot%-(.+)$")
  if rest and not bindings.call("look", target) then
    local other = path.join(directory, "." .. rest)
    if bindings.call("look", other) then
      return other, true
    end
  end
  return target, false
end

function walk(context, source, target)
  ---@type any
  local result = { is_whole = true, count = 0, adders = {} }
  local names = bindings.call("list_directory", source, false) or {}
  table.sort(names)
  for _, name in ipairs(names) do
    local inner = path.join(source, name)
    local place, is_renamed = get_target(target, name)
    local what, seen = observe(context, inner, place)
    if name == ".sysluaignore" then
      -- As a tree it would be read, not linked.
      result.is_whole = false
    end
    if what == "tree" then
      local below = walk(context, inner, place)
      result.is_whole = result.is_whole and below.is_whole and not is_renamed
      result.count = result.count + below.count
      result.adders[#result.adders + 1] = below.add
    elseif what then
      context.found.places[place] = true
      result.is_whole = result.is_whole and what == "link" and not is_renamed
      result.count = result.count + 1
      result.adders[#result.adders + 1] = function()
        if what == "same" then
          add_same(context.found, context.group, inner, place, seen)
        else
          add_link(context.found, context.group, inner, place)
        end
      end
    else
      result.is_whole = false
    end
  end
  result.add = function()
    if result.is_whole and result.count > 1 then
      local line = writer.render_file(target, {
        { "source", writer.show(source) },
        { "recursive", true },
        { "mutable", true },
      })
      writer.add(context.found, context.group, line)
      return
    end
    for _, add in ipairs(result.adders) do
      add()
    end
  end
  return result
end

--- Adds the entries of a tree in a directory; returns how many of its files are in the home.
---@param found syslua.cli.Found
---@param group string what the lines are about
---@param source string the tree, absolute
---@param target string the directory that it is linked into, absolute
---@param takes_same boolean? whether files with the same bytes count too
---@return integer count
function linked_tree.add(found, group, source, target, takes_same)
  local context = { found = found, group = group, missing = {}, takes_same = takes_same }
  ---@type any
  local result = walk(context, source, target)
  result.add()
  if result.count > 0 then
    for _, place in ipairs(context.missing) do
      writer.leave_out(found, place, "it is in " .. writer.show(source) .. ", but not in the home")
    end
  end
  return result.count
end

--- Adds links of a directory that lead into a tree.
---@param found syslua.cli.Found
---@param group string
---@param tree string the tree, absolute
---@param directory string whose links are looked at; not what is below it
function linked_tree.add_links(found, group, tree, directory)
  local top = bindings.call("look", tree)
  local names = bindings.call("look", directory)
    and bindings.call("list_directory", directory, false)
  for _, name in ipairs(names or {}) do
    local place = path.join(directory, name)
    local seen = bindings.call("look", place)
    local lead = seen and seen.kind == "symlink" and get_end(seen)
    if lead and path.is_below(lead, top.real or tree) and not found.places[place] then
      found.places[place] = true
      if is_dangling(bindings.call("look", lead)) then
        writer.leave_out(found, place, dangling)
      else
        add_link(found, group, lead, place)
      end
    end
  end
end

return linked_tree
