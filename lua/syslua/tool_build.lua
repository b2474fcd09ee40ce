--- Builds a tool from its release: programs in `bin`, the archive in `opt`, and man pages and
-- completions where shells and `man` find them. It does not know where releases are.

local failure = require("syslua.util.failure")
local tables = require("syslua.util.table")

local tool_build = {}

-- Formats that hold one program, packed.
local packed = { gz = true, xz = true, bz2 = true, zst = true }

-- Says what an archive has, where a program is not in it.
local function raise_missing(ctx, path, top)
  local all = ctx.list(top, { recursive = true })
  local shown = {}
  for index = 1, math.min(#all, 20) do
    shown[index] = "  " .. all[index]
  end
  if #all > 20 then
    shown[21] = ("  and %d more"):format(#all - 20)
  end
  failure.raise({
    kind = "build",
    message = ("the archive has no %s %s, which the registry names. It contains\n%s"):format(
      ctx.exists(top .. "/" .. path) and "program" or "file",
      path,
      table.concat(shown, "\n")
    ),
    hint = "the registry may be older than this release: `sys update tools` moves it, and another "
      .. "version of the tool may have the file",
  })
end

-- Gives a program in `bin` its further name.
local function add_link(ctx, name, file, place)
  local ending = ctx.sys.is_windows and place:match("%.exe$") or ""
  local link = ctx.out .. "/bin/" .. (file.link or name) .. ending
  if not file.link or file.link == name or ctx.exists(link) then
    return
  elseif file.hard or ctx.sys.is_windows then
    ctx.copy(ctx.out .. "/" .. place, link)
  else
    ctx.symlink(place:match("^bin/(.+)$") or "../" .. place, link)
  end
end

-- Puts a program into `bin`, by its name and its further name.
local function add_program(ctx, name, file, place)
  local bin = ctx.out .. "/bin/"
  local ending = ctx.sys.is_windows and place:match("%.exe$") or ""
  ctx.chmod(ctx.out .. "/" .. place, "755")
  if ctx.sys.is_windows then
    ctx.copy(ctx.out .. "/" .. place, bin .. name .. ending)
  else
    ctx.symlink("../" .. place, bin .. name)
  end
  add_link(ctx, name, file, place)
end

-- Where a file of an archive belongs, if it is a man page, or a completion of one of some programs.
local function get_shared_place(path, programs)
  local name = path:match("[^/]+$")
  local page = name:gsub("%.gz$", "")
  local section = page:match("^[%w_.-]+%.([1-8])$")
  if
    section
    and not page:find("%.so%.")
    and (path:find("man", 1, true) or not path:find("/lib"))
  then
    return ("share/man/man%s/%s"):format(section, name)
  end
  local program = name:match("^_(.+)$") or name:match("^(.+)%.zsh$")
  if program and programs[program] then
    return "share/zsh/site-functions/_" .. program
  end
  program = name:match("^(.+)%.fish$")
  if program and programs[program] then
    return ("share/fish/vendor_completions.d/%s.fish"):format(program)
  end
  program = name:match("^(.+)%.bash$") or name:match("^(.+)%.bash%-completion$")
  if not program and path:find("bash.?completion") then
    program = name
  end
  if program and programs[program] then
    return "share/bash-completion/completions/" .. program
  end
  return nil
end

local function add_shared(ctx, programs)
  for _, path in ipairs(ctx.list(ctx.out .. "/opt", { recursive = true })) do
    local place = get_shared_place(path, programs)
    -- Trees of packages have pages and completions of others.
    local is_own = not path:find("node_modules/", 1, true)
    if place and is_own and not ctx.exists(ctx.out .. "/" .. place) then
      local up = ("../"):rep(select(2, place:gsub("/", "/")))
      ctx.symlink(up .. "opt/" .. path, ctx.out .. "/" .. place)
    end
  end
end

--- The recipe of every tool. Only values come in, so that all have the same text.
---@param opts syslua.LockedRelease
---@param ctx syslua.BuildContext
function tool_build.build(opts, ctx)
  local fetched = ctx.fetch_url(opts.url, opts.sha256, { stated_by = opts.checksum or "the lock" })
  local names = tables.get_sorted_keys(opts.files)
  if opts.format == "raw" or packed[opts.format] then
    ---@type string?
    local first
    for _, name in ipairs(names) do
      local place = ctx.out .. "/bin/" .. name .. (ctx.sys.is_windows and ".exe" or "")
      if first then
        ctx.copy(first, place)
      elseif packed[opts.format] then
        ctx.unpack(fetched, ctx.out .. "/bin", { single = place:match("[^/]+$") })
      else
        ctx.copy(fetched, place)
      end
      first = first or place
      ctx.chmod(place, "755")
    end
    for _, name in ipairs(names) do
      local file = name .. (ctx.sys.is_windows and ".exe" or "")
      add_link(ctx, name, opts.files[name], "bin/" .. file)
    end
    return
  end
  ctx.unpack(fetched, ctx.out .. "/opt")
  ctx.mkdir(ctx.out .. "/bin")
  local programs = {}
  for _, name in ipairs(names) do
    local file = opts.files[name]
    if not ctx.exists(ctx.out .. "/opt/" .. file.path, "file") then
      raise_missing(ctx, file.path, ctx.out .. "/opt")
    end
    add_program(ctx, name, file, "opt/" .. file.path)
    programs[name] = true
    programs[file.link or name] = true
  end
  add_shared(ctx, programs)
end

return tool_build
