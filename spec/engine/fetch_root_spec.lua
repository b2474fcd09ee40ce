--- What only root can set up for fetching: a disk that is full, a repository of another user.

local contains = require("spec.support.text_checks").contains
local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local python_server = require("spec.support.python_server")

if interpreter.name ~= "lua5.4" then
  return
end

describe("fetching #root #once", function()
  local here

  before_each(function()
    here = machine.new()
  end)

  after_each(function()
    here.shell("umount small 2>/dev/null")
    here.remove()
  end)

  local function write_fetch(call)
    here.write(
      "init.lua",
      ([[
return { setup = function()
  derive({
    name = "fetched",
    config = function(_, ctx)
      ctx.copy(%s, ctx.out)
    end,
  })
end }]]):format(call)
    )
  end

  local function make_repository()
    local made = here.shell([[
      set -e
      git init -q -b main repository && cd repository
      head -c 3000000 /dev/urandom >file
      git add file && git -c user.name=a -c user.email=a@b commit -qm one]])
    assert.equal(0, made.code, made.stderr)
    here.shell("mkdir plain && cp repository/file plain/")
    return here.shell("nix-hash --type sha256 plain").stdout:match("%x+")
  end

  describe("on a full disk", function()
    before_each(function()
      assert.equal(0, here.shell("mkdir small && mount -t tmpfs -o size=2m none small").code)
      here.shell("mkdir web && head -c 5000000 /dev/urandom >web/file")
    end)

    -- It fails, says why, and gives the room back.
    local function assert_full(call)
      write_fetch(call)
      local result = here.shell(
        "$LUA -l syslua apply init.lua",
        { SYSLUA_ROOT = here.directory .. "/small/root" }
      )
      assert.equal(1, result.code, result.stderr)
      contains(result.stderr, "No space left on device", "init.lua:5")
      assert.equal("", here.shell("find small/root/cache -type f").stdout)
      assert.equal(0, here.shell("head -c 1500000 /dev/zero >small/room").code)
    end

    it("leaves nothing of a download", function()
      local hash = here.shell("sha256sum <web/file").stdout:match("%x+")
      local web = python_server.start("rude_server", here.directory .. "/web")
      assert_full(("ctx.fetch_url(%q, %q)"):format(web.url .. "/file/file", hash))
      web.stop()
    end)

    it("leaves nothing of a copied file", function()
      local hash = here.shell("sha256sum <web/file").stdout:match("%x+")
      assert_full(
        ("ctx.fetch_url(%q, %q)"):format("file://" .. here.directory .. "/web/file", hash)
      )
    end)

    it("leaves nothing of a tree", function()
      local hash = make_repository()
      assert_full(
        ("ctx.fetch_git(%q, %q, %q)"):format(here.directory .. "/repository", "main", hash)
      )
    end)

    it("leaves nothing of a pack", function()
      local hash = make_repository()
      local web = python_server.start("git_server", here.directory)
      assert_full(("ctx.fetch_git(%q, %q, %q)"):format(web.url .. "/repository/.git", "main", hash))
      web.stop()
    end)
  end)

  it("reads nothing for a recipe that other users cannot read", function()
    make_repository()
    here.write("secret", "precious\n")
    here.shell("chmod 600 secret; ln -s secret way; mkdir inner; cp -a repository inner/closed")
    local address = ('"file://%s/%%s"'):format(here.directory)
    local function get_file(name)
      return ("ctx.fetch_url(%s)"):format(address:format(name))
    end
    local function get_tree(name)
      return ("ctx.fetch_git(%q, 'main')"):format(here.directory .. "/" .. name)
    end
    local private = { "closed", "closed/.git", "closed/.git/HEAD", "closed/.git/objects" }
    local cases = { { get_file("secret") }, { get_file("way") } }
    for _, name in ipairs(private) do
      cases[#cases + 1] = { get_tree("inner/closed"), "inner/" .. name }
    end
    for _, case in ipairs(cases) do
      here.shell("rm -rf root/cache syslua.lock")
      if case[2] then
        here.shell("chmod 700 " .. case[2])
      end
      write_fetch(case[1])
      local result = here.run("build", "init.lua")
      assert.equal(1, result.code, case[1] .. result.stdout)
      contains(result.stderr, "other users cannot read", "init.lua:5")
      assert.equal("", here.shell("grep -rl precious root").stdout)
      if case[2] then
        here.shell("chmod 755 " .. case[2])
      end
    end
    here.shell("chmod 644 secret")
    for _, call in ipairs({ get_file("way"), get_tree("inner/closed") }) do
      write_fetch(call)
      local result = here.run("build", "init.lua")
      assert.equal(0, result.code, result.stderr)
    end
  end)

  it("reads a repository of another user only when git would", function()
    local hash = make_repository()
    write_fetch(("ctx.fetch_git(%q, %q, %q)"):format(here.directory .. "/repository", "main", hash))
    here.shell("chown -R nobody repository")
    local result = here.run("apply", "init.lua")
    assert.equal(1, result.code)
    contains(result.stderr, "belongs to another user", "git config --global --add safe.directory")
    here.write("home/.gitconfig", ("[safe]\n  directory = %s/repository\n"):format(here.directory))
    result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
  end)
end)
