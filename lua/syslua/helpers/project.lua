--- `project{}`: a separate environment, which only `shell NAME` or the project's directory
-- activates. It does not know how shells enter it.

local path = require("syslua.util.path")
local position = require("syslua.util.position")
local schema = require("syslua.schema")
local scope = require("syslua.scope")

---@class syslua.project.Opts
---@field name string what `shell` calls it
---@field path string? its directory: absolute, from `~/`, or relative to the config's
---@field setup fun()? declares its environment
---@field config fun()? another name for `setup`

local fields = {
  name = { type = "string", required = true },
  path = { type = "string" },
  setup = { type = "function" },
  config = { type = "function" },
}

local raise = position.raise

--- Scopes what `setup` declares to a project: variables, entries of PATH, scripts for shells.
---@param given syslua.project.Opts
return function(given)
  schema.check("project{}", given, fields)
  local setup = schema.get_callback("project{}", given)
  local current = scope.get()
  if not current then
    raise("project{} works only while a config is evaluated", "call it in setup()")
    return
  end
  local name = given.name
  if not name:find("^[%w_][%w_.-]*$") then
    raise(
      ("%q cannot be the name of a project"):format(name),
      "a name has letters, digits and `_ . -`, and begins with a letter, digit or _"
    )
  end
  if current.block.project then
    raise("project{} inside of project{}", "declare it separately, in setup()")
  end
  local directory = given.path
  if directory == "" then
    raise("`path` in project{}: expected a directory, got an empty string")
  end
  if directory then
    -- As in values of variables.
    directory = directory:gsub("^%$HOME%f[/%z]", "~"):gsub("^%${HOME}%f[/%z]", "~")
  end
  if directory and directory:find("^[~$]") and directory ~= "~" and not directory:find("^~/") then
    raise(
      ("`path` in project{}: nothing replaces %s in %q"):format(
        directory:match("^[^/]*"),
        directory
      ),
      "begin it with ~/ or $HOME/, or write the whole path; a directory with this name is ./NAME"
    )
  elseif directory and not path.is_absolute(directory) and not directory:find("^~") then
    directory = path.normalize(path.join(scope.get_directory(), directory))
  end
  if directory and directory:find("%c") then
    raise(
      ("`path` in project{} has a control character: %q"):format(directory),
      "shells look for the project in a list of lines: rename the directory"
    )
  end
  local user = current.block.user
  for _, block in ipairs(current.blocks) do
    local other = block.project
    if other and other.name == name and block.user == user and other.path ~= directory then
      raise(
        ("the project %s is declared twice, with different directories: %s and %s"):format(
          name,
          other.path or "none",
          directory or "none"
        ),
        "give it one `path`"
      )
    end
  end
  scope.run(user, { name = name, path = directory }, current.block.home, setup)
end
