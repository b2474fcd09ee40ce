--- Puts into words what holds an object: snapshots, links, the journal, processes. It does not know
--- how that is found.

local path = require("syslua.util.path")
local text = require("syslua.util.text")

local holders = {}

-- An environment that names an object is that of every program in it.
local most_processes = 4

local function show_path(value)
  -- Users name their links and programs themselves, and root reads it.
  return text.printable(path.display(value, path.get_home()))
end

--- Returns "snapshot 2 (current)", "~/result", "the journal ..." or "process 12 (bash)".
---@param holder syslua.Holder
---@return string
function holders.describe(holder)
  if holder.kind == "snapshot" then
    return "snapshot " .. holder.id .. (holder.current and " (current)" or "")
  elseif holder.kind == "process" then
    return ("process %d (%s)"):format(holder.pid, text.printable(holder.program or ""))
  elseif holder.kind == "gc_root" then
    return "the link " .. show_path(holder.path)
  elseif holder.kind == "project" then
    return "the project " .. show_path(holder.path)
  end
  return "the journal " .. show_path(holder.path)
end

--- Returns a line for each holder of an object, with the objects between the two; of many processes
--- some lines and their number, unless all are wanted.
---@param list syslua.ObjectHolder[]
---@param is_whole boolean?
---@return string[]
function holders.render(list, is_whole)
  local lines, processes = {}, 0
  for _, holder in ipairs(list) do
    processes = processes + (holder.kind == "process" and 1 or 0)
    if is_whole or processes <= most_processes or holder.kind ~= "process" then
      local through = table.concat(holder.through, ", ")
      lines[#lines + 1] = holders.describe(holder)
        .. (through ~= "" and ", through " .. through or "")
    end
  end
  local more = is_whole and 0 or processes - most_processes
  if more > 0 then
    lines[#lines + 1] = more == 1 and "1 more process" or more .. " more processes"
  end
  return lines
end

return holders
