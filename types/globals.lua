---@meta _

-- The globals that exist while a config is evaluated: in `setup`, in `opts`, in modules that it
-- requires. What they take is annotated where they are written, in `lua/syslua`.

--- Declares how to produce content, and returns its handle.
---@param spec syslua.derive.Opts
---@return syslua.Derivation
function derive(spec) end

--- Declares what to do with content: `config` records actions.
---@param spec syslua.activate.Opts
function activate(spec) end

--- Declares a file of the user, made of a source or a text.
---@param spec syslua.file.Opts
function file(spec) end

-- Documents of SOPS.
---@class syslua.SopsHelper
-- Loads one as tables of secrets; nothing is decrypted. A relative path begins at the directory of
-- the file that calls.
---@field load fun(path: string): any

---@type syslua.SopsHelper
sops = nil

-- Files of age.
---@class syslua.AgeHelper
-- Loads one as a secret; nothing is decrypted. A relative path begins at the directory of the file
-- that calls.
---@field load fun(path: string): syslua.Secret

---@type syslua.AgeHelper
age = nil

--- Declares a directory of the user, also an empty one.
---@param spec syslua.directory.Opts
function directory(spec) end

-- Declares environment variables. Lists are for variables like PATH.
---@class syslua.EnvHelper
---@overload fun(variables: table<string, syslua.env.Value>)
-- Declares variables of whole sessions, also of programs that no shell starts.
---@field persistent fun(variables: table<string, syslua.env.Value>)

---@type syslua.EnvHelper
env = nil

--- Declares short names for commands, in interactive shells.
---@param aliases table<string, string|table<syslua.ShellName, string>|syslua.Priority>
function alias(aliases) end

--- Declares packages of the system, which its package manager installs.
---@param spec syslua.packages.Opts
function packages(spec) end

--- Declares a service: a program that the service manager keeps running.
---@param spec syslua.service.Opts
function service(spec) end

---@type syslua.Tools
tools = nil

--- Scopes what `setup` declares to a user: files in that user's home, variables in that user's
--- scripts.
---@param spec syslua.user.Opts
function user(spec) end

--- Scopes what `setup` declares to a project, whose environment only `shell` or its directory
--- activates.
---@param spec syslua.project.Opts
function project(spec) end

--- Declares a local file or tree as input of a build. A relative path is relative to the config's
--- directory.
---@param path string
---@param opts syslua.source.Opts?
---@return syslua.Source
function source(path, opts) end

--- The module, with `platform`, `os`, `arch`, `hostname` and `username` of what is evaluated for.
---@type syslua.Module
syslua = nil
