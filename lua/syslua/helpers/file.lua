--- `file{}`: a file or directory of the user, made of a source or a text. It collects plain data;
-- when `setup` is done, it decides which declarations count, and declares these in one call. It
-- does not know how the engine puts them there.
--
-- Configs have thousands of files, and nearly all are a path and a content: those the engine
-- collects (`src/module/src/collected.rs`). What is here is for the others; most of it is loaded
-- when a config needs it.

local beside = require("syslua.beside")
local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local source_path = require("syslua.helpers.file.source_path")
local position = require("syslua.util.position")
local priority = require("syslua.priority")
local scope = require("syslua.scope")

---@class syslua.file.Common
---@field path string where: absolute, or from `~/`
---@field mutable boolean? with `source`: link to it, so that edits need no apply; with `content`:
--- write it once
---@field recursive boolean? link every file of a directory, rather than the directory
---@field exclude string[]? with `recursive`: what is left out, in the syntax of .gitignore
---@field include string[]? with `recursive`: the files that alone are taken; `exclude` wins
---@field rename (fun(path: string): string?)? with `recursive`: the new path; nil leaves it out
---@field optional boolean? the source may be absent on this machine: then nothing is declared
---@field executable boolean? whether the file can be run
---@field copy boolean? a real file instead of a link
---@field mode string? the permissions of a real file, in octal: "640"
---@field owner string? who owns a real file; only root can give files away
---@field on_change string|string[]|nil a command that runs when the target has changed, as those of
--- ctx.run do
---@field ["public"] boolean? whether the content is public, whatever `mode` says

---@class syslua.file.OfContent: syslua.file.Common
---@field content string|syslua.Priority the bytes of the file

---@class syslua.file.OfSource: syslua.file.Common
-- A file or directory, relative to the config's directory, or a path in the store.
---@field source string|syslua.Derivation|syslua.Source|syslua.Priority

---@class syslua.file.OfTemplate: syslua.file.Common
---@field template string a template in the syntax of Jinja2, relative to the config's directory
---@field values table<string, any>? what the names in it stand for

---@class syslua.file.OfSecret: syslua.file.Common
---@field secret syslua.Secret|syslua.Priority what is decrypted at the switch, into a private file

---@class syslua.file.OfMerge
---@field path string where: absolute, or from `~/`
---@field merge "json"|"jsonc"|"toml"|"yaml"|"ini"|"lines"|"block" how the file of
--- a program is written
---@field values table|syslua.Priority the declared keys, or lines
---@field comment string? what a comment begins with, for the lines around a block: "#" unless given
---@field on_change string|string[]|nil a command that runs when the target has changed

---@class syslua.file.OfNothing: syslua.file.Common
---@field absent boolean the path must be free: an existing file is moved away, and restored later

-- Several kinds, so that a checker sees that one of them is missing.
---@alias syslua.file.Opts
---| syslua.file.OfContent
---| syslua.file.OfSource
---| syslua.file.OfTemplate
---| syslua.file.OfSecret
---| syslua.file.OfMerge
---| syslua.file.OfNothing

-- One declaration, as it is collected.
---@class syslua.file.Declared
---@field path string
---@field place string the path in the one way to write it
---@field content string?
---@field source string? a local path, or one with a placeholder
---@field secret syslua.Secret?
---@field declared syslua.Source? what `source()` gave
---@field number integer the lowest one of a place counts
---@field ticket integer stands for the lines that declared it, and its place in the order of
--- declaration
---@field has_more boolean? whether it is more than a path and a content
---@field recursive boolean?
---@field exclude string[]?
---@field include string[]?
---@field rename (fun(path: string): string?)?
---@field optional boolean?
---@field template string?
---@field on_change string|string[]|nil
---@field members integer? the number of the tree that it is, in the engine's collection
---@field from string? where that tree is
---@field tree syslua.file.Declared? the tree that it is a file of
---@field below string? its path in that tree
---@field copy boolean?
---@field merge string? the format of the file that is merged into
---@field mutable boolean?
---@field ["public"] boolean?

-- Those of a block.
---@class syslua.file.Collected: syslua.file.Declared[]
---@field plain integer? the number of those that are a path and a content
---@field has_trees boolean?
---@field has_merges boolean?
---@field has_commands boolean?
---@field finalize (fun(collected: syslua.file.Collected))? what declares them when the block ends
---@field pending boolean?

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
      winners[index] = require("syslua.helpers.file.resolve").choose(groups[file] or { file })
    end
  end
  return winners
end

-- Hands files over: of each its path, its ticket, whether the next is its content rather than its
-- source, that, and what else there is to say of it.
local function declare(files, plain)
  local list, count = {}, 0
  for _, file in ipairs(files) do
    local content = file.content
    list[count + 1], list[count + 2], list[count + 3] = file.path, file.ticket, content ~= nil
    list[count + 4] = content
      or (file.absent or file.secret) and ""
      or file.members and file.from
      or source_path.get_path(file)
    list[count + 5] = file.has_more and require("syslua.helpers.file.declare").get(file) or false
    count = count + 5
  end
  local told = bindings.answer(bindings.declare_files(list, scope.get_directory(), plain))
  if told then
    require("syslua.helpers.file.declare").tell(told, files)
  end
end

-- Two lists in one, in the order of declaration.
local function merge(left, right)
  local merged, index = {}, 1
  for _, file in ipairs(left) do
    while right[index] and right[index].ticket < file.ticket do
      merged[#merged + 1] = right[index]
      index = index + 1
    end
    merged[#merged + 1] = file
  end
  for rest = index, #right do
    merged[#merged + 1] = right[rest]
  end
  return merged
end

-- Returns declarations with those of the engine's collection that are not alone at their place, or
-- with all of them.
local function add_contested(plain, files, trees, takes_all)
  local places
  for index, file in ipairs(files) do
    places = places or {}
    places[index] = file.place
  end
  local contested = bindings.call("take_contested", plain, places, takes_all)
  if not contested[1] then
    return files
  end
  local plain_files, members = {}, {}
  for _, file in ipairs(contested) do
    if file.tree then
      local get_member = require("syslua.helpers.file.tree").get_member
      members[#members + 1] = get_member(trees.by_number[file.tree], file.below, file.followed)
    else
      file.number = priority.plain
      plain_files[#plain_files + 1] = file
    end
  end
  return merge(merge(plain_files, members), files)
end

local function get_plain(collected)
  if not collected.plain then
    collected.plain = bindings.call("new_collection", scope.get_home(), scope.get_place("~/"))
  end
  return collected.plain
end

local function finalize(collected)
  local files, trees = collected, {}
  if collected.has_trees then
    trees, files = require("syslua.helpers.file.tree").collect(get_plain(collected), collected)
  end
  local current = scope.get()
  local on_file = current and current.on_file
  if collected.plain then
    files = add_contested(collected.plain, files, trees, on_file ~= nil)
  end
  -- What is left of a tree comes with it.
  local winners = merge(trees, choose(files))
  local whole = winners
  if collected.has_merges then
    whole = require("syslua.helpers.file.merge").record(winners)
  end
  declare(whole, collected.plain)
  if collected.has_commands then
    require("syslua.helpers.file.declare").record_commands(winners)
  end
  if on_file then
    require("syslua.helpers.file.resolve").tell(winners, on_file)
  end
end

-- Has the engine collect a declaration that is a path and a content, both texts, as nearly all are;
-- returns false when it takes a closer look, or something is wrong with it.
local function collect_plain(collected, given)
  -- What is one's own has another number than the usual one, and a content may be private.
  if scope.get_advantage() ~= 0 or beside.has_private() then
    return false
  end
  return bindings.answer(bindings.collect_file(get_plain(collected), given))
end

--- Declares a file.
---@param given syslua.file.Opts
return function(given)
  ---@type syslua.file.Collected?
  local collected = scope.collect("file")
  if not collected then
    require("syslua.helpers.file.validate").check(given)
    failure.raise({
      kind = "config",
      message = "file{} works only while a config is evaluated",
      position = position.caller(),
      hint = "call it in setup()",
    })
    return
  end
  collected.finalize, collected.pending = finalize, true
  if collect_plain(collected, given) then
    return
  end
  ---@type any
  local file = require("syslua.helpers.file.validate").check(given)
  file.ticket = bindings.call("add_ticket_at", position.chain())
  if file.optional and require("syslua.helpers.file.declare").is_left_out(file) then
    return
  elseif file.rename then
    local renamed = require("syslua.helpers.file.tree").get_renamed(get_plain(collected), file)
    for _, member in ipairs(renamed) do
      collected[#collected + 1] = member
    end
    collected.has_commands = collected.has_commands or file.on_change ~= nil
    return
  end
  collected.has_trees = collected.has_trees or file.recursive
  collected.has_merges = collected.has_merges or file.merge ~= nil
  collected.has_commands = collected.has_commands or file.on_change ~= nil
  collected[#collected + 1] = file
end
