--- `file{}`: a file of the user, made of a source or a text. Ends in derive and activate.

local activate = require("syslua.activate")
local border = require("syslua.border")
local derive = require("syslua.derive")
local failure = require("syslua.util.failure")
local path = require("syslua.util.path")
local position = require("syslua.util.position")
local schema = require("syslua.schema")
local scope = require("syslua.scope")
local source = require("syslua.source")

---@class syslua.file.Opts
---@field path string where: absolute, or from `~/`
---@field source string? a file or directory, relative to the config's directory, or a path in the store
---@field content string? the bytes of the file
---@field mutable boolean? link to `source` itself, so that edits need no apply
---@field executable boolean? whether the file can be run

local fields = {
  path = { type = "string", required = true },
  source = { type = "string" },
  content = { type = "string" },
  mutable = { type = "boolean" },
  executable = { type = "boolean" },
}

local function raise(message, hint)
  failure.raise({ kind = "config", message = message, position = position.caller(), hint = hint })
end

-- Copies or writes the one output. Only values come in, so that every file has the same recipe text.
local function build_file(opts, ctx)
  if opts.source then
    ctx.copy(opts.source, ctx.out)
  else
    ctx.write(ctx.out, opts.content)
  end
  if opts.executable then
    ctx.chmod(ctx.out, "755")
  end
end

-- A name for the store: what people see in `ls`.
local function get_name(target)
  local name = path.basename(target):gsub("[^%w+%-._?=]", "-"):gsub("^[.%-]+", ""):sub(1, 60)
  return name == "" and "file" or name
end

local function is_placeholder(text)
  return text:find("/syslua-placeholder/", 1, true) ~= nil
end

local function check(given)
  schema.check("file{}", given, fields)
  local target = given.path
  if not (path.is_absolute(target) or target:find("^~/.")) then
    raise(("`path` in file{} is relative: %q"):format(target), "begin it with ~/ or /")
  end
  if (given.source == nil) == (given.content == nil) then
    raise(
      given.source == nil and "file{} has neither `source` nor `content`"
        or "file{} has both `source` and `content`",
      "give one of the two"
    )
  end
  if given.mutable and given.content then
    raise(
      "`mutable` in file{} needs a `source`: a link leads to your own file",
      "write the content into a file and name it"
    )
  end
  if given.mutable and given.executable then
    raise("`executable` has no effect on a `mutable` file", "set the mode of the source: chmod +x")
  end
end

local function get_path(given)
  return path.join(scope.get_directory(), path.expand(given.source, scope.get_home()))
end

local function link(from, to, mutable)
  activate({
    config = function(_, ctx)
      ctx.symlink(from, to, { mutable = mutable or nil })
    end,
  })
end

local file = setmetatable({ build_file = build_file }, {
  __call = function(_, given)
    check(given)
    if given.source and is_placeholder(given.source) then
      return link(given.source, given.path)
    end
    if given.mutable then
      local own = get_path(given)
      if not border.call("exists", own) then
        raise(("the source %s does not exist"):format(own))
      end
      return link(own, given.path, true)
    end
    local opts = { content = given.content, executable = given.executable or nil }
    if given.source then
      if not border.call("exists", get_path(given)) then
        raise(("the source %s does not exist"):format(get_path(given)))
      end
      opts.source = source(given.source)
    end
    link(derive({ name = get_name(given.path), opts = opts, config = build_file }).out, given.path)
  end,
})

return file
