--- `diff`: shows how two snapshots differ, or which inputs of two derivations do. It reads their
-- records, and no config.

local shared = require("syslua.cli.arguments").shared

local diff = {}

diff.order = 280
diff.summary = "Show how two snapshots or two derivations differ"

diff.description = [[
Numbers are snapshots, as in `history`. By default `B` is the current snapshot and `A` the one
before `B`. The output lists derivations with their versions, then added, changed and removed
actions. Two derivations are one change when they are used for the same target. `--text` shows the
lines that differ below each file.

Hashes of derivations, or their beginnings of 6 digits or more, show which inputs differ. This tells
why a derivation was built again. `info OBJECT` shows the hash of the derivation that made an
object, and `plan --json` shows those of future builds; the store must have a record of both. Lines
with `-` belong to the first derivation, lines with `+` to the second. Long values are cut around
the difference, unless `--verbose` is given.
]]

local fewest_digits, most_digits = 6, 64

diff.arguments = {
  {
    name = "A",
    target = "first",
    arity = "?",
    description = "The number of a snapshot, by default that before B; or the hash of a "
      .. "derivation, or its beginning: 6 digits or more.",
  },
  {
    name = "B",
    target = "second",
    arity = "?",
    description = "The number of another snapshot, by default the current one; or the hash of "
      .. "another derivation.",
  },
  { name = "--text", description = "Show the differences of text files between two snapshots." },
  { name = "--exit-code", description = "Exit with 3 when something differs." },
  shared.json,
}

local function raise_usage(message, hint)
  require("syslua.util.failure").raise({ kind = "usage", message = message, hint = hint })
end

local function check_hash(word, program)
  local hash = word:lower()
  if not hash:find("^%x+$") or #hash < fewest_digits or #hash > most_digits then
    raise_usage(
      (
        "`%s` is neither a snapshot nor the hash of a derivation "
        .. "(%d to %d hexadecimal digits)"
      ):format(word, fewest_digits, most_digits),
      (
        "`%s history` lists the snapshots; `%s info OBJECT` shows the hash of the "
        .. "derivation that built an object"
      ):format(program, program)
    )
  end
  return hash
end

-- Short numbers are snapshots. Long ones may be hashes: those are snapshots when there is one.
local function is_snapshot(word, options)
  if not word:find("^%d+$") or (word:sub(1, 1) == "0" and word ~= "0") then
    return false
  end
  if #word < fewest_digits then
    return true
  end
  for _, entry in ipairs(require("syslua.bindings").call("history", options).snapshots) do
    if entry.id == word then
      return true
    end
  end
  return false
end

local function compare(args, options)
  local bindings = require("syslua.bindings")
  local first, second = args.first, args.second
  if first and not is_snapshot(first, options) then
    local hash = check_hash(first, args.program)
    if not second then
      raise_usage(
        ("`%s` is the hash of a derivation: the second derivation is missing"):format(first),
        ("`%s diff A B` compares two derivations"):format(args.program)
      )
    end
    return bindings.call("diff_derivations", hash, check_hash(second, args.program), options), false
  end
  if second and not is_snapshot(second, options) then
    raise_usage(("`%s` is not a snapshot, but `%s` is"):format(second, first))
  end
  return bindings.call("diff_snapshots", first, second, options), true
end

--- Does it; with `--exit-code` the exit code is 3 when something differs.
---@param args syslua.cli.Args
---@param options table
---@return table report, integer code, boolean are_snapshots
function diff.run(args, options)
  options.text = args.text or nil
  local result, are_snapshots = compare(args, options)
  local count = are_snapshots and #result.derivations + #result.actions or #result.differences
  return result, args.exit_code and count > 0 and 3 or 0, are_snapshots
end

--- Renders it for people.
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@param are_snapshots boolean
---@return string[]
function diff.render(report, args, style, are_snapshots)
  if are_snapshots then
    return require("syslua.cli.snapshot_report").render_diff(report, args, style)
  end
  return require("syslua.cli.store_report").render_diff(report, args, style)
end

return diff
