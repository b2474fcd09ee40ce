--- `file{}`: a file or directory of the user, made of a source or a text. Ends in derive and in recorded
-- actions: links, or installed files. It does not know how the engine puts them there.
--
-- Configs have thousands of them, and nearly all are a path and a content. What those need is here and in
-- one call of the engine; the rest is loaded when a config has need of it.

local border = require("syslua.border")
local failure = require("syslua.util.failure")
local position = require("syslua.util.position")
local priority = require("syslua.priority")
local scope = require("syslua.scope")

local native = require("syslua").native

---@class syslua.file.Common
---@field path string where: absolute, or from `~/`
---@field mutable boolean? with `source`: link to it, so that edits need no apply; with `content`: write it once
---@field recursive boolean? link every file of a directory, rather than the directory
---@field executable boolean? whether the file can be run
---@field copy boolean? a real file instead of a link
---@field mode string|integer|nil the permissions of a real file, in octal: "640"
---@field owner string? who owns a real file; only root can give files away

---@class syslua.file.OfContent: syslua.file.Common
---@field content string|syslua.Priority the bytes of the file

---@class syslua.file.OfSource: syslua.file.Common
-- A file or directory, relative to the config's directory, or a path in the store.
---@field source string|syslua.Derivation|syslua.Source|syslua.Priority

-- Two kinds, so that a checker sees that one of the two is missing.
---@alias syslua.file.Opts syslua.file.OfContent|syslua.file.OfSource

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

-- Of several declarations of one path the lowest number counts.
local function finalize(collected)
  -- Nearly all are alone, and need no choice.
  local by_place, groups, winners, lost = {}, {}, {}, {}
  for _, file in ipairs(collected) do
    local first = by_place[file.place]
    if not first then
      by_place[file.place] = file
      winners[#winners + 1] = file
    elseif groups[first] then
      groups[first][#groups[first] + 1] = file
    else
      groups[first] = { first, file }
    end
  end
  for index, file in ipairs(winners) do
    if groups[file] or file.number ~= priority.plain then
      winners[index] = require("syslua.helpers.file.choice").choose(groups[file] or { file }, lost)
    end
  end
  if lost[1] then
    require("syslua.helpers.file.choice").withdraw(lost, winners)
  end
  local current = scope.get()
  if current and current.on_file then
    for _, file in ipairs(winners) do
      current.on_file(require("syslua.helpers.file.choice").complete(file))
    end
  end
end

-- The path, the source and the content of a declaration, if it has only these and they are texts.
local function get_plain(given)
  if type(given) ~= "table" then
    return nil
  end
  local target, source, content
  for key, value in next, given do
    if type(value) ~= "string" then
      return nil
    elseif key == "path" then
      target = value
    elseif key == "source" then
      source = value
    elseif key == "content" then
      content = value
    else
      return nil
    end
  end
  return target, source, content
end

-- Declares a file that is a path and a content, as nearly all are, without a closer look; nil when it is
-- more than that, or something is wrong with it.
local function declare_at_once(given)
  local target, source, content = get_plain(given)
  if not target or not position.is_direct() then
    return nil
  end
  local action = border.answer(
    native.declare_plain_file(target, source, content, scope.get_directory(), build_file)
  )
  if not action then
    return nil
  end
  return {
    path = target,
    source = source,
    content = content,
    number = priority.plain - scope.get_advantage(),
    place = scope.get_place(target),
    action = action,
  }
end

local file_helper = setmetatable({ build_file = build_file }, {
  __call = function(_, given)
    local collected = scope.collect("file")
    if not collected then
      require("syslua.helpers.file.fields").check(given)
      failure.raise({
        kind = "config",
        message = "file{} works only while a config is evaluated",
        position = position.caller(),
        hint = "call it in setup()",
      })
      return
    end
    local file = declare_at_once(given)
    if not file then
      file = require("syslua.helpers.file.fields").check(given)
      file.positions = position.chain()
      require("syslua.helpers.file.parts").declare(file, build_file)
    end
    collected.finalize, collected.pending = finalize, true
    collected[#collected + 1] = file
  end,
})

return file_helper
