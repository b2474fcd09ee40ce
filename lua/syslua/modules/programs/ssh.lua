-- ssh: `~/.ssh/config`.

-- For each keyword the first value that matches counts (ssh_config(5)): so patterns come after names,
-- and `*` last.
local function get_hosts(options)
  local names, patterns = {}, {}
  for name in pairs(options.hosts) do
    local into = name:find("[*?!]") and patterns or names
    if name ~= "*" then
      into[#into + 1] = name
    end
  end
  for _, name in ipairs(patterns) do
    names[#names + 1] = name
  end
  if options.hosts["*"] then
    names[#names + 1] = "*"
  end
  return names
end

local function quote(value)
  if value == true then
    return "yes"
  elseif value == false then
    return "no"
  end
  local shown = tostring(value)
  return shown:find("[ #]") and '"' .. shown .. '"' or shown
end

-- Keywords that take a command or several words: quotes would be part of them.
local verbatim = { proxycommand = true, localcommand = true, remotecommand = true, sendenv = true }

local function render_host(lines, settings)
  for keyword, value in pairs(settings) do
    local show = verbatim[keyword:lower()] and tostring or quote
    for _, item in ipairs(type(value) == "table" and value or { value }) do
      lines[#lines + 1] = ("  %s %s"):format(keyword, show(item))
    end
  end
end

local function render(options)
  local lines = {}
  for _, place in ipairs(options.includes) do
    lines[#lines + 1] = "Include " .. quote(place)
  end
  for _, name in ipairs(get_hosts(options)) do
    lines[#lines + 1] = "Host " .. name
    render_host(lines, options.hosts[name])
  end
  return table.concat(lines, "\n") .. "\n"
end

return syslua.module({
  name = "ssh",
  options = { hosts = {}, includes = {} },
  config = function(options)
    file({ path = "~/.ssh/config", content = render(options) })
  end,
})
