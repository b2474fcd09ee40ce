--- `syslua.store`: the objects of builds, their holders, and garbage collection. It reads no
--- config, and takes objects by their full names.

local border = require("syslua.border")
local settings = require("syslua.settings")

local check = {
  list = settings.new_check("syslua.store.list"),
  hold = settings.new_check("syslua.store.hold"),
  verify = settings.new_check("syslua.store.verify"),
  gc = settings.new_check("syslua.store.gc", {
    dry_run = { type = "boolean" },
    keep = { type = "integer" },
    older_than = { type = "number" },
  }),
  export = settings.new_check("syslua.store.export"),
  import = settings.new_check("syslua.store.import"),
}

---@class syslua.Store
local store = {}

--- Lists the objects.
---@param options syslua.Options?
---@return syslua.Listed
function store.list(options)
  check.list(options)
  return border.call("list", options)
end

--- Returns what keeps an object, and what the object needs.
---@param object string
---@param options syslua.Options?
---@return syslua.Held
function store.hold(object, options)
  check.hold(options)
  return border.call("hold", object, options)
end

--- Checks every object against its hash.
---@param options syslua.Options?
---@return syslua.Verified
function store.verify(options)
  check.verify(options)
  return border.call("verify", options)
end

--- Deletes objects that nothing references. `keep` and `older_than` delete snapshots first. With
-- `dry_run`, only reports what would stay or go, and why.
---@param options syslua.CollectOptions?
---@return syslua.Collected
function store.gc(options)
  check.gc(options)
  return border.call("gc", options)
end

--- Writes objects and their dependencies into a file, which `import` reads.
---@param objects string[]
---@param file string its path
---@param options syslua.Options?
---@return syslua.Exported
function store.export(objects, file, options)
  check.export(options)
  return border.call("export", objects, border.call("absolute", file), options)
end

--- Imports a file that `export` wrote, even in another root.
---@param file string its path
---@param options syslua.Options?
---@return syslua.Imported
function store.import(file, options)
  check.import(options)
  return border.call("import_closure", border.call("absolute", file), options)
end

return store
