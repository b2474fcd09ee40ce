--- Checks the grammar of scripts of PowerShell, which is in no package of the systems that run
--- specs.

local powershell = {}

local python = "PYTHONPATH=/var/cache/syslua-tools/python python3"

local parse = [[
import sys, tree_sitter, tree_sitter_pwsh
parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_pwsh.language()))
def walk(name, node):
    if node.type == "ERROR" or node.is_missing:
        sys.exit("%s: line %d: %r" % (name, node.start_point[0] + 1, node.text[:200]))
    for child in node.children:
        walk(name, child)
for name in sys.argv[1:]:
    walk(name, parser.parse(open(name, "rb").read()).root_node)
]]

--- Returns what is wrong with scripts, nil for nothing, or "missing" without the grammar.
---@param here spec.Machine
---@param scripts table<string, string> texts by names
---@return string?
function powershell.check(here, scripts)
  if here.shell(python .. " -c 'import tree_sitter, tree_sitter_pwsh'").code ~= 0 then
    return "missing"
  end
  here.write("parse.py", parse)
  local words = ""
  for name, text in pairs(scripts) do
    here.write(name, text)
    words = words .. " " .. name
  end
  local result = here.shell(python .. " parse.py" .. words)
  return result.code ~= 0 and result.stderr or nil
end

return powershell
