--- `syslua.package`: a program that is released as archives for several platforms, in several
-- versions. It makes a module of it, whose `setup` puts one version on PATH. It does not know any
-- program.

local closest = require("syslua.util.closest")
local derive = require("syslua.derive")
local activate = require("syslua.activate")
local module = require("syslua.module")
local position = require("syslua.util.position")
local priority = require("syslua.priority")
local schema = require("syslua.schema")
local system = require("syslua.system")
local tables = require("syslua.util.table")
local text = require("syslua.util.text")

--- Where a release is, for one platform.
---@class syslua.package.Archive
---@field url string
---@field sha256 string
---@field strip integer? how many leading components the names in the archive lose
---@field programs table<string, string>? the name of each program -> where it is in the archive,
--- after `strip`
---@field is_program boolean? whether what is downloaded is the program itself, not an archive

--- What a file such as `15_1_0.lua` returns.
---@class syslua.package.Release
---@field version string
---@field archives table<string, syslua.package.Archive> by platform, "x86_64-linux"

---@class syslua.package.Spec
---@field name string
---@field description string its description, in a line
---@field homepage string?
---@field license string?
---@field versions string[] newest first
---@field load_release fun(file: string): syslua.package.Release loads the file
--- of a version, "15_1_0"
---@field whole_tree boolean? whether programs need to stay where they are in their archive

---@class syslua.Package: syslua.ConfigModule
---@field description string
---@field homepage string?
---@field license string?
---@field versions string[] newest first
---@field make_derivation fun(options: table): syslua.Derivation how a version is made
---@field make_activation fun(options: table, derivation: syslua.Derivation) what is done with it

local fields = {
  name = { type = "string", required = true },
  description = { type = "string", required = true },
  homepage = { type = "string" },
  license = { type = "string" },
  versions = { type = "list", items = "string", required = true },
  load_release = { type = "function", required = true },
  whole_tree = { type = "boolean" },
}

local raise = position.raise

-- Fetches and unpacks a release, so that its programs are in `bin`. Only values come in, so that
-- every package has the same recipe text.
local function build(opts, ctx)
  local fetched = ctx.fetch_url(opts.url, opts.sha256)
  if opts.is_program then
    for _, name in ipairs(tables.get_sorted_keys(opts.programs)) do
      ctx.copy(fetched, ctx.out .. "/bin/" .. name)
      ctx.chmod(ctx.out .. "/bin/" .. name, "755")
    end
    return
  end
  ctx.unpack(fetched, ctx.out, { strip = opts.strip })
  for _, name in ipairs(tables.get_sorted_keys(opts.programs)) do
    local inner, place = opts.programs[name], "bin/" .. name
    if inner ~= place then
      ctx.mkdir(ctx.out .. "/bin")
      if opts.whole_tree then
        ctx.symlink("../" .. inner, ctx.out .. "/" .. place)
      else
        ctx.move(ctx.out .. "/" .. inner, ctx.out .. "/" .. place)
      end
    end
  end
end

-- "15_1_0" of "15.1.0".
local function get_file(version)
  return (version:gsub("[^%w]", "_"))
end

local function check_version(spec, version)
  if type(version) ~= "string" then
    raise(
      ("the option `version` of the module %s: expected string, got %s"):format(
        spec.name,
        text.describe(version)
      )
    )
  end
  for _, known in ipairs(spec.versions) do
    if known == version then
      return
    end
  end
  local near = closest(version, spec.versions)
  raise(
    ("there is no version %s of %s, only %s"):format(
      version,
      spec.name,
      text.enumerate(spec.versions, "and")
    ),
    near and ("did you mean %q?"):format(near)
      or ("for example version = %q"):format(spec.versions[1])
  )
end

local function get_archive(spec, version)
  local release = spec.load_release(get_file(version))
  local platform = system.get().platform
  local archive = release.archives[platform]
  if not archive then
    raise(
      ("%s %s is not released for %s: it is for %s"):format(
        spec.name,
        version,
        platform,
        text.enumerate(tables.get_sorted_keys(release.archives), "and")
      ),
      "set it up only where there is one: if syslua.platform == ..."
    )
  end
  return archive
end

local function make_derivation(spec, options)
  local version = options.version or spec.versions[1]
  check_version(spec, version)
  local archive = get_archive(spec, version)
  return derive({
    name = spec.name,
    version = version,
    opts = {
      url = archive.url,
      sha256 = archive.sha256,
      strip = archive.strip or 0,
      programs = archive.programs,
      is_program = archive.is_program,
      whole_tree = spec.whole_tree,
    },
    config = build,
  })
end

local function make_activation(_, derivation)
  activate({
    config = function(_, ctx)
      ctx.add_to_path(derivation.out .. "/bin")
    end,
  })
end

--- Makes a package. Its users may give other factories, to `setup` or by changing its fields.
return setmetatable({ build = build }, {
  ---@param spec syslua.package.Spec
  ---@return syslua.Package
  __call = function(_, spec)
    schema.check("syslua.package{}", spec, fields)
    ---@type table
    local package = {}
    local made = module({
      name = spec.name,
      options = { version = spec.versions[1] },
      types = { make_derivation = "function", make_activation = "function" },
      config = function(options)
        local derivation = (options.make_derivation or package.make_derivation)(options)
        local use = options.make_activation or package.make_activation
        use(options, derivation)
      end,
    })
    package.name, package.options = made.name, made.options
    package.description, package.homepage = spec.description, spec.homepage
    package.license, package.versions = spec.license, spec.versions
    function package.make_derivation(options)
      return make_derivation(spec, options or {})
    end
    package.make_activation = make_activation
    local setup = made.setup
    function package.setup(opts)
      local version = type(opts) == "table" and priority.unwrap(rawget(opts, "version")) or nil
      -- A custom factory may know other versions.
      if version ~= nil and not priority.unwrap(rawget(opts, "make_derivation")) then
        check_version(spec, version)
      end
      setup(opts)
    end
    return package
  end,
})
