--- The commands: the files of `commands/`. It does not know what they do.

local failure = require("syslua.util.failure")
local position = require("syslua.util.position")

local commands = {}

--- A command, as its file describes it. The runner calls it; help, completions, the reference and
-- the man page are generated from it.
---@class syslua.cli.Command
---@field order integer its place in the lists of commands: the lowest is first
---@field summary string one line about what it does
---@field description string? more about it, in Markdown: paragraphs, lists, fences and links
---@field arguments syslua.cli.Argument[] its own; those of every command are in `cli/flags.lua`
---@field asks nil|"optional"|"required" whether it shows on a terminal what it would do, and asks.
--- Without a terminal "required" needs `--yes`
---@field risk string? what a "required" question is about: "removes the whole root"
-- Divides the words into its own and those of a program that it runs, which are no flags of it.
---@field split nil|fun(words: string[]): string[], string[]?
-- Does it. Absent arguments are nil, also lists: a line without words is not parsed at all. Returns
-- the report, as `--json` prints it, or nil if there is nothing to print; the exit code, 0 by
-- default, or "refused"; and what `render` needs besides.
---@field run syslua.cli.Run
-- Returns the lines about a report for stdout, and those for stderr.
---@field render nil|syslua.cli.Render
-- Ends an interactive command, after its report; returns the exit code, if it changes.
---@field conclude nil|fun(report: any, args: syslua.cli.Args, options: table): integer?

---@alias syslua.cli.Run
---| fun(args: syslua.cli.Args, options: table, ask: syslua.cli.Ask?): table?, syslua.cli.Code?, any
---@alias syslua.cli.Render
---| fun(report: any, args: syslua.cli.Args, style: syslua.cli.Style, more: any): string[], any
---@alias syslua.cli.Code integer|"refused"
---@alias syslua.cli.Ask fun(text: string): boolean asks on the terminal

-- The directory of the commands.
local directory = position.own_directory:gsub("^@", "") .. "commands/"

---@type string[]?
local names

--- Returns the names of the commands, in the order in which help shows them.
---@return string[]
function commands.list()
  if names then
    return names
  end
  local found, orders = {}, {}
  local files = require("syslua.bindings").call("list_directory", directory, false) or {}
  for _, file in ipairs(files) do
    local name = file:match("^(%l+)%.lua$")
    if name then
      found[#found + 1], orders[name] = name, commands.load(name).order
    end
  end
  table.sort(found, function(one, other)
    return orders[one] < orders[other]
  end)
  names = found
  return found
end

--- Returns whether there is a command of that name.
---@param name string
---@return boolean
function commands.exists(name)
  if not name:find("^%l+$") then
    return false
  elseif package.loaded["syslua.commands." .. name] then
    return true
  end
  local file = io.open(directory .. name .. ".lua", "rb")
  return file ~= nil and file:close() ~= nil
end

--- Returns the failure for an unknown command, naming the closest one.
---@param name string
---@param program string the name of the program as typed, "sys"
---@return syslua.Failure
function commands.get_unknown_failure(name, program)
  local near = require("syslua.util.closest")(name, commands.list())
  return failure.new({
    kind = "usage",
    message = ("there is no command `%s`"):format(name),
    hint = near and ("did you mean `%s %s`?"):format(program, near)
      or ("`%s help` lists the commands"):format(program),
  })
end

--- Returns a command.
---@param name string
---@return syslua.cli.Command
function commands.load(name)
  return require("syslua.commands." .. name)
end

return commands
