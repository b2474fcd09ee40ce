--- The operations of `ctx`, as data. The functions of `ctx` with their checks, the class
-- `syslua.BuildContext` for editors, and the tables of options in the reference are made from it.

local failure = require("syslua.util.failure")
local position = require("syslua.util.position")
local schema = require("syslua.schema")
local tables = require("syslua.util.table")

local operations = {}

--- An operation. The engine gets a request with its name and its parameters and options.
---@class syslua.Operation
---@field name string
---@field text string what it does
---@field parameters syslua.OperationParameter[] those that it has, one after the other
---@field options table<string, syslua.OperationOption>? by name
---@field options_class string? the class of the options for editors, without its "syslua."
---@field returns string? the type of its result for editors
---@field is_quick boolean? performed at once; others wait, and other builds run
---@field names table<string, boolean>? fields of the request whose texts name files, besides the
--- parameters that are paths
---@field prepare nil|fun(request: table, ctx: table, given: table) changes the request

---@class syslua.OperationParameter
---@field name string
---@field type "path"|"string"|"hash"|"mode"|"command"|"file"
---@field is_optional boolean?
---@field hint string? for the error when it has another type
---@field text string? what it is

---@class syslua.OperationOption: syslua.schema.Field
---@field class string its type for editors
---@field text string what it is
---@field request string? its name in the request, if that is another one

---@param message string
---@param hint string?
local function raise(message, hint)
  failure.raise({ kind = "build", message = message, position = position.caller(), hint = hint })
end

local unpack_limits = {
  bytes = { type = "integer" },
  ratio = { type = "integer" },
  entries = { type = "integer" },
  path = { type = "integer" },
  depth = { type = "integer" },
  memory = { type = "integer" },
}
---@type table<string, boolean?>
local unpack_allowed = { case_collisions = true, setuid = true }

-- Numbers below zero, and those that no Lua holds exactly, mean nothing here.
local function check_count(name, value, least)
  if value and (value < least or value > 2 ^ 53) then
    raise(
      ("`%s` in the options of ctx.unpack: expected a whole number from %d on, got %s"):format(
        name,
        least,
        tostring(value)
      )
    )
  end
end

local function prepare_unpack(request, ctx)
  request.destination = request.destination or ctx.out
  check_count("strip", request.strip, 0)
  schema.check("`limits` of ctx.unpack", request.limits or {}, unpack_limits)
  for _, name in ipairs(tables.get_sorted_keys(unpack_limits)) do
    check_count("limits." .. name, request.limits and request.limits[name], 1)
  end
  for _, name in ipairs(request.allow or {}) do
    if not unpack_allowed[name] then
      raise(
        ('"%s" in `allow` of ctx.unpack cannot be allowed'):format(name),
        '"case_collisions" and "setuid" are'
      )
    end
  end
end

-- What reaches a program ends at its first NUL.
local function check_word(what, word)
  if word:find("%z") then
    raise(what .. " holds a NUL byte, which no program can be given")
  end
  return word
end

local function get_environment(own, extra)
  if type(own) ~= "table" then
    raise(("`ctx.env` is a %s: expected a table of variables"):format(type(own)))
  end
  local environment = {}
  for _, variables in ipairs({ own, extra or {} }) do
    for name, value in next, variables do
      if type(name) ~= "string" or name == "" or name:find("[=%z]") then
        raise(("`%s` cannot be the name of an environment variable"):format(tostring(name)))
      end
      if type(value) ~= "string" and type(value) ~= "number" then
        raise(("the variable %s: expected a string, got a %s"):format(name, type(value)))
      end
      environment[name] = check_word("the variable " .. name, tostring(value))
    end
  end
  return environment
end

local function prepare_run(request, ctx, given)
  request.environment = get_environment(ctx.env, request.environment)
  local timeout = request.timeout
  if timeout ~= nil and (timeout <= 0 or timeout ~= timeout) then
    raise(
      ("`timeout` in ctx.run: expected a number of seconds above 0, got %s"):format(
        tostring(timeout)
      )
    )
  end
  local command = given.command
  request.command = nil
  if type(command) == "string" and command ~= "" then
    request.line = check_word("ctx.run: the command", command)
  elseif type(command) == "table" and #command > 0 then
    for index, argument in ipairs(command) do
      if type(argument) ~= "string" then
        raise(("ctx.run: argument %d is a %s: expected strings"):format(index, type(argument)))
      end
      check_word(("ctx.run: argument %d"):format(index), argument)
    end
    request.arguments = command
  else
    raise("ctx.run: expected a line for the shell or a list of arguments")
  end
end

local url_text = "`https://`, `http://` or `file://`"

--- All of them, in the order of the reference.
---@type syslua.Operation[]
operations.list = {
  {
    name = "fetch_url",
    text = "Downloads a file and returns its path, which ends with the file's name.",
    parameters = {
      { name = "url", type = "string", text = url_text },
      {
        name = "sha256",
        type = "hash",
        is_optional = true,
        text = "the hash of the content: 64 hexadecimal digits, or `sha256-` and base64. "
          .. "Without it, the lock pins the first download",
      },
    },
    options_class = "FetchUrlOptions",
    options = {
      mirrors = {
        type = "list",
        items = "string",
        class = "string[]",
        text = "a list of other addresses, tried in order when the first one fails or has other "
          .. "content",
      },
      name = {
        type = "string",
        class = "string",
        text = "the file name. By default it is the last part of `url`, or `download` when that "
          .. "is empty",
      },
      stated_by = {
        type = "string",
        class = "string",
        text = "where `sha256` is from, for the error when the content has another hash",
      },
    },
    returns = "string path",
  },
  {
    name = "fetch_git",
    text = "Fetches the files of a git commit, without `.git`, and returns the path of their "
      .. "directory.",
    parameters = {
      {
        name = "url",
        type = "string",
        text = "`https://`, `http://`, `ssh://` or `file://`, `user@host:path`, or an absolute "
          .. "path",
      },
      {
        name = "rev",
        type = "string",
        hint = "a full commit, a tag or a branch",
        text = "a commit of 40 digits, a tag or a branch",
      },
      {
        name = "sha256",
        type = "hash",
        is_optional = true,
        text = "the hash that `nix-prefetch-git` prints: 64 hexadecimal digits, or `sha256-` and "
          .. "base64. Without it, the lock pins the first download",
      },
    },
    options_class = "FetchGitOptions",
    options = {
      submodules = {
        type = "boolean",
        class = "boolean",
        text = "with `true`, fetches submodules recursively. Otherwise each is an empty "
          .. "directory",
      },
    },
    returns = "string path",
  },
  {
    name = "unpack",
    text = "Unpacks tar, tar.gz, tar.xz, tar.zst, tar.bz2 or zip, recognized by content. Without "
      .. "a destination, also before options, it unpacks into `ctx.out`.",
    parameters = {
      { name = "archive", type = "path" },
      { name = "destination", type = "path", is_optional = true },
    },
    options_class = "UnpackOptions",
    options = {
      strip = {
        type = "integer",
        class = "integer",
        text = "the number of leading components to remove from every name, as "
          .. "`--strip-components` of tar; see below",
      },
      single = {
        type = "string",
        class = "string",
        text = "the file is a single compressed file, which gets this name",
      },
      limits = {
        type = "map",
        class = "syslua.UnpackLimits",
        text = "the limits on the size of the archive, below",
      },
      allow = {
        type = "list",
        items = "string",
        class = '("case_collisions"|"setuid")[]',
        text = 'a list of things that are otherwise refused: `"case_collisions"` and `"setuid"`',
      },
    },
    prepare = prepare_unpack,
  },
  {
    name = "copy",
    text = "Copies a file, link or tree to a new name.",
    parameters = { { name = "from", type = "path" }, { name = "to", type = "path" } },
  },
  {
    name = "move",
    text = "Moves a file, link or tree to a new name, also out of the build directory into an "
      .. "output.",
    parameters = { { name = "from", type = "path" }, { name = "to", type = "path" } },
    is_quick = true,
  },
  {
    name = "symlink",
    text = "Makes a symbolic link.",
    parameters = {
      { name = "target", type = "path", text = "the target of the link" },
      { name = "link", type = "path" },
    },
    is_quick = true,
  },
  {
    name = "mkdir",
    text = "Creates a directory and those above it.",
    parameters = { { name = "path", type = "path" } },
    is_quick = true,
  },
  {
    name = "write",
    text = "Writes a file, byte for byte, and creates the directories above it.",
    parameters = { { name = "path", type = "path" }, { name = "text", type = "string" } },
    is_quick = true,
    prepare = function(request)
      request.content, request.text = request.text, nil
    end,
  },
  {
    name = "chmod",
    text = "Sets the permissions of a file, or of a directory and everything in it.",
    parameters = {
      { name = "path", type = "path" },
      {
        name = "mode",
        type = "mode",
        text = 'octal in a string, such as "755", or the number',
      },
    },
    is_quick = true,
  },
  {
    name = "read",
    text = "Returns the content of a file.",
    parameters = { { name = "path", type = "path" } },
    returns = "string",
    is_quick = true,
  },
  {
    name = "list",
    text = "Returns the names of what is in a directory, in the order of their bytes.",
    parameters = { { name = "path", type = "path" } },
    options_class = "ListOptions",
    options = {
      recursive = {
        type = "boolean",
        class = "boolean",
        text = "with `true`, the files of directories are listed in their place",
      },
    },
    returns = "string[]",
    is_quick = true,
  },
  {
    name = "exists",
    text = 'Returns whether something is there, a dangling link included; with "file", whether it '
      .. "is a file, or a link that leads to one.",
    parameters = {
      { name = "path", type = "path" },
      { name = "kind", type = "file", is_optional = true },
    },
    returns = "boolean",
    is_quick = true,
    prepare = function(request)
      request.operation = request.kind and "is_file" or "exists"
      request.kind = nil
    end,
  },
  {
    name = "run",
    text = "Runs a program and returns what it printed to stdout.",
    parameters = {
      {
        name = "command",
        type = "command",
        text = "a line for the shell, or the program and its arguments",
      },
    },
    options_class = "RunOpts",
    options = {
      cwd = {
        type = "string",
        class = "string",
        request = "directory",
        text = "the working directory, below the outputs or the build directory; by default the "
          .. "build directory",
      },
      env = {
        type = "table",
        class = "table<string, string|number>",
        request = "environment",
        text = "variables in addition to `ctx.env`",
      },
      shell = {
        type = "string",
        class = "string",
        text = "the shell for a line; by default `/bin/sh`",
      },
      stdin = {
        type = "string",
        class = "string",
        text = "a string for standard input; by default empty",
      },
      timeout = {
        type = "number",
        class = "number",
        text = "the seconds after which the program is killed, which is an error",
      },
      read = {
        type = "list",
        items = "string",
        class = "string[]",
        text = "a list of files and trees outside of the build that it may read and execute too",
      },
    },
    returns = "string stdout",
    names = {
      line = true,
      arguments = true,
      directory = true,
      shell = true,
      environment = true,
      read = true,
    },
    prepare = prepare_run,
  },
}

return operations
