--- `user{}` and `project{}`: what is scoped, to whom, and what is left out.

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

describe("user{}", function()
  local here = machine.for_each_test()

  local config = [[
    file { path = "~/.general", content = "general" }
    env { EDITOR = "vi" }
    user {
      name = "ada",
      setup = function()
        file { path = "~/.own", content = "ada" }
        file { path = "/srv/ada", content = "ada" }
        env { EDITOR = "ed", PATH = "~/bin" }
        activate { config = function(_, ctx) ctx.symlink("~/from", "~/.link") end }
      end,
    }
    user { name = "bob", config = function() file { path = "~/.own", content = "bob" } end }
  ]]

  it("scopes declarations, as root", function()
    local found = here.evaluate(config, { platform = "x86_64-linux", username = "root" })
    assert.has_file(found, "~/.general", "general")
    assert.has_no_file(found, "~/.own")
    assert.has_variable(found, "EDITOR", "vi")
    assert.has_file(found.users.ada, "~/.own", "ada")
    assert.has_file(found.users.ada, "/srv/ada", "ada")
    assert.has_file(found.users.bob, "~/.own", "bob")
    assert.equal("ed", found.users.ada.environment.EDITOR)
    assert.equal("/home/ada/bin", found.users.ada.path[1])
    assert.equal("/home/ada/from", found.users.ada.files["~/.link"].target)
  end)

  it("puts homes where the platform has them", function()
    for platform, home in pairs({
      ["x86_64-linux"] = "/home/ada",
      ["aarch64-darwin"] = "/Users/ada",
      ["x86_64-windows"] = "C:/Users/ada",
    }) do
      local found = here.evaluate(config, { platform = platform, username = "root" })
      assert.equal(home .. "/bin", found.users.ada.path[1])
    end
  end)

  it("is one's own as oneself, and left out for others", function()
    local found = here.evaluate(config, { username = "ada" })
    assert.has_file(found, "~/.own", "ada")
    -- What is one's own counts for more than what is for everybody, as it does when root applies
    -- it.
    assert.has_variable(found, "EDITOR", "ed")
    assert.same({}, found.users)
    assert.same({ "what is declared for the user bob is left out: you are ada" }, found.notices)
  end)

  it("is an environment of root's own, as root: nothing of it is everybody's", function()
    local ways = {
      'env { SECRET_NAME = "r" }',
      'env { PATH = { "~/SECRET_NAME" } }',
      'alias { SECRET_NAME = "x" }',
      "activate { config = function(_, ctx) %s end }",
      "activate { config = function(_, ctx) %s end }",
      "activate { config = function(_, ctx) %s end }",
      'env.persistent { SECRET_NAME = "r" }',
    }
    local calls = {
      [4] = 'ctx.set_variable("SECRET_NAME", "r")',
      [5] = 'ctx.add_to_path("~/SECRET_NAME")',
      [6] = 'ctx.source_in_shell("~/SECRET_NAME")',
    }
    for index, way in ipairs(ways) do
      local lines = ([[
        env { COMMON = "c" }
        user { name = "root", setup = function() %s end }
        user { name = "ada", setup = function() env { ADA = "a" } end }
      ]]):format(calls[index] and way:format(calls[index]) or way)
      local found = here.evaluate(lines, { platform = "x86_64-linux", username = "root" })
      local seen = 0
      for _, action in ipairs(found.manifest.activations) do
        local text = require("syslua.lib").toJSON(action.action or action)
        if text:find("SECRET_NAME", 1, true) then
          seen = seen + 1
          assert.equal("root", action.user, way)
        end
      end
      assert.equal(index == 7 and 0 or 1, seen, way)
      if index == 7 then
        assert.has_no_file(found, "/etc/environment.d/60-syslua.conf")
        assert.has_file(found, "~/.config/environment.d/60-syslua.conf")
      end
    end
    -- The files are root's like those outside, and take precedence.
    local found = here.evaluate(
      [[
        file { path = "~/.x", content = "common" }
        user { name = "root", setup = function() file { path = "~/.x", content = "own" } end }
      ]],
      { username = "root" }
    )
    assert.has_file(found, "~/.x", "own")
  end)

  it("says what is left out, on stderr", function()
    here.write_config([[user { name = "somebody-else", setup = function() error("not run") end }]])
    local result = here.run("plan", "init.lua")
    if process.run({ "id", "-un" }).stdout ~= "root\n" then
      assert.equal(0, result.code, result.stderr)
      contains(result.stderr, "note: what is declared for the user somebody-else", "(init.lua:2)")
      assert.equal("", here.run("plan", "init.lua", "--quiet").stderr)
    end
  end)

  it("ends where an error in it is caught", function()
    local found = here.evaluate(
      [[
        pcall(user, { name = "ada", setup = function() error("no") end })
        file { path = "~/.x", content = "" }
      ]],
      { username = "root" }
    )
    assert.has_file(found, "~/.x")
  end)
end)

describe("project{}", function()
  local here = machine.for_each_test()

  it("scopes an environment, in several parts", function()
    local found = here.evaluate([[
      local lib = syslua.lib
      env { PORT = 1 }
      project { name = "web", path = "~/web", setup = function()
        env { PORT = lib.mkDefault(80), A = "a" }
      end }
      project { name = "web", path = "~/web", setup = function()
        env { PORT = 8080 }
        activate { config = function(_, ctx) ctx.add_to_path("~/web/bin") end }
      end }
      project { name = "near", path = "sub", setup = function() env { B = "b" } end }
    ]])
    assert.has_variable(found, "PORT", "1")
    local web = found.projects.web
    assert.has_variable(web, "PORT", "8080")
    assert.has_variable(web, "A", "a")
    assert.same({ "~/web/bin" }, web.path)
    for _, action in ipairs(found.manifest.activations) do
      if action.project and action.project.name == "near" then
        assert.equal(here.directory .. "/sub", action.project.path)
      end
    end
  end)

  it("is no part of anybody else's environment", function()
    here.write_config([[
      env { A = "a" }
      project { name = "web", setup = function() env { A = "project", B = "project" } end }
    ]])
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
    result = here.shell([[. "$SYSLUA_ROOT/env.sh"; echo "$A ${B-none}"]])
    assert.equal("a none\n", result.stdout)
    matches(here.run("apply", "init.lua").stdout, "^Nothing changed")
    -- A change of a project is a change.
    here.write_config([[
      env { A = "a" }
      project { name = "web", setup = function() env { A = "project", B = "other" } end }
    ]])
    contains(here.run("apply", "init.lua").stdout, "Snapshot 2")
  end)

  it("has any name, beside others that differ only in case", function()
    local names =
      { "list", "List", "LIST", "l_ist", "list.", "web", "Web", "wEb", "env.sh", "leave.sh" }
    local lines = {}
    for index, name in ipairs(names) do
      local line = 'project { name = %q, path = "~/p%d", setup = function() env { N = %q } end }'
      lines[index] = line:format(name, index, name)
    end
    here.apply(table.concat(lines, "\n"))
    local seen = {}
    for line in here.read("root/store/metadata/current/projects/list"):gmatch("[^\n]+") do
      local place, number = line:match("^(%S+) .*/p(%d+)$")
      local script = here.read("root/store/metadata/snapshots/" .. place .. "/env.sh")
      contains(script, ("N '%s'"):format(names[tonumber(number)]))
      assert.is_nil(seen[place:lower()], line)
      seen[place:lower()] = true
    end
    local count = 0
    for _ in pairs(seen) do
      count = count + 1
    end
    assert.equal(#names, count)
  end)

  it("is refused a directory that no list of lines could have", function()
    for _, character in ipairs({ "\\n", "\\r", "\\t", "\\1", "\\27", "\\127" }) do
      for _, path in ipairs({ "~/x%sy", "/x%s", "%sx", "sub/%s/x" }) do
        local lines = ('project { name = "web", path = "%s", setup = function() end }'):format(
          path:format(character)
        )
        local failed = here.fail(lines)
        contains(failed.message, "has a control character")
        assert.equal("init.lua:2", failed.position)
      end
    end
  end)

  it("may belong to a user", function()
    local found = here.evaluate(
      [[
        user { name = "ada", setup = function()
          project { name = "web", setup = function() env { A = "a" } end }
        end }
      ]],
      { username = "root" }
    )
    local action = found.manifest.activations[1]
    assert.equal("ada", action.user)
    assert.equal("web", action.project.name)
  end)
end)
