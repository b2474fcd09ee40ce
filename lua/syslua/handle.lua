--- What a derivation or source looks like to a config: an empty table that shows fields and takes
-- none, so that nothing can be added to it that its hash does not know. It does not know how they
-- are made.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local guard = require("syslua.guard")
local position = require("syslua.util.position")

-- What each handle shows, by the handle. Only the engine adds to it.
---@type table<table, table<string, any>>
local shown = setmetatable({}, { __mode = "k" })

local function raise(message, hint)
  failure.raise({
    kind = guard.is_active() and "build" or "config",
    message = message,
    position = position.caller(),
    hint = hint,
  })
end

local function new_kind(name, what)
  -- The metatable cannot be reached through a handle.
  return {
    __name = name,
    __metatable = name,
    __newindex = function(_, key)
      raise(
        ("`%s` cannot be set: %s is read-only"):format(tostring(key), what),
        "keep your values in your own variable or table"
      )
    end,
  }
end

-- A result that depends on it would not be found to be old: the hash of a recipe changes also when
-- what it produces does not.
local function refuse_hash(name)
  raise(
    ("`hash` of the derivation %s is not available in the build of another one"):format(name),
    "if the build needs it, pass it in: opts = { hash = handle.hash }"
  )
end

local function get_title(fields)
  return fields.version and fields.name .. " " .. fields.version or fields.name
end

-- Iterates over visible fields only.
local function each(keys)
  return function(self)
    local fields = {}
    for _, key in ipairs(keys) do
      if not (key == "hash" and guard.is_active()) then
        fields[key] = shown[self][key]
      end
    end
    return next, fields, nil
  end
end

local derivation = new_kind("syslua.Derivation", "the handle of a derivation")
local derivation_keys = { "name", "version", "hash", "out", "outputs" }
derivation.__pairs = each(derivation_keys)

function derivation.__index(self, key)
  local fields = shown[self]
  if key == "hash" and guard.is_active() then
    refuse_hash(get_title(fields))
  elseif key ~= "kind" then
    return fields[key]
  end
end

-- Two declarations of one derivation are equal; a build must not learn it.
function derivation.__eq(a, b)
  return not guard.is_active()
    and shown[a] ~= nil
    and shown[b] ~= nil
    and shown[a].hash == shown[b].hash
end

function derivation.__tostring(self)
  local fields = shown[self]
  local text = "derivation " .. get_title(fields)
  return guard.is_active() and text or ("%s (%s)"):format(text, fields.hash:sub(1, 9))
end

local source = new_kind("syslua.Source", "a source")
source.__pairs = each({ "sha256" })

function source.__index(self, key)
  if key == "sha256" then
    return shown[self].sha256
  elseif key == "path" then
    raise(
      "a source has no `path`: its place on this machine is not part of a derivation",
      "pass the source itself in opts, or to a call of ctx that takes a path"
    )
  end
end

function source.__tostring(self)
  local fields = shown[self]
  return "source " .. (guard.is_active() and fields.sha256 or fields.path)
end

-- A list that also has fields: it must be a plain table, or `#` would not work on every Lua.
local outputs = new_kind("syslua.Outputs", "the table of a derivation's outputs")

local dependency = {
  __name = "syslua.Dependency",
  __metatable = "syslua.Dependency",
  __index = function(self, key)
    if key == "hash" then
      refuse_hash(get_title(self))
    end
  end,
}

bindings.call("set_kinds", shown, {
  derivation = derivation,
  source = source,
  outputs = outputs,
  dependency = dependency,
})
