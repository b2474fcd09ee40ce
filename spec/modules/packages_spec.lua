--- Packages: versions, factories, platforms; and the ones that come with sys.lua.

local machine = require("spec.support.machine")
local server = require("spec.support.server")
local syslua = require("syslua")
local text_checks = require("spec.support.text_checks")
local tree = require("spec.support.tree")

local contains, matches = text_checks.contains, text_checks.matches

describe("a package", function()
  local here = machine.for_each_test()

  it("is the newest version unless another one is wanted", function()
    local found = here.evaluate([[require("pkgs.cli.ripgrep").setup()]])
    local newest = found.packages.ripgrep.version
    assert.is_true(found.packages.ripgrep.on_path)
    found = here.evaluate([[require("pkgs.cli.ripgrep").setup { version = "15.1.0" }]])
    assert.has_package(found, "ripgrep", "15.1.0")
    assert.not_equal("15.1.0", newest)
  end)

  it("is of the platform that is evaluated for", function()
    local seen = {}
    for _, platform in ipairs({ "x86_64-linux", "aarch64-darwin", "x86_64-windows" }) do
      local found = here.evaluate([[require("pkgs.cli.ripgrep").setup()]], { platform = platform })
      local opts = found.manifest.derivations[1].opts
      assert.is_nil(seen[opts.sha256])
      seen[opts.sha256] = true
      assert.equal(platform == "x86_64-windows" and "rg.exe" or "rg", (next(opts.programs)))
    end
    local failure = here.fail([[require("pkgs.cli.ripgrep").setup()]], { platform = "arm-linux" })
    contains(failure.message, "is not released for arm-linux")
  end)

  it("lets priorities of several modules decide", function()
    here.write(
      "one.lua",
      [[require("pkgs.cli.ripgrep").setup { version = syslua.lib.mkDefault("14.1.1") }]]
    )
    local found = here.evaluate([[
      require("one")
      require("pkgs.cli.ripgrep").setup { version = "15.1.0" }
    ]])
    assert.has_package(found, "ripgrep", "15.1.0")
    assert.equal(1, #found.manifest.derivations)
    local failure = here.fail([[
      require("pkgs.cli.ripgrep").setup { version = "14.1.1" }
      require("pkgs.cli.ripgrep").setup { version = "15.1.0" }
    ]])
    assert.equal("conflict", failure.kind)
  end)

  it("takes other factories", function()
    local found = here.evaluate([[
      local ripgrep = require("pkgs.cli.ripgrep")
      ripgrep.setup {
        version = "99",
        make_derivation = function(options)
          return derive { name = "own", version = options.version, config = function(_, ctx)
            ctx.mkdir(ctx.out)
          end }
        end,
        make_activation = function(_, derivation)
          file { path = "~/.own", source = derivation.out .. "/x" }
        end,
      }
    ]])
    assert.has_package(found, "own", "99")
    assert.has_no_package(found, "ripgrep")
    assert.has_file(found, "~/.own")
    found = here.evaluate([[
      local ripgrep = require("pkgs.cli.ripgrep")
      local make = ripgrep.make_derivation
      function ripgrep.make_derivation(options)
        env { RIPGREP = make(options).out }
        return make(options)
      end
      ripgrep.setup { version = "15.1.0" }
    ]])
    assert.has_package(found, "ripgrep", "15.1.0")
    matches(found.environment.RIPGREP, "^/syslua%-placeholder/")
  end)

  it("gives its derivation to whoever needs it", function()
    local found = here.evaluate([[
      local ripgrep = require("pkgs.cli.ripgrep").make_derivation({ version = "15.1.0" })
      file { path = "~/bin/grep", source = ripgrep.out .. "/bin/rg" }
    ]])
    assert.is_false(found.packages.ripgrep.on_path)
  end)

  it("of one's own is built from its archive", function()
    here.write("release/tool-1.0/tool", "#!/bin/sh\necho tool 1.0\n")
    here.write("release/tool-1.0/share/doc", "doc\n")
    here.shell("chmod +x release/tool-1.0/tool; tar -C release -czf release/tool.tar.gz tool-1.0")
    local hash = here.shell("sha256sum release/tool.tar.gz").stdout:match("^%x+")
    local web = server.start(here.directory .. "/release")
    here.write(
      "pkgs/tool/init.lua",
      [[
      local here = ...
      return syslua.package {
        name = "tool",
        description = "A tool",
        versions = { "1.0" },
        load_release = function(file) return require(here .. "." .. file) end,
      }
    ]]
    )
    here.write(
      "pkgs/tool/1_0.lua",
      ([[
        return {
          version = "1.0",
          archives = {
            [syslua.platform] = { url = %q, sha256 = %q, strip = 1, programs = { tool = "tool" } },
          },
        }
      ]]):format(web.url .. "/tool.tar.gz", hash)
    )
    here.write_config([[require("pkgs.tool").setup()]])
    local result = here.run("apply", "init.lua")
    web.stop()
    assert.equal(0, result.code, result.stderr)
    result = here.shell([[. "$SYSLUA_ROOT/env.sh"; tool]])
    assert.equal("tool 1.0\n", result.stdout)
  end)
end)

describe("pkgs/", function()
  it("has a file for each version, and nothing else", function()
    local here, count = machine.new(), 0
    for _, name in ipairs(tree.list({ "pkgs" }, "/init.lua")) do
      local package = name:match("^pkgs/(.*)/init%.lua$")
      local versions, files = {}, {}
      here.evaluate(([[
        versions = require(%q).versions
        file { path = "~/x", content = table.concat(versions, "\n") }
      ]]):format("pkgs." .. package:gsub("/", ".")))
      local found = require("syslua.testing").evaluate(here.directory)
      for version in found.files["~/x"].content:gmatch("[^\n]+") do
        versions[version:gsub("[^%w]", "_")] = true
      end
      for _, file in ipairs(tree.list({ "pkgs/" .. package }, ".lua")) do
        local version = file:match("([^/]*)%.lua$")
        if version ~= "init" then
          files[version] = true
          local release = dofile(tree.root .. file)
          assert.equal(version, (release.version:gsub("[^%w]", "_")))
          for platform, archive in pairs(release.archives) do
            matches(platform, "^[%w_]+%-%l+$")
            assert.truthy(archive.sha256:find("^%x+$") and #archive.sha256 == 64)
            assert.truthy(next(archive.programs))
          end
        end
      end
      assert.same(versions, files, name)
      count = count + 1
    end
    here.remove()
    assert.is_true(count >= 2)
  end)
end)

describe("syslua.package", function()
  it("is checked", function()
    local succeeded, problem = pcall(syslua.package, { name = "x", versons = {} })
    assert.is_false(succeeded)
    contains(syslua.error(problem).message, "unknown field `versons`")
  end)
end)
