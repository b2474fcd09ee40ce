--- `export`: writes objects of the store, and everything they refer to, as one file that
--- `import closure` reads. The engine knows which objects belong to it.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")

local export = {}

export.order = 260
export.summary = "Write objects and their dependencies into a file"

export.description = [[
You can name objects as for `info`. Without `-o` the file is written to standard output, unless that
is a terminal. `FILE` appears only when it is complete; on an error, an existing file of that name
is kept. All objects are hashed again before they are written.

An object that contains the path of its store, such as `/home/ada/.local/share/syslua`, does not
work elsewhere. It is refused, and the message names the file. [Moving
objects](../guide/moving-objects.md) shows how to build objects that can be moved.
]]

export.arguments = {
  {
    name = "OBJECT",
    missing = {
      message = "export: an object is missing",
      hint = "`%s list --all` shows the objects",
      usage = "OBJECT...",
    },
    target = "objects",
    arity = "+",
    description = "An object: its name, the beginning of it, its nine digits, a path in it, or "
      .. "NAME/VERSION.",
  },
  {
    name = "-o --output",
    value = "FILE",
    description = "The file to write. - is standard output, the default.",
  },
  { name = "--json", description = "Print one JSON object instead of text; needs --output FILE." },
}

-- Standard output is the default, unless it is a terminal.
local function check_stdout(args)
  local redirect = ("give a file: %s export %s -o closure.syslua"):format(
    args.program,
    table.concat(args.objects, " ")
  )
  if args.json then
    failure.raise({
      kind = "usage",
      message = "the closure and the JSON cannot both go to standard output",
      hint = redirect,
    })
  elseif require("syslua").bindings.is_terminal(1) then
    failure.raise({
      kind = "usage",
      message = "the closure cannot be shown on a terminal",
      hint = redirect,
    })
  end
end

-- Returns what is wrong, or nothing.
local function write_stdout(bytes)
  local written, problem = io.stdout:write(bytes)
  return not written and tostring(problem) or nil
end

--- Does it.
---@param args syslua.cli.Args
---@param options table
---@return syslua.Exported, integer, boolean
function export.run(args, options)
  local object_argument = require("syslua.cli.object_argument")
  local file = args.output ~= "-" and args.output or nil
  if not file then
    check_stdout(args)
  end
  ---@type syslua.Listed
  local listed = bindings.call("list", options)
  local names = {}
  for index, word in ipairs(args.objects) do
    names[index] = object_argument.get(listed, word, args.program).object
  end
  if not file then
    require("syslua.cli.terminal").clear()
  end
  local result = bindings.call(
    "export",
    names,
    file and bindings.call("absolute", file) or write_stdout,
    options
  )
  return result, 0, file ~= nil
end

--- Renders it for people: on stderr, where stdout has the closure.
---@param report syslua.Exported
---@param args syslua.cli.Args
---@param has_file boolean
---@return string[], string[]?
function export.render(report, args, _, has_file)
  local lines = require("syslua.cli.closure_report").render_export(report, args)
  if has_file then
    return lines
  end
  return {}, lines
end

return export
