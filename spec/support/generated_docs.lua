--- The pages that are generated from what commands say about themselves: parts of the reference
-- of the command line and of the README, and the man page. `make docs` writes them.

local arguments = require("syslua.cli.arguments")
local commands = require("syslua.cli.commands")
local markdown = require("syslua.cli.markdown")
local parser = require("syslua.cli.parser")
local operation_pages = require("spec.support.operation_pages")
local report_pages = require("spec.support.report_pages")
local tree = require("spec.support.tree")

local generated_docs = {}

local function build(name)
  return parser.build(name, commands.load(name), "sys")
end

-- "apply [CONFIG]": a command with its arguments.
local function get_usage(built)
  return (built:get_usage():gsub("^usage: sys ", ""):gsub(" %[OPTIONS%]", ""))
end

-- A table of flags: those that every command has, or the others.
local function render_flags(command, is_common)
  local lines = {}
  for _, flag in ipairs(arguments.list_flags(command)) do
    if flag.is_common == is_common then
      local value = flag.argument.value
      local words = value and flag.name .. " " .. value or flag.name
      lines[#lines + 1] = ("| `%s` | %s |"):format(words, flag.argument.description)
    end
  end
  if #lines == 0 then
    return nil
  end
  return "| flag | |\n|---|---|\n" .. table.concat(lines, "\n")
end

local function render_commands()
  local parts = {}
  for _, name in ipairs(commands.list()) do
    local built, command = build(name), commands.load(name)
    parts[#parts + 1] = ("## `%s`"):format(get_usage(built))
    parts[#parts + 1] = command.summary .. "."
    parts[#parts + 1] = command.description and command.description:gsub("\n$", "")
    parts[#parts + 1] = render_flags(command, false)
  end
  return table.concat(parts, "\n\n")
end

local function render_overview()
  local lines = { "| command | purpose |", "|---|---|" }
  for _, name in ipairs(commands.list()) do
    local words = get_usage(build(name))
    lines[#lines + 1] = ("| `sys %s` | %s |"):format(words, commands.load(name).summary)
  end
  return table.concat(lines, "\n")
end

-- What stands between two marks of a page, by the name of the first.
local parts = {
  commands = render_commands,
  flags = function()
    return render_flags(commands.load("version"), true)
  end,
  overview = render_overview,
}

local function fill(page)
  return (
    page:gsub(
      "(<!%-%- `make docs` writes ([%w_ ]+) %-%->\n).-(<!%-%- end %-%->)",
      function(first, name, last)
        local operation = name:match("^the options of ([%l_]+)$")
        local text = operation and operation_pages.render_options(operation)
          or parts[name] and parts[name]()
          or report_pages.render_table(name)
        return first .. "\n" .. text .. "\n\n" .. last
      end
    )
  )
end

-- What is between two comments of the types for editors, by the last words of the first.
local types = {
  ["the reports"] = report_pages.render_classes,
  ["the options of `ctx`"] = operation_pages.render_options_classes,
  ["the calls of `ctx`"] = operation_pages.render_methods,
}

local function fill_types(text)
  return (
    text:gsub(
      "(%-%- `make docs` writes ([^\n]*)\n).-(%-%- end of [^\n]*\n)",
      function(first, words, last)
        return first .. "\n" .. types[words]() .. "\n\n" .. last
      end
    )
  )
end

-- A text in the language of `man` (man(7), groff_man(7)).
local function escape(text)
  return (text:gsub("\\", "\\e"):gsub("-", "\\-"):gsub("^([.'])", "\\&%1"))
end

local function to_inline(text)
  local stripped = markdown.strip(text)
  local result, place = {}, 1
  for before, code, after in stripped:gmatch("([^`]*)`([^`]*)`()") do
    result[#result + 1] = escape(before) .. "\\fB" .. escape(code) .. "\\fR"
    place = after
  end
  result[#result + 1] = escape(stripped:sub(place))
  return (table.concat(result):gsub("^([.'])", "\\&%1"))
end

---@type table<string, fun(block: syslua.cli.Block, add: fun(line: string))>
local to_roff = {
  title = function(block, add)
    local text = block.text or ""
    if block.level == 2 and not text:find("^`") then
      add(".SH " .. escape(text:upper()))
    elseif (block.level or 0) > 1 then
      add(".SS " .. escape((text:gsub("`", ""))))
    end
  end,
  paragraph = function(block, add)
    add(".PP")
    add(to_inline(block.text or ""))
  end,
  item = function(block, add)
    add(('.IP "%s" 4'):format(block.mark == "-" and "\\(bu" or block.mark))
    add(to_inline(block.text or ""))
  end,
  fence = function(block, add)
    add(".PP")
    add(".nf")
    for _, line in ipairs(block.lines or {}) do
      add((("    " .. line):gsub("\\", "\\e"):gsub("-", "\\-")))
    end
    add(".fi")
  end,
  table = function(block, add)
    for _, row in ipairs(block.rows or {}) do
      add(".TP")
      add(to_inline(row[1]))
      add(to_inline(table.concat(row, "; ", 2)))
    end
  end,
}

local function render_manual(page)
  local lines = {
    '.\\" Written by `make docs` from docs/reference/cli.md.',
    '.TH SYS 1 "" "sys.lua" "User Commands"',
    ".SH NAME",
    "sys \\- make a machine match a Lua file",
    ".SH SYNOPSIS",
    "\\fBsys\\fR [\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]",
    ".br",
    "\\fBlua \\-l syslua\\fR \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]",
    ".SH DESCRIPTION",
  }
  local function add(line)
    lines[#lines + 1] = line
  end
  local is_in_commands = false
  for _, block in ipairs(markdown.parse(page)) do
    local is_command = block.kind == "title" and (block.text or ""):find("^`") ~= nil
    if is_command and not is_in_commands then
      is_in_commands = true
      add(".SH COMMANDS")
    end
    to_roff[block.kind](block, add)
  end
  return table.concat(lines, "\n") .. "\n"
end

--- Returns the generated pages: their texts by name, as they must be.
---@return table<string, string>
function generated_docs.render()
  local reference = fill(tree.read("docs/reference/cli.md"))
  return {
    ["docs/reference/cli.md"] = reference,
    ["docs/reference/build-context.md"] = fill(tree.read("docs/reference/build-context.md")),
    ["docs/reference/json.md"] = fill(tree.read("docs/reference/json.md")),
    ["README.md"] = fill(tree.read("README.md")),
    ["types/syslua.lua"] = fill_types(tree.read("types/syslua.lua")),
    ["docs/sys.1"] = render_manual(reference),
  }
end

--- Writes the pages that are not as they must be, and prints their names.
function generated_docs.write()
  for name, text in pairs(generated_docs.render()) do
    if not tree.exists(name) or tree.read(name) ~= text then
      local file = assert(io.open(tree.root .. name, "wb"))
      assert(file:write(text))
      assert(file:close())
      print("wrote " .. name)
    end
  end
end

return generated_docs
