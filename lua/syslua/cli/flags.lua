--- The flags that every command has, as data. It does not know how they are parsed or obeyed.

---@class syslua.cli.Args
---@field program string the name of the program as typed: "sys" or "lua -l syslua"
---@field root string?
---@field jobs integer?
---@field offline boolean?
---@field locked boolean?
---@field lock_timeout number?
---@field sandbox nil|"auto"|"require"|"landlock"|"off"
---@field pure boolean?
---@field verbose boolean?
---@field quiet boolean?
---@field color nil|"auto"|"always"|"never"
---@field json boolean?
---@field [string] any the command's own

-- More threads than any machine runs.
local most_jobs = 10000

local function to_jobs(word)
  local number = tonumber(word)
  if not number or number < 1 or number > most_jobs or number % 1 ~= 0 then
    return nil, ("--jobs: expected a number from 1 to %d, got '%s'"):format(most_jobs, word)
  end
  return number
end

local function to_seconds(word)
  local number = tonumber(word)
  if not number or number < 0 or number == math.huge then
    return nil, ("--lock-timeout: expected a number of seconds, got '%s'"):format(word)
  end
  return number
end

---@type syslua.cli.Argument[]
return {
  {
    name = "--root",
    value = "DIR",
    description = "Keep the store and the snapshots in DIR instead of $SYSLUA_ROOT.",
  },
  {
    name = "--jobs",
    value = "N",
    description = "Run at most N operations at a time.",
    convert = to_jobs,
  },
  { name = "--offline", description = "Fail instead of using the network." },
  { name = "--locked", description = "Fail instead of changing syslua.lock." },
  {
    name = "--lock-timeout",
    value = "SECONDS",
    description = "Wait at most SECONDS for another sys.lua to finish.",
    convert = to_seconds,
  },
  {
    name = "--sandbox",
    value = "MODE",
    description = "Confine the programs of builds: auto (as far as possible), require, "
      .. "landlock or off.",
    choices = { "auto", "require", "landlock", "off" },
  },
  {
    name = "--pure",
    description = "Hide `io`, `os` and modules outside of the config from configs.",
  },
  { name = "--verbose", description = "Show whole paths, and the rest of error messages." },
  { name = "--quiet", description = "Show only errors." },
  {
    name = "--color",
    value = "WHEN",
    description = "Colour the output: auto (on a terminal), always or never.",
    choices = { "auto", "always", "never" },
  },
  -- Only for help and completions: the runner answers it before anything is parsed.
  { name = "-h --help", description = "Show this help." },
}
