--- `edit TARGET`: opens the origin of a target in the user's editor, and offers to apply. It does
-- not know how an apply works.

local read_file = require("syslua.bindings").read
local shared = require("syslua.cli.arguments").shared

local edit = {}

edit.order = 130
edit.summary = "Edit the source of a target, and apply"

edit.description = [[
`$VISUAL` or `$EDITOR` opens the origin of the target in the config: its source, its template, the
file of a tree, or the line of the config that contains its text. After a change, the command asks
whether to apply.
]]

edit.arguments = {
  {
    name = "TARGET",
    description = "The file that a config declares, such as ~/.bashrc.",
    missing = { message = "edit: the target is missing", hint = "for example `%s edit ~/.bashrc`" },
  },
  shared.config_option,
  { name = "--yes", description = "Apply the edit without asking." },
  shared.answer,
}

local function is_at_or_below(place, top)
  return place == top or require("syslua.util.path").is_below(place, top)
end

-- Returns the file to edit, and the line to begin at.
---@return string file
---@return integer? line
local function get_source(declared, place, directory)
  local path = require("syslua.util.path")
  if declared.rendered then
    return declared.rendered
  elseif declared.from then
    return path.normalize(path.join(declared.from, place:sub(#declared.place + 2)))
  elseif declared.mutable and not declared.absent then
    return place
  end
  local position = declared.positions and declared.positions[1] or ""
  local name, line = position:match("^(.*):(%d+)$")
  if not name or name:find("^<") then
    require("syslua.util.failure").raise({
      kind = "config",
      message = ("%s comes from %s, which is not a file of your config"):format(
        path.display(place, path.get_home()),
        name or "a module"
      ),
      hint = "`sys why` names all lines that declare it",
    })
  end
  return path.join(directory, name), tonumber(line) --[[@as integer?]]
end

local function raise_unknown(place, files)
  local path = require("syslua.util.path")
  local names, shown = {}, path.display(place, path.get_home())
  for index, file in ipairs(files) do
    names[index] = path.display(file.place, path.get_home())
  end
  local near = require("syslua.util.closest")(shown, names)
  require("syslua.util.failure").raise({
    kind = "usage",
    message = ("the config declares no file at %s"):format(shown),
    hint = near and ("did you mean `%s`?"):format(near)
      or "`sys plan --verbose` lists what it declares",
  })
end

-- Returns the declaration that a place belongs to: its own, else that of the nearest tree.
local function get_file(files, place)
  local best
  for _, file in ipairs(files) do
    local is_tree = file.recursive or file.from
    if file.place == place or (is_tree and is_at_or_below(place, file.place)) then
      if not best or #file.place > #best.place then
        best = file
      end
    end
  end
  return best
end

--- Does it.
---@param args syslua.cli.Args
---@param options table
---@return nil, integer?
function edit.run(args, options)
  local bindings = require("syslua.bindings")
  local failure = require("syslua.util.failure")
  local path = require("syslua.util.path")
  local terminal = require("syslua.cli.terminal")

  local config = require("syslua.cli.config_path").get(args.config)
  local files = {}
  options.on_file = function(file)
    files[#files + 1] = file
  end
  require("syslua").evaluate(config, options)
  local given = path.expand(args.target, path.get_home())
  local place = path.normalize(bindings.call("absolute", given))
  local declared = get_file(files, place)
  if not declared then
    raise_unknown(place, files)
    return nil, 2
  end
  local directory = path.dirname(bindings.call("absolute", config))
  local file, line = get_source(declared, place, directory)
  local before = read_file(file)
  terminal.clear()
  if not require("syslua.cli.editor").open(file, line) then
    failure.raise({
      kind = "usage",
      message = ("the editor `%s` failed"):format(
        table.concat(require("syslua.cli.editor").get_words(), " ")
      ),
      hint = "set VISUAL or EDITOR; nothing was applied",
    })
  end
  local shown = path.display(file, path.get_home())
  if read_file(file) == before then
    terminal.write({ shown .. " is unchanged." })
    return nil
  elseif file == place then
    terminal.write({ shown .. " is your own file: there is nothing to apply." })
    return nil
  end
  local prompt = require("syslua.cli.prompt")
  if not (args.yes or (prompt.can_ask() and prompt.ask(shown .. " changed. Apply?"))) then
    terminal.write({ ("%s changed. `%s apply` applies the change."):format(shown, args.program) })
    return nil
  end
  ---@type any
  local again = {}
  for key, value in next, args do
    again[key] = value
  end
  again.config, again.target = config, nil
  return nil, require("syslua.cli.runner").run("apply", again)
end

return edit
