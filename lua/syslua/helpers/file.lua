--- `file{}`: a file or directory of the user, made of a source or a text. Ends in derive and in recorded
-- actions: links, or installed files. It does not know how the engine puts them there.

local border = require("syslua.border")
local derive = require("syslua.derive")
local failure = require("syslua.util.failure")
local path = require("syslua.util.path")
local position = require("syslua.util.position")
local priority = require("syslua.priority")
local schema = require("syslua.schema")
local scope = require("syslua.scope")
local source = require("syslua.source")
local system = require("syslua.system")
local text = require("syslua.util.text")

---@class syslua.file.Common
---@field path string where: absolute, or from `~/`
---@field mutable boolean? with `source`: link to it, so that edits need no apply; with `content`: write it once
---@field recursive boolean? link every file of a directory, rather than the directory
---@field executable boolean? whether the file can be run
---@field copy boolean? a real file instead of a link
---@field mode string|integer|nil the permissions of a real file, in octal: "640"
---@field owner string? who owns a real file; only root can give files away

---@class syslua.file.OfContent: syslua.file.Common
---@field content string|syslua.Priority the bytes of the file

---@class syslua.file.OfSource: syslua.file.Common
-- A file or directory, relative to the config's directory, or a path in the store.
---@field source string|syslua.Derivation|syslua.Source|syslua.Priority

-- Two kinds, so that a checker sees that one of the two is missing.
---@alias syslua.file.Opts syslua.file.OfContent|syslua.file.OfSource

local fields = {
  path = { type = "string", required = true },
  source = { type = "string" },
  content = { type = "string" },
  mutable = { type = "boolean" },
  recursive = { type = "boolean" },
  executable = { type = "boolean" },
  copy = { type = "boolean" },
  mode = { type = { "string", "integer" } },
  owner = { type = "string" },
}

local function raise(message, hint, kind)
  failure.raise({
    kind = kind or "config",
    message = message,
    position = position.caller(),
    hint = hint,
  })
end

-- Copies or writes the one output. Only values come in, so that every file has the same recipe text.
local function build_file(opts, ctx)
  if opts.source then
    ctx.copy(opts.source, ctx.out)
  else
    ctx.write(ctx.out, opts.content)
  end
  if opts.executable then
    ctx.chmod(ctx.out, "755")
  end
end

-- A name for the store: what people see in `ls`.
local function get_name(target)
  local name = path.basename(target):gsub("[^%w+%-._?=]", "-"):gsub("^[.%-]+", ""):sub(1, 60)
  return name == "" and "file" or name
end

local function is_placeholder(value)
  return value:find("/syslua-placeholder/", 1, true) ~= nil
end

-- A field of what may be a handle, which answers only for its own fields.
local function get(value, key)
  local succeeded, found = pcall(function()
    return value[key]
  end)
  return succeeded and found or nil
end

-- Takes the number off `source` and `content`, and the path out of a handle; the rest is as given.
local function unwrap(given)
  local file, number, declared = {}, priority.plain, nil
  for name, value in next, given do
    if priority.is(value) and (name == "source" or name == "content") then
      value, number = priority.unwrap(value)
    end
    file[name] = value
  end
  local from = file.source
  if type(from) == "table" then
    local hash, out = get(from, "hash"), get(from, "out")
    if hash and out then
      file.source = out
    elseif get(from, "sha256") then
      -- Where it is does not matter any more.
      declared, file.source = from, "source()"
    end
  end
  schema.check("file{}", file, fields)
  file.number, file.declared = number - scope.get_advantage(), declared
  return file
end

local function check_target(target)
  if not (path.is_absolute(target) or target:find("^~/.")) then
    raise(("`path` in file{} is relative: %q"):format(target), "begin it with ~/ or /")
  end
  if target:find("%z") then
    raise("`path` in file{} has a NUL byte, which no name can hold")
  end
  local normal = path.normalize(target)
  if normal == "/" or normal == "~" or normal:find("^%a:/$") or normal:find("^~/%.%.") then
    raise(("`path` in file{} names no file: %q"):format(target))
  end
end

local function parse_mode(mode)
  if mode == nil then
    return nil
  end
  local number = mode
  if type(mode) == "string" and mode:find("^[0-7]+$") and #mode <= 4 then
    number = tonumber(mode, 8)
  end
  if type(number) ~= "number" or number < 0 or number > 511 then
    raise(
      ("`mode` in file{}: expected permission bits, got %s"):format(text.describe(mode)),
      'write them in octal as a string, such as "640"'
    )
  end
  return ("%03o"):format(number)
end

-- What contradicts itself, in the order in which it is said: a condition, a message, a hint.
local function get_contradiction(file)
  local is_own = file.mutable and file.source
  local is_real = file.mode or file.owner or file.copy
  local real = file.mode and "mode" or file.owner and "owner" or "copy"
  local checks = {
    {
      file.source == nil and file.content == nil,
      "file{} has neither `source` nor `content`",
      "give one of the two",
    },
    {
      file.source ~= nil and file.content ~= nil,
      "file{} has both `source` and `content`",
      "give one of the two",
    },
    { file.source == "", "`source` in file{} is empty", "name a file or directory" },
    {
      is_own and file.executable,
      "`executable` has no effect on a `mutable` file",
      "set the mode of the source: chmod +x",
    },
    {
      is_own and is_real,
      ("`%s` in file{} has no effect on a `mutable` link to your own file"):format(real),
      ("leave out `%s`, or `mutable`"):format(real),
    },
    {
      file.declared and (file.mutable or file.recursive),
      ("`%s` in file{} needs the path of a source"):format(
        file.mutable and "mutable" or "recursive"
      ),
      "write the path itself instead of source()",
    },
    {
      is_own and is_placeholder(file.source or ""),
      "`mutable` in file{} needs a source of yours: what is built never changes",
      "leave out `mutable`",
    },
    {
      file.executable and file.mode,
      "file{} has both `executable` and `mode`",
      'give one of the two: `executable` is `mode = "755"` for a link',
    },
    {
      file.recursive and file.content,
      "`recursive` in file{} needs a directory as `source`, not `content`",
      "leave out `recursive`",
    },
    {
      file.recursive and is_real,
      ("file{} has both `recursive` and `%s`: a tree is linked"):format(real),
      ("leave out `%s`"):format(real),
    },
    {
      file.recursive and file.executable,
      "file{} has both `recursive` and `executable`: files of a tree have their own modes",
      "leave out `executable`",
    },
    {
      file.recursive and is_placeholder(file.source or ""),
      "`recursive` in file{} needs a directory that is there: what is built is not known yet",
      "leave out `recursive`: the directory is linked as a whole",
    },
  }
  for _, check in ipairs(checks) do
    if check[1] then
      return check[2], check[3]
    end
  end
end

-- In the system's root the store can be read by everybody, whatever the mode of the installed file.
local function check_secrecy(file)
  local others = tonumber(file.mode:sub(-1))
  if others < 4 and system.get().username == "root" and not file.is_once then
    raise(
      ("`mode` %s in file{} hides a content that everybody can read in the store"):format(file.mode),
      "use `secret` for what others must not see, or a mode such as 644"
    )
  end
end

local function check(given)
  if type(given) ~= "table" then
    schema.check("file{}", given, fields)
  end
  local file = unwrap(given)
  check_target(file.path)
  local message, hint = get_contradiction(file)
  if message then
    raise(message, hint)
  end
  if file.owner == "" then
    raise("`owner` in file{}: expected the name of a user, got an empty string")
  end
  file.mode = parse_mode(file.mode)
  file.is_once = file.mutable and file.content ~= nil
  if file.mode then
    check_secrecy(file)
  end
  return file
end

local function get_place(file)
  return path.join(scope.get_directory(), path.expand(file.source, scope.get_home()))
end

-- The derivation of what a file is made of.
local function derive_content(file)
  local opts = { content = file.content, executable = file.executable or nil }
  if file.source and is_placeholder(file.source) then
    opts.source = file.source
  elseif file.source then
    opts.source = file.declared or source(file.source)
  end
  return derive({ name = get_name(file.path), opts = opts, config = build_file })
end

-- What every file of a tree is linked to: its own place, or that in the copy of the tree.
local function get_tree_links(file)
  local place = border.call("absolute", get_place(file))
  local entries = border.call("list_tree", place)
  local links, derivation = {}, nil
  local from = place
  if not file.mutable then
    derivation = derive_content(file)
    from = derivation.out
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

-- Returns the actions of a file, and the derivation that was declared for them.
local function get_actions(file)
  if file.source and not is_placeholder(file.source) and not file.declared then
    if not border.call("exists", get_place(file)) then
      raise(
        ("the source %s does not exist"):format(file.source),
        ("it would be %s"):format(path.display(get_place(file), scope.get_home()))
      )
    end
  end
  if file.recursive then
    return get_tree_links(file)
  elseif file.mutable and file.source then
    local own = border.call("absolute", get_place(file))
    return { { kind = "symlink", source = own, target = file.path, mutable = true } }
  end
  local derivation
  local from = file.source
  if not from or not is_placeholder(from) or file.executable then
    derivation = derive_content(file)
    from = derivation.out
  end
  local action = { kind = "symlink", source = from, target = file.path }
  if file.mode or file.owner or file.copy or file.is_once then
    action.kind, action.mode, action.owner = "install", file.mode, file.owner
    action.mutable = file.is_once or nil
  end
  return { action }, derivation
end

-- What a declaration puts there, for messages.
local function describe(file)
  if file.content then
    return "content " .. text.describe(file.content):gsub("^string ", "")
  end
  return "source " .. (is_placeholder(file.source) and "of a derivation" or file.source)
end

-- Whether two declarations of a path say the same.
local function is_equal(left, right)
  if #left.actions ~= #right.actions then
    return false
  end
  for index, action in ipairs(left.actions) do
    local other = right.actions[index]
    for _, key in ipairs({ "kind", "source", "mode", "owner", "mutable" }) do
      if action[key] ~= other[key] then
        return false
      end
    end
  end
  return true
end

local function raise_conflict(winner, rival)
  local function place(file)
    return ("%s at %s"):format(describe(file), file.positions[1] or "an unknown place")
  end
  failure.raise({
    kind = "conflict",
    message = ("the file %s is declared twice, with different contents:\n  %s\n  %s"):format(
      winner.path,
      place(winner),
      place(rival)
    ),
    position = rival.positions[1],
    hint = (priority.hint:gsub("lib%.mkForce%(%.%.%.%)", "content = lib.mkForce(...)")),
  })
end

-- Takes back what lost; what is left of its derivations stays.
local function withdraw(lost, used)
  for _, file in ipairs(lost) do
    for _, number in ipairs(file.numbers) do
      border.call("withdraw", number)
    end
    if file.hash and not used[file.hash] then
      border.call("forget", file.hash)
    end
  end
end

local function to_losers(lost)
  local losers = {}
  for index, file in ipairs(lost) do
    losers[index] = { value = describe(file), priority = file.number, positions = file.positions }
  end
  return losers
end

-- Tells who wants to know of a file that counts; `from` is where its source is, when that is a place.
local function tell(file)
  local current = scope.get()
  if current and current.on_file then
    local is_place = file.source and not file.declared and not is_placeholder(file.source)
    file.from = is_place and border.call("absolute", get_place(file)) or nil
    current.on_file(file)
  end
end

-- Of several declarations of one path the lowest number counts.
local function finalize(collected)
  local order, by_place, used, all_lost = {}, {}, {}, {}
  for _, file in ipairs(collected) do
    local known = by_place[file.place]
    if not known then
      known = {}
      by_place[file.place] = known
      order[#order + 1] = known
    end
    known[#known + 1] = file
  end
  for _, files in ipairs(order) do
    local winner, rival, lost = files[1], nil, {}
    if files[2] then
      winner, rival, lost = priority.choose(files, is_equal)
    end
    if rival then
      raise_conflict(winner, rival)
    end
    tell(winner)
    if winner.hash then
      used[winner.hash] = true
    end
    if lost[1] or winner.number ~= priority.plain then
      local number = winner.number ~= priority.plain and winner.number or nil
      for _, action in ipairs(winner.numbers) do
        border.call("explain", action, number, to_losers(lost))
      end
    end
    for _, file in ipairs(lost) do
      all_lost[#all_lost + 1] = file
    end
  end
  withdraw(all_lost, used)
end

local file_helper = setmetatable({ build_file = build_file }, {
  __call = function(_, given)
    local file = check(given)
    local collected = scope.collect("file")
    if not collected then
      raise("file{} works only while a config is evaluated", "call it in setup()")
      return
    end
    collected.finalize, collected.pending = finalize, true
    local actions, derivation = get_actions(file)
    file.actions, file.numbers, file.positions = actions, {}, position.chain()
    file.hash = derivation and derivation.hash
    file.place = path.normalize(path.expand(file.path, scope.get_home()))
    for index, action in ipairs(actions) do
      file.numbers[index] = border.call("record", action, file.positions)
    end
    collected[#collected + 1] = file
  end,
})

return file_helper
