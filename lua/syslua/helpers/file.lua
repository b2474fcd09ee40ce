--- `file{}`: a file or directory of the user, made of a source or a text. It collects plain data; when `setup` is
-- done, it decides which declarations count, and declares these in one call. It does not know how the engine puts
-- them there.
--
-- Configs have thousands of files, and nearly all are a path and a content. What those need is here; the rest is
-- loaded when a config needs it.

local border = require("syslua.border")
local failure = require("syslua.util.failure")
local origin = require("syslua.helpers.file.origin")
local path = require("syslua.util.path")
local position = require("syslua.util.position")
local priority = require("syslua.priority")
local scope = require("syslua.scope")

local native = require("syslua").native

-- Lua's own, for what has no order: see `syslua.schema`.
---@type fun(map: table, key: any): any, any
local next = native.originals.basic.next

local find = string.find
local is_plain, is_placeholder = path.is_plain, origin.is_placeholder

---@class syslua.file.Common
---@field path string where: absolute, or from `~/`
---@field mutable boolean? with `source`: link to it, so that edits need no apply; with `content`: write it once
---@field recursive boolean? link every file of a directory, rather than the directory
---@field executable boolean? whether the file can be run
---@field copy boolean? a real file instead of a link
---@field mode string? the permissions of a real file, in octal: "640"
---@field owner string? who owns a real file; only root can give files away
---@field on_change string|string[]|nil a command that runs when the target has changed, as those of ctx.run do
---@field ["public"] boolean? whether the content is no secret, whatever `mode` says

---@class syslua.file.OfContent: syslua.file.Common
---@field content string|syslua.Priority the bytes of the file

---@class syslua.file.OfSource: syslua.file.Common
-- A file or directory, relative to the config's directory, or a path in the store.
---@field source string|syslua.Derivation|syslua.Source|syslua.Priority

---@class syslua.file.OfNothing: syslua.file.Common
---@field absent boolean nothing is to stand there: what does is moved away, and comes back

-- Three kinds, so that a checker sees that one of them is missing.
---@alias syslua.file.Opts syslua.file.OfContent|syslua.file.OfSource|syslua.file.OfNothing

-- One declaration, as it is collected.
---@class syslua.file.Declared
---@field path string
---@field place string the path in the one way to write it
---@field content string?
---@field source string? a local path, or one with a placeholder
---@field declared syslua.Source? what `source()` gave
---@field number integer the lowest one of a place counts
---@field ticket integer stands for the lines that declared it, and its place in the order of declaration
---@field has_more boolean? whether it is more than a path and a content
---@field recursive boolean?
---@field on_change string|string[]|nil
---@field tree syslua.file.Declared? the tree that it is a file of
---@field below string? its path in that tree

-- Returns which declarations count: of several for one place, that of the lowest number.
local function choose(files)
  -- Nearly all are alone, and need no choice.
  local by_place, groups, winners = {}, {}, {}
  for _, file in ipairs(files) do
    local first = by_place[file.place]
    if not first then
      by_place[file.place] = file
      winners[#winners + 1] = file
    elseif groups[first] then
      groups[first][#groups[first] + 1] = file
    else
      groups[first] = { first, file }
    end
  end
  for index, file in ipairs(winners) do
    if groups[file] or file.number ~= priority.plain then
      winners[index] = require("syslua.helpers.file.choice").choose(groups[file] or { file })
    end
  end
  return winners
end

-- Hands files over: of each its path, its ticket, whether the next is its content rather than its source, that, and
-- what else there is to say of it.
local function declare(files)
  local list, count = {}, 0
  for _, file in ipairs(files) do
    local content = file.content
    list[count + 1], list[count + 2], list[count + 3] = file.path, file.ticket, content ~= nil
    list[count + 4] = content or file.absent and "" or origin.get_path(file)
    list[count + 5] = file.has_more and require("syslua.helpers.file.parts").get(file) or false
    count = count + 5
  end
  local missing = border.answer(native.declare_files(list, scope.get_directory()))
  if missing then
    require("syslua.helpers.file.parts").raise_missing(files[missing])
  end
end

local function finalize(collected)
  local files = collected
  if collected.has_trees then
    files = require("syslua.helpers.file.tree").expand(collected)
  end
  local winners = choose(files)
  declare(winners)
  if collected.has_commands then
    require("syslua.helpers.file.parts").record_commands(winners)
  end
  local current = scope.get()
  if current and current.on_file then
    require("syslua.helpers.file.choice").tell(winners, current.on_file)
  end
end

-- Returns a declaration that is a path and a content, both texts, as nearly all are; nil when it takes a closer
-- look, or something is wrong with it.
local function get_plain(given)
  if type(given) ~= "table" then
    return nil
  end
  local target, source, content
  for key, value in next, given do
    if type(value) ~= "string" then
      return nil
    elseif key == "path" then
      target = value
    elseif key == "source" then
      source = value
    elseif key == "content" then
      content = value
    else
      return nil
    end
  end
  if
    not target
    or (source == nil) == (content == nil)
    or not is_plain(target)
    or find(target, "\0", 1, true)
    or (source and (source == "" or is_placeholder(source)))
  then
    return nil
  end
  return {
    path = target,
    source = source,
    content = content,
    number = priority.plain - scope.get_advantage(),
    place = scope.get_place(target),
    ticket = nil,
  }
end

-- Stands for the lines that are declaring something, and for this moment in the order of declarations.
local function take_ticket()
  local ticket = position.is_direct() and border.answer(native.add_ticket())
  return ticket or border.call("add_ticket_at", position.chain())
end

--- Declares a file.
---@param given syslua.file.Opts
return function(given)
  local collected = scope.collect("file")
  if not collected then
    require("syslua.helpers.file.fields").check(given)
    failure.raise({
      kind = "config",
      message = "file{} works only while a config is evaluated",
      position = position.caller(),
      hint = "call it in setup()",
    })
    return
  end
  ---@type any
  local file = get_plain(given) or require("syslua.helpers.file.fields").check(given)
  file.ticket = take_ticket()
  collected.finalize, collected.pending = finalize, true
  collected.has_trees = collected.has_trees or file.recursive
  collected.has_commands = collected.has_commands or file.on_change ~= nil
  collected[#collected + 1] = file
end
