--- `import KIND PATH`: takes over what something else wrote. It knows the kinds; each does its own
--- work.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")

local shared = require("syslua.cli.arguments").shared

local import = {}

local kinds = { "aqua", "chezmoi", "closure", "dotfiles", "mise", "stow" }

import.order = 270
import.summary = "Write a config of what another tool manages, or read objects"

import.description = [[
`stow DIR`, `chezmoi [DIR]` and `dotfiles DIR` write a config that reproduces the files in your
home: applying it changes no byte of a target. The config is written to the directory of `--output`,
or where `apply` looks for it. An existing config is only overwritten with `--force`. The output and
the end of the config list what cannot be converted.

- `stow`: DIR holds the packages. Links in the target directory that lead into a package become
  `mutable` links to the same files. The target is the parent of DIR, or what a `.stowrc` names.
- `chezmoi`: DIR is the source directory, by default `~/.local/share/chezmoi`. Files whose content
  equals that in the home are copied beside the config. A template that only shows values becomes a
  template; for any other template, the file in the home is used.
- `dotfiles`: DIR is a tree whose files are linked or copied into the home, or a bare repository
  whose work tree is the home. The files of a repository are copied beside the config.
- `mise` reads `mise.toml` or `.tool-versions`, with `mise.lock` beside it, and `aqua` reads
  `aqua.yaml`, with `aqua-checksums.json`. Both write `tools.lua`, with the [tools](tools.md) that
  the registry may have and the variables that are plain texts, and add to `syslua.lock`. What is
  not taken over, such as tasks, settings and second versions, is named.

With the kind `closure`, PATH is a file that `export` wrote, or `-` for standard input. Hashes,
names and references are checked before any object gets its name. If a check fails, or the file is
truncated, nothing is imported. Objects that the store already has are skipped.

The objects that were named for `export` stay until you remove their links, `import-NAME` in
`store/metadata/gc-roots`. Their dependencies stay with them.
]]

import.arguments = {
  {
    name = "KIND",
    suggestions = kinds,
    missing = {
      message = "import: the kind and the path are missing",
      hint = "for example `%s import closure FILE`",
      usage = "KIND PATH",
    },
    description = "What to import: stow, chezmoi, dotfiles, mise or aqua, to write a config; or "
      .. "closure, objects that `export` wrote.",
  },
  {
    name = "PATH",
    arity = "?",
    description = "Where it is. - is standard input; chezmoi has a default place.",
  },
  {
    name = "--output",
    value = "DIR",
    description = "Write the config to DIR. Default: where apply looks for it.",
  },
  { name = "--force", description = "Overwrite an existing config." },
  shared.json,
}

-- Writes the config of the found files; returns the result and the lines for people.
local function write_config(found, args, options)
  local lib = require("syslua.lib")
  local path = require("syslua.util.path")
  local writer = require("syslua.cli.import.config_writer")
  local entry = writer.write(found, args.output, args.force, options)
  local count = 0
  for _, line in ipairs(found.lines) do
    count = count + (line.is_off and 0 or 1)
  end
  local result = { config = entry, declared = count, left_out = lib.array(found.left_out) }
  local shown = path.display(entry, path.get_home())
  local lines = { ("wrote %s: %d declarations"):format(shown, count) }
  for _, left in ipairs(found.left_out) do
    lines[#lines + 1] = ("  left out %s: %s"):format(left.path, left.reason)
  end
  lines[#lines + 1] = ("Next: `%s plan %s` shows what it would do, `apply` does it."):format(
    args.program,
    shown
  )
  return result, lines
end

local function require_path(args)
  if not args.path then
    failure.raise({
      kind = "usage",
      message = ("`import %s` needs a PATH"):format(args.kind),
      hint = ("for example `%s import %s ~/dotfiles`"):format(args.program, args.kind),
    })
  end
  return args.path
end

local function import_tools(args, options)
  local directory = args.output or "."
  local plan = require("syslua.cli.tool_import").plan
  local result = plan(args.kind, require_path(args), directory, args.force or false, options)
  local text = require("syslua.util.text")
  ---@type string[]
  local lines = {
    ("%s: %s, %d of them locked"):format(
      text.printable(result.file),
      text.count(result.tools, "tool"),
      result.locked
    ),
  }
  if result.left[1] then
    lines[2] = "not taken over: " .. text.printable(text.enumerate(result.left, "and"))
  end
  if result.problem then
    lines[#lines + 1] = "nothing is locked: " .. text.printable(result.problem)
  end
  result.left = require("syslua.lib").array(result.left)
  return result, lines
end

-- Each returns the result and the lines for people.
local takers = {
  mise = import_tools,
  aqua = import_tools,
  stow = function(args, options)
    return write_config(require("syslua.cli.import.stow")(require_path(args)), args, options)
  end,
  dotfiles = function(args, options)
    return write_config(require("syslua.cli.import.dotfiles")(require_path(args)), args, options)
  end,
  chezmoi = function(args, options)
    return write_config(require("syslua.cli.import.chezmoi")(args.path), args, options)
  end,
  closure = function(args, options)
    require_path(args)
    if args.path == "-" and require("syslua").bindings.is_terminal(0) then
      failure.raise({
        kind = "usage",
        message = "there is no closure on standard input, which is a terminal",
        hint = (
          "name the file, or pipe a closure in: "
          .. "ssh HOST sys export OBJECT | %s import closure -"
        ):format(args.program),
      })
    end
    local file = args.path ~= "-" and bindings.call("absolute", args.path) or nil
    ---@type syslua.Imported
    local result = bindings.call("import_closure", file, options)
    return result, require("syslua.cli.closure_report").render_import(result, args)
  end,
}

local function raise_unknown(kind, program)
  local names = kinds
  local near = require("syslua.util.closest")(kind, names)
  local quoted = {}
  for index, name in ipairs(names) do
    quoted[index] = "`" .. name .. "`"
  end
  failure.raise({
    kind = "usage",
    message = ("there is no kind `%s` to import, only %s"):format(
      kind,
      require("syslua.util.text").enumerate(quoted, "and")
    ),
    hint = near and ("did you mean `%s import %s PATH`?"):format(program, near) or nil,
  })
end

--- Does it.
---@param args syslua.cli.Args
---@param options table
---@return table report, integer code, string[] lines
function import.run(args, options)
  ---@type any
  local take = takers[args.kind]
  if not take then
    raise_unknown(args.kind, args.program)
  end
  local report, lines = take(args, options)
  return report, 0, lines
end

--- Renders it for people.
---@param lines string[]
---@return string[]
function import.render(_, _, _, lines)
  return lines
end

return import
