--- A throw-away machine with repositories that configs take as inputs.

local machine = require("spec.support.machine")

local input_place = {}

local prelude = [[
set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
]]

---@class spec.InputPlace
---@field here spec.Machine
-- Commits files to a repository below `repos/`, which is made if it is missing; returns the commit.
---@field commit fun(name: string, files: table<string, string>, branch: string?): string
---@field url fun(name: string): string the address of a repository
---@field git fun(line: string): string runs a line of the shell in `repos/`
---@field lock fun(): table the lock beside `init.lua`, as a table
---@field to_sri fun(sha256: string): string a hash as nix writes it
---@field trees fun(): string the names in the cache

--- Makes it.
---@return spec.InputPlace
function input_place.new()
  local here = machine.new()
  here.environment.SYSLUA_DOWNLOAD_RETRIES = "0"
  here.shell("mkdir repos")

  local function git(line)
    local result = here.shell(prelude .. "cd repos\n" .. line)
    assert(result.code == 0, line .. ": " .. result.stderr)
    return result.stdout
  end

  local count = 0

  local function commit(name, files, branch)
    count = count + 1
    git(("[ -d %s ] || git init -q -b main %s"):format(name, name))
    for file, text in pairs(files) do
      here.write("repos/" .. name .. "/" .. file, text)
    end
    -- Each commit has a time of its own.
    local date = ("%d +0000"):format(1700000000 + 3600 * count)
    local dates = ("GIT_AUTHOR_DATE='%s' GIT_COMMITTER_DATE='%s'"):format(date, date)
    git(("cd %s && git add -A && %s git commit -q --allow-empty -m change"):format(name, dates))
    if branch then
      git(("git -C %s branch -f %s"):format(name, branch))
    end
    return (git(("git -C %s rev-parse HEAD"):format(name)):gsub("\n", ""))
  end

  return {
    here = here,
    git = git,
    commit = commit,
    url = function(name)
      return "git:file://" .. here.directory .. "/repos/" .. name
    end,
    lock = function(name)
      local text = assert(here.read(name or "syslua.lock"), "there is no lock")
      return require("syslua").lib.fromJSON(text)
    end,
    to_sri = function(sha256)
      local program =
        "import base64, sys; print(base64.b64encode(bytes.fromhex(sys.argv[1])).decode())"
      return "sha256-"
        .. here.shell(("python3 -c '%s' %s"):format(program, sha256)).stdout:match("%S+")
    end,
    trees = function()
      return here.shell("ls -A root/cache/inputs 2>/dev/null | grep -v '\\.from$'").stdout
    end,
  }
end

return input_place
