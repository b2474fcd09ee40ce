--- Answers on the command line and on the terminal: `--answer NAME=VALUE`, and the questions that
-- `apply` asks. What a question is, and where answers are kept, is in `syslua.answers`.

local failure = require("syslua.util.failure")

local cli_answers = {}

--- Returns the answers of a command line by name; nil without any.
---@param given string[]? the values of all `--answer`
---@return table<string, string>?
function cli_answers.parse(given)
  if not (given and given[1]) then
    return nil
  end
  local found = {}
  for _, word in ipairs(given) do
    local name, value = word:match("^([^=]+)=(.*)$")
    if not name then
      failure.raise({
        kind = "usage",
        message = ("--answer: expected NAME=VALUE, got `%s`"):format(word),
        hint = "for example --answer email=ada@example.org",
      })
    end
    found[name] = value
  end
  return found
end

local function show(value)
  if type(value) == "boolean" then
    return value and "yes" or "no"
  end
  return type(value) == "string" and value or require("syslua").lib.toJSON(value)
end

local function write(words)
  io.stdout:write(require("syslua.cli.terminal").finish(words))
  io.stdout:flush()
end

-- Asks until the answer is allowed. An empty line is the default.
---@param question syslua.Question
local function ask(question)
  local words = question.prompt or question.name
  if question.choices then
    words = ("%s (%s)"):format(words, table.concat(question.choices, ", "))
  elseif type(question.default) == "boolean" then
    words = words .. " (yes, no)"
  end
  if question.default ~= nil then
    words = ("%s [%s]"):format(words, show(question.default))
  end
  while true do
    write(words .. ": ")
    local line = io.read("*l")
    if not line then
      write("\n")
      failure.raise({
        kind = "config",
        message = ("no answer to `%s`: nothing was changed"):format(question.name),
        position = question.position,
        hint = ("--answer %s=VALUE gives it"):format(question.name),
      })
    end
    line = line:gsub("\r$", "")
    if line == "" and question.default ~= nil then
      return question.default
    end
    local value, expected = require("syslua.answers").parse(question, line)
    if line ~= "" and value ~= nil then
      return value
    end
    write(("Please answer with %s.\n"):format(expected or "a text"))
  end
end

--- Returns a function that asks the open questions on the terminal; nil without a terminal.
---@param args syslua.cli.Args
---@return nil|fun(open: syslua.Question[]): table<string, syslua.Answer>
function cli_answers.get_asker(args)
  if args.json or args.dry_run or not require("syslua.cli.prompt").can_ask() then
    return nil
  end
  return function(open)
    require("syslua.cli.terminal").clear()
    write(
      ("The config asks %s. Answers are kept in %s.\n"):format(
        require("syslua.util.text").count(#open, "question"),
        require("syslua.answers").file_name
      )
    )
    local found = {}
    for _, question in ipairs(open) do
      found[question.name] = ask(question)
    end
    return found
  end
end

--- Has the options of an evaluation note which answers it used.
---@param options table
---@return { used: syslua.UsedAnswer[], unused: string[] } seen filled when it is over
function cli_answers.watch(options)
  local seen = { used = {}, unused = {} }
  options.on_answers = function(used, unused)
    seen.used, seen.unused = used, unused
  end
  return seen
end

--- Returns the lines about answers that people should see: defaults that were used, and answers
-- without a question.
---@param seen { used: syslua.UsedAnswer[], unused: string[] }
---@param style syslua.cli.Style
---@return string[]
function cli_answers.render(seen, style)
  local rows = {}
  for _, used in ipairs(seen.used) do
    if used.origin == "default" then
      rows[#rows + 1] = {
        mark = "?",
        style = "warning",
        text = ("answer  %s = %s  (the default; --answer %s=VALUE)"):format(
          used.name,
          require("syslua.util.text").printable(show(used.value)),
          used.name
        ),
        position = used.position,
      }
    end
  end
  for _, name in ipairs(seen.unused) do
    rows[#rows + 1] = {
      mark = "?",
      style = "warning",
      text = ("answer  %s is not used: the config does not ask for it"):format(
        require("syslua.util.text").printable(name)
      ),
    }
  end
  return require("syslua.cli.report").lay_out(rows, style, false)
end

--- Returns the answers of an evaluation for JSON; nil when the config asks nothing.
---@param seen { used: syslua.UsedAnswer[] }
---@return table[]?
function cli_answers.to_json(seen)
  return seen.used[1] and require("syslua.lib").array(seen.used) or nil
end

return cli_answers
