--- Downloads: checked by hash, kept, and fetched once.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local server = require("spec.support.server")

describe("ctx.fetch_url #once", function()
  local here, web

  before_each(function()
    here = machine.new()
    here.write("web/file", "content\n")
    web = server.start(here.directory .. "/web")
  end)

  after_each(function()
    web.stop()
    here.remove()
  end)

  -- sha256 of "content\n", as sha256sum prints it and as Nix and npm write it.
  local hex = "434728a410a78f56fc1b5899c3593436e61ab0c731e9072d95e96db290205e53"
  local base64 = "sha256-Q0copBCnj1b8G1iZw1k0NuYasMcx6QctleltspAgXlM="

  local function apply(url, sha256, name, ...)
    here.write_config(([[
      derive({
        name = %q,
        config = function(_, ctx) ctx.copy(ctx.fetch_url(%q, %q), ctx.out) end,
      })
    ]]):format(name, url, sha256))
    return here.run("apply", "init.lua", ...)
  end

  it("keeps what it fetched, under its hash, for other builds", function()
    local result = apply(web.url .. "/file", hex, "one")
    assert.equal(0, result.code, result.stderr)
    assert.equal("content\n", here.read("root/store/obj/" .. machine.get_object(here, "one")))
    assert.equal(hex .. "\n", here.shell("ls root/cache/downloads").stdout)
    web.stop()
    result = apply(web.url .. "/gone", hex, "two")
    assert.equal(0, result.code, result.stderr)
    result = apply(web.url .. "/gone", hex, "three", "--offline")
    assert.equal(0, result.code, result.stderr)
  end)

  it("does not believe a kept file that was damaged", function()
    assert.equal(0, apply(web.url .. "/file", hex, "one").code)
    here.shell("chmod u+w root/cache/downloads/*")
    here.write("root/cache/downloads/" .. hex, "damaged\n")
    local result = apply(web.url .. "/file", hex, "two")
    assert.equal(0, result.code, result.stderr)
    assert.equal("content\n", here.read("root/store/obj/" .. machine.get_object(here, "two")))
  end)

  it("fetches files of this machine", function()
    local result = apply("file://" .. here.directory .. "/web/file", hex, "one")
    assert.equal(0, result.code, result.stderr)
  end)

  it("takes a hash in base64 too", function()
    local result = apply(web.url .. "/file", base64, "one")
    assert.equal(0, result.code, result.stderr)
  end)

  it("says so when the network is switched off", function()
    local result = apply(web.url .. "/file", hex, "one", "--offline")
    assert.equal(1, result.code)
    contains(result.stderr, "--offline")
  end)
end)

describe("ctx.fetch_git #once", function()
  it("fetches a tree of this machine", function()
    local here = machine.new()
    local made = here.shell([[
      set -e
      git init -q -b main repository && cd repository
      echo content >file && git add file && git -c user.name=a -c user.email=a@b commit -qm one
      mkdir ../plain && cp file ../plain/ && nix-hash --type sha256 ../plain]])
    assert.equal(0, made.code, made.stderr)
    here.write_config(([[
      derive({
        name = "tree",
        config = function(_, ctx)
          ctx.copy(ctx.fetch_git(%q, "main", %q, { submodules = false }), ctx.out)
        end,
      })
    ]]):format("file://" .. here.directory .. "/repository", made.stdout:match("%x+")))
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
    local object = machine.get_object(here, "tree")
    assert.equal("content\n", here.read("root/store/obj/" .. object .. "/file"))
    here.remove()
  end)

  it("says which argument is missing", function()
    local here = machine.new()
    here.write_config([[
      derive({
        name = "tree",
        config = function(_, ctx)
          ctx.fetch_git("https://example.org/x")
        end,
      })
    ]])
    local result = here.run("apply", "init.lua")
    assert.equal(1, result.code)
    contains(result.stderr, "`rev` in ctx.fetch_git: expected a string, got a nil")
    here.remove()
  end)
end)
