-- tmux: `~/.config/tmux/tmux.conf`.

local function quote(value)
  if value == true then
    return "on"
  elseif value == false then
    return "off"
  end
  return '"' .. tostring(value):gsub('["\\$]', "\\%0") .. '"'
end

local function render_settings(lines, command, settings)
  for name, value in pairs(settings) do
    if type(value) == "table" then
      -- A list is an array option: set, then added to.
      for index, item in ipairs(value) do
        lines[#lines + 1] = ("%s%s %s %s"):format(
          command,
          index > 1 and " -a" or "",
          name,
          quote(item)
        )
      end
    else
      lines[#lines + 1] = ("%s %s %s"):format(command, name, quote(value))
    end
  end
end

local function render(options)
  local lines = {
    "set -g mouse " .. quote(options.mouse),
    "set -g base-index " .. options.base_index,
    "setw -g pane-base-index " .. options.base_index,
    "set -g history-limit " .. options.history_limit,
    "set -s escape-time " .. options.escape_time,
    "set -g mode-keys " .. options.key_mode,
  }
  if options.terminal then
    lines[#lines + 1] = "set -g default-terminal " .. quote(options.terminal)
  end
  if options.shell then
    lines[#lines + 1] = "set -g default-shell " .. quote(options.shell)
  end
  if options.prefix ~= "C-b" then
    lines[#lines + 1] = "unbind C-b"
    lines[#lines + 1] = "set -g prefix " .. options.prefix
    lines[#lines + 1] = ("bind %s send-prefix"):format(options.prefix)
  end
  render_settings(lines, "set -g", options.settings)
  -- What is bound to a key is a command of tmux, and stays as it is written.
  for key, command in pairs(options.binds) do
    lines[#lines + 1] = ("bind %s %s"):format(key, command)
  end
  for _, line in ipairs(options.extra) do
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n") .. "\n"
end

return syslua.module({
  name = "tmux",
  options = {
    prefix = "C-b",
    mouse = false,
    base_index = 0,
    history_limit = 2000,
    escape_time = 500,
    key_mode = "emacs",
    settings = {},
    binds = {},
    extra = {},
  },
  types = { terminal = "string", shell = "string" },
  config = function(options)
    file({ path = "~/.config/tmux/tmux.conf", content = render(options) })
  end,
})
