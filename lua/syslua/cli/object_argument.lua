--- Finds the object of the store that a word on the command line means.
-- It knows objects by their reports only.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local path = require("syslua.util.path")

local object_argument = {}

-- "tool-1.0-abcdef123" of "tool/1.0": the object that the link in `pkg/` leads to.
local function get_packaged_name(word, root)
  local name, version = word:match("^([^/.][^/]*)/([^/.][^/]*)$")
  if not name then
    return nil
  end
  local platform = require("syslua").platform
  local link = path.join(root, ("store/pkg/%s/%s/%s"):format(name, version, platform))
  local target = bindings.call("read_link", link)
  return target and target:match("[^/]+$")
end

-- "greet-abcdef123" of a path in that object, even of a path that another command shortened;
-- otherwise the word.
local function get_object_name(word, root)
  local shortened = word:match("^…/([^/]+)")
  if shortened or not word:find("/", 1, true) then
    return shortened or word
  end
  local package = get_packaged_name(word, root)
  if package then
    return package
  end
  local objects = path.join(root, "store/obj/")
  local absolute = path.normalize(bindings.call("absolute", word))
  local inner = absolute:sub(1, #objects) == objects and absolute:sub(#objects + 1):match("^[^/]+")
  if not inner then
    failure.raise({
      kind = "usage",
      message = ("%s is not in the store %s"):format(word, objects),
      hint = "an object is given by its name, or by a path in it",
    })
  end
  return inner
end

-- From the most exact reference to an object to the vaguest: the first kind with a match decides.
local ways = {
  function(object, word)
    return object.object == word
  end,
  function(object, word)
    return object.name == word
  end,
  function(object, word)
    return require("syslua.cli.store_report").get_digits(object.object) == word
  end,
  function(object, word)
    return object.object:sub(1, #word) == word
  end,
}

local function raise_ambiguous(word, found)
  local names = {}
  for index, object in ipairs(found) do
    names[index] = object.object
  end
  failure.raise({
    kind = "usage",
    message = ("`%s` may be any of %d objects"):format(word, #found),
    hint = "give more of its name:\n" .. table.concat(names, "\n"),
  })
end

--- Returns the object of a store that a word means: its name, the beginning of it, its nine digits,
-- a path in it, the name of its package, or name and version, `tool/1.0`. None or several are a
-- failure of kind "usage".
---@param listed syslua.Listed
---@param word string
---@param program string the name of the program as typed
---@return syslua.ObjectReport
function object_argument.get(listed, word, program)
  local name = get_object_name(word, listed.root)
  for _, means in ipairs(ways) do
    local found = {}
    for _, object in ipairs(listed.objects) do
      if means(object, name) then
        found[#found + 1] = object
      end
    end
    if #found > 1 then
      raise_ambiguous(word, found)
    elseif found[1] then
      return found[1]
    end
  end
  for _, object in ipairs(listed.unreadable) do
    if object.object:sub(1, #name) == name then
      failure.raise({
        kind = "store",
        message = ("nothing is known of %s: %s"):format(object.object, object.problem),
        hint = ("`%s verify --repair` builds it again, if a config makes it"):format(program),
      })
    end
  end
  failure.raise({
    kind = "usage",
    message = ("the store has no object `%s`"):format(word),
    hint = ("`%s list --all` shows the objects"):format(program),
  })
  error("unreachable")
end

return object_argument
