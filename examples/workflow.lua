-- Drives sys.lua from a script, without its command line:
--
--   lua examples/workflow.lua CONFIG ROOT
--
-- It builds one derivation alone, and then plans and applies a config. ROOT is where the store and
-- the snapshots go. The config's links go to your home; to try it without touching that:
--
--   HOME=$(mktemp -d) lua examples/workflow.lua examples/dotfiles /tmp/syslua-root

local syslua = require("syslua")

local config, root = arg[1], arg[2]
if not config or not root then
  io.stderr:write("usage: lua examples/workflow.lua CONFIG ROOT\n")
  return os.exit(2)
end

-- Every function that works on a root takes it among its options.
local options = {
  root = root,
  on_event = function(event)
    if event.kind == "build_finished" then
      print("  built " .. event.name)
    end
  end,
}

-- 1. A derivation is a value: declared here, realized when it is asked for.
local greeting = syslua.derive({
  name = "greeting",
  opts = { who = "world" },
  config = function(opts, ctx)
    ctx.write(ctx.out .. "/greeting.txt", "Hello, " .. opts.who .. "!\n")
  end,
})
print("build")
local built = syslua.build(greeting, options)
for line in io.lines(built.out .. "/greeting.txt") do
  print("  it says: " .. line)
end

-- 2. A config becomes a manifest: a table of plain data. The system stays as it is.
local manifest = syslua.evaluate(config)
print("evaluate")
print(("  %d derivations, %d activations"):format(#manifest.derivations, #manifest.activations))

-- 3. What would change?
print("plan")
for _, action in ipairs(syslua.plan(manifest, options).actions) do
  print(
    ("  %s %s %s"):format(action.mark, action.kind, action.target or action.name or action.detail)
  )
end

-- 4. A dry run does no more than the plan; then the real thing.
print("apply")
local rehearsal = syslua.apply(manifest, { root = root, dry_run = true })
print("  dry run: " .. (rehearsal.changed and "would change something" or "would change nothing"))
local applied = syslua.apply(manifest, options)
print(applied.applied and "  snapshot " .. applied.new_snapshot or "  nothing changed")

-- 5. What fails raises a table; `syslua.error` gives it for whatever `pcall` caught, on every Lua.
print("error")
local succeeded, problem = pcall(syslua.evaluate, "/no/such/config.lua")
if not succeeded then
  print("  " .. syslua.error(problem).message)
end
