--- Questions of a config to its user: `lib.ask`. Answers come from the caller, from the file beside
-- the config that keeps them, or are defaults. This room never asks: open questions stay with the
-- session, and the caller of the evaluation answers them.

local failure = require("syslua.util.failure")
local loader = require("syslua.loader")
local path = require("syslua.util.path")
local position = require("syslua.util.position")
local schema = require("syslua.schema")
local scope = require("syslua.scope")
local tables = require("syslua.util.table")
local text = require("syslua.util.text")

local bindings = require("syslua").bindings

local answers = {}

--- The file that keeps answers, beside the entry file: a JSON object of names and values.
answers.file_name = [[syslua.local.json]]

---@alias syslua.Answer string|number|boolean

---@class syslua.Question
---@field name string
---@field prompt string? what the user is asked
---@field default syslua.Answer?
---@field choices string[]? the only answers
---@field position string? the line that asks

--- An answer that an evaluation used.
---@class syslua.UsedAnswer
---@field name string
---@field value syslua.Answer
---@field origin "given"|"kept"|"default"
---@field prompt string?
---@field position string?

--- The questions and answers of one evaluation, and of those that repeat it.
---@class syslua.answers.Session
---@field given table<string, string|syslua.Answer> by the caller, or on a terminal
---@field asks boolean whether the caller answers open questions; then a default is a proposal
---@field used syslua.UsedAnswer[] by their first use
---@field by_name table<string, syslua.Answer>
---@field open syslua.Question[]
---@field kept table<string, any>? what the file has, as soon as it is read
---@field file string? its path

--- Begins a session.
---@param given table<string, string>? answers by name
---@param asks boolean
---@return syslua.answers.Session
function answers.new(given, asks)
  local copy = {}
  for name, value in next, given or {} do
    copy[name] = value
  end
  return { given = copy, asks = asks, used = {}, by_name = {}, open = {} }
end

--- Begins an evaluation again, with more answers.
---@param session syslua.answers.Session
---@param more table<string, string|syslua.Answer>
function answers.begin_again(session, more)
  for name, value in next, more do
    session.given[name] = value
  end
  session.used, session.by_name, session.open, session.kept = {}, {}, {}, nil
end

local function raise_about_file(message, where, hint)
  failure.raise({
    kind = "config",
    message = message,
    position = where,
    hint = hint or 'it is an object of names and answers: { "email": "ada@example.org" }',
  })
end

-- Returns the answers that the file keeps.
local function read_kept(session)
  if session.kept then
    return session.kept
  end
  local current = assert(scope.get())
  local file = path.normalize(path.join(current.directory, answers.file_name))
  session.file = file
  local content, problem, hint = loader.read_kept(current.loader, file)
  session.kept = {}
  if not content then
    if require("syslua.bindings").call("exists", file) then
      raise_about_file(
        ("%s: cannot read it: %s"):format(answers.file_name, problem),
        position.caller(),
        hint
      )
    end
    return session.kept
  end
  local readable, kept = bindings.parse(content, "JSON", answers.file_name)
  if not readable then
    raise_about_file(kept.message, position.caller())
  elseif type(kept) ~= "table" or getmetatable(kept) ~= nil then
    raise_about_file(answers.file_name .. ": it is not an object", position.caller())
  end
  session.kept = kept
  return kept
end

local truths = { yes = true, y = true, ["true"] = true, no = false, n = false, ["false"] = false }

--- Converts an answer to the type of the question's default, and checks that it is one of the
-- choices.
---@param question syslua.Question
---@param given string|syslua.Answer
---@return syslua.Answer? answer
---@return string? problem what is expected, when it is invalid
function answers.parse(question, given)
  if type(question.default) == "boolean" then
    if type(given) == "boolean" then
      return given
    end
    local truth = truths[tostring(given):lower()]
    if truth == nil then
      return nil, "yes or no"
    end
    return truth
  elseif type(question.default) == "number" then
    local number = tonumber(given)
    if not number or number ~= number or number == math.huge or number == -math.huge then
      return nil, "a number"
    end
    return number
  end
  if type(given) ~= "string" then
    given = tostring(given)
  end
  if question.choices then
    for _, choice in ipairs(question.choices) do
      if choice == given then
        return given
      end
    end
    return nil, text.enumerate(question.choices, "or")
  end
  return given
end

local fields = {
  prompt = { type = "string" },
  default = { type = { "string", "number", "boolean" } },
  choices = { type = "list", items = "string" },
}

-- Checks the fields of a question and returns it.
local function check(name, opts)
  if type(name) ~= "string" or not name:find("^[%w_][%w_.%-]*$") then
    position.raise(
      ("lib.ask: expected a name of letters, digits, `_`, `.` and `-`, got %s"):format(
        type(name) == "string" and ("%q"):format(name) or text.describe(name)
      )
    )
  end
  schema.check("the options of lib.ask", opts or {}, fields)
  opts = opts or {}
  local question = {
    name = name,
    prompt = opts.prompt,
    default = opts.default,
    choices = opts.choices,
    position = position.caller(),
  }
  if question.choices and not question.choices[1] then
    position.raise(("lib.ask: `choices` of `%s` is empty"):format(name))
  elseif question.choices and question.default ~= nil then
    local value, expected = answers.parse(question, question.default)
    if value == nil or type(question.default) ~= "string" then
      position.raise(
        ("lib.ask: `default` of `%s` is not one of its choices"):format(name),
        expected and "they are " .. expected or nil
      )
    end
  end
  return question
end

-- Returns an answer and its origin; nil if there is none.
local function get_answer(session, question)
  local given = session.given[question.name]
  local origin = "given"
  if given == nil then
    given, origin = read_kept(session)[question.name], "kept"
  end
  if given == nil or given == bindings.null then
    return nil
  end
  local value, expected = answers.parse(question, type(given) == "table" and "" or given)
  if value == nil and origin == "kept" and session.asks then
    return nil
  elseif value == nil then
    local is_kept = origin == "kept"
    failure.raise({
      kind = "config",
      message = ("the answer %s to `%s`%s is not allowed: expected %s"):format(
        text.describe(given),
        question.name,
        is_kept and " in " .. answers.file_name or "",
        expected
      ),
      position = question.position,
      hint = ("--answer %s=VALUE gives another one"):format(question.name),
    })
  end
  return value, origin
end

--- Returns the answer to a question of the config.
---@param name string
---@param opts { prompt: string?, default: syslua.Answer?, choices: string[]? }?
---@return any answer a string, or of the type of `default`
function answers.ask(name, opts)
  local question = check(name, opts)
  local current = scope.get()
  local session = current and current.answers
  if not session then
    position.raise("lib.ask works only while a config is evaluated", "call it in setup()")
    return
  end
  local known = session.by_name[name]
  if known ~= nil then
    return known
  end
  local value, origin = get_answer(session, question)
  if value == nil and (question.default == nil or session.asks) then
    session.open[#session.open + 1] = question
    -- It only lets the evaluation continue to the other questions.
    value = question.default
    if value == nil then
      value = question.choices and question.choices[1] or ""
    end
  else
    if value == nil then
      value, origin = question.default, "default"
    end
    ---@type any
    local used = {
      name = name,
      value = value,
      origin = origin,
      prompt = question.prompt,
      position = question.position,
    }
    session.used[#session.used + 1] = used
  end
  session.by_name[name] = value
  return value
end

--- Returns the failure for questions without an answer.
---@param open syslua.Question[]
---@return syslua.Failure
function answers.get_failure(open)
  local names, lines, flags = {}, {}, {}
  for index, question in ipairs(open) do
    names[index] = "`" .. question.name .. "`"
    flags[index] = ("--answer %s=VALUE"):format(question.name)
    lines[index] = ("%s: %s%s"):format(
      question.position or "?",
      question.name,
      question.prompt and (" (%s)"):format(question.prompt) or ""
    )
    if question.choices then
      lines[index] = ("%s: %s"):format(lines[index], text.enumerate(question.choices, "or"))
    end
  end
  return failure.new({
    kind = "config",
    message = ("the config asks for %s, and there is no answer"):format(
      text.enumerate(names, "and")
    ),
    position = open[1] and open[1].position,
    hint = ("%s answers it; `apply` on a terminal asks, and keeps the answer in %s"):format(
      table.concat(flags, " "),
      answers.file_name
    ),
    details = table.concat(lines, "\n"),
  })
end

--- Returns the names of given answers that no question used.
---@param session syslua.answers.Session
---@return string[]
function answers.list_unused(session)
  local unused = {}
  for _, name in ipairs(tables.get_sorted_keys(session.given)) do
    if session.by_name[name] == nil then
      unused[#unused + 1] = name
    end
  end
  return unused
end

--- Returns the file that keeps the answers of an evaluation, with those that it does not have yet;
-- nil when it has them all.
---@param session syslua.answers.Session
---@return string? file
---@return string? content
function answers.render_kept(session)
  local all, is_new = {}, false
  if not session.used[1] then
    return nil
  end
  for name, value in next, read_kept(session) do
    all[name] = value
  end
  for _, used in ipairs(session.used) do
    if used.origin == "given" and all[used.name] ~= used.value then
      all[used.name], is_new = used.value, true
    end
  end
  if not is_new then
    return nil
  end
  return session.file, require("syslua.bindings").call("to_json", all, true) .. "\n"
end

return answers
