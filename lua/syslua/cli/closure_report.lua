--- Turns what went into a closure, or came out of one, into lines for people.
-- It does not write them, and does not know the engine: it gets reports.

local path = require("syslua.util.path")
local text = require("syslua.util.text")

local closure_report = {}

local function show_path(value)
  return path.display(value, path.get_home())
end

local function get_total(objects)
  local total = 0
  for _, object in ipairs(objects) do
    total = total + object.size
  end
  return total
end

-- All with --verbose, else those that were asked for: what they refer to can be many.
local function add_objects(lines, objects, roots, args)
  local wanted = {}
  for _, root in ipairs(roots) do
    wanted[type(root) == "table" and root.object or root] = true
  end
  local others = 0
  for _, object in ipairs(objects) do
    if wanted[object.object] or args.verbose then
      lines[#lines + 1] = "  " .. (args.verbose and show_path(object.path) or object.object)
    else
      others = others + 1
    end
  end
  if others > 0 then
    lines[#lines + 1] = ("  and %s they refer to"):format(
      others == 1 and "1 object" or others .. " objects"
    )
  end
end

--- Returns the lines about what `export` wrote.
---@param result syslua.Exported
---@param args syslua.cli.Args
---@return string[]
function closure_report.render_export(result, args)
  local lines = {
    ("Exported %s, %s, as %s%s:"):format(
      text.count(#result.objects, "object"),
      text.size(get_total(result.objects)),
      text.size(result.length),
      result.file and " to " .. show_path(result.file) or ""
    ),
  }
  add_objects(lines, result.objects, result.roots, args)
  return lines
end

--- Returns the lines about what `import closure` took over.
---@param result syslua.Imported
---@param args syslua.cli.Args
---@return string[]
function closure_report.render_import(result, args)
  local lines = {}
  local present = #result.present
  if #result.imported == 0 then
    lines[1] = ("Nothing is new: %s in the closure %s here already."):format(
      present == 1 and "the object" or ("all %d objects"):format(present),
      present == 1 and "is" or "are"
    )
  else
    lines[1] = ("Imported %s, %s%s:"):format(
      text.count(#result.imported, "object"),
      text.size(get_total(result.imported)),
      present > 0 and ("; %d more %s here already"):format(present, present == 1 and "is" or "are")
        or ""
    )
    add_objects(lines, result.imported, result.roots, args)
  end
  for _, root in ipairs(result.roots) do
    lines[#lines + 1] = ("%s stays until you remove %s"):format(
      root.object,
      show_path(root.gc_root)
    )
  end
  return lines
end

return closure_report
