--- `info`: shows the root as a whole, or one object of its store.
-- It reads records only.

local border = require("syslua.border")
local failure = require("syslua.util.failure")
local path = require("syslua.util.path")

local info = {}

info.summary = require("syslua.cli.commands").get_summary("info")

--- Adds the command's own arguments and flags.
---@param parser table
function info.add_to_parser(parser)
  parser
    :argument(
      "OBJECT",
      "An object: its name, the beginning of it, its nine digits, or a path in it."
    )
    :argname("OBJECT")
    :target("object")
    :args("?")
  parser:flag("--json", "Print one JSON object instead of text.")
end

-- "greet-abcdef123" of a path in that object, also of one that another command shortened; else the word.
local function get_object_name(word, root)
  local shortened = word:match("^…/([^/]+)")
  if shortened or not word:find("/", 1, true) then
    return shortened or word
  end
  local objects = path.join(root, "store/obj/")
  local absolute = path.normalize(border.call("absolute", word))
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

-- From the most exact way to mean an object to the vaguest: the first one that fits any decides.
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

---@param listed syslua.Listed
---@return syslua.ObjectReport
local function find_object(listed, word, program)
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
  failure.raise({
    kind = "usage",
    message = ("the store has no object `%s`"):format(word),
    hint = ("`%s list` shows the objects"):format(program),
  })
  error("unreachable")
end

local function find_referrers(listed, object)
  local referrers = require("syslua.lib").array({})
  for _, other in ipairs(listed.objects) do
    for _, reference in ipairs(other.references) do
      if reference == object.object and other ~= object then
        referrers[#referrers + 1] = other.object
      end
    end
  end
  return referrers
end

--- Does it.
---@param args syslua.cli.Args
---@return integer
function info.run(args)
  local report = require("syslua.cli.report")
  local store_report = require("syslua.cli.store_report")
  local terminal = require("syslua.cli.terminal")

  local options = require("syslua.cli.options").from_args(args)
  local result, lines
  if args.object then
    ---@type syslua.Listed
    local listed = border.call("list", options)
    local object = find_object(listed, args.object, args.program)
    local referrers = find_referrers(listed, object)
    result = { root = listed.root, object = object, referrers = referrers }
    lines = store_report.render_object(object, referrers)
  else
    result = border.call("info", options)
    lines = store_report.render_info(result)
  end

  if args.json then
    terminal.write({ report.to_json("info", result) })
  elseif not args.quiet then
    terminal.write(lines)
  end
  return 0
end

return info
