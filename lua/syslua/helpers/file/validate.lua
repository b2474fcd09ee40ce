--- Checks the fields of `file{}`: their types, their values and contradictions. Only a `file{}`
-- with more than a path and a content comes here. It declares nothing.

local beside = require("syslua.beside")
local mode = require("syslua.util.mode")
local source_path = require("syslua.helpers.file.source_path")
local path = require("syslua.util.path")
local position = require("syslua.util.position")
local priority = require("syslua.priority")
local schema = require("syslua.schema")
local scope = require("syslua.scope")
local system = require("syslua.system")
local text = require("syslua.util.text")

local find = string.find

local file_fields = {}

local fields = {
  path = {
    type = "string",
    required = true,
    other_names = { "target", "dest", "destination", "to", "file" },
  },
  source = { type = "string", other_names = { "src", "from", "link" } },
  content = { type = "string", other_names = { "text", "contents", "data", "body" } },
  template = { type = "string" },
  secret = { type = "secret" },
  values = { type = { "map", "list", "table" } },
  merge = { type = "string" },
  comment = { type = "string" },
  exclude = { type = "list", items = "string", other_names = { "ignore", "ignores", "excludes" } },
  include = { type = "list", items = "string", other_names = { "only", "includes" } },
  rename = { type = "function" },
  optional = { type = "boolean" },
  mutable = { type = "boolean" },
  recursive = { type = "boolean" },
  executable = { type = "boolean" },
  copy = { type = "boolean" },
  mode = { type = { "string", "number" }, other_names = { "perms", "permissions", "chmod" } },
  owner = { type = "string", other_names = { "user" } },
  on_change = { type = { "string", "list" }, other_names = { "onchange", "notify" } },
  absent = { type = "boolean" },
  public = { type = "boolean" },
}

local is_placeholder = source_path.is_placeholder
local raise = position.raise

-- A field of what may be a handle, which answers only for its own fields.
local function get(value, key)
  local succeeded, found = pcall(function()
    return value[key]
  end)
  return succeeded and found or nil
end

-- Takes the number off a value, and the path out of a handle.
---@return any value
---@return integer number
---@return table? declared what `source()` gave
local function unwrap(given)
  local value, number = priority.unwrap(given)
  if type(value) ~= "table" then
    return value, number
  end
  local hash, out = get(value, "hash"), get(value, "out")
  if hash and out then
    return out, number
  elseif get(value, "sha256") then
    -- Where it is does not matter any more.
    return "source()", number, value
  end
  return value, number
end

-- A copy of the declaration, with room for notes, once its fields have the right types.
local function copy(given)
  local from, content = rawget(given, "source"), rawget(given, "content")
  local number, declared = priority.plain, nil
  local checked = given
  -- A field from a metatable does not count.
  if
    type(from) == "table"
    or type(content) == "table"
    or priority.is(rawget(given, "secret"))
    or getmetatable(given)
  then
    checked = {}
    for name, value in next, given do
      checked[name] = value
    end
    if type(from) == "table" then
      from, number, declared = unwrap(from)
    end
    if priority.is(content) then
      content, number = priority.unwrap(content)
    end
    checked.source, checked.content = from, content
  end
  local secret_value = rawget(given, "secret")
  if priority.is(secret_value) then
    secret_value, number = priority.unwrap(secret_value)
    checked.secret = secret_value
  end
  schema.check("file{}", checked, fields)
  return {
    path = rawget(given, "path"),
    source = from,
    content = content,
    template = rawget(given, "template"),
    values = rawget(given, "values"),
    secret = secret_value,
    merge = rawget(given, "merge"),
    comment = rawget(given, "comment"),
    exclude = rawget(given, "exclude"),
    include = rawget(given, "include"),
    rename = rawget(given, "rename"),
    optional = rawget(given, "optional"),
    mutable = rawget(given, "mutable"),
    recursive = rawget(given, "recursive"),
    executable = rawget(given, "executable"),
    copy = rawget(given, "copy"),
    mode = rawget(given, "mode"),
    owner = rawget(given, "owner"),
    on_change = rawget(given, "on_change"),
    absent = rawget(given, "absent") or nil,
    public = rawget(given, "public"),
    declared = declared,
    number = number - scope.get_advantage(),
    has_more = true,
    place = nil,
    ticket = nil,
  }
end

-- A path and a content and nothing else, as most have, contradict nothing.
local function is_simple(file)
  return not (file.mutable or file.recursive or file.executable or file.absent)
    and not (file.exclude or file.include or file.rename or file.optional)
    and not (file.mode or file.owner or file.copy or file.secret)
    and (file.source == nil) ~= (file.content == nil)
    and file.source ~= ""
end

-- Checks the target, and notes its place, which is the same however it is written.
local function check_target(file)
  local target = file.path
  if find(target, "\0", 1, true) then
    raise("`path` in file{} has a NUL byte, which a name cannot contain")
  elseif not path.is_plain(target) then
    if not (path.is_absolute(target) or target == "~" or find(target, "^~/")) then
      raise(("`path` in file{} is relative: %q"):format(target), "begin the path with ~/ or /")
    end
    local normal = path.normalize(target)
    local is_top = normal == "/" or normal == "~" or find(normal, "^%a:/$") ~= nil
    if find(normal, "^~/%.%.") or (is_top and not file.recursive) then
      raise(
        ("`path` in file{} is not the path of a file: %q"):format(target),
        is_top and "`recursive = true` puts the files of a tree there" or nil
      )
    end
    target = normal
  end
  -- A tree may be put over the home itself.
  file.path = file.recursive and target or file.path
  file.place = scope.get_place(target)
end

local function check_command(command)
  local words = type(command) == "table" and command or { command }
  for _, word in ipairs(words) do
    if type(word) ~= "string" or word == "" or find(word, "\0", 1, true) then
      raise(
        ("`on_change` in file{}: expected a command, got %s"):format(text.describe(word)),
        'write a line for the shell, or a list such as { "systemctl", "daemon-reload" }'
      )
    end
  end
  if not words[1] then
    raise("`on_change` in file{}: expected a command, got an empty table")
  end
end

local function is_own(file)
  return file.mutable and file.source
end

-- The field that asks for a real file.
local function get_real(file)
  return file.mode and "mode" or file.owner and "owner" or file.copy and "copy"
end

-- What contradicts itself, in the order in which it is said: each returns a message and a hint.
---@type (fun(file: table): string?, string?)[]
local contradictions = {
  function(file)
    for _, field in ipairs({
      "source",
      "content",
      "mutable",
      "recursive",
      "executable",
      "copy",
      "mode",
      "owner",
      "secret",
    }) do
      if file.absent and file[field] then
        return ("file{} has both `absent` and `%s`: an absent path has no content"):format(field),
          "use only one of them"
      end
    end
  end,
  function(file)
    local others = { "source", "content", "mutable", "recursive", "executable", "public" }
    for _, field in ipairs(others) do
      if file.secret and file[field] then
        return ("file{} has both `secret` and `%s`"):format(field),
          (field == "source" or field == "content") and "use only one of them"
            or ("remove `%s`"):format(field)
      end
    end
  end,
  function(file)
    if file.source == nil and file.content == nil and not file.secret and not file.absent then
      return "file{} has neither `source` nor `content`", "set one of them"
    end
  end,
  function(file)
    if file.source ~= nil and file.content ~= nil then
      return "file{} has both `source` and `content`", "use only one of them"
    end
  end,
  function(file)
    if file.source == "" then
      return "`source` in file{} is empty", "name a file or directory"
    end
  end,
  function(file)
    if is_own(file) and file.executable then
      return "`executable` has no effect on a `mutable` file",
        "set the mode of the source: chmod +x"
    end
  end,
  function(file)
    local real = is_own(file) and get_real(file)
    if real then
      return ("`%s` in file{} has no effect on a `mutable` link to your own file"):format(real),
        ("remove `%s`, or `mutable`"):format(real)
    end
  end,
  function(file)
    if file.declared and (file.mutable or file.recursive) then
      local field = file.mutable and "mutable" or "recursive"
      return ("`%s` in file{} needs the path of a source"):format(field),
        "write the path itself instead of source()"
    end
  end,
  function(file)
    if is_own(file) and is_placeholder(file.source) then
      return "`mutable` in file{} needs a source of yours: what is built never changes",
        "remove `mutable`"
    end
  end,
  function(file)
    if file.executable and file.mode then
      return "file{} has both `executable` and `mode`",
        'use only one of them: `executable` is `mode = "755"` for a link'
    end
  end,
  function(file)
    if file.mutable and file.source and scope.is_in_input(file.source) then
      return "`mutable` in file{}: its source is in an input, which is not yours to edit",
        "remove `mutable`, or copy the file into your config's directory"
    end
  end,
  function(file)
    if file.recursive and file.content then
      return "`recursive` in file{} needs a directory as `source`, not `content`",
        "remove `recursive`"
    end
  end,
  function(file)
    local real = file.recursive and get_real(file)
    if real and real ~= "copy" then
      return ("file{} has both `recursive` and `%s`: files of a tree have their own"):format(real),
        ("remove `%s`"):format(real)
    end
  end,
  function(file)
    if file.recursive and file.executable then
      return "file{} has both `recursive` and `executable`: files of a tree have their own modes",
        "remove `executable`"
    end
  end,
}

-- A list of patterns in which each can match something.
local function check_patterns(field, patterns)
  for _, pattern in ipairs(patterns) do
    local problem = find(pattern, "^#") and "is a comment, as in a .gitignore"
      or find(pattern, "^!?/*%s*$") and "matches nothing"
      or find(pattern, "[\n%z]") and "is more than one line"
    if problem then
      raise(
        ("`%s` in file{}: the pattern %q %s"):format(field, pattern, problem),
        find(pattern, "^#") and ("write %q"):format("\\" .. pattern) or "remove it"
      )
    end
  end
end

-- What is chosen of a tree, and how its files are called, means nothing for one file.
local function check_tree(file)
  for _, field in ipairs({ "exclude", "include", "rename" }) do
    if file[field] and not file.recursive then
      raise(
        ("`%s` in file{} works only with the files of a tree"):format(field),
        "add recursive = true, with a directory as `source`"
      )
    end
  end
  check_patterns("exclude", file.exclude or {})
  check_patterns("include", file.include or {})
  if file.include and not file.include[1] then
    raise("`include` in file{} is empty: it selects no files", "remove it to select every file")
  end
  local is_built = type(file.source) == "string" and is_placeholder(file.source)
  if file.rename and is_built then
    raise(
      "`rename` in file{} needs a source of yours: the files of a derivation are not built yet",
      "rename them in the derivation"
    )
  elseif is_built and file.copy and (file.exclude or file.include) then
    raise(
      "file{} has `copy` and patterns for what a derivation makes",
      "remove `copy`, or leave files out in the derivation"
    )
  end
end

-- Only what is named by a path may be absent.
local function check_optional(file)
  local is_path = file.template or (file.source and source_path.is_local(file))
  if file.optional and not is_path then
    raise(
      "`optional` in file{} needs the path of a source of yours",
      "remove `optional`: only a `source` or `template` can be missing"
    )
  end
end

local function check_contradictions(file)
  for _, find_problem in ipairs(contradictions) do
    local message, hint = find_problem(file)
    if message then
      raise(message, hint)
    end
  end
end

-- All users can read the store of the system's root, whatever the mode of the installed file.
local function check_secrecy(file)
  local others = tonumber(file.mode:sub(-1))
  if others < 4 and system.get().username == "root" and not (file.is_once or file.public) then
    raise(
      ("`mode` %s in file{} hides content that all users can read in the store"):format(file.mode),
      "use `secret` for what others must not see; `public = true` says that it is not secret"
    )
  end
end

-- What is made of a private text is as private, like a private source.
local function keep_private(file)
  local name = not (file.public or file.mode or file.secret or file.merge)
    and beside.get_private(file.content)
  if not name then
    return
  elseif system.get().username == "root" then
    raise(
      ("the text is that of %s, which only its owner can read; "):format(name)
        .. "all users can read root's store",
      "`public = true` says that it is not secret, as does chmod o+r; `secret` is for what others "
        .. "must not see"
    )
  end
  file.mode = file.executable and "700" or "600"
  file.executable = nil
end

-- Renders the template that a file is made of: from then on it is a content like any other.
local function render(file)
  for _, field in ipairs({ "source", "content", "secret", "absent", "recursive" }) do
    if file[field] then
      raise(("file{} has both `template` and `%s`"):format(field), "use only one of them")
    end
  end
  if file.template == "" then
    raise("`template` in file{} is empty", "name a file")
  end
  file.content = require("syslua.template").render_file(file.template, file.values or {})
  -- Its place, for editing.
  file.rendered = path.join(scope.get_directory(), path.expand(file.template, scope.get_home()))
  file.template, file.values = nil, nil
end

--- Returns a declaration with all that is noted of it, once it is known to be right.
---@param given any what `file{}` was given
---@return table file
function file_fields.check(given)
  if type(given) ~= "table" then
    schema.check("file{}", given, fields)
  end
  local file = copy(given)
  check_target(file)
  if file.on_change ~= nil then
    check_command(file.on_change)
  end
  check_optional(file)
  if file.merge then
    require("syslua.helpers.file.merge").check(file)
    return file
  elseif file.comment then
    raise("`comment` in file{} needs `merge`", 'add merge = "block"')
  elseif file.template and file.optional and not source_path.is_there(file) then
    return file
  elseif file.template then
    render(file)
  elseif file.values then
    raise("`values` in file{} needs a `template` or `merge`", 'add template = "FILE"')
  end
  if type(file.content) == "string" then
    keep_private(file)
  end
  if is_simple(file) then
    return file
  end
  check_contradictions(file)
  check_tree(file)
  if file.owner == "" then
    raise("`owner` in file{}: expected the name of a user, got an empty string")
  end
  file.mode = mode.parse("file{}", file.mode)
  file.is_once = file.mutable and file.content ~= nil
  if file.mode and not file.secret then
    check_secrecy(file)
  end
  return file
end

return file_fields
