--- `logs`: shows what a service printed, with the log program of the system. It reads no config.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local text = require("syslua.util.text")

local logs = {}

logs.order = 90
logs.summary = "Show the log of a service"

logs.description = [[
It hands over to `journalctl`, whose keys and exit codes count. Of several services with this
name, it shows that of the caller and names the others; `--of` selects one.
]]

logs.arguments = {
  {
    name = "NAME",
    description = "The service.",
    missing = { message = "logs: the service is missing", hint = "`services` lists them" },
  },
  { name = "--follow", description = "Follow the log and show new lines." },
  {
    name = "--of",
    value = "WHO",
    description = "Whose service it is: `system`, `user` or the name of a user, as `services` "
      .. "says.",
  },
  { name = "--lines", value = "N", convert = tonumber, description = "Show the last N lines." },
}

-- Whose a service is, as `services` shows it.
local function get_owner(service)
  return service.user or service.scope
end

-- The services of a name; that of the caller first.
---@param services table[]
---@param name string
---@param owner string?
---@return table[]
local function get_service(services, name, owner)
  ---@type string[]
  local names = {}
  ---@type table[]
  local found = {}
  ---@type string[]
  local owners = {}
  for _, service in ipairs(services) do
    names[#names + 1] = service.name
    if service.name == name then
      owners[#owners + 1] = get_owner(service)
      if not owner or owner == get_owner(service) then
        table.insert(found, service.user and #found + 1 or 1, service)
      end
    end
  end
  if not found[1] then
    local near = require("syslua.util.closest")(name, names)
    local message = ("there is no service `%s`"):format(name)
    local hint = near and ("did you mean `%s`?"):format(near) or "`services` lists them"
    if owners[1] then
      message = ("no service `%s` is of `%s`"):format(name, owner)
      hint = "there is one of " .. text.enumerate(owners, "and")
    end
    failure.raise({ kind = "usage", message = message, hint = hint })
  end
  return found
end

-- The words of the program that shows the log of a service.
---@return string[]
local function get_words(service, args)
  ---@type string[]
  local words = { "journalctl" }
  local function add(word)
    words[#words + 1] = word
  end
  if service.scope == "system" then
    add("--unit=" .. service.unit)
  elseif service.user then
    -- What the unit printed, and what its manager says of it.
    local user = "_UID=" .. tostring(bindings.call("user_number", service.user))
    add(user)
    add("_SYSTEMD_USER_UNIT=" .. service.unit)
    add("+")
    add(user)
    add("USER_UNIT=" .. service.unit)
  else
    add("--user-unit=" .. service.unit)
  end
  if args.follow then
    add("--follow")
  end
  if args.lines then
    add("--lines=" .. ("%d"):format(args.lines))
  end
  return words
end

--- Does it.
---@param args syslua.cli.Args
---@param options table
---@return nil, integer
function logs.run(args, options)
  local found = get_service(bindings.call("services", options).services, args.name, args.of)
  if not require("syslua").is_linux then
    failure.raise({
      kind = "usage",
      message = "the logs of services are shown on Linux only",
      hint = "on macOS `log show`, on Windows the Event Viewer has them",
    })
  end
  if found[2] and not args.quiet then
    ---@type string[]
    local others = {}
    for index = 2, #found do
      others[index - 1] = get_owner(found[index])
    end
    local note = "note: this is the log of %s; `logs %s --of %s` shows another one\n"
    io.stderr:write(note:format(get_owner(found[1]), args.name, table.concat(others, "|")))
  end
  io.stdout:flush()
  return nil, bindings.call("become_program", get_words(found[1], args), {}, nil, options)
end

return logs
