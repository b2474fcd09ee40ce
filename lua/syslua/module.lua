--- `syslua.module`: a part of a config that several places may set up. What they give is merged,
-- and acted upon once, at the end of the evaluation. It does not know what a module does.

local closest = require("syslua.util.closest")
local failure = require("syslua.util.failure")
local option_merge = require("syslua.option_merge")
local position = require("syslua.util.position")
local priority = require("syslua.priority")
local schema = require("syslua.schema")
local scope = require("syslua.scope")
local tables = require("syslua.util.table")
local text = require("syslua.util.text")

---@class syslua.module.Spec
---@field name string how messages call it
---@field options table? the defaults; they also define which options exist, and their types
---@field types table<string, syslua.schema.Type|syslua.schema.Type[]>? the types of options that
--- have no default
---@field config fun(options: table) declares what the options ask for
---@field uses syslua.ConfigModule[]? modules that `config` sets up: they are acted upon after it

---@class syslua.ConfigModule
---@field name string
---@field options table the defaults
---@field setup fun(opts: table?) gives options, all of them or some

local fields = {
  name = { type = "string", required = true },
  options = { type = "map" },
  types = { type = "map" },
  config = { type = "function", required = true },
  uses = { type = "list" },
}

-- What `syslua.module` returned -> the module. Modules of a config disappear with it.
local modules = setmetatable({}, { __mode = "k" })

local function raise(where, message, hint)
  failure.raise({ kind = "config", message = message, position = where, hint = hint })
end

local function get_expected(module, key)
  local types = module.types[key]
  if types then
    return type(types) == "table" and types or { types }
  end
  local kind = type(module.options[key])
  return kind ~= "nil" and { kind } or nil
end

local function check_option(module, key, given, where)
  local expected = type(key) == "string" and get_expected(module, key)
  if not expected then
    local known = {}
    for _, names in ipairs({ module.options, module.types }) do
      for name in next, names do
        known[name] = true
      end
    end
    local list = tables.get_sorted_keys(known)
    local near = type(key) == "string" and closest(key, list)
    for index, name in ipairs(list) do
      list[index] = "`" .. tostring(name) .. "`"
    end
    raise(
      where,
      ("unknown option `%s` of the module %s"):format(tostring(key), module.name),
      near and ("did you mean `%s`?"):format(near)
        or ("its options are %s"):format(text.enumerate(list, "and"))
    )
    return
  end
  local value = priority.unwrap(given)
  if not schema.has_any_type(value, expected) then
    raise(
      where,
      ("the option `%s` of the module %s: expected %s, got %s"):format(
        key,
        module.name,
        text.enumerate(expected),
        text.describe(value)
      )
    )
  end
end

local function check_given(module, opts, where)
  local value = priority.unwrap(opts)
  if type(value) ~= "table" or getmetatable(value) ~= nil then
    local message = "the module %s: expected a table of options, got %s"
    raise(where, message:format(module.name, text.describe(value)))
  end
  for _, key in ipairs(tables.get_sorted_keys(value)) do
    check_option(module, key, value[key], where)
  end
end

-- All lines that set up a module, without duplicates.
local function get_chain(given)
  local chain, seen = {}, {}
  for _, one in ipairs(given) do
    for _, line in ipairs(one.chain) do
      if not seen[line] then
        seen[line] = true
        chain[#chain + 1] = line
      end
    end
  end
  return chain
end

-- Whether a module sets another one up, itself or through others.
local function is_user_of(module, other)
  for _, used in ipairs(module.uses) do
    local inner = modules[used]
    if inner == other or inner and is_user_of(inner, other) then
      return true
    end
  end
  return false
end

-- The next module to act upon: no other module sets it up later.
local function get_next(collected)
  local first
  for _, entry in ipairs(collected) do
    if not entry.is_done then
      first = first or entry
      local is_free = true
      for _, other in ipairs(collected) do
        is_free = is_free
          and (other.is_done or other == entry or not is_user_of(other.module, entry.module))
      end
      if is_free then
        return entry
      end
    end
  end
  return first
end

local function finalize(collected)
  -- A module may set up others, which come after it.
  for entry in get_next, collected do
    entry.is_done = true
    local merged = option_merge.merge(entry.module.name, entry.module.options, entry.given)
    position.at(get_chain(entry.given), entry.module.config, merged)
  end
end

local function set_up(module, opts)
  local collected = scope.collect("module")
  local where = position.caller()
  if not collected then
    raise(
      where,
      ("the module %s can be set up only while a config is evaluated"):format(module.name),
      "call its setup in setup()"
    )
    return
  end
  collected.finalize, collected.pending = finalize, true
  check_given(module, opts, where)
  local entry
  for _, known in ipairs(collected) do
    entry = known.module == module and known or entry
  end
  if not entry then
    entry = { module = module, given = {} }
    collected[#collected + 1] = entry
  end
  if entry.is_done then
    raise(
      where,
      ("the module %s is set up by another module, after it was acted upon"):format(module.name),
      "set the other module up before it, in setup()"
    )
  end
  table.insert(entry.given, { value = opts, position = where, chain = position.chain() })
end

--- Makes a module. Its `setup` may be called any number of times; `config` is called once, with the
-- merged options.
---@param spec syslua.module.Spec
---@return syslua.ConfigModule
return function(spec)
  schema.check("syslua.module{}", spec, fields)
  local module = {
    name = spec.name,
    options = spec.options or {},
    types = spec.types or {},
    config = spec.config,
    uses = spec.uses or {},
  }
  local public = { name = module.name, options = module.options }
  modules[public] = module
  function public.setup(opts)
    module.options = public.options
    set_up(module, opts or {})
  end
  return public
end
