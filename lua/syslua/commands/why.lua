--- `why`: shows which lines declared a variable, a program, a file or an object, which declarations
-- lost, and what keeps an object. It reads what is applied, and no config.

local failure = require("syslua.util.failure")
local path = require("syslua.util.path")

local shared = require("syslua.cli.arguments").shared

local why = {}

why.order = 290
why.summary = "Show which line declared a variable or a file, and what it overrides"

why.description = [[
WHAT is the name of a variable, a program on `PATH`, or the path of a managed target. For each
declaration that is applied, `why` shows the value, the lines that led to it, and the values that
lost, each with its number; the lowest number wins. Declarations for a user or a project say so.
`why` reads what is applied, not the config.
]]

why.arguments = {
  {
    name = "WHAT",
    description = "A variable; a program; a service; a path: a managed target, what is below or "
      .. "above one, or one in the store; or an object.",
  },
  shared.json,
}

-- A path as all ways to write it: absolute, without detours.
local function to_place(word)
  local expanded = path.expand(word, path.get_home())
  return path.normalize(require("syslua.bindings").call("absolute", expanded))
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

-- The variables that a script of secrets sets, in words.
local function get_secret_variables(action)
  local names = {}
  for index, part in ipairs(action.secret.content) do
    names[index] = part.variable
  end
  return names
end

local function show_value(action)
  if action.kind == "add_to_path" then
    return "PATH  " .. tostring(action.directory)
  elseif action.kind == "set_alias" then
    return ("alias %s = %s"):format(action.name, action.command)
  elseif action.kind == "set_function" then
    local shells = require("syslua.util.table").get_sorted_keys(action.bodies)
    return ("function %s, of %s"):format(action.name, table.concat(shells, ", "))
  elseif action.kind == "source_secret_in_shell" then
    return table.concat(get_secret_variables(action), " = <secret>, ") .. " = <secret>"
  elseif action.kind == "source_in_shell" then
    return "source  " .. tostring(action.script)
  elseif action.kind == "package" then
    return ("package %s, by %s"):format(action.package, action.manager)
  elseif action.kind == "run" then
    local words = action.command
    return "run  " .. (type(words) == "table" and table.concat(words, " ") or tostring(words))
  elseif action.kind == "enable_service" then
    local units = {}
    for index, unit in ipairs(action.units) do
      units[index] = unit.name
    end
    return ("service %s  %s"):format(action.name, table.concat(units, ", "))
  elseif action.kind ~= "set_variable" then
    local report = require("syslua.cli.report")
    if action.source == nil then
      -- A directory, or a place where nothing may be.
      return report.show_path(action.target)
    end
    local joint = action.kind == "install" and " <- " or " -> "
    return report.show_path(action.target) .. joint .. report.show_path(tostring(action.source))
  elseif type(action.value) == "table" and action.value.entries then
    local shown = {}
    for index, entry in ipairs(action.value.entries) do
      shown[index] = show_text(entry)
    end
    return action.name .. " = " .. table.concat(shown, action.value.separator)
  end
  return action.name .. " = " .. show_text(action.value)
end

-- Whether a word is the name of a service, or of a unit of it.
local function is_service(action, word)
  if action.kind ~= "enable_service" then
    return false
  end
  for _, unit in ipairs(action.units) do
    if unit.name == word then
      return true
    end
  end
  return action.name == word
end

-- Whether one place is above another.
local function is_above(place, other)
  return other:sub(1, #place + 1) == (place == "/" and "/" or place .. "/")
end

-- Whether an action is a script of secrets that sets a variable, and whether it is the first one
-- of its user and project: each language of shells has a script, with the same variables.
local function sets_secret(action, word, exact)
  if action.kind ~= "source_secret_in_shell" then
    return false
  end
  for _, other in ipairs(exact) do
    local is_same = other.kind == action.kind and other.user == action.user
    if is_same and (other.project or {}).name == (action.project or {}).name then
      return false
    end
  end
  for _, name in ipairs(get_secret_variables(action)) do
    if name == word then
      return true
    end
  end
  return false
end

-- The actions that are about a word, in what way they are ("target", "above", "below",
-- "service" or "variable"), and all words that some action is about.
local function get_matches(actions, word)
  ---@type any[]
  local known, exact, below = {}, {}, {}
  ---@type any
  local above = {}
  local place = to_place(word)
  ---@type any
  local nearest = 0
  for _, action in ipairs(actions) do
    local name = action.kind == "add_to_path" and "PATH" or action.name or action.package
    ---@type any
    local target = type(action.target) == "string" and to_place(action.target)
    known[#known + 1] = target and action.target or name
    if action.kind == "source_secret_in_shell" then
      for _, variable in ipairs(get_secret_variables(action)) do
        known[#known + 1] = variable
      end
    end
    local is_exact = name == word or target == place or is_service(action, word)
    if is_exact or sets_secret(action, word, exact) then
      exact[#exact + 1] = action
    elseif target and is_above(target, place) and nearest <= #target then
      -- Of several the innermost is meant.
      above = #target > nearest and {} or above
      above[#above + 1], nearest = action, #target
    elseif target and is_above(place, target) then
      below[#below + 1] = action
    end
  end
  if exact[1] then
    local way = exact[1].kind == "enable_service" and "service" or "variable"
    return exact, exact[1].target and "target" or way, known
  elseif above[1] then
    return above, "above", known
  end
  return below, "below", known
end

-- The object of the store that a word means: as for `info`, and by any path that leads into one.
local function get_object(word, options, program)
  local bindings = require("syslua.bindings")
  local listed = bindings.call("list", options)
  local objects = path.join(listed.root, "store/obj")
  local ways = { word }
  local seen = bindings.call("look", to_place(word))
  -- Links may be among the parents of the root too.
  local real = bindings.call("look", objects)
  if seen and seen.real and real and real.real and is_above(real.real, seen.real) then
    ways[2] = path.join(objects, seen.real:sub(#real.real + 2))
  end
  for index = #ways, 1, -1 do
    ---@type boolean, any
    local succeeded, found =
      pcall(require("syslua.cli.object_argument").get, listed, ways[index], program)
    if succeeded then
      return found, listed
    elseif failure.is(found) and found.message:find("may be any of", 1, true) then
      error(found, 0)
    end
  end
  return nil, listed
end

local function add_positions(lines, positions, style, indent)
  for index, place in ipairs(positions) do
    local word = index == 1 and "at" or "through"
    lines[#lines + 1] = style("faint", ("%s%s %s"):format(indent, word, place))
  end
end

-- What a variable was in this shell before it got this value, if that is known.
local function add_earlier(lines, action, environments)
  local name = action.kind == "add_to_path" and "PATH" or action.name
  local is_variable = action.kind == "set_variable" or action.kind == "add_to_path"
  if not environments or action.project or not name or not is_variable then
    return
  end
  local separator = action.kind == "add_to_path" and ":"
    or type(action.value) == "table" and action.value.separator
    or nil
  local state = require("syslua.cli.shell_state")
  local value, is_known = state.get_earlier(environments, name, separator)
  if is_known then
    local shown = value and require("syslua.util.text").printable(value) or "not set"
    lines[#lines + 1] = "  before it, in this shell: " .. shown
  end
end

local function render(actions, style, environments)
  local terminal = require("syslua.cli.terminal")
  local lines = {}
  for _, action in ipairs(actions) do
    local scope = action.user and ("   (user %s)"):format(action.user) or ""
    if action.project then
      scope = scope .. ("   (project %s)"):format(action.project.name)
    end
    for _, line in ipairs(terminal.fold({ show_value(action) .. scope }, 4)) do
      lines[#lines + 1] = style("strong", line)
    end
    add_positions(lines, action.positions, style, "  ")
    if action.priority then
      lines[#lines + 1] = ("  with the priority %d"):format(action.priority)
    end
    for _, loser in ipairs(action.overridden or {}) do
      lines[#lines + 1] = ("  overrides %s, with the priority %d"):format(
        loser.value,
        loser.priority
      )
      add_positions(lines, loser.positions, style, "    ")
    end
    add_earlier(lines, action, environments)
  end
  return lines
end

local function render_object(result, args, style)
  local object = result.object
  local made = require("syslua.cli.store_report").get_label(object)
  local lines = {
    ("  built by %s, the derivation %s"):format(made, object.deriver:sub(1, 12)),
  }
  for _, line in ipairs(require("syslua.cli.holders").render(result.holders, args.verbose)) do
    lines[#lines + 1] = "  kept by " .. line
  end
  if not result.holders[1] then
    lines[#lines + 1] = "  not kept by anything"
  end
  lines = require("syslua.cli.terminal").fold(lines, 10)
  table.insert(lines, 1, style("strong", object.object))
  return lines
end

local function raise_unknown(word, known, program)
  local near = require("syslua.util.closest")(word, known)
  -- What people write without its directory.
  for _, candidate in ipairs(near and {} or known) do
    if path.basename(candidate) == word then
      near = candidate
    end
  end
  failure.raise({
    kind = "config",
    message = ("no applied declaration is about %s"):format(word),
    hint = near and ("did you mean %s?"):format(near)
      or ("`%s status --verbose` lists the managed targets, `%s list --all` the objects"):format(
        program,
        program
      ),
  })
end

-- The entries of PATH that have a program of that name, the first that is found first.
local function get_program(actions, word)
  local bindings, found = require("syslua.bindings"), {}
  if word:find("[/\\]") then
    return found
  end
  for index = #actions, 1, -1 do
    local action = actions[index]
    if
      action.kind == "add_to_path" and bindings.call("look", path.join(action.directory, word))
    then
      found[#found + 1] = action
    end
  end
  return found
end

-- What there is to say about a word.
local function explain(args, options)
  local bindings = require("syslua.bindings")
  ---@type table<string, any>
  local result = bindings.call("actions", options)
  local actions = result.actions
  local found, way, known = get_matches(actions, args.what)
  result.what, result.way, result.actions = args.what, way, found
  if found[1] and way ~= "below" then
    return result
  end
  local with_program = found[1] and {} or get_program(actions, args.what)
  if with_program[1] then
    result.way, result.actions = "program", with_program
    return result
  end
  local object, listed = get_object(args.what, options, args.program)
  if object then
    local held = bindings.call("hold", object.object, options)
    local array = require("syslua.lib").array
    result.way, result.object, result.holders = "object", object, held.holders
    result.actions = array({})
    for index, number in ipairs(held.actions) do
      result.actions[index] = actions[number + 1]
    end
  elseif not found[1] then
    for _, other in ipairs(listed.objects) do
      known[#known + 1] = other.object
      known[#known + 1] = other.name
    end
    raise_unknown(args.what, known, args.program)
  end
  return result
end

---@type table<string, string?>
local headings = {
  above = "%s is below a managed target:",
  below = "%s is above managed targets:",
  program = "%s is a program in an entry of PATH:",
}

--- Does it.
---@param args syslua.cli.Args
---@param options table
---@return table
function why.run(args, options)
  return explain(args, options)
end

--- Renders it for people.
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function why.render(report, args, style)
  local lines = report.object and render_object(report, args, style) or {}
  local heading = headings[report.way]
  if heading then
    lines[1] = heading:format(args.what)
  end
  for _, line in ipairs(render(report.actions, style, report.environments)) do
    lines[#lines + 1] = line
  end
  return lines
end

return why
