--- The further fields of a `file{}`, besides its path and its content.

local failure = require("syslua.util.failure")
local source_path = require("syslua.helpers.file.source_path")
local path = require("syslua.util.path")
local priority = require("syslua.priority")
local scope = require("syslua.scope")
local secret = require("syslua.secret")

local bindings = require("syslua.bindings")

local declare = {}

--- Returns what the engine is told of a file besides its path and its content.
---@param file table
---@return table
function declare.get(file)
  local is_own = file.mutable and file.source ~= nil
  return {
    declared = file.declared,
    secret = file.secret and secret.to_data(file.secret) or nil,
    origin = (file.absent or file.secret) and "none"
      or is_own and "own"
      or file.source and source_path.is_placeholder(file.source) and "built"
      or nil,
    absent = file.absent,
    -- A tree that the engine knows except for its contested files.
    members = file.members,
    -- A built tree, whose files are linked one by one once it is there.
    whole = file.recursive and not file.members and true or nil,
    -- A file of a tree is below what the whole tree becomes, unless it is the user's own.
    top = file.tree and not is_own and file.tree.path or nil,
    below = file.tree and not is_own and file.below or nil,
    member_of = file.tree and not is_own and file.tree.members or nil,
    -- What of a built tree is taken.
    exclude = file.exclude,
    include = file.include,
    -- Links to the files of the user's own tree name that tree.
    tree = is_own and (file.members and file or file.tree or {}).from or nil,
    executable = file.executable,
    install = (file.mode or file.owner or file.copy or file.is_once) and true or nil,
    mode = file.mode,
    owner = file.owner,
    once = file.is_once or nil,
    public = (file.tree or file).public,
    priority = file.number ~= priority.plain and file.number or nil,
    overridden = file.overridden,
  }
end

--- Records the commands that run when files change: one for all files that name the same.
---@param winners syslua.file.Declared[]
function declare.record_commands(winners)
  local by_command, order, seen = {}, {}, {}
  for _, winner in ipairs(winners) do
    local file = winner.tree or winner
    if file.on_change ~= nil and not seen[file] then
      seen[file] = true
      local command = file.on_change
      local key = type(command) == "table" and table.concat(command, "\0") .. "\0" or command
      local action = by_command[key]
      if not action then
        action = { kind = "run", command = command, on_change = {}, only_on_change = true }
        by_command[key] = action
        order[#order + 1] = { action = action, ticket = file.ticket }
      end
      action.on_change[#action.on_change + 1] = file.path
    end
  end
  for _, entry in ipairs(order) do
    bindings.call("record", entry.action, bindings.call("positions_of_ticket", entry.ticket))
  end
end

--- Returns whether the source or template of an optional file is absent. Its place counts as read:
--- a change of it is a change of what the config declares.
---@param file syslua.file.Declared
---@return boolean
function declare.is_left_out(file)
  if source_path.is_there(file) then
    return false
  end
  bindings.call("add_read", source_path.get_named_place(file))
  return true
end

--- Raises the failure of a source that does not exist. It never returns.
---@param file syslua.file.Declared
function declare.raise_missing(file)
  failure.raise({
    kind = "config",
    message = ("the source %s does not exist"):format(file.source),
    position = bindings.call("positions_of_ticket", file.ticket)[1],
    hint = ("it would be %s"):format(path.display(source_path.get_place(file), scope.get_home())),
  })
end

--- Tells of a socket, a pipe or a device in a tree.
---@param name string its path
---@param ticket integer the declaration of the tree
function declare.tell_passed(name, ticket)
  local position = bindings.call("positions_of_ticket", ticket)[1]
  local message = ("%s is a socket, a pipe or a device: it is passed by"):format(name)
  assert(scope.get()).notify(message, position)
end

--- Tells what the engine says of declared files, and raises the failure of a missing source.
---@param told { missing: any, passed: { path: string, ticket: integer }[] }
---@param files syslua.file.Declared[] what was declared
function declare.tell(told, files)
  for _, passed in ipairs(told.passed) do
    declare.tell_passed(passed.path, passed.ticket)
  end
  if told.missing then
    declare.raise_missing(files[told.missing] or told.missing)
  end
end

return declare
