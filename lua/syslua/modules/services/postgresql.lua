-- postgresql: a configuration by the grammar of postgresql.conf and pg_hba.conf, and the service,
-- which makes its data directory when there is none.

---@class syslua.services.postgresql.Options
---@field programs string? the directory of its programs
---@field data string? the directory of its data
---@field user string? the user that it runs as
---@field settings table<string, string|number|boolean>? of postgresql.conf
---@field access string[][]? lines of pg_hba.conf: type, database, user, address, method

---@class syslua.services.Postgresql: syslua.ConfigModule
---@field setup fun(opts: syslua.services.postgresql.Options?)

local config_file = require("modules.support.config_file")
local quote = require("modules.support.shell_words").quote

local name = "modules.services.postgresql"

local function show(key, value)
  if type(value) == "boolean" then
    return value and "on" or "off"
  elseif type(value) == "number" then
    return syslua.lib.toJSON(value)
  end
  return "'" .. config_file.check_line(name, key, value):gsub("['\\]", "%0%0") .. "'"
end

local function render_settings(options)
  local lines = {}
  for key, value in pairs(options.settings) do
    if type(key) ~= "string" or not key:find("^[%a_][%w_.]*$") then
      error(("%s: %q is not a setting"):format(name, tostring(key)), 0)
    end
    lines[#lines + 1] = ("%s = %s"):format(key, show(key, value))
  end
  return table.concat(lines, "\n") .. "\n"
end

local function render_access(options)
  local lines = {}
  for index, entry in ipairs(options.access) do
    local words = {}
    for number, word in ipairs(entry) do
      word = config_file.check_line(name, ("access[%d]"):format(index), word)
      words[number] = word:find('[%s,#"]') and '"' .. word:gsub('"', '""') .. '"' or word
    end
    lines[index] = table.concat(words, " ")
  end
  return table.concat(lines, "\n") .. "\n"
end

local module = syslua.module({
  name = "services.postgresql",
  options = {
    programs = "/usr/lib/postgresql/15/bin",
    data = "/var/lib/postgresql/syslua",
    user = "postgres",
    settings = { unix_socket_directories = "/var/run/postgresql", timezone = "UTC" },
    access = {
      { "local", "all", "all", "peer" },
      { "host", "all", "all", "127.0.0.1/32", "scram-sha-256" },
    },
  },
  config = function(options)
    local settings = config_file.build("postgresql.conf", render_settings(options))
    local access = config_file.build("pg_hba.conf", render_access(options))
    local server = options.programs .. "/postgres"
    local make = ("{ test -e %s/PG_VERSION || %s --pgdata=%s --auth=peer >/dev/null; }"):format(
      quote(options.data),
      quote(options.programs .. "/initdb"),
      quote(options.data)
    )
    local start = ("%s && exec %s -D %s -c config_file=%s -c hba_file=%s"):format(
      make,
      quote(server),
      quote(options.data),
      quote(settings),
      quote(access)
    )
    service({
      name = "postgresql",
      description = "A database",
      command = start,
      -- It wants a directory, though it reads only the file.
      check = (
        [[d=$(mktemp -d) && trap 'rmdir "$d"' EXIT && ]]
        .. [[%s -C max_connections -D "$d" -c %s]]
      ):format(quote(server), quote("config_file=" .. settings)),
      user = options.user,
      ready = "notify",
      after = "network.target",
      unit = {
        Service = {
          KillMode = "mixed",
          KillSignal = "SIGINT",
          RuntimeDirectory = "postgresql",
          RuntimeDirectoryMode = "2775",
        },
      },
    })
  end,
})

---@cast module syslua.services.Postgresql
return module
