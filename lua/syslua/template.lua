--- Templates of configs: reads them and what they include as files of the config, and has the
-- engine render them. It does not know what becomes of the text.

local beside = require("syslua.beside")
local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local loader = require("syslua.loader")
local path = require("syslua.util.path")
local position = require("syslua.util.position")
local scope = require("syslua.scope")

local template = {}

-- What a template given as a text is called: a name that no file has.
local text_name = "\0"

-- Returns the text of a file of the config, or nil when there is none.
local function read(file, where)
  local current = assert(assert(scope.get()).loader)
  local text, problem, hint = loader.read_any(current, file)
  if not text and bindings.call("exists", file) then
    failure.raise({
      kind = "config",
      message = ("cannot read the template %s: %s"):format(loader.show(current, file), problem),
      position = where,
      hint = hint,
    })
  end
  return text
end

local function raise(problem, where)
  local is_given = problem.template:find(text_name, 1, true) ~= nil
  local message, line = problem.message, problem.line
  if is_given then
    if line then
      message = ("line %d of the template: %s"):format(line, message)
    end
    failure.raise({ kind = "config", message = message, position = where, hint = problem.hint })
  end
  local current = scope.get()
  local shown = current and current.loader and loader.show(current.loader, problem.template)
    or problem.template
  failure.raise({
    kind = "config",
    message = message,
    position = line and ("%s:%d"):format(shown, line) or where,
    hint = problem.hint,
    details = where and ("the template is rendered by %s"):format(where) or nil,
  })
end

-- What a template makes is as private as the templates that it is made of.
local function note_private(texts, result)
  local current = scope.get()
  for file, text in next, texts do
    if text and file:sub(-#text_name) ~= text_name and current and current.loader then
      beside.note_private(current.loader, file, result, loader.show(current.loader, file))
    end
  end
end

-- Renders one of several texts; those that it includes are read and added. `where` is the line of
-- the user that asks for it.
local function render(texts, name, values, where)
  while true do
    local result = bindings.call("render_template", texts, name, values)
    if result.text then
      note_private(texts, result.text)
      return result.text
    elseif result.problem then
      raise(result.problem, where)
    end
    local current = scope.get()
    if not (current and current.loader) then
      failure.raise({
        kind = "config",
        message = "a template can include others only while a config is evaluated",
        position = where,
        hint = "render it in setup(), and use the text",
      })
    end
    for _, missing in ipairs(result.missing) do
      texts[missing] = read(missing, where) or false
    end
  end
end

--- Renders a file of the config. Included templates are beside it.
---@param given string absolute, from `~/`, or relative to the config's directory
---@param values table<string, any>
---@return string
function template.render_file(given, values)
  local where = position.caller()
  local file = path.join(scope.get_directory(), path.expand(given, scope.get_home()))
  file = path.normalize(bindings.call("absolute", file))
  local text = read(file, where)
  if not text then
    failure.raise({
      kind = "config",
      message = ("the template %s does not exist"):format(given),
      position = where,
      hint = ("it would be %s"):format(path.display(file, scope.get_home())),
    })
  end
  return render({ [file] = text }, file, values, where)
end

--- Renders a text. Included templates are in the directory of the calling file.
---@param text string
---@param values table<string, any>
---@return string
function template.render_text(text, values)
  local name = path.join(path.normalize(beside.get_directory()), text_name)
  return render({ [name] = text }, name, values, position.caller())
end

--- Renders a text as a test, and returns what a later rendering needs: the texts of all templates
-- by name (false if one does not exist), and the name of the given template. Names below the
-- calling file's directory are relative to it.
---@param text string
---@param values table<string, any>
---@return table<string, string|false> texts
---@return string name
function template.prepare_text(text, values)
  local directory = path.normalize(beside.get_directory())
  local name = path.join(directory, text_name)
  local texts, relative = { [name] = text }, {}
  render(texts, name, values, position.caller())
  local start = #directory > 0 and #path.join(directory, "x") or 1
  for file, content in next, texts do
    local is_below = file:sub(1, start - 1) == name:sub(1, start - 1)
    relative[is_below and file:sub(start) or file] = content
  end
  return relative, name:sub(start)
end

return template
