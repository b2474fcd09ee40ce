--- `diff`: shows which inputs of two derivations differ.
-- It reads what the store recorded of them, and no config.

local diff = {}

diff.summary = require("syslua.cli.commands").get_summary("diff")

local fewest_digits, most_digits = 6, 64

--- Adds the command's own arguments and flags.
---@param parser table
function diff.add_to_parser(parser)
  parser
    :argument("A", "The hash of a derivation, or its beginning: 6 digits or more.")
    :argname("A")
    :target("first")
  parser
    :argument("B", "The hash of another derivation, or its beginning.")
    :argname("B")
    :target("second")
  parser:flag("--exit-code", "Exit with 3 when something differs.")
  parser:flag("--json", "Print one JSON object instead of text.")
end

local function check_hash(word, program)
  local hash = word:lower()
  if not hash:find("^%x+$") or #hash < fewest_digits or #hash > most_digits then
    require("syslua.util.failure").raise({
      kind = "usage",
      message = ("`%s` is no hash of a derivation: that is %d to %d hexadecimal digits"):format(
        word,
        fewest_digits,
        most_digits
      ),
      hint = ("`%s info OBJECT` shows the hash of the derivation that made an object"):format(
        program
      ),
    })
  end
  return hash
end

--- Does it.
---@param args syslua.cli.Args
---@return integer
function diff.run(args)
  local terminal = require("syslua.cli.terminal")

  if not args.first then
    -- A line without words is not parsed.
    local parser = require("syslua.cli.parser")
    local _, problem = parser.parse(parser.build("diff", diff, args.program), {})
    error(problem, 0)
  end
  local first, second = check_hash(args.first, args.program), check_hash(args.second, args.program)
  local options = require("syslua.cli.options").from_args(args)
  ---@type syslua.Diff
  local result = require("syslua.border").call("diff_derivations", first, second, options)

  if args.json then
    terminal.write({ require("syslua.cli.report").to_json("diff", result) })
  elseif not args.quiet then
    local style = terminal.get_data_style(args)
    terminal.write(require("syslua.cli.store_report").render_diff(result, args, style))
  end
  return args.exit_code and #result.differences > 0 and 3 or 0
end

return diff
