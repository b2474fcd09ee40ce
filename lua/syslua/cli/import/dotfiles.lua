--- `import dotfiles DIR`: a config of a tree that is linked or copied into the home, or of a bare
-- repository whose work tree is the home.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local linked_tree = require("syslua.cli.import.linked_tree")
local path = require("syslua.util.path")
local writer = require("syslua.cli.import.config_writer")

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- What git says about a repository; nil when it fails.
local function ask_git(directory, words)
  local line = ("git --git-dir=%s %s 2>/dev/null"):format(quote(directory), words)
  local pipe = io.popen(line, "r")
  if not pipe then
    return nil
  end
  local answer = pipe:read("*a")
  pipe:close()
  return answer ~= "" and answer or nil
end

local function is_bare(directory)
  return bindings.call("exists", path.join(directory, "HEAD"))
    and bindings.call("exists", path.join(directory, "objects"))
    and bindings.call("exists", path.join(directory, "refs"))
end

-- Where links of people's scripts are.
local usual = { "", ".config", ".local/bin", "bin", ".local/share", ".ssh", ".gnupg" }

--- Adds a file of the home; the config gets a copy of it.
---@param found syslua.cli.Found
---@param group string
---@param target string
---@param seen any the existing file
---@param to string the destination of the copy
local function add_copy(found, group, target, seen, to)
  local mode = writer.get_private_mode(seen)
  if mode and require("syslua").username == "root" then
    writer.leave_out(found, target, "only its owner can read it, and the store of root is open")
    return
  end
  to = writer.add_name(found, to)
  found.copies[#found.copies + 1] = { from = target, to = to }
  writer.add_file(found, group, target, { { "source", to }, { "mode", mode } })
end

local function import_bare(directory, found)
  local tree = ask_git(directory, "config core.worktree")
  local home = path.get_home()
  local top = tree and path.join(directory, (tree:gsub("\n$", ""))) or home
  top = path.normalize(top)
  local names = ask_git(directory, "ls-tree -r -z --name-only HEAD")
  if not names then
    failure.raise({
      kind = "config",
      message = ("git finds no commit in %s"):format(writer.show(directory)),
      hint = "is it the bare repository of your dotfiles, and is git installed?",
    })
    return
  end
  for name in names:gmatch("[^%z]+") do
    local target = path.join(top, name)
    local seen = bindings.call("look", target)
    if not seen then
      writer.leave_out(found, target, "it is in the repository, but not in the home")
    elseif seen.kind == "file" then
      add_copy(found, "the files of the repository", target, seen, "files/" .. name)
    elseif seen.kind == "symlink" and seen.real then
      writer.add_link(found, "links of the repository", target, seen.real)
    else
      writer.leave_out(found, target, "it is neither a file nor a link to an existing file")
    end
  end
end

--- Looks at the directory; returns what it found.
---@param given string
---@return syslua.cli.Found
return function(given)
  local home = path.normalize(path.get_home())
  local directory = path.normalize(bindings.call("absolute", path.expand(given, home)))
  local seen = bindings.call("look", directory)
  if not seen or (seen.kind ~= "directory" and seen.kind ~= "symlink") then
    failure.raise({
      kind = "usage",
      message = ("%s is not a directory"):format(given),
      hint = "name the tree of your dotfiles, or the bare repository",
    })
  end
  local found = writer.new("dotfiles " .. writer.show(directory))
  if is_bare(directory) then
    import_bare(directory, found)
    return found
  end
  linked_tree.add(found, "files at their places", directory, home, true)
  for _, name in ipairs(usual) do
    local place = name == "" and home or path.join(home, name)
    linked_tree.add_links(found, "links into the tree", directory, place)
  end
  if not found.lines[1] then
    local line = writer.render_file(home, {
      { "source", writer.show(directory) },
      { "recursive", true },
      { "mutable", true },
    })
    writer.add(found, "the whole tree, because the home has none of its files", line, true)
    writer.leave_out(found, directory, "the home has none of its files")
  end
  return found
end
