-- ssh: `~/.ssh/config`, by the grammar of ssh_config(5).

---@alias syslua.programs.ssh.Word string|number
---@alias syslua.programs.ssh.Words (syslua.programs.ssh.Word|syslua.programs.ssh.Word[])[]
---@alias syslua.programs.ssh.Map table<string, syslua.programs.ssh.Word>
---@alias syslua.programs.ssh.Value
---| syslua.programs.ssh.Word
---| boolean
---| syslua.programs.ssh.Words
---| syslua.programs.ssh.Map

---@class syslua.programs.ssh.Match
---@field match string the criteria, as ssh_config(5) has them: "host *.example.org user ada"
---@field [string] syslua.programs.ssh.Value

---@class syslua.programs.ssh.Options
---@field hosts table<string, table<string, syslua.programs.ssh.Value>>? names and patterns, and the
--- keywords of each
---@field matches syslua.programs.ssh.Match[]? blocks before all hosts
---@field includes string[]? files that are read first, so that they count for more
---@field extra string[]? lines at the end, as they are

---@class syslua.programs.Ssh: syslua.ConfigModule
---@field setup fun(opts: syslua.programs.ssh.Options?)

-- Keywords whose value is the rest of the line, as a shell gets it: quotes would be part of it.
---@type table<string, boolean?>
local commands = {
  proxycommand = true,
  localcommand = true,
  remotecommand = true,
  knownhostscommand = true,
}

-- Keywords that take several arguments on one line. A string is written as it is, a list has an
-- argument in each item.
---@type table<string, boolean?>
local several = {
  addkeystoagent = true,
  canonicaldomains = true,
  canonicalizepermittedcnames = true,
  channeltimeout = true,
  globalknownhostsfile = true,
  include = true,
  ipqos = true,
  logverbose = true,
  permitremoteopen = true,
  rekeylimit = true,
  sendenv = true,
  setenv = true,
  userknownhostsfile = true,
}

-- Keywords that take one argument with commas in it: a list is joined. ssh takes the first line of
-- each.
---@type table<string, boolean?>
local commas = {
  casignaturealgorithms = true,
  ciphers = true,
  hostbasedacceptedalgorithms = true,
  hostbasedkeytypes = true,
  hostkeyalgorithms = true,
  ignoreunknown = true,
  kbdinteractivedevices = true,
  kexalgorithms = true,
  macs = true,
  preferredauthentications = true,
  proxyjump = true,
  pubkeyacceptedalgorithms = true,
  pubkeyacceptedkeytypes = true,
}

-- Keywords that take several arguments, and that may be there several times: a list has a line in
-- each item.
---@type table<string, boolean?>
local forwards = { localforward = true, remoteforward = true, dynamicforward = true }

local function fail(message, ...)
  error(("modules.programs.ssh: " .. message):format(...), 0)
end

local function check_line(what, line)
  if line:find("[%z\r\n]") then
    fail("%s has a line break in it: %q", what, line)
  end
  return line
end

local function show(what, value)
  if value == true then
    return "yes"
  elseif value == false then
    return "no"
  elseif type(value) == "number" then
    return syslua.lib.toJSON(value)
  elseif type(value) ~= "string" then
    fail("%s: expected a string, a number, a boolean or a list of these", what)
  end
  return check_line(what, value)
end

-- One argument: in quotes where blanks, a comment or `=` would end it.
local function quote(what, value)
  local shown = show(what, value)
  if shown == "" then
    fail("%s is empty", what)
  elseif shown:find("[%s#\"'\\]") or shown:find("^=") then
    return '"' .. shown:gsub('["\\]', "\\%0") .. '"'
  end
  return shown
end

local function quote_all(what, list)
  local words = {}
  for index, item in ipairs(list) do
    words[index] = quote(what, item)
  end
  if not words[1] then
    -- Names with values, such as those of SetEnv.
    for name, value in pairs(list) do
      words[#words + 1] = quote(what, name .. "=" .. show(what, value))
    end
  end
  return table.concat(words, " ")
end

-- Whether a list is the two arguments of one forwarding, { 8080, "localhost:80" }, rather than
-- several of them.
local function is_one_forward(keyword, list)
  return keyword == "localforward"
    and #list == 2
    and not tostring(list[1]):find("%s")
    and not tostring(list[2]):find("%s")
end

-- The lines of a keyword, with each of its values.
local function get_values(keyword, value)
  local key = keyword:lower()
  if type(value) ~= "table" then
    value = { value }
  elseif several[key] or is_one_forward(key, value) then
    return { quote_all(keyword, value) }
  elseif commas[key] then
    local words = {}
    for index, item in ipairs(value) do
      words[index] = show(keyword, item)
    end
    return { quote(keyword, table.concat(words, ",")) }
  end
  local values = {}
  for index, item in ipairs(value) do
    if type(item) == "table" then
      values[index] = quote_all(keyword, item)
    elseif commands[key] or several[key] or forwards[key] then
      values[index] = show(keyword, item)
    else
      values[index] = quote(keyword, item)
    end
  end
  return values
end

local function add_settings(lines, settings)
  for keyword, value in pairs(settings) do
    if type(keyword) ~= "string" or not keyword:find("^%a%w*$") then
      fail("%q cannot be a keyword", tostring(keyword))
    end
    for _, shown in ipairs(get_values(keyword, value)) do
      lines[#lines + 1] = ("  %s %s"):format(keyword, shown)
    end
  end
end

-- How many characters of a pattern are literal: more is more specific.
local function count_literal(name)
  return #name:gsub("[*?!]", "")
end

-- For each keyword the first value that matches counts: so patterns come after names, the more
-- specific ones first, and `*` last.
local function get_hosts(options)
  local names, patterns = {}, {}
  for name in pairs(options.hosts) do
    local into = name:find("[*?!]") and patterns or names
    if name ~= "*" then
      into[#into + 1] = name
    end
  end
  table.sort(patterns, function(left, right)
    local first, second = count_literal(left), count_literal(right)
    if first ~= second then
      return first > second
    end
    return left < right
  end)
  for _, name in ipairs(patterns) do
    names[#names + 1] = name
  end
  if options.hosts["*"] then
    names[#names + 1] = "*"
  end
  return names
end

local function add_matches(lines, matches)
  for index, block in ipairs(matches) do
    local settings, criteria = {}, nil
    if type(block) ~= "table" or type(block.match) ~= "string" or block.match == "" then
      fail('matches[%d] needs its criteria: match = "host *.example.org user ada"', index)
    end
    for keyword, value in pairs(block) do
      if keyword == "match" then
        criteria = check_line("match", value)
      else
        settings[keyword] = value
      end
    end
    lines[#lines + 1] = "Match " .. criteria
    add_settings(lines, settings)
  end
end

local function render(options)
  local lines = {}
  for _, place in ipairs(options.includes) do
    lines[#lines + 1] = "Include " .. quote("includes", place)
  end
  add_matches(lines, options.matches)
  for _, name in ipairs(get_hosts(options)) do
    if name == "" then
      fail("a host needs a name or a pattern")
    end
    lines[#lines + 1] = "Host " .. check_line("a host", name)
    add_settings(lines, options.hosts[name])
  end
  if options.extra[1] then
    -- Lines at the end would belong to the last host.
    lines[#lines + 1] = "Host *"
    for _, line in ipairs(options.extra) do
      lines[#lines + 1] = line
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

local module = syslua.module({
  name = "ssh",
  options = { hosts = {}, matches = {}, includes = {}, extra = {} },
  config = function(options)
    file({ path = "~/.ssh/config", content = render(options) })
  end,
})

---@cast module syslua.programs.Ssh
return module
