--- Runs one command line: words to a command, failures to a report, results to an exit code.
-- It does not know what any command does.

local commands = require("syslua.cli.commands")
local failure = require("syslua.util.failure")
local runner = require("syslua.cli.runner")

local main = {}

local done, failed, wrong_usage, differences, interrupted = 0, 1, 2, 3, 130

-- Kept from load on: `debug` is hidden while configs run.
local traceback = debug.traceback

-- Modules are found in absolute places, and beside the files of sys.lua: the working directory may
-- belong to another user.
local function forget_working_directory()
  local own = require("syslua.util.position").own_directory:gsub("^@", "")
  for _, field in ipairs({ "path", "cpath" }) do
    local kept = {}
    for template in package[field]:gmatch("[^;]+") do
      local prefix = template:match("^[^?]*")
      if
        template:find("^/")
        or template:find("^%a:[/\\]")
        or own:sub(1, #prefix + 7) == prefix .. "syslua/"
      then
        kept[#kept + 1] = template
      end
    end
    package[field] = table.concat(kept, ";")
  end
end

local function has_word(words, ...)
  for _, word in ipairs(words) do
    -- What follows "--" are no flags.
    if word == "--" then
      return false
    end
    for index = 1, select("#", ...) do
      if word == select(index, ...) then
        return true
      end
    end
  end
  return false
end

-- The failure of a caught value; a plain error may be a bug: --verbose shows the traceback.
local function to_failure(value, verbose)
  if type(value) == "table" then
    return failure.from(value)
  end
  -- Where `lua` cannot print tables the engine raises text, and knows the table of it.
  local syslua = package.loaded.syslua
  local known = type(syslua) == "table" and rawget(syslua, "error")
  if known then
    local ok, result = pcall(known, value)
    if ok and failure.is(result) and result.kind ~= "error" then
      return result
    end
  end
  local result = failure.from(value)
  -- What Lua's own handler of Ctrl-C raises.
  if result.message:find("interrupted!$") then
    return failure.new({ kind = "interrupted", message = "interrupted" })
  end
  if verbose then
    result.details = traceback("", 3):gsub("^%s+", "")
  end
  return result
end

local function get_exit_code(value)
  if value.kind == "usage" then
    return wrong_usage
  elseif value.kind == "interrupted" then
    return interrupted
  end
  return failed
end

local function report_failure(command, value, args)
  local failure_report = require("syslua.cli.failure_report")
  local terminal = require("syslua.cli.terminal")
  if args.json then
    -- Without the library there is only the text for people.
    local ok, document = pcall(failure_report.to_json, command, value)
    if ok then
      terminal.write({ document })
    end
  end
  terminal.talk(failure_report.render(value, args, terminal.get_talk_style(args)))
  return get_exit_code(value)
end

local function get_flag_hint(word, flags)
  local names = { "--version", "--help" }
  for name in pairs(flags) do
    names[#names + 1] = name
  end
  local near = require("syslua.util.closest")(word, names)
  return near and ("did you mean `%s`?"):format(near)
    or "the flags of a command come after its name"
end

local function raise_usage(message, hint)
  error(failure.new({ kind = "usage", message = message, hint = hint }), 0)
end

-- Flags may precede the command: returns its name, and all other words.
local function split(words, program)
  local flags = {}
  if words[1] and words[1]:sub(1, 1) == "-" then
    for _, flag in ipairs(require("syslua.cli.flags")) do
      if not flag.name:find(" ", 1, true) then
        flags[flag.name] = flag
      end
    end
  end
  local others, index = {}, 1
  while words[index] and words[index]:sub(1, 1) == "-" do
    local word = words[index]
    if word == "--version" then
      return "version", {}
    elseif word == "-h" or word == "--help" then
      return "help", {}
    end
    local flag = flags[word:match("^[^=]*")]
    if not flag then
      local message = ("there is no flag `%s` before a command"):format(word)
      return raise_usage(message, get_flag_hint(word, flags))
    end
    others[#others + 1] = word
    if flag.value and not word:find("=", 1, true) and words[index + 1] then
      index = index + 1
      others[#others + 1] = words[index]
    end
    index = index + 1
  end
  local name = words[index]
  if not name then
    return raise_usage("a command is missing", ("`%s help` lists the commands"):format(program))
  end
  for following = index + 1, #words do
    others[#others + 1] = words[following]
  end
  return name, others
end

local function run(words, program, context)
  local name, others = split(words, program)
  context.command = name
  if not commands.exists(name) then
    error(commands.get_unknown_failure(name, program), 0)
  end
  ---@type string[]?
  local rest
  local divide = commands.load(name).split
  if divide then
    others, rest = divide(others)
  end
  if has_word(others, "-h", "--help") then
    name, others, rest = "help", { name }, nil
  end
  ---@cast others string[]
  local args = runner.parse(name, others, program)
  args.command = rest or args.command
  context.args = args
  return runner.run(name, args)
end

-- Output that could not be written is missing: its reader must not take it for complete.
local function report_unwritten(problem, command, code)
  if not problem or (code ~= done and code ~= differences) then
    return code
  end
  io.stderr:write(
    ("error: cannot write the output: %s\n  `%s` itself succeeded\n"):format(problem, command)
  )
  return failed
end

--- Runs one command line and returns its exit code: 0 done, 1 failed, 2 wrong usage, 3 differences
-- found, 130 interrupted.
---@param words string[] the words after the program
---@param program string? the name of the program as typed; "sys" by default
---@return integer
function main.main(words, program)
  program = program or "sys"
  forget_working_directory()
  -- What a failure's report needs when the failure came before the arguments were known.
  local context = {
    command = "",
    args = { json = has_word(words, "--json"), verbose = has_word(words, "--verbose") },
  }
  local ok, code = xpcall(function()
    return run(words, program, context)
  end, function(value)
    return to_failure(value, context.args.verbose)
  end)
  if not ok then
    code = report_failure(context.command, code, context.args)
  end
  ---@cast code integer
  local terminal = require("syslua.cli.terminal")
  terminal.clear()
  io.stderr:flush()
  return report_unwritten(terminal.flush(), context.command, code)
end

local function is_script(word)
  if word == "-" or word:find("[/.]") then
    return true
  end
  return require("syslua.bindings").call("exists", word)
end

--- Runs the command that the words after `lua -l syslua` name, and exits with its code. Returns
-- when there is nothing to run, or the first word is a script for Lua. A file named like a command
-- is not in its way.
---@param words string[]
function main.start(words)
  local word = words[1]
  if not word or (not commands.exists(word) and is_script(word)) then
    return
  end
  os.exit(main.main(words, "lua -l syslua"))
end

return main
