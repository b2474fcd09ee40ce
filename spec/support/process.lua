--- Runs programs as specs need it: in an environment of their own, with their output and exit code.

local process = {}

local search_path = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

--- Returns a word as the shell takes it literally.
---@param word string
---@return string
function process.quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function read_and_remove(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read("*a")
  file:close()
  os.remove(name)
  return text
end

-- Sorted, so that a failure looks the same each time.
local function add_variables(words, variables)
  local names = {}
  for name in pairs(variables) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    words[#words + 1] = process.quote(name .. "=" .. variables[name])
  end
end

---@class spec.Result
---@field code integer the exit code, 128 and the signal's number when a signal ended it
---@field stdout string
---@field stderr string

--- Runs a line of the shell; nothing of our own environment reaches it but what is given.
---@param line string
---@param options { directory: string?, environment: table<string, string>? }?
---@return spec.Result
function process.run_line(line, options)
  options = options or {}
  local words = { "exec env -i", process.quote("PATH=" .. search_path), "LANG=C.UTF-8" }
  add_variables(words, options.environment or {})
  words[#words + 1] = "sh -c " .. process.quote(line)
  local stdout, stderr, code = os.tmpname(), os.tmpname(), os.tmpname()
  -- What `os.execute` answers differs between versions of Lua: the shell writes the code down.
  os.execute(
    ("cd %s && (%s) </dev/null >%s 2>%s; echo $? >%s"):format(
      process.quote(options.directory or "."),
      table.concat(words, " "),
      stdout,
      stderr,
      code
    )
  )
  return {
    stdout = read_and_remove(stdout),
    stderr = read_and_remove(stderr),
    code = tonumber(read_and_remove(code)),
  }
end

--- Runs a program with arguments, as `process.run_line` does.
---@param words string[]
---@param options { directory: string?, environment: table<string, string>? }?
---@return spec.Result
function process.run(words, options)
  local quoted = {}
  for index, word in ipairs(words) do
    quoted[index] = process.quote(word)
  end
  return process.run_line(table.concat(quoted, " "), options)
end

--- Returns whether a program is installed.
---@param name string
---@return boolean
function process.has(name)
  return process.run_line("command -v " .. process.quote(name)).code == 0
end

return process
