-- sshd: a configuration by the grammar of sshd_config(5), and the service, which overrides that of
-- the distribution.

---@alias syslua.services.sshd.Value string|number|boolean|(string|number)[]

---@class syslua.services.sshd.Options
---@field program string? its path
---@field settings table<string, syslua.services.sshd.Value>? keywords; a list repeats one
---@field matches ({ match: string } | table<string, syslua.services.sshd.Value>)[]? blocks
---@field extra string[]? lines before the blocks, as they are
---@field place string? the path of the configuration

---@class syslua.services.Sshd: syslua.ConfigModule
---@field setup fun(opts: syslua.services.sshd.Options?)

local config_file = require("modules.support.config_file")
local quote = require("modules.support.shell_words").quote

local name = "modules.services.sshd"

local function show(keyword, value)
  if type(value) == "boolean" then
    return value and "yes" or "no"
  end
  local shown = config_file.check_line(name, keyword, value)
  if shown == "" or shown:find("#", 1, true) then
    error(("%s: %s cannot be %q"):format(name, keyword, shown), 0)
  end
  return shown
end

local function add_settings(lines, indent, settings)
  for keyword, value in pairs(settings) do
    if type(keyword) ~= "string" or not keyword:find("^%a%w*$") then
      error(("%s: %q cannot be a keyword"):format(name, tostring(keyword)), 0)
    end
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      lines[#lines + 1] = ("%s%s %s"):format(indent, keyword, show(keyword, one))
    end
  end
end

local function render(options)
  local lines = {}
  add_settings(lines, "", options.settings)
  for _, line in ipairs(options.extra) do
    lines[#lines + 1] = config_file.check_line(name, "extra", line)
  end
  for index, block in ipairs(options.matches) do
    local settings = {}
    if type(block.match) ~= "string" then
      error(('%s: matches[%d] needs its criteria: match = "User ada"'):format(name, index), 0)
    end
    for keyword, value in pairs(block) do
      settings[keyword] = keyword ~= "match" and value or nil
    end
    lines[#lines + 1] = "Match " .. show("match", block.match)
    add_settings(lines, "  ", settings)
  end
  return table.concat(lines, "\n") .. "\n"
end

local module = syslua.module({
  name = "services.sshd",
  options = {
    program = "/usr/sbin/sshd",
    settings = {
      UsePAM = true,
      KbdInteractiveAuthentication = false,
      Subsystem = "sftp internal-sftp",
    },
    matches = {},
    extra = {},
    place = "/etc/ssh/sshd_config",
  },
  config = function(options)
    local built = config_file.build("sshd_config", render(options))
    file({ path = options.place, source = built })
    service({
      name = "ssh",
      description = "Logins from elsewhere",
      command = { options.program, "-D", "-f", options.place },
      -- It insists on a directory that its service makes.
      check = ("mkdir -p -m 755 /run/sshd && exec %s -t -f %s"):format(
        quote(options.program),
        quote(built)
      ),
      ready = "notify",
      after = { "network.target", "auditd" },
      depends = { options.place },
      on_switch = "reload",
      unit = {
        Service = {
          ExecReload = "/bin/kill -HUP $MAINPID",
          -- Sessions outlive it.
          KillMode = "process",
          RuntimeDirectory = "sshd",
          RuntimeDirectoryMode = "0755",
          RestartPreventExitStatus = "255",
        },
      },
    })
  end,
})

---@cast module syslua.services.Sshd
return module
