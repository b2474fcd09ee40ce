--- `file{}` with `merge`: keys in a file that a program owns too. It turns `values` into a list of
--- keys, each with what it is to be, and joins the declarations of one path. It reads no file.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local position = require("syslua.util.position")
local priority = require("syslua.priority")
local tables = require("syslua.util.table")
local text = require("syslua.util.text")

local raise = position.raise

local merge = {}

---@type table<string, boolean?>
local formats =
  { json = true, jsonc = true, toml = true, yaml = true, ini = true, lines = true, block = true }

-- Fields without a meaning for a file with declared keys.
local refused = {
  "source",
  "content",
  "template",
  "secret",
  "absent",
  "mutable",
  "recursive",
  "exclude",
  "include",
  "rename",
  "optional",
  "executable",
  "copy",
  "mode",
  "owner",
  "public",
}

local function mark_list(list)
  return setmetatable(list, bindings.array_metatable)
end

local function is_marked_list(value)
  return getmetatable(value) == bindings.array_metatable
end

local function show(path)
  return #path == 0 and "values" or "values." .. table.concat(path, ".")
end

-- `lib.absent` takes a key away: an item of a list has none.
local function check_items(path, value)
  if value == priority.absent then
    raise(
      ("`%s` in file{}: lib.absent is for keys, not for items of lists"):format(show(path)),
      "leave the item out"
    )
  elseif type(value) == "table" and value ~= bindings.null then
    for _, item in next, value do
      check_items(path, item)
    end
  end
end

-- The items of `lib.mkBefore` and `lib.mkAfter`, and the field that they are told by.
local function get_joined(path, given)
  local value, number = priority.unwrap(given)
  local field = number == priority.before and "before" or number == priority.after and "after"
  if not field or type(value) ~= "table" or not tables.is_list(value) then
    raise(
      ("`%s` in file{}: only lib.mkBefore and lib.mkAfter work here, and only with a list"):format(
        show(path)
      ),
      "lib.mkBefore { ... } and lib.mkAfter { ... } join a list"
    )
  end
  check_items(path, value)
  return field, mark_list(value)
end

local function add(keys, path, field, value)
  local key = { path = mark_list({}) }
  for index, name in ipairs(path) do
    key.path[index] = name
  end
  key[field] = value
  keys[#keys + 1] = key
end

local function is_table_of_keys(value)
  return type(value) == "table"
    and value ~= bindings.null
    and value ~= priority.absent
    and not priority.is(value)
    and not is_marked_list(value)
    and not bindings.call("is_reference", value)
    and not tables.is_list(value)
end

local function walk(keys, path, value)
  if value == priority.absent then
    add(keys, path, "absent", true)
  elseif priority.is(value) then
    add(keys, path, get_joined(path, value))
  elseif is_table_of_keys(value) then
    for _, name in ipairs(tables.get_sorted_keys(value)) do
      if type(name) ~= "string" then
        raise(
          ("`%s` in file{} mixes names with the key %s"):format(show(path), text.describe(name)),
          "a table has either list items or names"
        )
      end
      path[#path + 1] = name
      walk(keys, path, value[name])
      path[#path] = nil
    end
  else
    check_items(path, value)
    add(keys, path, "value", value)
  end
end

--- Checks what is declared of a file that is merged into, and notes its keys.
---@param file any what was declared
function merge.check(file)
  if not formats[file.merge] then
    local names = table.concat(tables.get_sorted_keys(formats), ", ")
    raise(("`merge` in file{}: there is no format %q"):format(file.merge), "one of " .. names)
  end
  for _, field in ipairs(refused) do
    if file[field] then
      raise(
        ("file{} has both `merge` and `%s`: only the declared keys are managed"):format(field),
        ("leave out `%s`"):format(field)
      )
    end
  end
  local is_lines = file.merge == "lines" or file.merge == "block"
  if file.comment and file.merge ~= "block" then
    raise('`comment` in file{} is for `merge = "block"` only', "leave out `comment`")
  elseif file.comment and (file.comment == "" or file.comment:find("%c")) then
    raise("`comment` in file{}: expected what a comment begins with, such as # or //")
  end
  local values = file.values
  if values == nil then
    raise("`merge` in file{} needs `values`", is_lines and "a list of lines" or "a table of keys")
  end
  local keys = mark_list({})
  if is_lines then
    local given = priority.unwrap(values)
    if type(given) ~= "table" or not tables.is_list(given) then
      raise(("`values` in file{}: expected a list of lines, as `merge` is %q"):format(file.merge))
    end
    if priority.is(values) then
      add(keys, {}, get_joined({}, values))
    else
      add(keys, {}, "value", mark_list(given))
    end
  elseif
    not is_table_of_keys(values)
    and (next(values) ~= nil or values == bindings.null or values == priority.absent)
  then
    raise(("`values` in file{}: expected a table of keys, as `merge` is %q"):format(file.merge))
  elseif next(values) ~= nil then
    walk(keys, {}, values)
  end
  -- Refuses other values than plain data, with their path.
  for _, key in ipairs(keys) do
    bindings.call("to_json", key.value or key.before or key.after, nil, show(key.path))
    key.text = bindings.call("to_json", key)
  end
  file.keys = keys
end

local function raise_conflict(one, other, name)
  local function place(file)
    return bindings.call("positions_of_ticket", file.ticket)[1] or "an unknown place"
  end
  failure.raise({
    kind = "conflict",
    message = ("%s in %s is declared twice, with different values:\n  %s\n  %s"):format(
      name,
      one.path,
      place(one),
      place(other)
    ),
    position = place(other),
    hint = "declare it once",
  })
end

local function starts_with(path, prefix)
  for index, name in ipairs(prefix) do
    if path[index] ~= name then
      return false
    end
  end
  return true
end

-- The list of a key that another declaration may add to: what joins a list, and lines.
local function get_field_to_join(key, other, format)
  if #key.path ~= #other.path or not starts_with(key.path, other.path) then
    return nil
  end
  return key.before and other.before and "before"
    or key.after and other.after and "after"
    or format == "lines" and key.value and other.value and "value"
    or nil
end

-- A key with the items of two, each once.
local function join_lists(key, other, field)
  local joined = { path = key.path }
  local items, seen = mark_list({}), {}
  for _, list in ipairs({ key[field], other[field] }) do
    for _, item in ipairs(list) do
      local as_text = bindings.call("to_json", item)
      if not seen[as_text] then
        seen[as_text] = true
        items[#items + 1] = item
      end
    end
  end
  joined[field] = items
  joined.text = bindings.call("to_json", joined)
  return joined
end

-- Adds the keys of another declaration of the same path.
local function join(winner, other)
  for _, key in ipairs(other.keys) do
    local is_known = false
    for index, known in ipairs(winner.keys) do
      local field = get_field_to_join(known, key, winner.merge)
      if known.text == key.text then
        is_known = true
      elseif field then
        winner.keys[index] = join_lists(known, key, field)
        is_known = true
      elseif starts_with(known.path, key.path) or starts_with(key.path, known.path) then
        raise_conflict(winner, other, #key.path == 0 and "the list" or table.concat(key.path, "."))
      end
    end
    if not is_known then
      winner.keys[#winner.keys + 1] = key
    end
  end
end

--- Returns one declaration for several that are merged into the same file; nothing when some of
--- them are not.
---@param files any[]
---@return any
function merge.combine(files)
  ---@type any
  local winner = files[1]
  for _, file in ipairs(files) do
    if file.merge ~= winner.merge or file.comment ~= winner.comment then
      return nil
    end
  end
  if not winner.merge then
    return nil
  end
  local combined = {}
  for name, value in pairs(winner) do
    combined[name] = value
  end
  combined.keys = mark_list({})
  for index, key in ipairs(winner.keys) do
    combined.keys[index] = key
  end
  for index = 2, #files do
    join(combined, files[index])
  end
  return combined
end

--- Records what is merged into files; returns the other declarations.
---@param files table[]
---@return table[] others
function merge.record(files)
  local others = {}
  for _, file in ipairs(files) do
    if file.merge then
      local keys = {}
      for index, key in ipairs(file.keys) do
        keys[index] = key.text
      end
      bindings.call("record", {
        kind = "merge",
        target = file.path,
        format = file.merge,
        comment = file.comment,
        keys = "[" .. table.concat(keys, ",") .. "]",
      }, bindings.call("positions_of_ticket", file.ticket))
    else
      others[#others + 1] = file
    end
  end
  return others
end

return merge
