-- syncthing: its configuration, by docs.syncthing.net/users/config.html, and a service of the user.
-- Syncthing writes its configuration anew while it runs: what is declared is put there at each
-- start.

---@class syslua.services.syncthing.Folder
---@field path string where it is
---@field label string?
---@field devices string[]? the names of the devices that have it too
---@field type "sendreceive"|"sendonly"|"receiveonly"|nil

---@class syslua.services.syncthing.Options
---@field program string? its path
---@field home string? the directory of its state
---@field address string? where its interface listens
---@field devices table<string, string>? names, and the id of each
---@field folders table<string, syslua.services.syncthing.Folder>? by id
---@field linger boolean? run without a session

---@class syslua.services.Syncthing: syslua.ConfigModule
---@field setup fun(opts: syslua.services.syncthing.Options?)

local config_file = require("modules.support.config_file")
local quote = require("modules.support.shell_words").quote

local name = "modules.services.syncthing"
local signs = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

local function escape(what, value)
  return (config_file.check_line(name, what, value):gsub('[&<>"]', signs))
end

local function render(options)
  local lines = { '<configuration version="36">' }
  local function add(text, ...)
    lines[#lines + 1] = text:format(...)
  end
  for id, folder in pairs(options.folders) do
    if type(folder.path) ~= "string" then
      error(("%s: the folder %s has no `path`"):format(name, tostring(id)), 0)
    end
    add(
      '  <folder id="%s" label="%s" path="%s" type="%s">',
      escape("the id of a folder", id),
      escape("label", folder.label or id),
      escape("path", folder.path),
      escape("type", folder.type or "sendreceive")
    )
    for _, device in ipairs(folder.devices or {}) do
      if not options.devices[device] then
        error(
          ("%s: the folder %s names the device %s, which is unknown"):format(name, id, device),
          0
        )
      end
      add('    <device id="%s"></device>', escape("device", options.devices[device]))
    end
    add("  </folder>")
  end
  for device, id in pairs(options.devices) do
    add('  <device id="%s" name="%s">', escape("device", id), escape("device", device))
    add("    <address>dynamic</address>")
    add("  </device>")
  end
  add('  <gui enabled="true" tls="false">')
  add("    <address>%s</address>", escape("address", options.address))
  add("  </gui>")
  add("  <options>")
  add("    <urAccepted>-1</urAccepted>")
  add("    <autoUpgradeIntervalH>0</autoUpgradeIntervalH>")
  add("  </options>")
  add("</configuration>")
  return table.concat(lines, "\n") .. "\n"
end

local module = syslua.module({
  name = "services.syncthing",
  options = {
    program = "/usr/bin/syncthing",
    home = "~/.local/state/syncthing",
    address = "127.0.0.1:8384",
    devices = {},
    folders = {},
    linger = false,
  },
  config = function(options)
    local built = config_file.build("config.xml", render(options))
    local below = options.home:match("^~/(.*)$")
    local home = below and '"$HOME"/' .. quote(below) or quote(options.home)
    local put = ("install -D -m 600 %s %s/config.xml"):format(quote(built), home)
    local start = quote(options.program) .. " serve --no-browser --no-restart --home=" .. home
    service({
      name = "syncthing",
      scope = "user",
      description = "Keeps directories of several machines alike",
      command = put .. " && exec " .. start,
      -- It reads the file before it makes keys, which are not kept.
      check = (
        [[d=$(mktemp -d) && trap 'rm -rf "$d"' EXIT && ]]
        .. [[install -m 600 %s "$d/config.xml" && %s generate --home="$d" >"$d/log"]]
      ):format(quote(built), quote(options.program)),
      linger = options.linger or nil,
      unit = { Service = { SuccessExitStatus = "3 4" } },
    })
  end,
})

---@cast module syslua.services.Syncthing
return module
