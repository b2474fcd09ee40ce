--- What only its owner can read stays so: as a copy in a user's root, and not at all in a root of
--- root.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")

local secret = "hunter2\n"

describe("a private source #once", function()
  local here

  before_each(function()
    here = machine.new()
    here.write("tree/public", "public\n")
    here.write("tree/secret", secret)
    here.write("tree/inner/script", "#!/bin/sh\n" .. secret)
    here.write("secret", secret)
    here.shell("chmod 600 secret tree/secret; chmod 700 tree/inner/script")
  end)

  after_each(function()
    here.shell("chmod -R u+rwX .")
    here.remove()
  end)

  -- The files with the secret that others can reach and read.
  local function find_readable()
    return here.shell([[
      grep -rlF hunter2 "$SYSLUA_ROOT" ~ 2>/dev/null | while read -r file; do
        [ $(( 0$(stat -Lc %a "$file") & 4 )) != 0 ] || continue
        up=$(dirname "$(readlink -f "$file")"); open=yes
        while [ "$up" != "$PWD" ] && [ "$up" != / ]; do
          [ $(( 0$(stat -c %a "$up") & 1 )) != 0 ] || open=
          up=$(dirname "$up")
        done
        [ -z "$open" ] || echo "$file"
      done]]).stdout
  end

  local function get_kind(path)
    return here.shell(("stat -c '%%F %%a' %s"):format(path)).stdout:gsub("\n", "")
  end

  local function apply(lines)
    here.write_config(lines)
    local result = here.shell("umask 000; $LUA -l syslua apply init.lua")
    assert.equal(0, result.code, result.stderr)
    assert.equal("", find_readable())
    local again = here.must("apply", "init.lua")
    contains(again.stdout, "Nothing changed")
    assert.equal(0, here.run("status").code)
  end

  for mode, expected in pairs({
    ["600"] = "600",
    ["640"] = "600",
    ["400"] = "600",
    ["700"] = "700",
    ["500"] = "700",
    ["750"] = "700",
  }) do
    it(("of mode %s is a copy"):format(mode), function()
      here.shell("chmod " .. mode .. " secret")
      apply('file { path = "~/.s", source = "secret" }')
      assert.equal("regular file " .. expected, get_kind("~/.s"))
      assert.equal(secret, here.read("home/.s"))
      here.shell("chmod 644 ~/.s")
      assert.equal(3, here.run("status").code)
      here.must("apply", "init.lua")
      assert.equal("regular file " .. expected, get_kind("~/.s"))
      -- As soon as everybody may read it, it is a link as any other.
      here.shell("chmod 644 secret")
      here.must("apply", "init.lua")
      assert.equal("symbolic link 777", get_kind("~/.s"))
      here.must("destroy", "--yes")
      assert.is_false(here.exists("home/.s"))
    end)
  end

  it("in a tree is a copy, and the rest are links", function()
    apply('file { path = "~/.t", source = "tree", recursive = true }')
    assert.equal("symbolic link 777", get_kind("~/.t/public"))
    assert.equal("regular file 600", get_kind("~/.t/secret"))
    assert.equal("regular file 700", get_kind("~/.t/inner/script"))
  end)

  it("makes a tree that is linked as a whole a private copy", function()
    apply('file { path = "~/.t", source = "tree" }')
    assert.equal("directory 700", get_kind("~/.t"))
    assert.equal("directory 700", get_kind("~/.t/inner"))
    assert.equal("regular file 600", get_kind("~/.t/secret"))
    assert.equal("regular file 700", get_kind("~/.t/inner/script"))
    here.must("destroy", "--yes")
    assert.is_false(here.exists("home/.t"))
  end)

  it("is private in copies too", function()
    apply('file { path = "~/.s", source = "secret", copy = true }')
    assert.equal("regular file 600", get_kind("~/.s"))
    apply('file { path = "~/.t", source = "tree", copy = true }')
    assert.equal("regular file 600", get_kind("~/.t/secret"))
    apply('file { path = "~/.t", source = "tree", copy = true, recursive = true }')
    assert.equal("regular file 600", get_kind("~/.t/secret"))
    assert.equal("regular file 700", get_kind("~/.t/inner/script"))
    apply('file { path = "~/.s", source = source("./secret") }')
    assert.equal("regular file 600", get_kind("~/.s"))
    apply('file { path = "~/.s", source = "secret", executable = true }')
    assert.equal("regular file 700", get_kind("~/.s"))
  end)

  it("that the config reads makes contents with its text private", function()
    for index, lines in ipairs({
      'file { path = "~/.s", content = syslua.lib.read("secret") }',
      'file { path = "~/.s", content = "before\\n" .. syslua.lib.read("secret") .. "after\\n" }',
      'file { path = "~/.s", content = syslua.lib.read("secret"):gsub("%s+$", "") .. "\\n" }',
      'file { path = "~/.s", content = syslua.lib.mkForce(syslua.lib.read("secret")) }',
      'local text = syslua.lib.read("secret"); file { path = "~/.s", content = text, copy = true }',
      'local text = syslua.lib.template("{{ x }}", { x = syslua.lib.read("secret") });'
        .. 'file { path = "~/.s", content = text }',
      'file { path = "~/.s", content = syslua.lib.template([[{% include "secret" %}]], {}) }',
      'file { path = "~/.s", template = "plain", values = { x = syslua.lib.read("secret") } }',
      'file { path = "~/.s", template = "including" }',
      'local text = syslua.lib.read("link"); file { path = "~/.s", content = text }',
    }) do
      here.write("plain", "{{ x }}\n")
      here.write("including", '{% include "secret" %}\n')
      here.shell("ln -sfn secret link")
      apply(lines .. ' file { path = "~/.o", content = "public" }')
      assert.equal("regular file 600", get_kind("~/.s"), index .. ": " .. lines)
      assert.equal("symbolic link 777", get_kind("~/.o"))
    end
    apply('file { path = "~/.s", content = syslua.lib.read("secret"), executable = true }')
    assert.equal("regular file 700", get_kind("~/.s"))
    here.apply('file { path = "~/.s", content = syslua.lib.read("secret"), public = true }')
    assert.equal("symbolic link 777", get_kind("~/.s"))
    here.shell("chmod 644 secret")
    here.apply('file { path = "~/.s", content = syslua.lib.read("secret") }')
    assert.equal("symbolic link 777", get_kind("~/.s"))
  end)

  it("may be private by a directory that others cannot enter", function()
    here.shell("chmod 644 tree/secret; chmod 755 tree/inner/script; chmod 700 tree/inner")
    here.write_config('file { path = "~/.t", source = "tree", recursive = true }')
    here.must("apply", "init.lua")
    assert.equal("symbolic link 777", get_kind("~/.t/secret"))
    assert.equal("regular file 700", get_kind("~/.t/inner/script"))
    here.shell("chmod 700 tree")
    apply('file { path = "~/.t", source = "tree" }')
    assert.equal("regular file 600", get_kind("~/.t/public"))
  end)

  it("is linked to as it is when it is mutable", function()
    apply('file { path = "~/.s", source = "secret", mutable = true }')
    assert.equal(here.directory .. "/secret", here.read_link("home/.s"))
  end)

  it("is as any other when it is declared public", function()
    here.apply('file { path = "~/.s", source = "secret", public = true }')
    assert.equal("symbolic link 777", get_kind("~/.s"))
    here.apply('file { path = "~/.t", source = "tree", recursive = true, public = true }')
    assert.equal("symbolic link 777", get_kind("~/.t/secret"))
  end)

  it("is refused in a root of root #root", function()
    for _, line in ipairs({
      'file { path = "~/.s", source = "secret" }',
      'file { path = "~/.s", source = "secret", copy = true }',
      'file { path = "~/.s", content = "x" .. syslua.lib.read("secret") }',
      'file { path = "~/.s", content = syslua.lib.template([[{% include "secret" %}]], {}) }',
      'file { path = "~/.s", source = "secret", mode = "600", public = false }',
      'file { path = "~/.t", source = "tree", recursive = true }',
      'file { path = "~/.t", source = "tree" }',
      'file { path = "~/.t", source = "tree", copy = true }',
      'user { name = "root", setup = function() file { path = "~/.s", source = "secret" } end }',
    }) do
      here.write_config(line)
      for _, command in ipairs({ "plan", "apply" }) do
        local result = here.run(command, "init.lua")
        assert.equal(1, result.code, line .. result.stdout)
        contains(result.stderr, "init.lua:2")
        local is_told = result.stderr:find("mutable = true", 1, true)
          or result.stderr:find("secret", 1, true)
        assert.truthy(is_told, result.stderr)
      end
    end
    assert.equal("", here.shell('grep -rlF hunter2 "$SYSLUA_ROOT" ~').stdout)
    here.apply('file { path = "~/.s", source = "secret", mutable = true }')
    here.apply('file { path = "~/.s", source = "secret", public = true }')
    here.shell("chmod 644 secret")
    here.apply('file { path = "~/.s", source = "secret" }')
  end)
end)
