--- `import KIND PATH`: takes over what something else wrote. It knows the kinds; each does its own
--- work.

local border = require("syslua.border")
local failure = require("syslua.util.failure")

local import = {}

import.summary = require("syslua.cli.commands").get_summary("import")

--- Adds the command's own arguments and flags.
---@param parser table
function import.add_to_parser(parser)
  parser
    :argument("KIND", "What to import: closure (objects that `export` wrote).")
    :argname("KIND")
    :target("kind")
  parser:argument("PATH", "Where it is; - is standard input."):argname("PATH"):target("path")
  parser:flag("--json", "Print one JSON object instead of text.")
end

-- Each returns the result and the lines for people.
local kinds = {
  closure = function(args, options)
    if args.path == "-" and require("syslua").native.is_terminal(0) then
      failure.raise({
        kind = "usage",
        message = "there is no closure on standard input, which is a terminal",
        hint = ("name the file, or pipe one in: ssh HOST sys export OBJECT | %s import closure -"):format(
          args.program
        ),
      })
    end
    local file = args.path ~= "-" and border.call("absolute", args.path) or nil
    ---@type syslua.Imported
    local result = border.call("import_closure", file, options)
    return result, require("syslua.cli.closure_report").render_import(result, args)
  end,
}

local function get_kind_names()
  local names = {}
  for name in pairs(kinds) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local function raise_unknown(kind, program)
  local names = get_kind_names()
  local near = require("syslua.util.closest")(kind, names)
  local quoted = {}
  for index, name in ipairs(names) do
    quoted[index] = "`" .. name .. "`"
  end
  failure.raise({
    kind = "usage",
    message = ("`import` knows no kind `%s`: it can import %s"):format(
      kind,
      require("syslua.util.text").enumerate(quoted, "and")
    ),
    hint = near and ("did you mean `%s import %s PATH`?"):format(program, near) or nil,
  })
end

--- Does it.
---@param args syslua.cli.Args
---@return integer
function import.run(args)
  local terminal = require("syslua.cli.terminal")

  if not args.kind then
    failure.raise({
      kind = "usage",
      message = "what is to be imported, and from where?",
      hint = ("for example `%s import closure FILE`"):format(args.program),
      details = ("usage: %s import [OPTIONS] KIND PATH"):format(args.program),
    })
  end
  local take = kinds[args.kind]
  if not take then
    raise_unknown(args.kind, args.program)
  end
  local result, lines = take(args, require("syslua.cli.options").from_args(args))

  if args.json then
    terminal.write({ require("syslua.cli.report").to_json("import", result) })
  elseif not args.quiet then
    terminal.write(lines)
  end
  return 0
end

return import
