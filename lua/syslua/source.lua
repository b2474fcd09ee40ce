--- `source(path)`: declares a local file or tree as input of a build, known by its content.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local path = require("syslua.util.path")
local position = require("syslua.util.position")
local schema = require("syslua.schema")
local scope = require("syslua.scope")
local text = require("syslua.util.text")
-- Before the first handle is made.
require("syslua.handle")

---@class syslua.source.Opts
-- What to keep; paths are relative to the source.
---@field filter (fun(path: string, kind: "file"|"directory"|"symlink"|"special"): boolean)?

local fields = { filter = { type = "function" } }

-- The paths that a filter leaves out; what is below a directory that is left out is not asked for.
local function get_excluded(place, filter)
  local excluded, left_out = {}, {}
  for _, entry in ipairs(bindings.call("list_tree", place)) do
    local parent = entry.path:match("^(.*)/[^/]*$")
    if parent and left_out[parent] then
      left_out[entry.path] = true
    elseif not filter(entry.path, entry.kind) then
      left_out[entry.path] = true
      excluded[#excluded + 1] = entry.path
    end
  end
  return excluded
end

--- Declares a file or tree. A relative path is relative to the config's directory. With a `filter`,
-- only the paths for which it returns true are part of the source.
---@param given string
---@param opts syslua.source.Opts?
---@return syslua.Source
return function(given, opts)
  schema.check("the options of source()", opts or {}, fields)
  if type(given) ~= "string" or given == "" then
    failure.raise({
      kind = "config",
      message = ("source(): expected a path, got %s"):format(
        given == "" and "an empty string" or text.describe(given)
      ),
      position = position.caller(),
    })
  end
  local place = path.join(scope.get_directory(), path.expand(given, scope.get_home()))
  place = bindings.call("absolute", place)
  local filter = opts and opts.filter
  local made = bindings.call("source", place, filter and get_excluded(place, filter), true)
  local current = scope.get()
  local project = current and current.project
  if project and project.note_source then
    project.note_source(place, made.sha256)
  end
  return made
end
