--- Loads the files of one evaluation: each in the evaluation's own globals, each once. Modules and
-- packages that come with sys.lua are files of the evaluation too. It does not know what they
-- declare. It has over 600 lines, because finding, reading, compiling and running a file all need
-- the state of one loader.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local fixed = require("syslua.fixed")
local watched = require("syslua.loops").coroutine
local guard = require("syslua.guard")
local module_files = require("syslua.module_files")
local path = require("syslua.util.path")
local position = require("syslua.util.position")

-- Lua's own: that of configs puts the keys in order, which takes longer.
local next = require("syslua").bindings.originals.basic.next

local loader = {}

-- Kept from load on: configs run while some of these are hidden.
---@type any, any
local load_text, set_environment = load, rawget(_G, "setfenv")
if set_environment then
  load_text = rawget(_G, "loadstring")
end
local real_require = require

local function compile(text, chunk_name, environment)
  -- A line for the shell, and the mark of UTF-8, are no Lua; the numbers of lines must stay.
  local code = text:gsub("^\239\187\191", ""):gsub("^#[^\n]*", "")
  ---@type any, any
  local chunk, problem
  if code:sub(1, 1) == "\27" then
    failure.raise({
      kind = "config",
      message = ("%s is compiled Lua: only text is loaded"):format(chunk_name:gsub("^[@=]", "")),
      position = position.caller(),
    })
  elseif set_environment then
    chunk, problem = load_text(code, chunk_name)
    if chunk then
      set_environment(chunk, environment)
    end
  else
    chunk, problem = load_text(code, chunk_name, "t", environment)
  end
  if not chunk then
    local cause = failure.from(problem)
    failure.raise({
      kind = "config",
      message = "syntax error: " .. cause.message,
      position = cause.position,
    })
  end
  bindings.call("add_chunk", chunk_name, code)
  fixed.add_chunk(chunk_name)
  return chunk
end

---@class syslua.Loader
---@field directory string the absolute directory of the entry file
---@field environment table the globals of the config's files
---@field files table<string, string> the texts of loaded files by their absolute path
---@field places table<string, string>? where files are now, by their path: a config
--- restored from a copy
---@field modules table<string, any> what required files returned
---@field syslua table what `require("syslua")` gives
---@field is_pure boolean? whether what reaches outside of the config is hidden
---@field project syslua.TrustedProject? a directory whose files are run and read only
--- when they are trusted
---@field prefix string what the chunk names of its files begin with
---@field name string? of an input, its name where it is declared
---@field key string? of an input, its key in the lock
-- Of an input whose globals are not made yet: what they get.
---@field get_extra (fun(one: syslua.Loader): table<string, any>)?
---@field parent syslua.Loader? of an input, that of the config or input that declares it
---@field inputs table<string, syslua.Loader>? those that it declares by name,
--- once they are resolved
---@field all syslua.Loader[] that of the config, and those of all inputs
---@field chain string[] the modules that are being loaded, innermost last

-- Where a file of the config is to be read.
local function get_place(self, file)
  return self.places and self.places[path.normalize(file)] or file
end

-- Reads a file. A file of a project is read only if its content is trusted. Other inputs of a
-- project have their hash in its lock.
local function read_trusted(self, file)
  local project = self.project
  if project and project.read and (not self.key or project.contains(file)) then
    return project.read(path.normalize(file))
  end
  if project and project.note_look then
    project.note_look(path.normalize(file), "content")
  end
  return bindings.read(get_place(self, file))
end

-- Reads a file of the config, whose copy the snapshot keeps. Returns nil, the reason and the remedy
-- on failure.
local function read_config_file(self, file)
  local text, problem, hint = read_trusted(self, file)
  if text then
    self.files[path.normalize(file)] = text
  end
  return text, problem, hint
end

-- The possible places of a module: beside the entry file, and in an input also in `lua/`, as in an
-- editor plugin.
local function get_candidates(self, relative)
  local candidates = { relative .. ".lua", relative .. "/init.lua" }
  if self.key then
    for _, directory in ipairs({ "lua/", "lua/" .. self.name .. "/" }) do
      candidates[#candidates + 1] = directory .. relative .. ".lua"
      candidates[#candidates + 1] = directory .. relative .. "/init.lua"
    end
  end
  return candidates
end

-- Returns the first of several files that exists.
local function get_existing(self, candidates)
  for _, candidate in ipairs(self.places and candidates or {}) do
    -- The contents of the copy take precedence over later files.
    if self.places[path.normalize(path.join(self.directory, candidate))] then
      return candidate
    end
  end
  local project = self.project
  for _, candidate in ipairs(candidates) do
    local file = path.join(self.directory, candidate)
    if module_files.exists(file) then
      return candidate
    elseif project and project.note_look then
      -- A file that comes later would be found first.
      project.note_look(path.normalize(file), "exists")
    end
  end
  return nil
end

-- Returns the path of a module beside the entry file, relative to it, or of one in sys.lua, and
-- then its file.
local function get_module(self, name)
  local relative = name:gsub("%.", "/")
  local found = get_existing(self, get_candidates(self, relative))
  if found then
    return found
  end
  local top, rest = relative:match("^(%l+)/(.+)$")
  for _, directory in ipairs(not self.key and module_files.get_shipped_directories(top) or {}) do
    for _, candidate in ipairs({ rest .. ".lua", rest .. "/init.lua" }) do
      local file = directory .. "/" .. candidate
      if module_files.exists(file) then
        return top .. "/" .. candidate, file
      end
    end
  end
  return nil
end

-- A file of a project that is a module by way of package.path.
local function require_of_project(self, name, file)
  if file:sub(-4) ~= ".lua" then
    failure.raise({
      kind = "untrusted",
      message = ("%s is a library in the project: only Lua files of it are loaded"):format(file),
      position = position.caller(),
    })
  end
  local text, problem, hint = read_config_file(self, file)
  if not text then
    failure.raise({
      kind = "config",
      message = ("cannot read %s: %s"):format(file, problem),
      position = position.caller(),
      hint = hint,
    })
  end
  local result = compile(text, "@" .. file, self.environment)(name)
  self.modules[name] = result == nil and true or result
  return self.modules[name]
end

-- A module outside of a project: its functions have the globals of the project, so what they read
-- of it counts. It is code that the machine's owner installed.
local function require_for_project(self, name, file)
  local text = file and file:sub(-4) == ".lua" and bindings.read(file)
  if not text then
    failure.raise({
      kind = "config",
      message = ("the module `%s` is a library of C or a part of sys.lua"):format(name),
      position = position.caller(),
      hint = "trust does not cover what such modules read: a syslua.lua has none of them",
    })
  end
  bindings.call("add_read", file)
  local result = compile(text, "@" .. file, self.environment)(name, file)
  self.modules[name] = result == nil and true or result
  return self.modules[name]
end

-- A module that is installed for this Lua, outside of the config.
local function require_installed(self, name)
  if self.is_pure and not name:find("^syslua%.") then
    failure.raise({
      kind = "config",
      message = ("there is no module `%s` beside the entry file, and --pure hides others"):format(
        name
      ),
      position = position.caller(),
    })
  end
  local file = self.project and self.project.contains and module_files.get(name)
  if file and self.project.contains(file) then
    return require_of_project(self, name, file)
  elseif self.project and self.project.read then
    if name:find("^syslua%.") or name == "ffi" then
      return require_for_project(self, name)
    elseif file and not package.preload[name] then
      return require_for_project(self, name, file)
    end
  end
  local found, result = pcall(name:find("^syslua%.") and real_require or module_files.load, name)
  if found then
    return result
  end
  if type(result) == "string" and result:find(("module '%s' not found"):format(name), 1, true) then
    local near = require("syslua.util.closest")(name, module_files.list_shipped(name:match("^%l+")))
    failure.raise({
      kind = "config",
      message = "there is no module `"
        .. name
        .. "`, neither beside the entry file nor on package.path",
      position = position.caller(),
      hint = near and ("did you mean `%s`?"):format(near)
        or ("beside the entry file it would be %s.lua"):format((name:gsub("%.", "/"))),
    })
  end
  error(result, 0)
end

---@type fun(self: syslua.Loader, extra: table<string, any>)
local make_environment

-- Loads and runs a file below the config's directory, or a file of sys.lua.
local function run_file(self, relative, shipped, ...)
  if self.get_extra then
    local extra = self.get_extra(self)
    self.get_extra = nil
    make_environment(self, extra)
  end
  local file = shipped or path.join(self.directory, relative)
  local text, problem, hint
  if shipped then
    text, problem = bindings.read(shipped)
    -- So the copy that a snapshot keeps of the config is whole.
    self.files[path.normalize(path.join(self.directory, relative))] = text
  else
    text, problem, hint = read_config_file(self, file)
  end
  if not text then
    failure.raise({
      kind = "config",
      message = ("cannot read %s: %s"):format(file, problem),
      position = position.caller(),
      hint = hint or "name another file, or make one: see `sys help apply`",
    })
  end
  local chunk_name = (shipped and position.shipped or self.prefix) .. relative
  return compile(text, chunk_name, self.environment)(...)
end

local loading = {}

-- Runs a module once. Of an input, one file may be asked for by several names.
local function run_module(self, name, relative, shipped)
  local cache = self.key and "file " .. relative or name
  local shown = self.key and ("inputs.%s (%s)"):format(self.key, relative) or name
  local known = self.modules[cache]
  local chain = self.chain
  if known == loading then
    local circle = table.concat(chain, " -> ") .. " -> " .. shown
    failure.raise({
      kind = "config",
      message = ("the module `%s` requires itself, directly or through others"):format(name),
      position = position.caller(),
      hint = #chain > 1 and "they require each other: " .. circle or nil,
    })
  elseif known ~= nil then
    return known
  end
  self.modules[cache] = loading
  chain[#chain + 1] = shown
  local depth = #chain
  local succeeded, result = pcall(run_file, self, relative, shipped, name)
  for index = #chain, depth, -1 do
    chain[index] = nil
  end
  if not succeeded then
    -- A config may catch this, and try again.
    self.modules[cache] = nil
    error(result, 0)
  end
  if result == nil then
    result = true
  end
  self.modules[cache] = result
  return result
end

-- The files that `require("inputs.NAME")` may mean.
local function get_tops(self)
  return {
    "init.lua",
    self.name .. ".lua",
    "lua/init.lua",
    "lua/" .. self.name .. ".lua",
    "lua/" .. self.name .. "/init.lua",
  }
end

--- Loads a module of an input: its main module, or another one in it.
---@param self syslua.Loader that of the input
---@param name string? without the name of the input
---@return any
function loader.require_in(self, name)
  local candidates = name and get_candidates(self, (name:gsub("%.", "/"))) or get_tops(self)
  local relative = get_existing(self, candidates)
  if not relative then
    failure.raise({
      kind = "config",
      message = name and ("the input `%s` has no module `%s`"):format(self.key, name)
        or ("the input `%s` has no module"):format(self.key),
      position = position.caller(),
      hint = "it would be one of " .. require("syslua.util.text").enumerate(candidates),
    })
  end
  return run_module(self, name or self.name, relative)
end

-- Returns the input of a name as a file sees it: of the inputs that its own config declares, then
-- of those around it.
local function get_input(self, name)
  ---@type syslua.Loader?
  local at = self
  while at do
    local found = at.inputs and at.inputs[name]
    if found then
      return found
    end
    at = at.parent
  end
  return nil
end

local function raise_no_input(self, name)
  local names = {}
  for known in next, self.inputs or {} do
    names[#names + 1] = known
  end
  table.sort(names)
  local near = require("syslua.util.closest")(name, names)
  local hint = near and ("did you mean `%s`?"):format(near)
    or names[1] and "the inputs are " .. require("syslua.util.text").enumerate(names, "and")
    or 'declare it in the entry file: inputs = { NAME = "git:https://..." }'
  local is_early = self.inputs == nil
  failure.raise({
    kind = "config",
    message = is_early and ("the input `%s` is not resolved yet"):format(name)
      or ("there is no input `%s`"):format(name),
    position = position.caller(),
    hint = is_early and "inputs are resolved when the entry file has run: require them in setup()"
      or hint,
  })
end

-- Globals that a project has in its own way.
local own_globals = { _G = true, io = true, os = true, package = true, debug = true }

local function require_module(self, name)
  if type(name) ~= "string" then
    failure.raise({
      kind = "config",
      message = ("require: expected a name, got a %s"):format(type(name)),
      position = position.caller(),
    })
  end
  guard.check("require")
  local known = self.modules[name]
  if known ~= nil and known ~= loading then
    return known
  end
  -- The module as this evaluation shows it: for the machine that is evaluated for.
  if name == "syslua" then
    return self.syslua
  elseif own_globals[name] and self.project and self.project.read and not self.is_pure then
    return self.environment[name]
  end
  local input, inner = name:match("^inputs%.([^.]+)%.?(.*)$")
  local found = input and get_input(self, input)
  if found then
    return loader.require_in(found, inner ~= "" and inner or nil)
  end
  local relative, shipped = get_module(self, name)
  if relative then
    return run_module(self, name, relative, shipped)
  elseif input then
    raise_no_input(self, input)
  elseif self.parent and module_files.get_shipped_directories(name:match("^(%l+)%."))[1] then
    -- What an input does not have itself, the config around it may have, or it comes with sys.lua.
    return require_module(self.parent, name)
  end
  return require_installed(self, name)
end

--- Loads and runs a file below the config's directory.
---@param self syslua.Loader
---@param relative string
---@return any
function loader.run(self, relative)
  return run_file(self, relative)
end

-- `load` and its kin, for which the globals of the config are the globals; paths are relative to
-- the config's directory.
local function add_loaders(self)
  local environment = self.environment
  local function compile_or_nil(text, name, own_environment)
    local succeeded, chunk = pcall(compile, text, name, own_environment)
    if succeeded then
      return chunk
    end
    return nil, tostring(chunk)
  end
  local function get_file(name)
    if type(name) ~= "string" then
      failure.raise({
        kind = "config",
        message = ("expected the name of a file, got a %s"):format(type(name)),
        position = position.caller(),
      })
    end
    return path.join(self.directory, name)
  end
  function environment.load(text, name, mode, own_environment)
    guard.check("load")
    if type(text) == "function" then
      local pieces = {}
      for piece in text do
        if piece == "" then
          break
        end
        pieces[#pieces + 1] = piece
      end
      ---@cast pieces string[]
      text = table.concat(pieces)
    end
    if type(text) ~= "string" or text:sub(1, 1) == "\27" or mode == "b" then
      return nil, "sys.lua loads only text"
    end
    return compile_or_nil(text, name or "=(load)", own_environment or environment)
  end
  environment.loadstring = rawget(_G, "loadstring") and environment.load or nil
  function environment.loadfile(name, _, own_environment)
    guard.check("loadfile")
    local text, problem = read_config_file(self, get_file(name))
    if not text then
      return nil, ("cannot open %s: %s"):format(name, problem)
    end
    return compile_or_nil(text, self.prefix .. name, own_environment or environment)
  end
  function environment.dofile(name)
    guard.check("dofile")
    local file = get_file(name)
    local text, problem = read_config_file(self, file)
    if not text then
      failure.raise({
        kind = "config",
        message = ("cannot read %s: %s"):format(file, problem),
        position = position.caller(),
      })
    end
    return compile(text, self.prefix .. name, environment)()
  end
end

-- What --pure hides: ways to what is not part of the config.
local impure = { io = true, os = true, package = true, debug = true, ffi = true, jit = true }

-- `os` of a project: what programs run and read, no trust compares.
local function make_trusted_os()
  local function execute()
    require("syslua.trusted_io").refuse_program("os.execute")
  end
  return setmetatable({ execute = execute }, { __index = os, __metatable = false })
end

-- Raises that a project has no such function, since no trust compares what it reads or runs.
local function refuse(name, hint)
  failure.raise({
    kind = "config",
    message = name .. ": a syslua.lua has only what trust covers",
    position = require("syslua.util.position").caller(),
    hint = hint,
  })
end

-- `package` of a project: a library of C is code that no trust compares, and its loaders would read
-- any file. `loaded` has the globals of the project.
---@param environment table those of the project
---@param trusted table<string, any> those that are not Lua's
local function make_trusted_package(environment, trusted)
  local function loadlib()
    failure.raise({
      kind = "config",
      message = "package.loadlib: a project loads no libraries of C",
      position = require("syslua.util.position").caller(),
      hint = "run a program instead",
    })
  end
  local function get_loaded(_, name)
    if name == "_G" then
      return environment
    elseif trusted[name] then
      return trusted[name]
    elseif type(name) == "string" and (name:find("^syslua%.") or name == "ffi") then
      return nil
    end
    return package.loaded[name]
  end
  local function next_loaded()
    local all = {}
    for name in next, package.loaded do
      all[name] = get_loaded(nil, name)
    end
    return next, all, nil
  end
  local function no_loaders()
    refuse("package.searchers", "use require or dofile")
  end
  return setmetatable({
    loadlib = loadlib,
    loaded = setmetatable({}, {
      __index = get_loaded,
      __newindex = package.loaded,
      __pairs = next_loaded,
      __metatable = false,
    }),
    searchers = setmetatable({}, { __index = no_loaders, __metatable = false }),
    loaders = setmetatable({}, { __index = no_loaders, __metatable = false }),
  }, { __index = package, __newindex = package, __metatable = false })
end

-- `debug` of a project: the rest of it would reach what is hidden.
local shown_debug = { traceback = debug.traceback, getinfo = debug.getinfo }

local function make_trusted_debug()
  return setmetatable({}, {
    __index = function(_, name)
      if rawget(debug, name) and not shown_debug[name] then
        refuse("debug." .. tostring(name))
      end
      return shown_debug[name]
    end,
    __metatable = false,
  })
end

-- Makes the globals of a loader's files: those of Lua, and `extra`.
---@param self syslua.Loader
---@param extra table<string, any>
function make_environment(self, extra)
  local environment, project = self.environment, self.project
  ---@type table<string, any>
  local trusted = {}
  if project and project.read then
    trusted.io = require("syslua.trusted_io").make(project)
    trusted.os, trusted.debug = make_trusted_os(), make_trusted_debug()
    trusted.package = make_trusted_package(environment, trusted)
  end
  for name, value in next, extra do
    environment[name] = value
  end
  environment._G = environment
  environment.pairs = require("syslua.util.ordered_pairs")
  environment.print = require("syslua.util.print_to_stderr")
  environment.require = function(name)
    return require_module(self, name)
  end
  add_loaders(self)
  -- Not the table itself: while a build runs, a name that is refused must not be found in it.
  setmetatable(environment, {
    __index = function(_, name)
      guard.check(name)
      if self.is_pure and impure[name] then
        return nil
      elseif name == "coroutine" then
        return watched
      elseif trusted[name] then
        return trusted[name]
      end
      -- Not by `_G[name]`: a script may have made unknown globals an error.
      return rawget(_G, name)
    end,
  })
  self.all[#self.all + 1] = self
  bindings.call("add_environment", environment)
end

--- Makes the loader of one evaluation. Its globals are those of Lua and `extra`; what a config's
-- files set stays among them.
---@param directory string
---@param extra table<string, any>
---@param is_pure boolean? hides `io`, `os` and modules that are not part of the config
---@param places table<string, string>? where files are now, by their path
---@param project syslua.TrustedProject? reads the files, where they need to be trusted
---@return syslua.Loader
function loader.new(directory, extra, is_pure, places, project)
  ---@type syslua.Loader
  local self = {
    directory = directory,
    environment = {},
    files = {},
    modules = {},
    syslua = extra.syslua,
    is_pure = is_pure,
    places = places,
    project = project,
    prefix = "@",
    all = {},
    chain = {},
  }
  make_environment(self, extra)
  return self
end

--- Makes the loader of an input. Its files have globals of their own, which are made for the first
--- of them.
---@param parent syslua.Loader that of the config or input that declares it
---@param name string
---@param key string
---@param directory string
---@param get_extra fun(one: syslua.Loader): table<string, any>
---@return syslua.Loader
function loader.new_input(parent, name, key, directory, get_extra)
  return {
    directory = directory,
    environment = {},
    get_extra = get_extra,
    files = parent.files,
    modules = {},
    syslua = parent.syslua,
    is_pure = parent.is_pure,
    places = parent.places,
    project = parent.project,
    prefix = ("@<inputs.%s>/"):format(key),
    name = name,
    key = key,
    parent = parent,
    all = parent.all,
    chain = parent.chain,
  }
end

--- Returns the text of a file below a loader's directory; nil where there is none.
---@param self syslua.Loader
---@param relative string
---@return string?
function loader.read(self, relative)
  local text = read_trusted(self, path.join(self.directory, relative))
  return text
end

--- Reads a file for a config, which the snapshot keeps a copy of, as it does of its modules; one of
-- a project only as it is trusted. Without a loader, as for scripts, just reads it.
---@param self syslua.Loader?
---@param file string its absolute path
---@return string? text nil when it cannot be read
---@return string? problem
---@return string? hint
function loader.read_kept(self, file)
  if self then
    return read_config_file(self, file)
  end
  return bindings.read(file)
end

-- Calls a function for each path of the copy below another path, until it returns a value; returns
-- that value.
local function get_copied(self, directory, callback)
  for place in next, self.places or {} do
    if path.is_below(place, directory) then
      local result = callback(place:sub(#directory + 2))
      if result ~= nil then
        return result
      end
    end
  end
  return nil
end

--- Returns whether the copy that a config is restored from has something at a path.
---@param self syslua.Loader
---@param file string its absolute path
---@return boolean
function loader.contains(self, file)
  if self.places and self.places[file] then
    return true
  end
  return get_copied(self, file, function()
    return true
  end) or false
end

--- Returns the names that the copy that a config is restored from has in a directory; nil when it
-- has none there.
---@param self syslua.Loader
---@param directory string its absolute path
---@param is_deep boolean? everything below it, too
---@return string[]?
function loader.list(self, directory, is_deep)
  local names, seen = {}, {}
  get_copied(self, directory, function(inner)
    local name = ""
    for part in inner:gmatch("[^/]+") do
      name = name == "" and part or name .. "/" .. part
      if not seen[name] then
        seen[name] = true
        names[#names + 1] = name
      end
      if not is_deep then
        break
      end
    end
  end)
  return names[1] and names or nil
end

-- Returns the loader that a file belongs to: of an input when the file is in its tree.
local function get_owner(self, file)
  local owner = self
  for _, one in ipairs(self.all) do
    local is_nearer = one.key and (not owner.key or #one.directory > #owner.directory)
    if is_nearer and path.is_below(file, one.directory) then
      owner = one
    end
  end
  return owner
end

--- Reads a file as `loader.read_kept` does, with the loader of the input whose tree it is in.
---@param self syslua.Loader that of the config
---@param file string its absolute path
---@return string? text nil when it cannot be read
---@return string? problem
---@return string? hint
function loader.read_any(self, file)
  local owner = get_owner(self, file)
  if owner.is_pure and not path.is_below(file, owner.directory) then
    return nil, "it is outside of the config, and --pure hides it"
  end
  return read_config_file(owner, file)
end

--- Returns how messages name a file.
---@param self syslua.Loader that of the config
---@param file string its absolute path
---@return string
function loader.show(self, file)
  local owner = get_owner(self, file)
  if path.is_below(file, owner.directory) then
    return owner.prefix:sub(2) .. file:sub(#owner.directory + 2)
  end
  return file
end

--- Returns the failure of an error that a config raised. It is called where the error was raised,
-- so it finds the line. An error of sys.lua's own code is one of the config, if the config replaced
-- what that code uses.
---@param value any
---@param replaced string? the name of a field of Lua that the config replaced
---@return syslua.Failure
function loader.to_failure(value, replaced)
  local result = failure.from(value)
  if replaced and result.kind == "error" and position.is_own(result.position or "") then
    -- Of several that were replaced, the error names one.
    local missing = result.message:match("global '([^']+)'")
    return failure.new({
      kind = "config",
      message = ("the config replaced `%s`, which sys.lua uses too"):format(
        missing and "_G." .. missing or replaced
      ),
      position = position.caller(),
      hint = "give variables of the config other names, or declare them with `local`",
      details = result.message,
    })
  end
  result.position = result.position or position.caller()
  return result
end

--- Takes names away that exist only during an evaluation.
---@param self syslua.Loader
---@param extra table<string, any>
---@param for_builds table what builds see as `syslua`
function loader.close(self, extra, for_builds)
  for _, one in ipairs(self.all) do
    for name in next, extra do
      one.environment[name] = nil
    end
    -- Builds run later, and may use the library.
    bindings.call("close_environment", one.environment, for_builds)
  end
end

return loader
