--- Which of several declarations counts: of variables, files and options of modules.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")

describe("priorities", function()
  local here = machine.for_each_test()

  -- The action of a variable or file.
  local function find(found, name)
    for _, action in ipairs(found.manifest.activations) do
      if action.name == name or action.target == name then
        return action
      end
    end
  end

  it("of single values: the lowest number wins, and the others are remembered", function()
    local found = here.evaluate([[
      local lib = syslua.lib
      env { A = lib.mkDefault("default"), B = lib.mkOverride(10, "ten"), C = lib.mkDefault("one") }
      env { A = "plain", B = lib.mkForce("fifty"), C = lib.mkDefault("one") }
      env { A = lib.mkForce("force") }
    ]])
    assert.has_variable(found, "A", "force")
    assert.has_variable(found, "B", "ten")
    assert.has_variable(found, "C", "one")
    local action = find(found, "A")
    assert.equal(50, action.priority)
    assert.same({ "init.lua:5" }, action.positions)
    assert.same({
      { value = "default", priority = 1000, positions = { "init.lua:3" } },
      { value = "plain", priority = 900, positions = { "init.lua:4" } },
    }, action.overridden)
    assert.equal(10, find(found, "B").priority)
  end)

  it("of lists: sorted by number, equal ones in order of declaration", function()
    local found = here.evaluate([[
      local lib = syslua.lib
      env { PATH = lib.mkAfter("/1500") }
      env { PATH = "/900a" }
      env { PATH = { "/900b", lib.mkOrder(1, "/1"), lib.mkBefore("/500") } }
      env { PATH = lib.mkDefault({ "/1000a", "/1000b" }) }
      env { PATH = "/900c" }
    ]])
    assert.has_variable(
      found,
      "PATH",
      { "/1", "/500", "/900a", "/900b", "/900c", "/1000a", "/1000b", "/1500" }
    )
  end)

  it("of lists: mkForce replaces the rest", function()
    local found = here.evaluate([[
      local lib = syslua.lib
      env { PATH = { "/a", lib.mkOrder(1, "/b") }, MANPATH = "/m" }
      env { PATH = lib.mkForce({ "/c", "/d" }) }
      env { PATH = lib.mkForce("/e"), MANPATH = lib.mkOverride(20, "/n") }
    ]])
    assert.has_variable(found, "PATH", { "/c", "/d", "/e" })
    assert.has_variable(found, "MANPATH", { "/n" })
    assert.equal(2, #find(found, "PATH").overridden)
  end)

  it("of variables that the config defines", function()
    local found = here.evaluate([[
      local lib = syslua.lib
      lib.env.defineMergeable("TAGS", ",")
      lib.env.defineMergeable("TAGS", ",")
      lib.env.defineSingular("GOPATH")
      env { TAGS = "b" }
      env { TAGS = lib.mkBefore("a"), GOPATH = "~/go:~/more" }
    ]])
    assert.has_variable(found, "TAGS", { "a", "b" })
    assert.equal(",", find(found, "TAGS").value.separator)
    assert.has_variable(found, "GOPATH", "~/go:~/more")
    -- Another evaluation knows nothing of it.
    assert.has_variable(here.evaluate([[env { GOPATH = "~/go" }]]), "GOPATH", { "~/go" })
  end)

  it("of files: the lowest number wins, and nothing of the others is left", function()
    local found = here.evaluate([[
      local lib = syslua.lib
      file { path = "~/.x", content = lib.mkDefault("default") }
      file { path = "~/.x", content = "plain" }
      file { path = "~/.z", content = lib.mkForce("plain") }
      file { path = "~/.z", content = "other" }
    ]])
    assert.has_file(found, "~/.x", "plain")
    assert.has_file(found, "~/.z", "plain")
    assert.equal(2, #found.manifest.activations)
    assert.equal(2, #found.manifest.derivations)
    assert.same(
      { { value = 'content "default"', priority = 1000, positions = { "init.lua:3" } } },
      find(found, "~/.x").overridden
    )
  end)

  it("of files: equal ones are one, by whatever way their path is written", function()
    local found = here.evaluate(([[
      file { path = "~/.x", content = "a" }
      file { path = "~/./.x", content = "a" }
      file { path = %q, content = "a" }
    ]]):format(os.getenv("HOME") .. "/.x"))
    assert.has_file(found, "~/.x", "a")
    local failure = here.fail(([[
      file { path = "~/.x", content = "a" }
      file { path = %q, content = "b" }
    ]]):format(os.getenv("HOME") .. "/.x"))
    assert.equal("conflict", failure.kind)
  end)

  it("of files keep what others declare too", function()
    local found = here.evaluate([[
      local lib = syslua.lib
      file { path = "~/.x", content = lib.mkDefault("shared") }
      file { path = "~/one/.x", content = "shared" }
      file { path = "~/.x", content = "own" }
    ]])
    assert.has_file(found, "~/one/.x", "shared")
    assert.equal(2, #found.manifest.derivations)
  end)

  it("are the same whichever module comes first", function()
    here.write("one.lua", [[env { EDITOR = syslua.lib.mkDefault("nano") }]])
    here.write("two.lua", [[env { EDITOR = "vim" }]])
    for _, order in ipairs({ { "one", "two" }, { "two", "one" } }) do
      local found = here.evaluate(([[require(%q) require(%q)]]):format(order[1], order[2]))
      assert.has_variable(found, "EDITOR", "vim")
      assert.same({ "two.lua:1", "init.lua:2" }, find(found, "EDITOR").positions)
    end
  end)
end)

describe("syslua.module", function()
  local here = machine.for_each_test(function(here)
    here.write(
      "greeter.lua",
      [[
        return syslua.module {
          name = "greeter",
          options = { greeting = "hello", names = { "nobody" },
            server = { port = 80, host = "localhost" } },
          types = { colour = "string" },
          config = function(options)
            file { path = "~/.greeter", content = syslua.lib.toJSON(options) }
          end,
        }
      ]]
    )
  end)

  local function get(found)
    return require("syslua").lib.fromJSON(found.files["~/.greeter"].content)
  end

  it("has defaults", function()
    local found = here.evaluate([[
      local greeter = require("greeter")
      assert(greeter.options.greeting == "hello")
      greeter.setup()
    ]])
    assert.same(
      { greeting = "hello", names = { "nobody" }, server = { port = 80, host = "localhost" } },
      get(found)
    )
    assert.same({ "greeter.lua:7", "init.lua:4" }, found.files["~/.greeter"].positions)
  end)

  it("merges what several places give, and acts once", function()
    here.write(
      "other.lua",
      [[require("greeter").setup { names = { "Bob" }, server = { port = 8080 } }]]
    )
    local found = here.evaluate([[
      local lib = syslua.lib
      local greeter = require("greeter")
      greeter.setup { names = { "Cy", "Di" }, greeting = lib.mkDefault("hi") }
      require("other")
      greeter.setup { names = lib.mkBefore({ "Ada" }), greeting = "hey", colour = "red" }
    ]])
    assert.same({
      greeting = "hey",
      names = { "Ada", "Cy", "Di", "Bob" },
      colour = "red",
      server = { port = 8080, host = "localhost" },
    }, get(found))
    assert.equal(1, #found.manifest.activations)
  end)

  it("replaces all with mkForce", function()
    local found = here.evaluate([[
      local lib, greeter = syslua.lib, require("greeter")
      greeter.setup { names = { "Bob" }, server = { host = "x" } }
      greeter.setup { names = lib.mkForce({ "Ada" }), server = lib.mkForce({ port = 1 }) }
    ]])
    assert.same({ "Ada" }, get(found).names)
    assert.same({ port = 1 }, get(found).server)
  end)

  it("acts in the scope that it is set up in", function()
    local found = here.evaluate(
      [[
        local greeter = require("greeter")
        greeter.setup { greeting = "root" }
        user { name = "ada", setup = function() greeter.setup { greeting = "ada" } end }
      ]],
      { username = "root" }
    )
    contains(found.files["~/.greeter"].content, "root")
    contains(found.users.ada.files["~/.greeter"].content, "ada")
  end)

  it("may set up others", function()
    here.write(
      "outer.lua",
      [[
        return syslua.module {
          name = "outer",
          config = function() require("greeter").setup { greeting = "outer" } end,
        }
      ]]
    )
    local found = here.evaluate([[require("outer").setup {}]])
    assert.equal("outer", get(found).greeting)
    local failure = here.fail([[
      require("greeter").setup {}
      require("outer").setup {}
    ]])
    contains(failure.message, "after it was acted upon")
  end)

  it("cannot be set up outside of an evaluation", function()
    local syslua = require("syslua")
    local module = syslua.module({ name = "x", config = function() end })
    local succeeded, problem = pcall(module.setup)
    assert.is_false(succeeded)
    contains(syslua.error(problem).message, "only while a config is evaluated")
  end)
end)
