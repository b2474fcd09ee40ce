--- Turns packages of the system into lines for people: what their managers would do, and what
-- became of them.

local text = require("syslua.util.text")

local package_report = {}

local function get_names(items)
  local names = {}
  for index, item in ipairs(items) do
    local name = item.name
    if item.old and item.old ~= "" then
      name = ("%s (%s -> %s)"):format(name, item.old, item.version)
    elseif item.version then
      name = name .. " " .. item.version
    end
    names[index] = text.printable(name)
  end
  return table.concat(names, ", ")
end

--- Adds the lines that tell what managers would do, dependencies included, as they say themselves.
---@param lines string[]
---@param result { packages: table[]? }
---@param verb "would install"|"installed"|string
function package_report.add(lines, result, verb)
  for _, one in ipairs(result.packages or {}) do
    for _, kind in ipairs({ "install", "change", "remove" }) do
      local items = one[kind]
      if items[1] then
        lines[#lines + 1] = ("%s %s %s: %s."):format(one.manager, verb, kind, get_names(items))
      end
    end
  end
end

--- Returns the rows of packages for `status`: those that are not as declared, or all.
---@param packages table[]
---@param is_all boolean
---@return table[]
function package_report.get_rows(packages, is_all)
  local rows = {}
  for _, package in ipairs(packages) do
    local is_wrong = package_report.is_drift(package)
    if is_wrong or is_all then
      local problem = package.problem and "  (" .. text.printable(package.problem) .. ")" or ""
      local version = package.version and " " .. text.printable(package.version) or ""
      local state = text.pad(package.state, 8)
      rows[#rows + 1] = {
        mark = is_wrong and "!" or " ",
        style = is_wrong and "change" or nil,
        text = ("%s %s package %s%s%s"):format(
          state,
          package.manager,
          text.printable(package.package),
          version,
          problem
        ),
        position = (package.positions or {})[1],
      }
    end
  end
  return rows
end

--- Returns whether a package is not as it is declared.
---@param package table
---@return boolean
function package_report.is_drift(package)
  return package.state ~= "installed" and package.state ~= "unknown"
end

--- Returns the closing line about packages that are not as declared, or nil.
---@param packages table[]
---@param program string
---@return string?
function package_report.get_closing_line(packages, program)
  local count = 0
  for _, package in ipairs(packages) do
    count = count + (package_report.is_drift(package) and 1 or 0)
  end
  if count == 0 then
    return nil
  end
  return ("%s not as declared; `%s apply` calls the package manager"):format(
    text.count(count, "package of the system") .. (count == 1 and " is" or " are"),
    program
  )
end

return package_report
