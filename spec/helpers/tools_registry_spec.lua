--- The registry of `tools{}` as it ages, and what it says of signatures: with a server on this
-- machine that stands in for GitHub.

local contains = require("spec.support.text_checks").contains
local tool_place = require("spec.support.tool_place")

describe("the registry of tools{} #once", function()
  local place, here

  before_each(function()
    place = tool_place.new()
    here = place.here
  end)

  after_each(function()
    place.remove()
  end)

  local function must(...)
    local result = here.run(...)
    assert.equal(0, result.code, result.stdout .. result.stderr)
    return result.stdout .. result.stderr
  end

  local function fail(arguments, ...)
    local result = here.shell("$LUA -l syslua " .. arguments)
    assert.equal(1, result.code, result.stdout .. result.stderr)
    contains(result.stderr, ...)
  end

  -- Serves the registry as a repository, as the public one is. Inputs do not come over http, where
  -- anyone on the way could change them; only the registry may come from a mirror of the user.
  local function publish(description)
    here.environment.SYSLUA_TOOLS_GITHUB = "file://" .. here.directory .. "/served"
    local result = here.shell(([[
      set -e
      export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
      repository=served/aquaproj/aqua-registry
      mkdir -p $repository
      [ -d $repository/.git ] || git init -q -b main $repository
      cp -R registry/. $repository
      sed -i 's/Hits nails/%s/' $repository/pkgs/acme/hammer/registry.yaml
      git -C $repository add pkgs
      git -C $repository -c user.name=a -c user.email=a@b commit -q --allow-empty -m one
    ]]):format(description))
    assert.equal(0, result.code, result.stderr)
  end

  local function write(lines)
    here.write("init.lua", "return { setup = function()\n" .. lines .. "\nend }\n")
  end

  it("tells its age, is moved by `update tools`, and is not needed for what is locked", function()
    publish("Hits")
    write('tools { "acme/hammer@1" }')
    -- The lock of a config that moved the registry before.
    here.write(
      "init.lua",
      ('return { inputs = { tools = "git:%s/aquaproj/aqua-registry#main" }, %s }'):format(
        here.environment.SYSLUA_TOOLS_GITHUB,
        'setup = function() tools { "acme/hammer@1" } end'
      )
    )
    must("apply", "init.lua")
    write('tools { "acme/hammer@1" }')
    must("apply", "init.lua")
    contains(place.lock().inputs.tools.url, "git:file://")
    must("update", "-c", "init.lua", "tools")
    local before = place.lock()
    contains(before.inputs.tools.url, "git:https://github.com/")
    contains(must("outdated", "-c", "init.lua"), "The registry of tools is from 20")

    publish("Strikes")
    local outdated = here.run("outdated", "-c", "init.lua")
    assert.equal(3, outdated.code, outdated.stderr)
    contains(outdated.stdout, "tools")
    contains(must("update", "-c", "init.lua", "tools"), "tools")
    local after = place.lock()
    assert.not_equal(before.inputs.tools.rev, after.inputs.tools.rev)
    assert.same(before.tools, after.tools)
    contains(must("search", "-c", "init.lua", "strikes"), "acme/hammer")
    contains(must("apply", "init.lua"), "Nothing changed")

    here.shell("rm -rf served/aquaproj && chmod -R u+w root && rm -rf root/cache")
    write('tools { "acme/hammer@1" }  -- the same')
    must("apply", "init.lua", "--locked")
    must("apply", "init.lua", "--offline")
  end)

  it("comes from the mirror, while the lock names GitHub", function()
    local mirror = here.environment.SYSLUA_TOOLS_GITHUB
    contains(mirror, "http://")
    publish("Hits")
    here.environment.SYSLUA_TOOLS_GITHUB = mirror
    local packed = here.shell([[
      set -e
      mkdir -p served/aquaproj/aqua-registry/archive aqua-registry
      cp -R registry/pkgs aqua-registry
      tar -czf served/aquaproj/aqua-registry/archive/4d86e12d6fd0.tar.gz aqua-registry
    ]])
    assert.equal(0, packed.code, packed.stderr)
    place.release_hammer("1.0.0")
    write('tools { "acme/hammer@1" }')
    must("apply", "init.lua")
    local registry = require("syslua.tool_registry")
    assert.equal(registry.default_url, place.lock().inputs.tools.url)
    contains(here.run("outdated", "-c", "init.lua").stdout, "The registry of tools is from 20")

    must("update", "-c", "init.lua", "tools")
    assert.equal(registry.newest_url, place.lock().inputs.tools.url)
    must("apply", "init.lua", "--locked")
  end)

  it("never changes the address of a locked version", function()
    place.config('tools { "acme/hammer@1", "anv@1.0.0" }')
    must("apply", "init.lua")
    local before = here.read("syslua.lock")
    here.shell([[
      sed -i 's/asset: hammer-{{trimV .Version}}/asset: moved-{{trimV .Version}}/' \
        registry/pkgs/acme/hammer/registry.yaml
    ]])
    fail(
      "update -c init.lua acme/hammer",
      "the registry has another address for acme/hammer@1",
      "/hammer-1.4.0-",
      "/moved-1.4.0-",
      "syslua.lock"
    )
    assert.equal(before, here.read("syslua.lock"))
    must("apply", "init.lua", "--locked")
    must("update", "-c", "init.lua", "anv")
  end)

  -- The key and the signature of the documentation of minisign, of a file that holds `test`.
  local function release_signed(content, signature)
    here.write(
      "registry/pkgs/acme/signed/registry.yaml",
      [[
packages:
  - type: github_release
    repo_owner: acme
    repo_name: signed
    asset: signed
    format: raw
    minisign:
      type: github_release
      asset: "{{.Asset}}.minisig"
      public_key: RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3
    cosign:
      opts: [--key, x]
]]
    )
    place.tag("acme/signed", "v1.0.0")
    local directory = "served/acme/signed/releases/download/v1.0.0/"
    here.write(directory .. "signed", content)
    here.shell("rm -f " .. directory .. "signed.minisig")
    if signature then
      here.write(
        directory .. "signed.minisig",
        "untrusted comment: signature from minisign secret key\n"
          .. "RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eK"
          .. "L8OC351vwIasSSbXxwA=\n"
          .. "trusted comment: timestamp:1555779966\tfile:test\n"
          .. "QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfN"
          .. "QUaOAA==\n"
      )
    end
  end

  it("names keys by which releases are verified, and signatures that are not", function()
    release_signed("test", true)
    place.config('tools { "acme/signed" }')
    local applied = must("apply", "init.lua")
    contains(applied, "is not verified (cosign)")
    assert.truthy(place.lock().tools["acme/signed@latest"])
  end)

  it("makes a release with a wrong or missing signature an error", function()
    for _, case in ipairs({ { "tested", true }, { "test", false } }) do
      release_signed(case[1], case[2])
      place.config('tools { "acme/signed@1.0.0" }')
      fail("apply init.lua", "the signature of", "/signed does not hold", "init.lua:4")
      assert.is_false(here.exists("syslua.lock"))
    end
  end)
end)
