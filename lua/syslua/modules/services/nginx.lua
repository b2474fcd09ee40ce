-- nginx: a configuration by the grammar of nginx.org/en/docs/beginners_guide.html, and the service.

---@alias syslua.services.nginx.Word string|number|boolean
---@alias syslua.services.nginx.Value
---| syslua.services.nginx.Word
---| (syslua.services.nginx.Word|syslua.services.nginx.Word[])[]
---| table<string, any>

---@class syslua.services.nginx.Options
---@field program string? its path
---@field user string? the user of its workers
---@field workers integer|"auto"|nil how many
---@field events table<string, syslua.services.nginx.Value>? directives of `events`
---@field http table<string, syslua.services.nginx.Value>? directives of `http`
---@field servers table<string, table<string, syslua.services.nginx.Value>>? by name
---@field extra string[]? lines of `http` at the end, as they are
---@field place string? the path of the configuration

---@class syslua.services.Nginx: syslua.ConfigModule
---@field setup fun(opts: syslua.services.nginx.Options?)

local config_file = require("modules.support.config_file")

-- One argument: in quotes around blanks and signs of the grammar. `$` begins a variable, as
-- nginx has it.
local function quote(what, value)
  if type(value) == "boolean" then
    return value and "on" or "off"
  end
  local word = config_file.check_line("modules.services.nginx", what, value)
  if word == "" or word:find("[%s;{}\"'\\#]") then
    return '"' .. word:gsub('["\\]', "\\%0") .. '"'
  end
  return word
end

local function check_name(name)
  if type(name) ~= "string" or not name:find("^[%l_][%w_]*$") then
    error(("modules.services.nginx: %q is not a directive"):format(tostring(name)), 0)
  end
  return name
end

local function is_list(value)
  return value[1] ~= nil
end

-- They call one another.
local write = {}

local function add_block(lines, indent, head, directives)
  lines[#lines + 1] = indent .. head .. " {"
  write.directives(lines, indent .. "  ", directives)
  lines[#lines + 1] = indent .. "}"
end

local function add_directive(lines, indent, name, value)
  if type(value) ~= "table" then
    lines[#lines + 1] = ("%s%s %s;"):format(indent, name, quote(name, value))
  elseif not is_list(value) then
    -- `location` and its kind: the key is the text before the brace.
    for _, inner in pairs(value) do
      if type(inner) ~= "table" then
        return add_block(lines, indent, name, value)
      end
    end
    for key, inner in pairs(value) do
      local words = {}
      for word in config_file.check_line("modules.services.nginx", name, key):gmatch("%S+") do
        words[#words + 1] = quote(name, word)
      end
      add_block(lines, indent, name .. " " .. table.concat(words, " "), inner)
    end
  elseif type(value[1]) == "table" then
    for _, arguments in ipairs(value) do
      add_directive(lines, indent, name, arguments)
    end
  else
    local words = {}
    for index, word in ipairs(value) do
      words[index] = quote(name, word)
    end
    lines[#lines + 1] = ("%s%s %s;"):format(indent, name, table.concat(words, " "))
  end
end

function write.directives(lines, indent, directives)
  for name, value in pairs(directives) do
    add_directive(lines, indent, check_name(name), value)
  end
end

local function render(options)
  local lines = {
    "user " .. quote("user", options.user) .. ";",
    "worker_processes " .. quote("workers", options.workers) .. ";",
    "pid /run/nginx-syslua.pid;",
    "error_log stderr;",
  }
  add_block(lines, "", "events", options.events)
  lines[#lines + 1] = "http {"
  write.directives(lines, "  ", options.http)
  for name, server in pairs(options.servers) do
    local directives = {}
    for key, value in pairs(server) do
      directives[key] = value
    end
    directives.server_name = directives.server_name or name
    add_block(lines, "  ", "server", directives)
  end
  for _, line in ipairs(options.extra) do
    lines[#lines + 1] = "  " .. config_file.check_line("modules.services.nginx", "extra", line)
  end
  lines[#lines + 1] = "}"
  return table.concat(lines, "\n") .. "\n"
end

-- Has the first process read its configuration again, and waits for workers that are new: if it
-- cannot use the configuration, it says so in its log only, and the old workers stay.
local reload = ([[
f=/proc/$1/task/$1/children; read -r old <$f; kill -HUP $1 || exit; test -e $f || exit 0; n=0;
while [ $n -lt 50 ]; do
sleep 0.1; read -r new <$f; n=$((n + 1));
for c in $new; do case " $old " in *" $c "*) ;; *) exit 0 ;; esac; done;
done;
echo "the old configuration stays in force" >&2; exit 1]]):gsub("%$", "$$"):gsub("\n", " ")

local module = syslua.module({
  name = "services.nginx",
  options = {
    program = "/usr/sbin/nginx",
    user = "www-data",
    events = { worker_connections = 768 },
    http = { access_log = "off" },
    servers = {},
    extra = {},
    place = "/etc/nginx/syslua.conf",
    workers = "auto",
  },
  types = { workers = { "string", "integer" } },
  config = function(options)
    local built = config_file.build("nginx.conf", render(options))
    file({ path = options.place, source = built })
    service({
      name = "nginx",
      description = "A web server and proxy",
      command = { options.program, "-c", options.place },
      -- Its first process ends when all ports are its own.
      ready = "forking",
      check = { options.program, "-t", "-q", "-c", built },
      after = "network.target",
      depends = { options.place },
      on_switch = "reload",
      unit = {
        Service = {
          ExecReload = ("/bin/sh -c '%s' sh $MAINPID"):format(reload),
          KillSignal = "SIGQUIT",
          PIDFile = "/run/nginx-syslua.pid",
        },
      },
    })
  end,
})

---@cast module syslua.services.Nginx
return module
