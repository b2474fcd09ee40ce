--- Writes the config of an import: lines by group, copies of files beside it, and omitted items as
-- comments. It does not know where they come from.

local adoption = require("syslua.cli.adoption")
local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local path = require("syslua.util.path")
local text = require("syslua.util.text")

local config_writer = {}

config_writer.quote = adoption.quote

--- What an import found.
---@class syslua.cli.Found
---@field what string the imported source, as the user named it
---@field lines { group: string, text: string, is_off: boolean? }[] lines of `setup`
---@field head string[] lines before the config
---@field copies { from: string, to: string }[] files to copy; `to` is relative to the config
---@field texts { to: string, text: string }[] files to write
---@field left_out { path: string, reason: string }[]
---@field places table<string, boolean> the places in the home that have a line
---@field fields table<string, table> the fields of files, by where they really are
---@field links { group: string, target: string, real: string }[] those whose lines wait
---@field taken table<string, boolean> the names of copies and texts

--- Begins one.
---@param what string
---@return syslua.cli.Found
function config_writer.new(what)
  return {
    what = what,
    lines = {},
    head = {},
    copies = {},
    texts = {},
    left_out = {},
    places = {},
    fields = {},
    links = {},
    taken = {},
  }
end

--- Returns a free name for a copy or a text beside the config.
---@param found syslua.cli.Found
---@param name string
---@return string
function config_writer.add_name(found, name)
  local free, number = name, 2
  while found.taken[free] do
    free, number = ("%s-%d"):format(name, number), number + 1
  end
  found.taken[free] = true
  return free
end

--- Returns a place as configs write it: from `~/` when it is in the home.
---@param place string
---@return string
function config_writer.show(place)
  local home = path.normalize(path.get_home())
  return path.display(place, home)
end

--- Returns the line that declares a file.
---@param target string absolute
---@param fields { [1]: string, [2]: any }[] names and values besides the path
---@return string
function config_writer.render_file(target, fields)
  local parts = { "path = " .. adoption.quote(config_writer.show(target)) }
  for _, field in ipairs(fields) do
    local value = field[2]
    if type(value) == "table" then
      parts[#parts + 1] = ("%s = %s"):format(field[1], value.code)
    elseif value ~= nil then
      local shown = type(value) == "string" and adoption.quote(value) or tostring(value)
      parts[#parts + 1] = ("%s = %s"):format(field[1], shown)
    end
  end
  return "file { " .. table.concat(parts, ", ") .. " }"
end

--- Adds a line.
---@param found syslua.cli.Found
---@param group string
---@param line string
---@param is_off boolean? whether it is only a comment
function config_writer.add(found, group, line, is_off)
  found.lines[#found.lines + 1] = { group = group, text = line, is_off = is_off }
end

--- Notes what is left out.
---@param found syslua.cli.Found
---@param place string
---@param reason string
function config_writer.leave_out(found, place, reason)
  found.left_out[#found.left_out + 1] = { path = config_writer.show(place), reason = reason }
end

--- Adds the line of a file.
---@param found syslua.cli.Found
---@param group string
---@param target string absolute
---@param fields { [1]: string, [2]: any }[]
function config_writer.add_file(found, group, target, fields)
  config_writer.add(found, group, config_writer.render_file(target, fields))
  local seen = bindings.call("look", target)
  if seen and seen.real then
    found.fields[seen.real] = fields
  end
end

--- Adds the line of a link to a file of one's own. When that is a target of the config itself, the
-- link gets the same content instead: a target cannot be a source.
---@param found syslua.cli.Found
---@param group string
---@param target string absolute
---@param real string where the link ends
function config_writer.add_link(found, group, target, real)
  found.links[#found.links + 1] = { group = group, target = target, real = real }
end

-- Whether a directory holds a target of the config.
local function contains_target(found, directory)
  for real in next, found.fields do
    if path.is_below(real, directory) then
      return true
    end
  end
  return false
end

local function add_links(found)
  for _, link in ipairs(found.links) do
    if contains_target(found, link.real) then
      local reason = "a link to a directory that has targets in it: it stays as it is"
      config_writer.leave_out(found, link.target, reason)
    else
      local fields = found.fields[link.real]
        or { { "source", config_writer.show(link.real) }, { "mutable", true } }
      config_writer.add(found, link.group, config_writer.render_file(link.target, fields))
    end
  end
  found.links = {}
end

--- Returns the mode of a file that others cannot read, which a copy has to keep; nil for others.
-- For root the store is open to all: then it cannot be kept, and a reason says so.
---@param seen { mode: string }
---@return string? mode
function config_writer.get_private_mode(seen)
  local others = tonumber(seen.mode:sub(-1)) or 0
  return others < 4 and seen.mode:sub(-3) or nil
end

--- Returns whether a file can be run.
---@param seen { mode: string }
---@return boolean
function config_writer.is_executable(seen)
  return (tonumber(seen.mode:sub(-3, -3)) or 0) % 2 == 1
end

-- A comment cannot hold a line break.
local function comment(words)
  return text.printable(words)
end

local function render(found)
  local lines = { "-- Written by `sys import`: " .. comment(found.what) .. ".", "" }
  for _, line in ipairs(found.head) do
    lines[#lines + 1] = line
  end
  lines[#lines + 1] = "return {"
  lines[#lines + 1] = "  setup = function()"
  ---@type any
  local group
  for _, line in ipairs(found.lines) do
    if line.group ~= group then
      if group then
        lines[#lines + 1] = ""
      end
      group = line.group
      lines[#lines + 1] = "    -- " .. comment(group)
    end
    lines[#lines + 1] = (line.is_off and "    -- " or "    ") .. line.text
  end
  lines[#lines + 1] = "  end,"
  lines[#lines + 1] = "}"
  if found.left_out[1] then
    lines[#lines + 1] = ""
    lines[#lines + 1] = "-- Left out:"
    for _, left in ipairs(found.left_out) do
      lines[#lines + 1] = ("--   %s: %s"):format(comment(left.path), comment(left.reason))
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

-- Refuses to write over what is there.
local function check_free(files, force)
  for _, file in ipairs(files) do
    if not force and bindings.call("exists", file) then
      failure.raise({
        kind = "config",
        message = ("%s already exists"):format(config_writer.show(file)),
        hint = "name another directory with --output, or overwrite it with --force",
      })
    end
  end
end

--- Writes the config; returns the path of its entry file.
---@param found syslua.cli.Found
---@param output string? the directory; where `apply` looks for a config, unless given
---@param force boolean?
---@param options table those of the engine
---@return string entry
function config_writer.write(found, output, force, options)
  add_links(found)
  local directory = output and bindings.call("absolute", path.expand(output, path.get_home()))
    or path.dirname((require("syslua.cli.config_path").get_default()))
  directory = path.normalize(directory)
  local entry = path.join(directory, "init.lua")
  local files = { entry }
  for _, list in ipairs({ found.copies, found.texts }) do
    for _, one in ipairs(list) do
      files[#files + 1] = path.join(directory, one.to)
    end
  end
  check_free(files, force)
  for _, one in ipairs(found.copies) do
    local to = path.join(directory, one.to)
    if bindings.call("take_over", one.from, to, options) == "occupied" then
      os.remove(to)
      bindings.call("take_over", one.from, to, options)
    end
  end
  for _, one in ipairs(found.texts) do
    bindings.call("write_file", path.join(directory, one.to), one.text)
  end
  bindings.call("write_file", entry, render(found))
  return entry
end

return config_writer
