--- Imports point down: every room uses only rooms on floors below, and those before it on its own.
-- The floors of the engine are the list in `src/engine/src/lib.rs`; those of the Lua side are here.

local text_checks = require("spec.support.text_checks")
local tree = require("spec.support.tree")

local contains_none, matches_none = text_checks.contains_none, text_checks.matches_none

-- Rooms of `lua/syslua`, lowest floor first; what a name stands for is a file or a directory.
local lua_floors = {
  { "util", "schema" },
  {
    "bindings",
    "evaluation",
    "system",
    "scope",
    "priority",
    "reference",
    "secret",
    "variables",
    "option_merge",
    "call_options",
    "fixed",
    "protected",
    "loops",
    "guard",
    "handle",
    "module_files",
    "trusted_io",
    "config_output",
    "loader",
    "beside",
    "template",
    "secret_library",
    "answers",
    "lib",
    "for_builds",
    "input_graph",
    "tool_registry",
    "tool_key",
    "tool_build",
    "operations",
    "context",
    "subjects",
    "enablement",
  },
  {
    "error",
    "source",
    "derive",
    "activate",
    "build",
    "plan",
    "apply",
    "store",
    "snapshots",
    "secrets",
    "module",
    "package",
    "tools",
    "helpers",
  },
  { "evaluate", "tool_lock", "inputs", "testing" },
  { "cli" },
  { "commands" },
}

-- The one edge that points up: the list of commands loads a command by its computed name.
local upward = { file = "lua/syslua/cli/commands.lua", room = "commands" }

-- The crates below the engine, lowest first, and words of what they do not know.
local lower_crates = {
  "archive",
  "reading",
  "fetch",
  "secrets",
  "tools",
  "merge",
  "services",
  "packages",
  "lua_source",
}
local foreign_words = { "derivation", "recipe", "[Ww]orkspace", "activation", "syslua_engine" }

-- Rooms whose files use each other without circles.
local folders = {
  "src/engine/src/action",
  "src/engine/src/operation",
  "src/engine/src/store",
  "src/engine/src/switch",
  "src/module/src/capture",
  "src/module/src/console",
  "src/module/src/secrets",
  "src/module/src/values",
}

-- What the engine does without: roots, settings and an event sink are arguments.
local forbidden = { "print!", "println!", "dbg!", "env::var", "env::args", "process::exit" }

-- What is process-wide all the same, because the system has it once for a process or a thread.
-- Everything else that calls share is in the context that they are given.
local process_wide = {
  ["platform/jail/landlock.rs"] = "what the kernel can, which never changes",
  ["platform/process/reaper.rs"] = "whose children orphans become is an attribute "
    .. "of the process",
  ["platform/process/launch.rs"] = "descriptors and signals of a thread that starts programs",
  ["names.rs"] = "a constant that is computed once",
}

local engine_directory, lua_directory = "src/engine/src/", "lua/syslua/"

-- Room -> its place: all of lower floors, and those before it on its own, have lower ones.
local function get_places(floors)
  local places, count = {}, 0
  for _, rooms in ipairs(floors) do
    for _, room in ipairs(rooms) do
      count = count + 1
      places[room] = count
    end
  end
  return places
end

local function read_crate_floors(directory)
  local floors = {}
  -- An entry may go on for more lines.
  local text = tree.read(directory .. "lib.rs"):gsub("\n//!   ", " ")
  for line in text:gmatch("//! %- %*%*F%d+%*%* ([^\n]*)") do
    local rooms = {}
    for room in line:gmatch("%[`([%w_]+)`%]") do
      rooms[#rooms + 1] = room
    end
    floors[#floors + 1] = rooms
  end
  return floors
end

-- "realize" of "src/engine/src/realize/pool.rs", "hash" of "src/engine/src/hash.rs".
local function get_room(name, directory)
  return name:sub(#directory + 1):match("^[%w_]+")
end

-- The code of a Rust file: no comments, and not the tests, which stand at the end.
local function get_rust_code(name)
  local lines = {}
  for _, line in ipairs(tree.lines(tree.read(name))) do
    if line:find("^#%[cfg%(.*test.*%)%]") then
      break
    end
    lines[#lines + 1] = line:gsub("//.*$", "")
  end
  return table.concat(lines, "\n")
end

-- The rooms that a Rust file uses, as a list of names.
local function get_rust_uses(name)
  local code, uses = get_rust_code(name), {}
  -- In a file of the first level `super` is the crate.
  local is_top = name:find("^src/%w+/src/[%w_]+%.rs$") ~= nil
  for _, prefix in ipairs(is_top and { "crate::", "super::" } or { "crate::" }) do
    for room in code:gmatch("%f[%w_]" .. prefix .. "([%w_]+)") do
      uses[#uses + 1] = room
    end
    for list in code:gmatch("%f[%w_]" .. prefix .. "(%b{})") do
      -- Only the first name of each entry is a room.
      for entry in list:sub(2, -2):gsub("%b{}", ""):gmatch("[^,]+") do
        uses[#uses + 1] = entry:match("[%w_]+")
      end
    end
  end
  return uses
end

-- The files of a room that a file of it uses, by name; `mod.rs` is the list of the room and no part
-- of it.
local function get_neighbours(room, name, names)
  local code, uses = get_rust_code(name), {}
  for _, prefix in ipairs({ "super::", "crate::" .. room .. "::" }) do
    for file in code:gmatch("%f[%w_]" .. prefix .. "([%w_]+)") do
      uses[#uses + 1] = names[file] and file
    end
    for list in code:gmatch("%f[%w_]" .. prefix .. "(%b{})") do
      for entry in list:sub(2, -2):gsub("%b{}", ""):gmatch("[^,]+") do
        local file = entry:match("[%w_]+")
        uses[#uses + 1] = names[file] and file
      end
    end
  end
  return uses
end

-- The rooms whose names stand in a Lua file as whole strings: `require("syslua.x.y")`, or a table
-- of names to require.
local function get_lua_uses(name)
  local code, uses = tree.read(name):gsub("%-%-[^\n]*", ""), {}
  for room in code:gmatch('"syslua%.(%l[%l_]*)[%l_.]*"') do
    uses[#uses + 1] = room
  end
  return uses
end

local function check(name, room, uses, places, allowed)
  local place = places[room]
  assert.truthy(place, ("%s: the room `%s` is on no floor"):format(name, room))
  for _, used in ipairs(uses) do
    if used ~= room and used ~= allowed then
      assert.truthy(places[used], ("%s uses `%s`, which is on no floor"):format(name, used))
      assert.is_true(
        places[used] < place,
        ("%s uses `%s`, which is not below `%s`"):format(name, used, room)
      )
    end
  end
end

describe("the floors #once", function()
  it("of the engine are in order", function()
    local places = get_places(read_crate_floors(engine_directory))
    local count = 0
    for _, name in ipairs(tree.list({ "src/engine/src" }, ".rs")) do
      if name ~= engine_directory .. "lib.rs" then
        check(name, get_room(name, engine_directory), get_rust_uses(name), places)
        count = count + 1
      end
    end
    assert.is_true(count > 30)
  end)

  it("have no circles inside folders", function()
    for _, folder in ipairs(folders) do
      local directory, names, uses = folder .. "/", {}, {}
      local room = folder:match("[^/]+$")
      for _, name in ipairs(tree.list({ folder }, ".rs")) do
        local file = name:sub(#directory + 1):match("^[%w_]+")
        if not name:find("tests%.rs$") and not name:find("/tests/", 1, true) then
          names[file] = names[file] or {}
          table.insert(names[file], name)
        end
      end
      names.mod = nil
      for file, parts in pairs(names) do
        uses[file] = {}
        for _, name in ipairs(parts) do
          for _, used in ipairs(get_neighbours(room, name, names, file)) do
            table.insert(uses[file], used)
          end
        end
      end
      local count = 0
      for _, used in pairs(uses) do
        count = count + #used
      end
      assert.is_true(count > 0 or room == "values", room .. " has no uses inside")
      local done = {}
      local function visit(file, way)
        assert.is_nil(way[file], ("%s: `%s` uses itself by way of others"):format(room, file))
        if not done[file] then
          way[file] = true
          for _, used in ipairs(uses[file]) do
            visit(used, way)
          end
          way[file], done[file] = nil, true
        end
      end
      for file in pairs(names) do
        visit(file, {})
      end
    end
  end)

  it("of the engine name every module, and no other", function()
    local declared = {}
    for room in tree.read(engine_directory .. "lib.rs"):gmatch("\npub mod ([%w_]+);") do
      declared[room] = true
    end
    local named = {}
    for room in pairs(get_places(read_crate_floors(engine_directory))) do
      named[room] = true
    end
    assert.same(declared, named)
  end)

  it("of the other crates are in order, and name every module", function()
    for _, crate in ipairs({ "module", (table.unpack or unpack)(lower_crates) }) do
      local directory = ("src/%s/src/"):format(crate)
      local places = get_places(read_crate_floors(directory))
      local declared = {}
      for room in tree.read(directory .. "lib.rs"):gmatch("\n[pub ]*mod ([%w_]+);") do
        declared[room] = true
      end
      for room in pairs(places) do
        assert.is_true(declared[room], ("%s has no room `%s`"):format(crate, room))
      end
      for _, name in ipairs(tree.list({ "src/" .. crate .. "/src" }, ".rs")) do
        if name ~= directory .. "lib.rs" then
          local uses = {}
          for _, used in ipairs(get_rust_uses(name)) do
            -- What lib.rs itself defines or hands on has no floor.
            if declared[used] then
              uses[#uses + 1] = used
            end
          end
          check(name, get_room(name, directory), uses, places)
        end
      end
    end
  end)

  it("of the crates below the engine do not know what is above", function()
    for place, crate in ipairs(lower_crates) do
      local manifest = tree.read(("src/%s/Cargo.toml"):format(crate))
      for above = place + 1, #lower_crates do
        contains_none(manifest, "syslua-" .. lower_crates[above])
      end
      contains_none(manifest, "syslua-engine")
      for _, name in ipairs(tree.list({ "src/" .. crate .. "/src" }, ".rs")) do
        local code = get_rust_code(name)
        for _, word in ipairs(foreign_words) do
          matches_none(code, word)
        end
        for _, word in ipairs(forbidden) do
          contains_none(code, word)
        end
      end
    end
  end)

  it("of the Lua side are in order", function()
    local places = get_places(lua_floors)
    local count = 0
    for _, name in ipairs(tree.list({ "lua/syslua" }, ".lua")) do
      local allowed = name == upward.file and upward.room or nil
      -- Programs and services that come with sys.lua are configs.
      local room = get_room(name, lua_directory)
      if room ~= "modules" and room ~= "pkgs" then
        check(name, room, get_lua_uses(name), places, allowed)
        count = count + 1
      end
    end
    assert.is_true(count > 30)
    for room in pairs(places) do
      local there = tree.exists(lua_directory .. room .. ".lua")
        or tree.exists(lua_directory .. room)
      assert.is_true(there, ("there is no room `%s`"):format(room))
    end
  end)

  it("have no Lua in the engine", function()
    local manifest = tree.read("src/engine/Cargo.toml")
    matches_none(manifest, "mlua", "syslua%s*=")
  end)

  it("have no process-wide state in the engine", function()
    local found = {}
    for _, name in ipairs(tree.list({ "src/engine/src" }, ".rs")) do
      local code = "\n" .. get_rust_code(name)
      if code:find("\n%s*[pub ]*static [%u_]+%s*:") or code:find("thread_local!", 1, true) then
        local place = name:sub(#engine_directory + 1)
        assert.truthy(
          process_wide[place],
          name .. " has process-wide state: the context is for that"
        )
        found[place] = true
      end
    end
    for place in pairs(process_wide) do
      assert.is_true(found[place], place .. " has no process-wide state any more")
    end
  end)

  it("have no terminal and no environment in the engine", function()
    for _, name in ipairs(tree.list({ "src/engine/src" }, ".rs")) do
      local code = get_rust_code(name)
      for _, word in ipairs(forbidden) do
        contains_none(code, word)
      end
    end
  end)
end)
