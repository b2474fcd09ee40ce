--- `syslua.store`: the objects of builds, their holders, and garbage collection. It reads no
--- config, and takes objects by their full names.

local bindings = require("syslua.bindings")
local call_options = require("syslua.call_options")

local check = {
  list = call_options.new_check("syslua.store.list"),
  hold = call_options.new_check("syslua.store.hold"),
  verify = call_options.new_check("syslua.store.verify"),
  gc = call_options.new_check("syslua.store.gc", {
    dry_run = { type = "boolean" },
    keep = { type = "integer" },
    older_than = { type = "number" },
  }),
  export = call_options.new_check("syslua.store.export"),
  import = call_options.new_check("syslua.store.import"),
}

---@class syslua.Store
local store = {}

--- Lists the objects.
---@param options syslua.Options?
---@return syslua.Listed
function store.list(options)
  check.list(options)
  return bindings.call("list", options)
end

--- Returns what keeps an object, and what the object needs.
---@param object string
---@param options syslua.Options?
---@return syslua.Held
function store.hold(object, options)
  check.hold(options)
  return bindings.call("hold", object, options)
end

--- Checks every object against its hash.
---@param options syslua.Options?
---@return syslua.Verified
function store.verify(options)
  check.verify(options)
  return bindings.call("verify", options)
end

--- Deletes objects that nothing references. `keep` and `older_than` delete snapshots first. With
-- `dry_run`, only reports what would stay or go, and why.
---@param options syslua.CollectOptions?
---@return syslua.Collected
function store.gc(options)
  check.gc(options)
  return bindings.call("gc", options)
end

--- Writes objects and their dependencies into a file, which `import` reads.
---@param objects string[]
---@param file string its path
---@param options syslua.Options?
---@return syslua.Exported
function store.export(objects, file, options)
  check.export(options)
  return bindings.call("export", objects, bindings.call("absolute", file), options)
end

--- Imports a file that `export` wrote, even in another root.
---@param file string its path
---@param options syslua.Options?
---@return syslua.Imported
function store.import(file, options)
  check.import(options)
  return bindings.call("import_closure", bindings.call("absolute", file), options)
end

return store
