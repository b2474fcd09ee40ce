--- The stubs in `types/` say what there is: fields of the module, functions of the engine, calls of
-- `ctx`, globals of a config.

local syslua = require("syslua")
local text_checks = require("spec.support.text_checks")
local tree = require("spec.support.tree")

local contains_none, matches = text_checks.contains_none, text_checks.matches

-- Files of `lua/syslua` that are reached as `syslua.<name>` too, but are not for users.
local internal = {
  "answers",
  "beside",
  "context",
  "enablement",
  "evaluation",
  "fixed",
  "for_builds",
  "input_graph",
  "module_files",
  "template",
  "tool_build",
  "tool_key",
  "tool_lock",
  "tool_registry",
  "trusted_io",
  "config_output",
  "guard",
  "handle",
  "loader",
  "loops",
  "variables",
  "operations",
  "option_merge",
  "priority",
  "protected",
  "reference",
  "secret",
  "secret_library",
  "schema",
  "scope",
  "call_options",
  "subjects",
  "system",
}

-- Classes by name: the names of their fields, and the class they extend.
local function read_classes(names)
  local classes, current, owner = {}, nil, nil
  for _, name in ipairs(names) do
    for _, line in ipairs(tree.lines(tree.read(name))) do
      local class, parent = line:match("^%s*%-%-%-@class ([%w_.]+):? ?([%w_.]*)")
      -- `package` alone would be a modifier of what follows.
      local field = line:gsub("@field public ", "@field "):match("^%s*%-%-%-@field ([%w_]+)")
      local variable = line:match("^%s*local ([%w_]+) = {")
      local called, method = line:match("^%s*function ([%w_]+)%.([%w_]+)%(")
      if class then
        assert.is_nil(classes[class], ("the class %s is defined twice"):format(class))
        current = { fields = {}, parent = parent ~= "" and parent or nil }
        classes[class], owner = current, nil
      elseif field and current then
        current.fields[field] = true
      elseif variable and current and not owner then
        owner = variable
        -- Fields of a table that is the class.
        for key in line:gmatch("([%w_]+) = ") do
          current.fields[key] = key ~= variable or nil
        end
      elseif method and called == owner then
        current.fields[method] = true
      end
    end
    current, owner = nil, nil
  end
  return classes
end

local function get_keys(map)
  local keys = {}
  for key in pairs(map) do
    keys[key] = true
  end
  return keys
end

local function add(into, from)
  for key in pairs(from) do
    into[key] = true
  end
  return into
end

describe("types/ #once", function()
  local files = tree.list({ "types", "lua/syslua" }, ".lua")
  local classes = read_classes(files)

  local function get_fields(name)
    local class = assert(classes[name], "there is no class " .. name)
    local fields = class.parent and get_fields(class.parent) or {}
    return add(fields, class.fields)
  end

  it("has the fields of the module", function()
    local expected = {}
    for key in next, syslua do
      expected[key] = true
    end
    for _, name in ipairs(tree.list({ "lua/syslua" }, ".lua")) do
      local field = name:match("^lua/syslua/([%w_]+)%.lua$")
        or name:match("^lua/syslua/helpers/([%w_]+)%.lua$")
      if field then
        expected[field] = true
      end
    end
    for _, name in ipairs(internal) do
      assert.is_true(tree.exists("lua/syslua/" .. name .. ".lua"), name)
      expected[name] = nil
    end
    local fields = get_fields("syslua.Module")
    assert.same(expected, fields)
    for field in pairs(fields) do
      assert.is_not_nil(syslua[field], field)
    end
  end)

  it("has the functions of the engine", function()
    assert.same(get_keys(syslua.bindings), get_fields("syslua.Bindings"))
  end)

  it("has the library", function()
    assert.same(get_keys(syslua.lib), get_fields("syslua.Library"))
    assert.same(get_keys(syslua.lib.env), get_fields("syslua.EnvLibrary"))
  end)

  it("has the command line", function()
    assert.same(get_keys(syslua.cli), get_fields("syslua.CommandLine"))
  end)

  it("has the `ctx` of a derivation", function()
    local context = require("syslua.context")
    local keys
    local places =
      { os = "linux", arch = "x86_64", directory = "/build", out = "/out", outputs = {} }
    local task = context.begin(nil, places, function(_, ctx)
      keys = get_keys(ctx)
    end, nil, true)
    assert.equal("finished", (context.resume(task, true, nil)))
    assert.same(keys, get_fields("syslua.BuildContext"))
  end)

  it("has the `ctx` of an activation", function()
    local keys
    syslua.activate({
      config = function(_, ctx)
        keys = get_keys(ctx)
      end,
    })
    assert.same(keys, get_fields("syslua.ActivationContext"))
  end)

  it("has the globals of a config", function()
    local expected = { syslua = true }
    local source = tree.read("lua/syslua/evaluate.lua")
    for _, list in ipairs({ "helper_modules", "helper_tables", "document_loaders" }) do
      for name in source:match("local " .. list .. " = (%b{})"):gmatch("([%w_]+) = ") do
        expected[name] = true
      end
    end
    local declared = {}
    local text = tree.read("types/globals.lua")
    for name in text:gmatch("\nfunction ([%w_]+)%(") do
      declared[name] = true
    end
    for name in text:gmatch("\n([%w_]+) = ") do
      declared[name] = true
    end
    assert.same(expected, declared)
  end)

  it("names only classes that exist", function()
    local known = add(get_keys(classes), { ["syslua.lua"] = true })
    for _, name in ipairs(files) do
      for _, line in ipairs(tree.lines(tree.read(name))) do
        local alias = line:match("%-%-%-@alias (syslua%.[%w_.]+)")
        if alias then
          known[alias] = true
        end
      end
    end
    for _, name in ipairs(files) do
      for _, line in ipairs(tree.lines(tree.read(name))) do
        local annotation = line:match("^%s*%-%-%-@%l+ (.*)$")
        -- What stands in quotes or backticks is prose.
        annotation = annotation and annotation:gsub('[`"][^`"]*[`"]', "") or ""
        for class in annotation:gmatch("syslua%.[%w_.]*%u[%w_]*") do
          assert.truthy(known[class], ("%s: there is no class %s"):format(name, class))
        end
      end
    end
  end)

  it("has stubs that can be loaded by mistake", function()
    for _, name in ipairs(tree.list({ "types" }, ".lua")) do
      local text = tree.read(name)
      matches(text, "^%-%-%-@meta")
      contains_none(text, "error(")
    end
  end)
end)
