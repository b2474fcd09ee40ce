--- Runs one command: its arguments, `--json`, `--quiet`, `--dry-run`, questions, and the exit code.
-- It does not know what any command does.

local arguments = require("syslua.cli.arguments")
local commands = require("syslua.cli.commands")
local failure = require("syslua.util.failure")

local runner = {}

local done, failed = 0, 1

-- The error of a line that lacks a required argument.
local function raise_missing(missing, name, program)
  failure.raise({
    kind = "usage",
    message = missing.message,
    hint = missing.hint:format(program),
    details = missing.usage and ("usage: %s %s [OPTIONS] %s"):format(program, name, missing.usage),
  })
end

local function check_missing(name, command, args)
  for _, argument in ipairs(command.arguments) do
    local missing = argument.missing
    local value = missing and args[arguments.get_target(argument)]
    if missing and (value == nil or value == "") and not args[missing.unless] then
      raise_missing(missing, name, args.program)
    end
  end
end

-- An empty word is mostly a variable of a script that is not set.
local function check_empty(name, command, args)
  local empty = arguments.get_empty(command, args)
  if empty then
    failure.raise({
      kind = "usage",
      message = arguments.get_empty_message(name, empty),
      hint = ("`%s help %s` explains it"):format(args.program, name),
    })
  end
end

-- The arguments of a line that needs no parser: without words, or with one for the only argument.
-- Most lines are like that, and the parser takes longer to load than all the rest.
local function parse_simple(command, words, program)
  local positional = arguments.list_positional(command)
  local first = positional[1]
  if #words == 0 then
    local needs_word = first and not first.arity and not first.missing
    return not needs_word and { program = program } or nil
  end
  if not first or positional[2] or #words > 1 or not words[1]:find("^[^-]") then
    return nil
  end
  local is_plain = not (first.choices or first.convert) and (first.arity or "?") == "?"
  return is_plain and { program = program, [arguments.get_target(first)] = words[1] } or nil
end

--- Returns the arguments of a command.
---@param name string
---@param words string[] its own words
---@param program string the name of the program as typed, "sys"
---@return syslua.cli.Args
function runner.parse(name, words, program)
  local command = commands.load(name)
  local args = parse_simple(command, words, program)
  if not args then
    local problem
    args, problem = require("syslua.cli.parser").parse(name, command, program, words)
    if not args then
      error(problem, 0)
    end
  end
  args.program = program
  check_missing(name, command, args)
  check_empty(name, command, args)
  return args
end

local function write(command, report, args, more)
  local terminal = require("syslua.cli.terminal")
  if not command.render then
    return
  end
  ---@type string[], string[]?
  local lines, talk = command.render(report, args, terminal.get_data_style(args), more)
  terminal.write(lines)
  terminal.talk(talk or {})
end

-- Shows what the command would do, and asks; whether the user does not want it.
local function is_refused(name, command, args, options)
  if not command.asks or args.dry_run or args.yes then
    return false
  end
  local prompt = require("syslua.cli.prompt")
  local is_due = prompt.is_due(args)
  if not is_due and command.asks ~= "required" then
    return false
  end
  options.dry_run = true
  local planned, _, more = command.run(args, options)
  options.dry_run = false
  if not (planned and planned.changed) then
    return false
  elseif not is_due then
    failure.raise({
      kind = "usage",
      message = ("`%s` %s, and there is no terminal to ask on"):format(name, command.risk),
      hint = "say it with --yes; --dry-run shows what it would do",
    })
  end
  write(command, planned, args, more)
  return not prompt.ask("Do it?")
end

-- What a report says failed are errors, also with --quiet.
local function report_failures(failures, args)
  local terminal = require("syslua.cli.terminal")
  local style = terminal.get_talk_style(args)
  for _, one in ipairs(failures) do
    terminal.talk(require("syslua.cli.failure_report").render(one, args, style))
  end
end

--- Runs a command, and returns its exit code.
---@param name string
---@param args syslua.cli.Args
---@return integer
function runner.run(name, args)
  local command = commands.load(name)
  local terminal = require("syslua.cli.terminal")
  local options = require("syslua.cli.engine_options").from_args(args)
  if arguments.has_flag(command, "--dry-run") then
    options.dry_run = args.dry_run or false
  end
  local report, code, more
  if is_refused(name, command, args, options) then
    code = "refused"
  else
    local prompt = require("syslua.cli.prompt")
    report, code, more = command.run(args, options, prompt.is_due(args) and prompt.ask or nil)
  end
  if code == "refused" then
    terminal.write({ "Nothing was done." })
    return failed
  elseif not report then
    return code or done
  elseif args.json then
    terminal.write({ require("syslua.cli.report").to_json(name, report) })
    return code or done
  end
  if not args.quiet then
    write(command, report, args, more)
    if args.dry_run and report.changed then
      terminal.write({ "Dry run: no changes were made." })
    end
  end
  report_failures(report.failures or {}, args)
  if command.conclude and not args.quiet then
    code = command.conclude(report, args, options) or code
  end
  return code or done
end

return runner
