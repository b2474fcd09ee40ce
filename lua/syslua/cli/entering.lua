--- Entering directories that have an entry file of their own: whether they are trusted, and their
-- environments. It does not know how shells and programs get these.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local path = require("syslua.util.path")
local scope = require("syslua.scope")

local entering = {}

local missing = "No such file or directory"

--- A directory that can be entered.
---@class syslua.cli.Layer
---@field id string
---@field name string
---@field number integer of its environment

--- What a directory was found to be.
---@class syslua.cli.FoundProject
---@field directory string its real path
---@field id string
---@field name string
---@field hash string? of the content, when it is trusted
---@field doubt syslua.Failure? why it is not
---@field can_be_settled boolean? whether the user can trust it
---@field content string? separates untrusted files from others
---@field files string[] that were compared
---@field entry string its entry file
---@field lock string its lock, which may be missing
---@field record string the file of its record
---@field compared_at number when, in seconds since 1970

--- Asks the user; returns whether the answer is yes.
---@class syslua.cli.Asker
---@field directory fun(found: syslua.cli.FoundProject): boolean about the files of a directory
---@field file fun(found: syslua.cli.FoundProject, file: string, ...: any): boolean
--- with the text of the file, and whether an earlier one was trusted

--- Returns the directories with an entry file around the working directory, outermost first.
---@return string[]
function entering.get()
  return bindings.call("project_directories")
end

local function is_unconfined(options)
  return (options.sandbox or os.getenv("SYSLUA_SANDBOX")) == "off"
end

-- Trusts a file that evaluation wants, if the user says so; returns its text.
local function ask_for_file(found, file, options, ask)
  local readable, look = bindings.trust_look(found.directory, file, options)
  if not ask or not readable or not ask.file(found, file, look.text, look.is_trusted ~= nil) then
    return nil
  end
  bindings.call("trust_accept", found.directory, { [file] = look.sha256 }, nil, options)
  return look.text
end

-- How evaluation reads the files of a directory. What is not trusted stays in `problem`: a config
-- may catch what is raised.
local function get_reader(found, options, ask)
  local sources, looks, seen = {}, {}, {}
  local project = { name = found.name, sources = sources, looks = looks }
  local function refuse(problem)
    project.problem = project.problem or problem
    failure.raise(problem)
  end
  function project.read(file)
    local is_trusted, result = bindings.trust_read(found.directory, file, options)
    if is_trusted then
      return result
    elseif result.kind == "missing" then
      project.note_look(file, "exists")
      return nil, missing
    end
    return ask_for_file(found, file, options, ask) or refuse(result)
  end
  function project.contains(file)
    local absolute = bindings.call("absolute", file)
    return path.is_below(bindings.call("real_path", absolute), found.directory)
      or path.is_below(path.normalize(absolute), found.directory)
  end
  function project.note_look(place, kind)
    local key = kind .. " " .. place
    -- The tree of an input that came from elsewhere stays as it is.
    if not seen[key] and not scope.is_in_input(place) then
      seen[key] = true
      looks[#looks + 1] =
        { path = place, kind = kind, answer = bindings.call("project_look", place, kind) }
    end
  end
  function project.check_source(place, sha256)
    local is_known = bindings.call("trust_source", found.directory, place, sha256, options)
    if is_known then
      return
    elseif ask and ask.file(found, place, nil, is_known ~= nil) then
      bindings.call("trust_accept", found.directory, {}, { [place] = sha256 }, options)
      return
    end
    refuse(failure.new({
      kind = "untrusted",
      message = ("the source %s %s"):format(
        place,
        is_known == nil and "is not among the trusted files" or "has changed since it was trusted"
      ),
      hint = "`sys shell --trust` lists the files and asks",
    }))
  end
  function project.note_source(place, sha256)
    sources[#sources + 1] = { place, sha256 }
    if is_unconfined(options) then
      project.check_source(place, sha256)
    end
  end
  return project
end

-- A script that shells source runs outside of builds: it is in the store, and its inputs are
-- trusted.
local function check_scripts(manifest, project)
  local has_script = false
  for _, activation in ipairs(bindings.call("manifest_table", manifest).activations) do
    local action = activation.action or activation
    if action.kind == "source_in_shell" then
      has_script = true
      if not tostring(action.script):find("/syslua-placeholder/", 1, true) then
        failure.raise({
          kind = "config",
          message = ("a project sources only scripts of the store, not %s"):format(
            tostring(action.script)
          ),
          position = activation.positions and activation.positions[1],
          hint = "make it with derive{}, from source() or a text",
        })
      end
    end
  end
  for _, source in ipairs(has_script and project.sources or {}) do
    project.check_source(source[1], source[2])
  end
end

-- The hash of the lock that is trusted; empty when none is there.
local function get_lock_hash(found, options)
  local readable, look = bindings.trust_look(found.directory, found.lock, options)
  if readable and look.is_trusted then
    return look.sha256
  elseif not readable and look.kind == "missing" then
    return ""
  end
  return failure.raise(
    readable and bindings.call("trust_read", found.directory, found.lock, options) or look
  )
end

local function evaluate(found, options, ask)
  local project = get_reader(found, options, ask)
  local given = {}
  for name, value in next, options do
    given[name] = value
  end
  given.raw, given.project = true, project
  given.lock_sha256 = get_lock_hash(found, options)
  local manifest = require("syslua").evaluate(found.entry, given)
  if not project.problem then
    check_scripts(manifest, project)
  end
  if project.problem then
    failure.raise(project.problem)
  end
  return manifest, project.looks
end

--- Enters a directory, as far as it is trusted: nothing of it is run otherwise. Builds its
-- environment unless that is kept.
---@param directory string
---@param options table
---@param ask syslua.cli.Asker? asks the user to trust what is not
---@return syslua.cli.Layer? layer nil when it is not trusted
---@return syslua.cli.FoundProject found
function entering.enter(directory, options, ask)
  ---@type syslua.cli.FoundProject
  local found = bindings.call("trust_check", directory, options)
  if found.doubt and ask and found.can_be_settled and ask.directory(found) then
    found = bindings.call("trust_check", directory, options)
  end
  if found.doubt then
    return nil, found
  end
  local number = bindings.call("project_kept", directory, found.hash, options)
  if not number then
    local manifest, looks = evaluate(found, options, ask)
    -- A file that was replaced in the meantime is found here, and the rest is part of it.
    ---@type syslua.cli.FoundProject
    local again = bindings.call("trust_check", directory, options)
    if again.doubt or (again.hash ~= found.hash and not ask) then
      return nil, again
    end
    local built, result =
      pcall(bindings.call, "project_enter", manifest, directory, again.hash, looks, options)
    -- Resolved inputs are locked also when a build fails; the written lock stays trusted.
    if bindings.call("write_trusted_lock", again.entry, options) then
      ---@type syslua.cli.FoundProject
      local locked = bindings.call("trust_check", directory, options)
      -- A lock that replaced another one in the meantime is not trusted.
      if locked.doubt then
        return nil, locked
      elseif built then
        result = bindings.call("project_enter", manifest, directory, locked.hash, looks, options)
      end
      again = locked
    end
    if not built then
      error(result, 0)
    end
    found, number = again, result
  end
  return { id = found.id, name = found.name, number = number }, found
end

-- The line about a directory that is not entered.
local function say(found, problem, said)
  local key = found.id:sub(1, 16) .. ":" .. (found.content or found.hash or ""):sub(1, 16)
  if (" " .. said .. " "):find(" " .. key .. " ", 1, true) then
    return said
  end
  local text = require("syslua.util.text")
  local line = text.printable(problem.message:match("^[^\n]*"))
  if problem.position then
    line = problem.position .. ": " .. line
  end
  if problem.hint then
    line = line .. " (" .. problem.hint .. ")"
  end
  io.stderr:write("sys.lua: ", line, "\n")
  return said == "" and key or said .. " " .. key
end

local function run_step(shell, user, options)
  local layers, watched, said = {}, {}, os.getenv("SYSLUA_SAID") or ""
  local own = " " .. (os.getenv("SYSLUA_SHELL") or "") .. " "
  for _, directory in ipairs(entering.get()) do
    ---@type boolean, any, any
    local entered, layer, found = pcall(entering.enter, directory, options)
    if not entered then
      local problem = failure.from(layer)
      found = bindings.call("trust_check", directory, options)
      said = say(found, found.doubt or problem, said)
      layer = nil
    elseif not layer then
      said = say(found, found.doubt, said)
    end
    watched[#watched + 1] = found
    -- A shell that was started in it has it already.
    if layer and not own:find(" " .. layer.id .. " ", 1, true) then
      layers[#layers + 1] = layer
    end
  end
  return bindings.call("project_step", {
    shell = shell,
    user = user,
    entered = os.getenv("SYSLUA_ENTERED") or "",
    is_new = (os.getenv("SYSLUA_SEEN") or "") == "",
    said = said,
    layers = layers,
    watched = watched,
  }, options)
end

--- What the hook of a shell runs when other directories are around, or their files changed: prints
-- a script that leaves and enters them. It asks nothing; why a directory is not entered is one line
-- on stderr, once for each content.
---@param shell string
---@param user string? whose environment the hook reads
---@param root string?
function entering.step(shell, user, root)
  ---@type boolean, any
  local finished, result = pcall(run_step, shell, user, { root = root })
  if finished then
    require("syslua.cli.terminal").put(result)
    return
  end
  io.stderr:write("sys.lua: ", failure.from(result).message, "\n")
end

return entering
