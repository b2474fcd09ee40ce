--- `why`: shows who declared a variable or a file, through which lines, and which declarations lost.
-- It reads what is applied, and no config.

local why = {}

why.summary = require("syslua.cli.commands").get_summary("why")

--- Adds the command's own arguments and flags.
---@param parser table
function why.add_to_parser(parser)
  parser
    :argument("WHAT", "A variable, or the path of a managed target.")
    :argname("WHAT")
    :target("what")
  parser:flag("--json", "Print one JSON object instead of text.")
end

local function get_home()
  return os.getenv("HOME") or os.getenv("USERPROFILE") or ""
end

-- A path as all ways to write it: absolute, without detours.
local function to_place(word)
  local path = require("syslua.util.path")
  local expanded = path.expand(word, get_home())
  return path.normalize(require("syslua.border").call("absolute", expanded))
end

local function show_text(value)
  if type(value) ~= "table" then
    return tostring(value)
  end
  local shown = {}
  for index, part in ipairs(value.parts or {}) do
    shown[index] = type(part) == "table" and "$" .. tostring(part.reference) or part
  end
  return table.concat(shown)
end

local function show_value(action)
  if action.kind == "add_to_path" then
    return "PATH  " .. action.directory
  elseif action.kind ~= "set_variable" then
    return action.target .. " -> " .. tostring(action.source)
  elseif type(action.value) == "table" and action.value.entries then
    local shown = {}
    for index, entry in ipairs(action.value.entries) do
      shown[index] = show_text(entry)
    end
    return action.name .. " = " .. table.concat(shown, action.value.separator)
  end
  return action.name .. " = " .. show_text(action.value)
end

-- The actions that are about a word, and all words that some action is about.
local function find(actions, word)
  local found, known = {}, {}
  local place = to_place(word)
  for _, action in ipairs(actions) do
    local name = action.kind == "add_to_path" and "PATH" or action.name
    if action.target then
      known[#known + 1] = action.target
    elseif name then
      known[#known + 1] = name
    end
    if name == word or (action.target and to_place(action.target) == place) then
      found[#found + 1] = action
    end
  end
  return found, known
end

local function add_positions(lines, positions, style, indent)
  for index, place in ipairs(positions) do
    local word = index == 1 and "at" or "through"
    lines[#lines + 1] = style("faint", ("%s%s %s"):format(indent, word, place))
  end
end

local function render(actions, style)
  local lines = {}
  for _, action in ipairs(actions) do
    local scope = action.user and ("   (user %s)"):format(action.user) or ""
    if action.project then
      scope = scope .. ("   (project %s)"):format(action.project.name)
    end
    lines[#lines + 1] = style("strong", show_value(action)) .. scope
    add_positions(lines, action.positions, style, "  ")
    if action.priority then
      lines[#lines + 1] = ("  with the number %d"):format(action.priority)
    end
    for _, loser in ipairs(action.overridden or {}) do
      lines[#lines + 1] = ("  won over %s, with the number %d"):format(loser.value, loser.priority)
      add_positions(lines, loser.positions, style, "    ")
    end
  end
  return lines
end

--- Does it.
---@param args syslua.cli.Args
---@return integer
function why.run(args)
  local terminal = require("syslua.cli.terminal")
  if not args.what then
    -- A line without words is not parsed.
    local parser = require("syslua.cli.parser")
    local _, problem = parser.parse(parser.build("why", why, args.program), {})
    error(problem, 0)
  end
  local options = require("syslua.cli.options").from_args(args)
  ---@type syslua.Actions
  local result = require("syslua.border").call("actions", options)
  local found, known = find(result.actions, args.what)
  if not found[1] then
    local near = require("syslua.util.closest")(args.what, known)
    require("syslua.util.failure").raise({
      kind = "config",
      message = ("nothing that is applied is about %s"):format(args.what),
      hint = near and ("did you mean %s?"):format(near)
        or ("`%s status` shows the managed targets"):format(args.program),
    })
  end
  if args.json then
    result.actions = found
    terminal.write({ require("syslua.cli.report").to_json("why", result) })
  elseif not args.quiet then
    terminal.write(render(found, terminal.get_data_style(args)))
  end
  return 0
end

return why
