--- `run`: runs a program of a package or tool, which is built and not installed.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local path = require("syslua.util.path")
local text = require("syslua.util.text")

local run = {}

run.order = 170
run.summary = "Run a program of a package or tool, without installing it"

run.description = [[
The package is built if the store does not have it, and its program replaces this process: every
word after PACKAGE is an argument of the program, including flags, and its exit code passes through.
PACKAGE is the name of a module below `pkgs`, or the end of that name; packages beside the config
take precedence over those of sys.lua. `run` uses the program that the package names
(`meta = { main = "rg" }`), or else the program with the package's name, or else the only one.
Otherwise the message lists the programs.
]]

run.arguments = {
  {
    name = "PACKAGE",
    missing = { message = "a package is missing", hint = "for example: sys run ripgrep --version" },
    arity = "?",
    description = "The package or tool: its name, its module below `pkgs`, or NAME@VERSION.",
  },
  {
    name = "ARGUMENT",
    target = "command",
    arity = "*",
    may_be_empty = true,
    description = "The arguments of the program, including flags.",
  },
  {
    name = "--config",
    value = "CONFIG",
    description = "The config whose packages are used first.",
  },
  {
    name = "--program",
    value = "NAME",
    target = "wanted_program",
    description = "Run this program of the package.",
  },
}

-- Flags of this command that have an argument.
local function takes_argument(word)
  if word == "--config" or word == "--program" then
    return true
  end
  for _, flag in ipairs(require("syslua.cli.flags")) do
    if flag.name == word then
      return flag.value ~= nil
    end
  end
  return false
end

--- All words after the package are the program's.
---@param words string[]
---@return string[] own
---@return string[] rest
function run.split(words)
  local own, rest, index = {}, {}, 1
  while words[index] and words[index]:sub(1, 1) == "-" do
    own[#own + 1] = words[index]
    if takes_argument(words[index]) then
      index = index + 1
      own[#own + 1] = words[index]
    end
    index = index + 1
  end
  own[#own + 1] = words[index]
  for following = index + 1, #words do
    rest[#rest + 1] = words[following]
  end
  return own, rest
end

-- The programs of directories, by name, the first of each name.
local function list_programs(directories)
  local programs, names = {}, {}
  for _, directory in ipairs(directories) do
    local listed, entries = pcall(bindings.call, "list_tree", directory)
    for _, entry in
      ipairs(listed and entries --[[@as table[] ]] or {})
    do
      if entry.kind ~= "directory" and not entry.path:find("/") and not programs[entry.path] then
        programs[entry.path] = path.join(directory, entry.path)
        names[#names + 1] = entry.path
      end
    end
  end
  table.sort(names)
  return programs, names
end

-- The main program: the requested one, the one in the package's metadata, the one with the
-- package's name, or the only one.
local function choose(word, module, wanted, directories)
  local programs, names = list_programs(directories)
  local meta = type(module.meta) == "table" and module.meta or {}
  local main = wanted or meta.main
  if main then
    if programs[main] then
      return programs[main]
    end
  else
    local short = module.word or word:match("[^.]*$")
    ---@type string?
    local only = #names == 1 and names[1] or nil
    for _, name in ipairs({ module.name or short, short, only or short }) do
      if programs[name] then
        return programs[name]
      end
    end
  end
  failure.raise({
    kind = "usage",
    message = main and ("the package %s has no program `%s`"):format(word, main)
      or (names[1] and ("the package %s has several programs"):format(word))
      or ("the package %s has no program"):format(word),
    hint = names[1] and ("it has %s: sys run --program %s %s"):format(
      text.enumerate(names, "and"),
      names[1],
      word
    ) or "it puts no directory with a program on PATH",
  })
end

--- Does it. The exit code is that of the program.
---@param args syslua.cli.Args
---@param options table
---@return nil, integer
function run.run(args, options)
  local found = require("syslua.cli.packages").evaluate({ args.package }, args.config, options)
  local entered = bindings.call("enter", found.manifest, found.name, nil, options)
  local words = { choose(args.package, found.modules[1], args.wanted_program, entered.directories) }
  for _, word in ipairs(args.command or {}) do
    words[#words + 1] = word
  end
  entered.variables.SYSLUA_PROJECT = os.getenv("SYSLUA_PROJECT")
  return nil, require("syslua.cli.subprocess").start(words, entered, options)
end

return run
