--- What `adopt` can make of a path: which copies it needs, and which lines of a config. It looks at
-- files and declarations, and changes nothing. It has over 600 lines, because all that can become
-- of a path is decided here, with the same knowledge of the machine and the config.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local path = require("syslua.util.path")
local text = require("syslua.util.text")

local adoption = {}

--- What is known of the machine and the config.
---@class syslua.cli.Known
---@field directory string the config's directory, with links resolved
---@field home string with links resolved
---@field root string with links resolved
---@field is_system boolean whether all users can read the store
---@field targets table[] what is managed
---@field files table[] the `file{}` declarations of the config
---@field options table? those of the engine
---@field force boolean? whether what should stay private is taken too
---@field encrypt boolean? whether contents become secrets of a document

--- What is to be done about a path.
---@class syslua.cli.Adoption
---@field path string
---@field action "copy"|"encrypt"|"source"|"link"|"nothing"
---@field key string? the place of a secret in the document `source`
---@field source string? the place for its content: relative to the config's directory
---@field lines string[] to add to the config
---@field alternatives boolean? whether another name is acceptable if `source` exists
---@field render nil|fun(source: string): string[] the lines for another name
---@field reason string? why there is nothing to do
---@field position string? who declared it
---@field inner string[]? the files of a tree, relative to it
---@field targets string[]? where the config would put something
---@field reads string? the file or directory that a link would lead to
---@field place string? the path with the links above it resolved

local function show(place)
  return text.printable(path.display(place, path.get_home()))
end

local function raise(message, hint, position)
  failure.raise({ kind = "adopt", message = message, hint = hint, position = position })
end

local function contains(directory, place)
  return place == directory or directory == "/" or place:sub(1, #directory + 1) == directory .. "/"
end

local function is_text(value)
  local rest = value
    :gsub("[\240-\244][\128-\191][\128-\191][\128-\191]", "")
    :gsub("[\224-\239][\128-\191][\128-\191]", "")
    :gsub("[\194-\223][\128-\191]", "")
  return not rest:find("[\128-\255]")
end

--- Returns a text as Lua reads it, on one line.
---@param value string
---@return string
function adoption.quote(value)
  local escaped = value:gsub('[%c"\\\127]', function(character)
    if character == '"' or character == "\\" then
      return "\\" .. character
    end
    return character == "\n" and "\\n" or ("\\%03d"):format(character:byte())
  end)
  if not is_text(escaped) then
    escaped = escaped:gsub("[\128-\255]", function(character)
      return ("\\%03d"):format(character:byte())
    end)
  end
  return '"' .. escaped .. '"'
end

local function render(fields)
  local parts = {}
  for _, field in ipairs(fields) do
    local name, value = field[1], field[2]
    if value ~= nil then
      local shown = type(value) == "string" and adoption.quote(value) or tostring(value)
      parts[#parts + 1] = name .. " = " .. shown
    end
  end
  return "file { " .. table.concat(parts, ", ") .. " }"
end

-- A path with the links above it resolved.
local function resolve(place)
  local parent = bindings.call("look", path.dirname(place))
  return path.join(parent and parent.real or path.dirname(place), path.basename(place))
end

-- As a config writes it: with ~ for the home.
local function to_target(place, known)
  if contains(known.home, place) then
    return "~" .. place:sub(#known.home + 1)
  end
  return place
end

-- Where in the config's directory a file of the user belongs.
local function to_source(place, known)
  local relative = contains(known.home, place) and place:sub(#known.home + 2) or place:sub(2)
  relative = relative:gsub("^%.+", "")
  return "files/" .. (relative == "" and "file" or relative)
end

local function check_place(given, place, known)
  if contains(place, known.home) then
    raise(("%s contains your home directory"):format(show(given)), "name the files in it")
  elseif contains(known.root, place) then
    raise(
      ("%s is in %s, where sys.lua keeps its own files"):format(show(given), show(known.root)),
      "change the source of what is in the store; `why` shows which line declared it"
    )
  elseif contains(known.directory, place) then
    raise(
      ("%s is already in the config's directory"):format(show(given)),
      ("declare it: file { path = ..., source = %s }"):format(
        adoption.quote(place == known.directory and "." or place:sub(#known.directory + 2))
      )
    )
  elseif contains(place, known.directory) then
    raise(
      ("%s contains the config's directory, %s"):format(show(given), show(known.directory)),
      "name the files in it"
    )
  elseif contains(place, known.root) then
    raise(
      ("%s contains %s, where sys.lua keeps its own files"):format(show(given), show(known.root)),
      "name the files in it"
    )
  end
end

-- What is managed at a place, and what is below it.
local function get_managed(place, known)
  ---@type table?, table[]
  local at, below = nil, {}
  for _, target in ipairs(known.targets) do
    target.place = target.place or resolve(path.normalize(path.expand(target.target, known.home)))
    if target.place == place then
      at = target
    elseif contains(place, target.place) then
      below[#below + 1] = target
    end
  end
  return at, below
end

-- Whether a tree declares a file of this path below it, once it is there.
local function takes(tree, below)
  return not tree.from
    or bindings.call("tree_takes", {
      source = tree.from,
      below = below,
      exclude = tree.exclude,
      include = tree.include,
    })
end

-- The declaration of a place, or of the tree that it belongs to; and the rest of its path there.
local function get_declared(place, known)
  for _, file in ipairs(known.files) do
    file.resolved = file.resolved or resolve(file.place)
    if file.resolved == place then
      return file, ""
    elseif
      file.recursive
      and contains(file.resolved, place)
      and takes(file, place:sub(#file.resolved + 2))
    then
      return file, place:sub(#file.resolved + 1)
    end
  end
end

local function get_source(given, declared, rest, known)
  local position = declared.positions[1]
  if declared.content then
    raise(
      ("%s is declared by its `content`: there is no source to write to"):format(show(given)),
      "change the text there, or give it a `source`",
      position
    )
  elseif declared.secret then
    raise(
      ("%s has no source to write to: it is the secret %s"):format(
        show(given),
        require("syslua.secret").describe(declared.secret)
      ),
      "change the value with `sys secrets edit`, and apply",
      position
    )
  elseif not declared.from then
    raise(
      ("%s is the result of a build: there is no source to write to"):format(show(given)),
      "change the build, or declare the path of a file as its `source`",
      position
    )
  end
  local source = bindings.call("look", declared.from .. rest)
  if not source then
    -- A file that is new in a tree.
    local above = bindings.call("look", declared.from)
    source = { real = (above and above.real or declared.from) .. rest, kind = "nothing" }
  end
  if not source.real or not contains(known.directory, source.real) then
    raise(
      ("the source of %s, %s, is outside of the config's directory"):format(
        show(given),
        show(declared.from .. rest)
      ),
      "copy it there yourself",
      position
    )
  end
  return source, source.real:sub(#known.directory + 2)
end

local kinds = {
  file = "a file",
  directory = "a directory",
  symlink = "a link",
  special = "a special file",
}

-- How many private files a refusal names.
local shown_private = 5

-- Refuses what should stay private, unless the user insists: the copy would reach the store, and a
-- repository with it.
local function check_private(given, seen, known)
  if known.force or known.encrypt then
    return
  end
  local credentials = require("syslua.cli.credentials")
  local found, count = {}, 0
  local function check(file, names)
    local seen_there = bindings.call("look", file)
    if not seen_there or seen_there.kind ~= "file" then
      return
    end
    for _, name in ipairs(names) do
      local what = credentials.get(file, name)
      if what then
        count = count + 1
        if count <= shown_private then
          found[#found + 1] = ("%s (%s)"):format(show(names[1]), what)
        end
        return
      end
    end
  end
  if seen.kind == "directory" then
    for _, entry in ipairs(bindings.call("list_tree", seen.place)) do
      local inner = path.join(seen.place, entry.path)
      if entry.kind == "file" then
        check(inner, { path.join(given, entry.path), inner })
      elseif entry.kind == "symlink" then
        local link = bindings.call("look", inner)
        if link and link.real then
          check(link.real, { path.join(given, entry.path), link.real })
        end
      end
    end
  elseif seen.real then
    check(seen.real, { given, seen.real })
  end
  if count > 0 then
    raise(
      ("%s should stay private%s"):format(
        table.concat(found, ", "),
        count > #found and (", and %d more"):format(count - #found) or ""
      ),
      "a copy would be in the store, and wherever the config is pushed: adopt the other files, "
        .. "encrypt it with --encrypt, or copy it anyway with --force"
    )
  end
end

-- An edit of what is managed goes back to where it came from.
local function adopt_drift(given, seen, managed, known)
  local position = managed.positions[1]
  if managed.state == "ok" then
    return {
      path = given,
      place = seen.place,
      action = "nothing",
      lines = {},
      reason = "is unchanged since the apply",
      position = position,
    }
  elseif managed.state == "switching" then
    raise(
      ("an unfinished switch is changing %s"):format(show(given)),
      "`apply` or `rollback` ends it",
      position
    )
  end
  local declared, rest = get_declared(seen.place, known)
  if not declared then
    raise(
      ("%s is managed, and no file{} of the config declares it"):format(show(given)),
      "change its declaration; without one, the next apply moves this file to the backups",
      position
    )
  end
  local source, relative = get_source(given, declared, rest, known)
  local kind = source.kind == "symlink" and bindings.call("look", source.real).kind or source.kind
  if kind ~= seen.kind then
    raise(
      ("%s is now %s, and its source %s is %s"):format(
        show(given),
        kinds[seen.kind],
        relative,
        kinds[kind] or "missing"
      ),
      "move one of the two away",
      declared.positions[1]
    )
  end
  return {
    path = given,
    place = seen.place,
    action = "source",
    source = relative,
    lines = {},
    position = declared.positions[1],
  }
end

local function is_private(mode)
  return tonumber(mode:sub(-1)) < 4
end

-- The mode that a real file needs; nothing when a link to the store will do.
local function get_mode(given, mode, known)
  if not is_private(mode) then
    return nil
  elseif known.is_system then
    raise(
      ("only its owner can read %s (mode %s), and all users can read the system's store"):format(
        show(given),
        mode
      ),
      "use `secret` for what others must not see"
    )
  end
  return mode:sub(-3)
end

-- Where a link leads, with the links on the way as they are: these may be changed later.
local function get_next(seen)
  local target = path.normalize(path.join(path.dirname(seen.place), seen.target))
  local there = bindings.call("look", target)
  -- `..` behind a link leads elsewhere than its name says.
  return there and there.real == seen.real and target or seen.real
end

local function adopt_link(given, seen, known)
  local target = to_target(seen.place, known)
  if not seen.real then
    raise(
      ("%s is a link to %s, which does not exist"):format(show(given), seen.target),
      "create its target, or remove the link"
    )
  elseif contains(known.root, seen.real) then
    raise(
      ("%s is a link to %s, where sys.lua keeps its own files"):format(
        show(given),
        show(seen.target)
      ),
      "none of its files are yours: remove the link"
    )
  end
  local source = to_target(get_next(seen), known)
  if contains(known.directory, seen.real) then
    source = seen.real:sub(#known.directory + 2)
  end
  return {
    path = given,
    action = "link",
    source = source,
    lines = { render({ { "path", target }, { "source", source }, { "mutable", true } }) },
  }
end

local function adopt_file(given, seen, known)
  local target, mode = to_target(seen.place, known), get_mode(given, seen.mode, known)
  local function lines(source)
    return { render({ { "path", target }, { "source", source }, { "mode", mode } }) }
  end
  local source = to_source(seen.place, known)
  return {
    path = given,
    action = "copy",
    source = source,
    lines = lines(source),
    render = lines,
    alternatives = true,
  }
end

-- The document beside the config that adopted secrets go into.
local document = "secrets.yaml"

-- The content becomes a secret of the document.
local function adopt_secret(given, seen, known)
  if seen.kind ~= "file" then
    raise(
      ("%s is %s, and only files can be encrypted"):format(show(given), kinds[seen.kind]),
      "adopt the files in it one by one"
    )
  end
  local target = to_target(seen.place, known)
  local name = adoption.quote((target:gsub("^~?/", "")))
  local mode = seen.mode:sub(-3)
  local mode_field = is_private(seen.mode) and mode ~= "600" and (", mode = %q"):format(mode) or ""
  return {
    path = given,
    action = "encrypt",
    source = document,
    key = ("files[%s]"):format(name),
    lines = {
      ('file { path = %s, secret = sops.load("%s").files[%s]%s }'):format(
        adoption.quote(target),
        document,
        name,
        mode_field
      ),
    },
  }
end

-- Whether a copy of a link in a tree would lead out of the copy, to what no config may name.
local function leads_out(entry, link, known)
  if path.is_absolute(link.target) then
    return not contains(known.directory, link.real or path.normalize(link.target))
  end
  local inner = path.normalize(path.join(path.dirname(entry), link.target))
  return inner == ".." or inner:sub(1, 3) == "../"
end

local function read_tree(given, seen, known)
  local files, private, links = {}, {}, {}
  for _, entry in ipairs(bindings.call("list_tree", seen.place)) do
    local inner = path.join(seen.place, entry.path)
    if path.basename(entry.path) == ".git" then
      raise(
        ("%s is or contains a git repository: %s"):format(show(given), show(inner)),
        "declare the repository as an input, or adopt the files in it"
      )
    elseif entry.kind == "special" then
      raise(("%s is not a file, directory or link"):format(show(inner)), "adopt the other files")
    elseif entry.kind == "symlink" then
      local link = bindings.call("look", inner)
      if link and link.target and leads_out(entry.path, link, known) then
        raise(
          ("%s is a link out of %s, to %s: a copy of it would lead out of the config"):format(
            show(inner),
            show(given),
            show(link.target)
          ),
          "remove it, or adopt the other files"
        )
      end
      links[#links + 1] = inner
    elseif entry.kind == "file" then
      local file = bindings.call("look", inner) or { mode = "644" }
      files[#files + 1] = { path = entry.path, mode = file.mode }
      private[#private + 1] = is_private(file.mode) and inner or nil
    end
  end
  table.sort(files, function(left, right)
    return left.path < right.path
  end)
  return files, private, links
end

local function adopt_directory(given, seen, known)
  local files, private, links = read_tree(given, seen, known)
  if not (files[1] or links[1]) then
    raise(("%s holds no file"):format(show(given)), "declare it with `directory { path = ... }`")
  elseif private[1] and links[1] then
    raise(
      ("%s contains private files and links: %s and %s"):format(
        show(given),
        show(private[1]),
        show(links[1])
      ),
      "adopt them one by one"
    )
  end
  local target = to_target(seen.place, known)
  local function lines(source)
    if not private[1] then
      return { render({ { "path", target }, { "source", source }, { "recursive", true } }) }
    end
    local each = {}
    for index, file in ipairs(files) do
      each[index] = render({
        { "path", target .. "/" .. file.path },
        { "source", source .. "/" .. file.path },
        { "mode", get_mode(path.join(given, file.path), file.mode, known) },
      })
    end
    return each
  end
  local source = to_source(seen.place, known)
  local inner = {}
  for index, file in ipairs(files) do
    inner[index] = file.path
  end
  return {
    path = given,
    action = "copy",
    source = source,
    lines = lines(source),
    render = lines,
    alternatives = true,
    inner = inner,
  }
end

local function adopt_new(given, seen, known)
  local declared, rest = get_declared(seen.place, known)
  if declared and rest ~= "" and seen.kind == "file" then
    -- Of a tree that is declared as a whole.
    local _, relative = get_source(given, declared, rest, known)
    return {
      path = given,
      place = seen.place,
      action = "copy",
      source = relative,
      lines = {},
      position = declared.positions[1],
    }
  elseif declared then
    raise(
      ("%s is declared, but not applied yet"):format(show(given)),
      "remove the declaration first, or apply it: then the existing file is kept in the backups",
      declared.positions[1]
    )
  end
  local adopt = known.encrypt and adopt_secret
    or seen.kind == "symlink" and adopt_link
    or seen.kind == "directory" and adopt_directory
    or adopt_file
  local item = adopt(given, seen, known)
  -- What `apply` would refuse from then on.
  local targets = {}
  for index, inner in ipairs(item.inner or { "" }) do
    targets[index] = path.join(seen.place, inner)
  end
  bindings.call("check_targets", targets, known.options)
  item.inner, item.targets = nil, targets
  item.reads = item.action == "link" and seen.real or nil
  item.place = seen.place
  return item
end

--- Returns the entries without those that another one covers: a path that was named twice, or that
-- is in a directory which was named too.
---@param items syslua.cli.Adoption[]
---@return syslua.cli.Adoption[]
function adoption.remove_covered(items)
  local result = {}
  for index, item in ipairs(items) do
    local is_covered = false
    for number, other in ipairs(items) do
      is_covered = is_covered
        or item.place == other.place and number < index
        or item.place ~= other.place and contains(other.place, item.place)
    end
    if not is_covered then
      result[#result + 1] = item
    end
  end
  return result
end

-- Returns a target and a source where one is the other or contains it.
local function get_overlap(targets, sources)
  for _, source in ipairs(sources) do
    for _, target in ipairs(targets) do
      local one, other = target.place, source.place
      if target.item ~= source.item and (contains(one, other) or contains(other, one)) then
        return target, source
      end
    end
  end
end

--- Refuses entries that together, or with what the config declares already, make something a target
-- that the config reads: `plan` would refuse that.
---@param items syslua.cli.Adoption[]
---@param known syslua.cli.Known
function adoption.check_together(items, known)
  local targets, sources = {}, {}
  for _, item in ipairs(items) do
    for _, place in ipairs(item.targets or {}) do
      targets[#targets + 1] = { place = resolve(place), item = item, word = item.path }
    end
    if item.reads then
      sources[#sources + 1] = { place = item.reads, item = item, word = item.path }
    end
  end
  local declared_targets, declared_sources = {}, {}
  for _, file in ipairs(known.files) do
    local position = file.positions[1]
    if not file.recursive then
      local place = resolve(file.place)
      declared_targets[#declared_targets + 1] = { place = place, item = file, position = position }
    end
    local seen = file.from and bindings.call("look", file.from)
    if seen and seen.real then
      local place = seen.real
      declared_sources[#declared_sources + 1] = { place = place, item = file, position = position }
    end
  end
  local target, source = get_overlap(targets, sources)
  if not target then
    target, source = get_overlap(targets, declared_sources)
  end
  if not target then
    target, source = get_overlap(declared_targets, sources)
  end
  if target and source then
    raise(
      ("%s would be a target, and %s reads it"):format(
        show(target.place),
        source.word and "the link " .. show(source.word) or "the config"
      ),
      source.word and "adopt only one of the two"
        or "what a config reads, it cannot replace: change the declaration first",
      source.position or target.position
    )
  end
end

--- Returns what is to be done about a path: one entry, or several for a tree of managed files.
---@param word string as the user gave it
---@param known syslua.cli.Known
---@return syslua.cli.Adoption[]
function adoption.examine(word, known)
  local given = path.normalize(bindings.call("absolute", word))
  local seen = bindings.call("look", given)
  if not seen then
    raise(("there is nothing at %s"):format(show(given)), "name an existing file or directory")
    return {}
  end
  check_place(given, seen.place, known)
  check_private(given, seen, known)
  if seen.kind == "special" then
    raise(("%s is not a file, directory or link"):format(show(given)), "a config cannot declare it")
  end
  local managed, below = get_managed(seen.place, known)
  if managed then
    return { adopt_drift(given, seen, managed, known) }
  elseif not below[1] then
    return { adopt_new(given, seen, known) }
  end
  local found = {}
  for _, target in ipairs(below) do
    local inner = bindings.call("look", target.place)
    if inner then
      found[#found + 1] = adopt_drift(target.place, inner, target, known)
    end
  end
  return found
end

return adoption
