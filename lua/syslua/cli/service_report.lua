--- Turns services into lines for people: what is asked of their manager, and what they do.
-- It does not write them.

local columns = require("syslua.cli.table")
local text = require("syslua.util.text")

local service_report = {}

-- States in which a service does not do what is declared.
local drift = { stopped = true, failed = true, masked = true, missing = true }

--- Returns what a plan says of a service: its jobs, and why.
---@param service table a ServiceReport
---@param mark string "add", "change", "remove" or "unchanged"
---@return string
function service_report.describe(service, mark)
  local by_job, order = {}, {}
  for _, job in ipairs(service.jobs or {}) do
    local word = job.returns and "stop, and start the unit that ran before under the name of"
      or job.job .. (job.only_if_active and ", if it runs," or "")
    if not by_job[word] then
      by_job[word] = {}
      order[#order + 1] = word
    end
    table.insert(by_job[word], job.unit)
  end
  local parts = {}
  for index, word in ipairs(order) do
    parts[index] = word .. " " .. table.concat(by_job[word], ", ")
  end
  local shown = table.concat(parts, "; ")
  if shown == "" then
    shown = mark == "unchanged" and table.concat(service.units or {}, ", ")
      or "no job for " .. table.concat(service.units or {}, ", ")
  end
  local dependents = service.dependents or {}
  if dependents[1] then
    local word = mark == "remove" and "stop" or "stop and start"
    shown = ("%s; %s with it %s"):format(shown, word, table.concat(dependents, ", "))
  end
  if service.at_login then
    shown = shown .. ", at the next login"
  end
  if service.overrides then
    shown = shown .. ", overrides that of the distribution"
  end
  for _, path in ipairs(service.drop_ins or {}) do
    shown = ("%s, with %s"):format(shown, text.printable(path))
  end
  local because = service.because or {}
  if because[1] then
    shown = shown .. ": " .. text.enumerate(because, "and") .. " changed"
  end
  return shown
end

--- Returns whether a service does not do what is declared.
---@param service table
---@return boolean
function service_report.is_drift(service)
  return drift[service.state] or false
end

local function get_row(service)
  local what = service.state
  if service.problem then
    what = what .. ": " .. text.printable(service.problem)
  end
  return {
    mark = service_report.is_drift(service) and "!" or " ",
    name = service.name,
    state = what,
    since = service.since and os.date("%Y-%m-%d %H:%M:%S", service.since) or "",
    process = service.process and tostring(service.process) or "",
    scope = service.user or service.scope,
    unit = service.unit,
  }
end

--- Returns the lines that list services.
---@param result { services: table[] }
---@param args syslua.cli.Args
---@param style syslua.cli.Style
---@return string[]
function service_report.render(result, args, style)
  if not result.services[1] then
    return { "No services are declared." }
  end
  local rows = {}
  for index, service in ipairs(result.services) do
    rows[index] = get_row(service)
  end
  return columns.lay_out({
    { key = "name", title = "SERVICE", least = { 12, 8 } },
    { key = "state", title = "STATE", least = { 20, 10 } },
    { key = "since", title = "SINCE", is_optional = true },
    { key = "process", title = "PID", is_right = true, is_optional = true },
    { key = "scope", title = "OF" },
    { key = "unit", title = "UNIT", least = { 12, 8 } },
  }, rows, style, args.verbose)
end

--- Returns the rows of services for `status`: those that do not do what is declared, or all.
---@param services table[]
---@param is_all boolean
---@return { mark: string, style: string?, text: string, position: string? }[]
function service_report.get_rows(services, is_all)
  local rows = {}
  for _, service in ipairs(services) do
    local is_wrong = service_report.is_drift(service)
    if is_wrong or is_all then
      local problem = service.problem and "  (" .. text.printable(service.problem) .. ")" or ""
      local user = service.user and "  (user " .. service.user .. ")" or ""
      rows[#rows + 1] = {
        mark = is_wrong and "!" or " ",
        style = is_wrong and "change" or nil,
        text = text.pad(service.state, 8) .. " " .. service.unit .. problem .. user,
        position = (service.positions or {})[1],
      }
    end
  end
  return rows
end

return service_report
