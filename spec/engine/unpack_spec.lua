--- Archives that real tools make: what comes of them is what these tools unpack.

local contains = require("spec.support.text_checks").contains
local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local ordered_pairs = require("syslua.util.ordered_pairs")

-- A tree with everything that an archive can hold and an object can keep.
local make_tree = [[
mkdir -p tree/pkg/empty tree/pkg/locked tree/pkg/d/e/f
cd tree/pkg
seq 20000 >numbers
printf '#!/bin/sh\necho hello\n' >run
chmod 755 run
echo locked >locked/file
ln -s run link
ln -s ../../d/e dangling
ln -s d/e/f directory
ln -s /no/such/place absolute
ln run hard
ln d/../numbers d/e/f/hard
echo "a name" >'a name with blanks, "quotes" and \backslashes'
touch "$(printf 'latin-1 \351')" 'utf-8 é'
long=$(printf '%0100d' 0)
mkdir -p "$long/$long"
echo long >"$long/$long/$long"
truncate -s 300000 sparse
printf end >>sparse
truncate -s 500000 sparse
: >nothing
chmod 555 locked
]]

-- Commands that pack `pkg` into `archive`, in `tree`.
local packers = {
  ["tar"] = "tar -cf ../archive pkg",
  ["tar.gz"] = "tar -czf ../archive pkg",
  ["tar.xz"] = "tar -cJf ../archive pkg",
  ["tar.xz of many blocks"] = "tar -c pkg | xz -T0 --block-size=10000 >../archive",
  ["tar.zst"] = "tar --zstd -cf ../archive pkg",
  ["tar.zst with a large window"] = "tar -c pkg | zstd -q --ultra -20 --long=26 >../archive",
  ["tar.bz2"] = "tar -cjf ../archive pkg",
  ["the format of pax"] = "tar --format=pax -czf ../archive pkg",
  ["files with holes, as GNU tar has them"] = "tar --sparse --format=gnu -czf ../archive pkg",
  ["files with holes, in pax 0.0"] = "tar --sparse --format=pax --sparse-version=0.0 -czf "
    .. "../archive pkg",
  ["files with holes, in pax 0.1"] = "tar --sparse --format=pax --sparse-version=0.1 -czf "
    .. "../archive pkg",
  ["files with holes, in pax 1.0"] = "tar --sparse --format=pax --sparse-version=1.0 -czf "
    .. "../archive pkg",
  ["several members of gzip"] = "tar -cf - pkg | split -b 30000 --filter='gzip -c' - >../archive",
  ["several streams of xz"] = "tar -cf - pkg | split -b 30000 --filter='xz -c' - >../archive",
  ["several frames of zstd"] = "tar -cf - pkg | split -b 30000 --filter='zstd -qc' - >../archive",
  ["several members of bzip2"] = "tar -cf - pkg | split -b 30000 --filter='bzip2 -c' - >../archive",
  ["Python's tarfile"] = [[python3 -c '
import tarfile
with tarfile.open("../archive", "w:gz", format=tarfile.PAX_FORMAT) as archive:
    archive.add("pkg")']],
}

-- Not every name and link survives these; the tree is made simpler before.
local simpler = "rm -rf pkg/latin* pkg/*back* pkg/hard pkg/d/e/f/hard && "
local zippers = {
  ["zip"] = "zip -qry ../archive.zip pkg",
  ["zip without compression"] = "zip -qry0 ../archive.zip pkg",
  ["zip with bzip2"] = "zip -qry -Z bzip2 ../archive.zip pkg",
  ["zip that was written to a pipe"] = [[python3 -c '
import os, sys, zipfile
with zipfile.ZipFile(sys.stdout.buffer, "w", zipfile.ZIP_DEFLATED) as archive:
    for name in "numbers", "nothing", "sparse", "locked":
        archive.write("pkg/" + name)' | cat >../archive.zip]],
  ["Python's zipfile"] = "rm pkg/link pkg/dangling pkg/directory pkg/absolute;"
    .. " python3 -m zipfile -c ../archive.zip pkg",
}

local build = [[
local built = syslua.build(syslua.derive({
  name = "unpacked",
  opts = { archive = syslua.source(arg[1]), strip = tonumber(arg[2]) },
  config = function(opts, ctx)
    ctx.unpack(opts.archive, { strip = opts.strip })
  end,
}))
print(built.out)
]]

describe("ctx.unpack #once", function()
  local here = machine.for_each_test(function(here)
    assert.equal("", here.shell("set -e\n" .. make_tree).stderr)
  end)

  local function run(line)
    local result = here.shell(line)
    assert.equal(0, result.code, line .. ": " .. result.stderr)
    return result.stdout
  end

  local function unpack(name, strip)
    local result = here.script(build, name, tostring(strip))
    assert.equal(0, result.code, result.stderr)
    return (result.stdout:gsub("\n", ""))
  end

  -- The tools are the same for every Lua.
  if interpreter.version == "5.4" then
    for name, command in ordered_pairs(packers) do
      it("gives what tar gives: " .. name, function()
        run("cd tree && " .. command)
        run("mkdir expected && tar -xf archive -C expected --strip-components=1")
        local path = unpack("archive", 1)
        assert.equal(run("nix-hash --type sha256 expected"), run("nix-hash --type sha256 " .. path))
        assert.equal("hello\n", run(path .. "/hard"))
      end)
    end

    for name, command in ordered_pairs(zippers) do
      it("gives what unzip gives: " .. name, function()
        run("cd tree && " .. simpler .. command)
        run("mkdir expected && unzip -q archive.zip -d expected")
        local path = unpack("archive.zip", 0)
        assert.equal(run("nix-hash --type sha256 expected"), run("nix-hash --type sha256 " .. path))
      end)
    end

    it("keeps 4 GB and more apart from what a short field holds", function()
      run([[python3 -c '
import zipfile
with zipfile.ZipFile("archive.zip", "w") as archive:
    with archive.open("f", "w", force_zip64=True) as file: file.write(b"content")']])
      local path = unpack("archive.zip", 0)
      assert.equal("content", run("cat " .. path .. "/f"))
    end)
  end

  it("knows a format by its content, and unpacks where it is told", function()
    run("cd tree && tar -cJf ../archive.zip pkg/run pkg/empty")
    local result = here.script([[
      local built = syslua.build(syslua.derive({
        name = "unpacked",
        opts = { archive = syslua.source("archive.zip") },
        config = function(opts, ctx)
          ctx.unpack(opts.archive, ctx.out .. "/one", { strip = 1 })
          ctx.unpack(opts.archive, "two")
          ctx.copy("two/pkg/run", ctx.out .. "/two")
        end,
      }))
      print(built.out)
    ]])
    assert.equal(0, result.code, result.stderr)
    local path = result.stdout:gsub("\n", "")
    assert.equal("one\none/empty\none/run\ntwo\n", run(("cd %s && find one two"):format(path)))
    assert.equal("hello\n", run(path .. "/two"))
  end)

  -- The options, and what the message must hold.
  local refused = {
    ["{ strp = 1 }"] = "`strip`",
    ["{ strip = -1 }"] = "`strip`",
    ["{ strip = 0.5 }"] = "`strip`",
    ["{ limits = { byts = 1 } }"] = "`bytes`",
    ["{ limits = { bytes = 0 } }"] = "`limits.bytes`",
    ["{ limits = { bytes = 1000 } }"] = "limits = { bytes = ... }",
    ["{ limits = { entries = 3 } }"] = "limits = { entries = ... }",
    ["{ limits = { path = 100 } }"] = "limits = { path = ... }",
    ["{ limits = { depth = 2 } }"] = "limits = { depth = ... }",
    ['{ allow = { "setgid" } }'] = '"setuid"',
    ['{ allow = "setuid" }'] = "list",
    ["{ strip = 9 }"] = "strip = 9 removes every entry",
  }

  it("refuses options that make no sense, and holds limits", function()
    run("cd tree && tar -czf ../archive pkg")
    for options, expected in ordered_pairs(refused) do
      here.write_config(([[
        derive({
          name = "bad",
          opts = { archive = source("archive") },
          config = function(opts, ctx)
            ctx.unpack(opts.archive, %s)
          end,
        })
      ]]):format(options))
      local result = here.run("apply", "init.lua")
      assert.equal(1, result.code, options)
      contains(result.stderr, expected, "at init.lua:6\n")
    end
  end)

  it("goes beyond a limit, and over names that differ in case, when it is told to", function()
    run("mkdir -p case/d; : >case/d/f; : >case/d/F; head -c 20000000 /dev/zero >case/zeros")
    run("chmod 4755 case/d/f; tar -czf archive -C case .")
    local result = here.script([[
      local built = syslua.build(syslua.derive({
        name = "unpacked",
        opts = { archive = syslua.source("archive") },
        config = function(opts, ctx)
          ctx.unpack(opts.archive, ctx.out, {
            limits = { ratio = 2000 },
            allow = { "case_collisions", "setuid" },
          })
          ctx.write(ctx.out .. "/mode", ctx.run({ "stat", "-c", "%a", ctx.out .. "/d/f" }))
        end,
      }))
      print(built.out)
    ]])
    assert.equal(0, result.code, result.stderr)
    local path = result.stdout:gsub("\n", "")
    assert.equal("F\nf\n", run(("LC_ALL=C ls %s/d"):format(path)))
    assert.equal("755\n", run(("cat %s/mode"):format(path)))
  end)

  -- What is no archive, and what the message calls it.
  local others = {
    ["printf '<!DOCTYPE html>\\n<html>not found'"] = "a web page",
    ["echo text"] = 'a text that begins with "text"',
    ["printf ''"] = "an empty file",
    ["printf '7z\\274\\257\\047\\034'"] = "a 7z archive",
    ["echo text | gzip -c"] = "a single file compressed with gzip",
    ["echo text | xz -c"] = "a single file compressed with xz",
    ["tar -c tree | gzip -c | gzip -c"] = "it contains data that is compressed again",
    ["tar -czO tree | base64"] = "a text",
    ["cat /bin/sh"] = "an ELF program",
  }

  it("says what something is that it cannot unpack", function()
    for command, expected in ordered_pairs(others) do
      run(command .. " >file")
      local result = here.script(build, "file", "0")
      contains(result.stderr, expected)
      assert.truthy(
        result.stderr:find("tar.zst", 1, true) or result.stderr:find("it contains", 1, true),
        result.stderr
      )
    end
  end)
end)
