--- Evaluation has no side effect, leaves nothing behind and is the same every time, on every Lua.

local contains = require("spec.support.text_checks").contains
local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local process = require("spec.support.process")

local config = [[
  local colours = { red = 1, green = 2, [1] = "one", [2] = "two", [true] = "yes", [false] = "no",
    [-1.5] = "less" }
  for index = 1, 50 do
    colours["key" .. index] = index
  end
  local lines = {}
  for key, value in pairs(colours) do
    lines[#lines + 1] = tostring(key) .. "=" .. tostring(value)
  end
  file({ path = "~/.colours", content = table.concat(lines, "\n") })
  local captured = { z = { 1, 2 }, a = "text", n = 1.5, [3] = true }
  local tool = derive({
    name = "tool",
    version = "1.0",
    opts = { list = { 1, 2.0, "three" }, map = { x = "\0\255", y = false } },
    config = function(opts, ctx)
      ctx.write(ctx.out, opts.list[3] .. captured.a .. string.rep("x", captured.z[1]))
    end,
  })
  activate({ opts = { tool = tool }, config = function(opts, ctx)
    ctx.add_to_path(opts.tool.out .. "/bin")
  end })
  env({ EDITOR = "vi", PATH = { "~/bin" } })
]]

describe("evaluate", function()
  local here = machine.for_each_test(function(here)
    here.write_config(config)
  end)

  local function run(text)
    local result = here.script(text)
    assert.equal("", result.stderr)
    assert.equal(0, result.code)
    return result.stdout
  end

  it("gives plain data, and touches nothing", function()
    local before = here.list(".")
    local stdout = run([[
      local manifest = syslua.evaluate("init.lua")
      assert(getmetatable(manifest) == nil and manifest.version == 1)
      assert(#manifest.derivations == 2 and #manifest.activations == 4)
      local name, first = manifest.derivations[1].name, manifest.activations[1]
      assert(name == "-colours" or name == "colours")
      assert(#manifest.derivations[1].hash == 64)
      print(first.kind, first.target, first.positions[1])
    ]])
    assert.equal("symlink\t~/.colours\tinit.lua:11\n", stdout)
    os.remove(here.directory .. "/script.lua")
    assert.equal(before, here.list("."))
  end)

  it("gives the same twice in one Lua, and leaves no global behind", function()
    here.write("module.lua", "leaked = (leaked or 0) + 1\nreturn leaked")
    here.write_config(config .. [[
      leaked_too = true
      file({ path = "~/.count", content = tostring(require("module"))
        .. tostring(require("module")) })
    ]])
    run([[
      syslua.lib.toJSON({})
      syslua.evaluate("init.lua")
      local before = {}
      for name, value in pairs(_G) do before[name] = value end
      for name, value in pairs(package.loaded) do before["loaded " .. name] = value end
      local first = syslua.lib.toJSON(syslua.evaluate("init.lua"))
      local second = syslua.lib.toJSON(syslua.evaluate("init.lua"))
      assert(first == second)
      assert(first:find('"content":"11"', 1, true), first)
      for name, value in pairs(_G) do assert(before[name] == value, name) end
      for name, value in pairs(package.loaded) do
        assert(before["loaded " .. name] == value, name)
      end
      for _, name in ipairs({ "derive", "activate", "file", "env", "source", "leaked",
        "leaked_too" }) do
        assert(rawget(_G, name) == nil, name)
      end
    ]])
  end)

  it("leaves nothing behind when it fails", function()
    here.write("bad.lua", 'return { setup = function() leaked = 1; error("no") end }')
    run([[
      local good = syslua.lib.toJSON(syslua.evaluate("init.lua"))
      local succeeded, problem = pcall(syslua.evaluate, "bad.lua")
      assert(not succeeded)
      local failure = syslua.error(problem)
      assert(failure.message == "no" and failure.position == "bad.lua:1")
      assert(rawget(_G, "leaked") == nil and rawget(_G, "file") == nil)
      assert(syslua.lib.toJSON(syslua.evaluate("init.lua")) == good)
    ]])
  end)

  it("visits the keys of a table in a fixed order", function()
    here.write_config([[
      local seen = {}
      for key in pairs({ b = 1, a = 1, [10] = 1, [2] = 1, [-1] = 1, [true] = 1, [false] = 1, B = 1,
        [0.5] = 1 }) do
        seen[#seen + 1] = tostring(key)
      end
      file({ path = "~/.order", content = table.concat(seen, " ") })
    ]])
    local stdout = run([[print(syslua.evaluate("init.lua").derivations[1].file.content)]])
    assert.equal("-1 0.5 2 10 B a b false true\n", stdout)
  end)

  it("refuses keys that have no order, naming the line", function()
    here.write_config("for _ in pairs({ [{}] = 1 }) do end")
    local result = here.run("plan", "init.lua")
    assert.equal(1, result.code)
    contains(result.stderr, "init.lua:2")
  end)

  it("gives the same manifest in every process", function()
    local first
    for index = 1, 4 do
      local root = here.directory .. "/root" .. index
      assert.equal(0, here.run("apply", "init.lua", "--root", root).code)
      local manifest = here.read(root .. "/store/metadata/snapshots/1/manifest.json")
      first = first or manifest
      assert.equal(first, manifest)
      here.shell("rm -r ~/.colours")
    end
  end)

  it("gives the same manifest on every Lua", function()
    local text = [[print(syslua.lib.toJSON(syslua.evaluate("init.lua")))]]
    local own = run(text)
    for _, other in ipairs(interpreter.list_others()) do
      local environment = interpreter.get_environment(other.version)
      environment.HOME, environment.SYSLUA_ROOT = here.home, here.root
      local result = process.run(
        { other.name, "script.lua" },
        { directory = here.directory, environment = environment }
      )
      assert.equal(own, result.stdout, other.name .. ": " .. result.stderr)
    end
  end)

  it(
    "gives the same manifest of everything that a config can declare, on every Lua, "
      .. "twice, anywhere",
    function()
      local rich = [[
      local lib = syslua.lib
      for name, number in pairs({ one = 1, two = 2.5, three = -3, [1] = 4, [2.5] = 5 }) do
        file({ path = "~/.numbers/" .. tostring(name), content = tostring(number) .. "\n" })
      end
      env({ EDITOR = lib.mkDefault("nano"), PATH = lib.mkAfter({ "/last" }) })
      env({ PATH = lib.mkBefore({ "/first" }) })
      env({ EDITOR = "vim", HERE = lib.ref("HOME") .. "/here", PATH = { "~/bin" } })
      env({ PATH = lib.mkOrder(700, { "/middle" }) })
      user({ name = syslua.username, setup = function()
        env({ PAGER = "less" })
        file({ path = "~/.mine", content = "x" })
      end })
      project({ name = "work", setup = function() env({ MODE = "work" }) end })
      require("modules.programs.git").setup({ user_name = "Ada", user_email = "ada@example.org" })
      file({ path = "~/.toml", content = lib.toTOML({ b = { c = 1, a = { 1, 2 } }, a = "x" }) })
      file({ path = "~/.yaml", content = lib.toYAML({ b = { c = 1, a = { 1, 2 } }, a = "yes" }) })
      file({ path = "~/.json", content = lib.toJSON({ b = { c = 1, a = { 1, 2 } }, a = 0.5 },
        { pretty = true }) })
    ]]
      here.write_config(rich, "rich.lua")
      here.write_config(rich, "elsewhere/rich.lua")
      local text = [[
      for _, path in ipairs({ "rich.lua", "rich.lua", "elsewhere/rich.lua" }) do
        local manifest = syslua.evaluate(path)
        manifest.config_path = nil
        print((syslua.lib.toJSON(manifest):gsub("elsewhere/", "")))
      end
    ]]
      local own = run(text)
      local first, second, third = own:match("^([^\n]+)\n([^\n]+)\n([^\n]+)\n$")
      assert.equal(first, second)
      assert.equal(first, third)
      for _, other in ipairs(interpreter.list_others()) do
        local environment = interpreter.get_environment(other.version)
        environment.HOME, environment.SYSLUA_ROOT = here.home, here.root
        local options = { directory = here.directory, environment = environment }
        local result = process.run({ other.name, "script.lua" }, options)
        assert.equal(own, result.stdout, other.name .. ": " .. result.stderr)
      end
    end
  )

  it("does not depend on where the config is", function()
    assert.equal(0, here.shell("mkdir -p elsewhere/deep && cp init.lua elsewhere/deep/").code)
    run([[
      local function evaluate(path)
        local manifest = syslua.evaluate(path)
        assert(manifest.config_path:find("/init.lua", 1, true))
        manifest.config_path = nil
        return syslua.lib.toJSON(manifest)
      end
      assert(evaluate("init.lua") == evaluate("elsewhere/deep"))
    ]])
  end)

  it("evaluates for another platform", function()
    here.write_config([[
      file({ path = "~/.platform", content = syslua.platform .. " " .. tostring(syslua.is_darwin) })
      activate({ config = function(_, ctx)
        ctx.add_to_path("/" .. ctx.sys.os .. "/" .. ctx.sys.hostname)
      end })
      derive({
        name = "one",
        opts = function(sys) return { arch = sys.arch } end,
        config = function() end,
      })
    ]])
    local stdout = run([[
      local sys = { os = "darwin", arch = "aarch64", hostname = "mac" }
      local manifest = syslua.evaluate("init.lua", { sys = sys })
      print(manifest.derivations[1].file.content, manifest.activations[2].directory,
        manifest.derivations[2].opts.arch)
      print(syslua.platform)
    ]])
    local first, second = stdout:match("^(.-)\n(.-)\n$")
    assert.equal("aarch64-darwin true\t/darwin/mac\taarch64", first)
    assert.not_equal("aarch64-darwin", second)
  end)

  it("gives a manifest that plan and apply take", function()
    local stdout = run([[
      local manifest = syslua.evaluate("init.lua")
      assert(syslua.plan(manifest).changed)
      assert(syslua.apply(manifest, { dry_run = true }).applied == false)
      assert(syslua.apply(manifest).new_snapshot == "1")
      local again = syslua.apply(syslua.evaluate("init.lua"))
      print(again.applied, again.changed)
    ]])
    assert.equal("false\tfalse\n", stdout)
    assert.truthy(here.read("home/.colours"))
  end)
end)
