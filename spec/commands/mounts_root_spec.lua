--- Homes, roots and temporary files on file systems of their own: what cannot be renamed from one
-- to the other stays beside its place, and comes back from there. A bind mount counts too: the
-- kernel refuses to rename across it, though its device has the same number.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")

local unpack_list = table.unpack or unpack

-- Where the mounts are, by what is on them.
local places = {
  ["a home of its own"] = "mount -t tmpfs none home",
  ["a root of its own"] = "mkdir -p root && mount -t tmpfs none root",
  ["a home that is mounted there from elsewhere"] = "mkdir -p elsewhere && "
    .. "mount --bind elsewhere home",
  ["a root that is mounted there from elsewhere"] = "mkdir -p elsewhere root && "
    .. "mount --bind elsewhere root",
  ["a root in a home, mounted there"] = [[
    rmdir root 2>/dev/null; mkdir -p home/root && ln -s home/root root &&
      mount -t tmpfs none home/root
  ]],
  ["directories of a home, mounted there"] = [[
    mkdir -p home/.dir home/.deep/a elsewhere
    mount -t tmpfs none home/.dir; mount --bind elsewhere home/.deep/a
  ]],
  ["temporary files elsewhere"] = "mkdir -p temporary && mount -t tmpfs none temporary",
}

local function get_names(map)
  local names = {}
  for name in pairs(map) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

describe("#root file systems #once", function()
  local here

  before_each(function()
    here = machine.new()
  end)

  after_each(function()
    here.shell([[
      for place in home/.dir home/.deep/a home/root home/.mounted/file home/.mounted home root \
        temporary home/dots/tree home/dots elsewhere; do
        while umount -l "$place" 2>/dev/null; do :; done
      done
    ]])
    here.remove()
  end)

  local furnish = [[
    cd ~ && mkdir -p .dir .deep/a .tree/sub && echo mine >.file && chmod 600 .file
    echo inner >.dir/file && ln -s nowhere .link && echo deep >.deep/a/file &&
      echo sub >.tree/sub/file
    ln -s file .dir/link; chown 1:1 .dir/file; chmod 2751 .tree/sub
  ]]

  -- Everything but what is ours, with contents.
  local function list_home()
    local line = [[cd ~ && {
      find . -path ./root -prune -o -type d -printf '%y %m %U %p\n' -o \
        -printf '%y %m %U %p %s %T@ %i %l\n'
      find . -path ./root -prune -o -type f -exec sha256sum {} +
    } | LC_ALL=C sort]]
    return here.shell(line).stdout
  end

  local first = [[
    file({ path = "~/.file", content = "first" })
    file({ path = "~/.link", content = "first", mode = "644" })
    file({ path = "~/.dir/file", content = "first" })
    file({ path = "~/.dir/link", content = "first", mode = "644", owner = "1" })
    file({ path = "~/.deep/a/file", content = "first", mode = "755" })
    file({ path = "~/.deep/a/new/er", content = "first" })
    file({ path = "~/.tree", content = "first" })
  ]]

  for _, name in ipairs(get_names(places)) do
    it("lose nothing: " .. name, function()
      local mounted = here.shell(places[name])
      assert.equal(0, mounted.code, mounted.stderr)
      if here.exists("temporary") then
        here.environment.TMPDIR = here.directory .. "/temporary"
      end
      assert.equal(0, here.shell(furnish).code)
      local before = list_home()
      here.apply(first)
      local function read_all()
        return here.shell(
          "cd ~; cat .file .link .dir/file .dir/link .deep/a/file .deep/a/new/er .tree"
        ).stdout
      end
      assert.equal(("first"):rep(7), read_all())
      assert.equal(0, here.run("status").code)
      -- Edits are kept, and the declared comes back.
      here.shell(
        "cd ~; for f in .file .dir/file .deep/a/file .tree; do rm $f; echo edit $f >$f; done"
      )
      assert.equal(3, here.run("status").code)
      here.must("apply", "init.lua")
      assert.equal(("first"):rep(7), read_all())
      local displaced = here.shell(
        [[grep -rhs '^edit' "$SYSLUA_ROOT"/backups/displaced/* $(find ~ -name ]]
          .. [['.syslua-displaced-*') | sort]]
      )
      assert.equal("edit .deep/a/file\nedit .dir/file\nedit .file\nedit .tree\n", displaced.stdout)
      here.apply((first:gsub('"first"', '"other"')))
      assert.equal(("other"):rep(7), read_all())
      here.must("rollback", "--yes")
      assert.equal(("first"):rep(7), read_all())
      here.must("rollback", "0", "--yes")
      here.shell("find ~ -name '.syslua-displaced-*' -delete")
      assert.equal(before, list_home())
      here.must("rollback", "1", "--yes")
      -- What something is mounted on is no file.
      local is_mounted = name:find("directories of a home", 1, true)
      here.apply(
        'file({ path = "~/.tree/sub/file", content = "first" })\n'
          .. (is_mounted and "" or 'file({ path = "~/.dir", content = "first" })')
      )
      assert.equal("first", here.read("home/.tree/sub/file"))
      local result = here.must("destroy", "--yes")
      here.shell("find ~ -name '.syslua-displaced-*' -delete")
      assert.equal(before, list_home(), result.stdout)
    end)
  end

  it("are taken back from when an apply is cut off", function()
    here.shell("mount -t tmpfs none home; " .. furnish)
    local before = list_home()
    here.write_config(first .. [[
      activate({ config = function(_, ctx) ctx.run("kill -9 $PPID; sleep 5") end })
    ]])
    assert.not_equal(0, here.run("apply", "init.lua").code)
    assert.equal("first", here.read("home/.file"))
    here.run("rollback", "99", "--yes")
    assert.equal(before, list_home())
  end)

  it("are refused as targets, before anything is touched", function()
    here.shell("mkdir -p ~/.mounted; echo mine >~/.file")
    here.shell("mount -t tmpfs none ~/.mounted && echo inner >~/.mounted/inner")
    here.write_config([[
      file({ path = "~/.file", content = "ours" })
      file({ path = "~/.mounted", content = "ours" })
    ]])
    for _, command in ipairs({ "plan", "apply" }) do
      local result = here.run(command, "init.lua")
      assert.equal(1, result.code, result.stdout)
      contains(result.stderr, "init.lua:3", "is mounted")
    end
    assert.equal("mine\n", here.read("home/.file"))
    assert.equal("inner\n", here.read("home/.mounted/inner"))
    -- As a single file is, in a container.
    here.shell(
      "umount ~/.mounted; touch ~/.mounted/file ~/other; " .. "mount --bind ~/other ~/.mounted/file"
    )
    here.write_config([[
      file({ path = "~/.file", content = "ours" })
      file({ path = "~/.mounted/file", content = "ours", mode = "644" })
    ]])
    local result = here.run("apply", "init.lua")
    assert.equal(1, result.code, result.stdout)
    contains(result.stderr, "is mounted")
    assert.equal("mine\n", here.read("home/.file"))
  end)

  -- Where the files are that a config reads, by another name than the one they are declared by.
  local names = {
    ["all of them"] = "mkdir home/dots && mount --bind disk home/dots",
    ["what is above"] = "mkdir home/.mounted && mount --bind . home/.mounted && "
      .. "ln -s .mounted/disk home/dots",
    ["a directory of a source"] = "mkdir -p home/dots/tree && "
      .. "mount --bind disk/tree home/dots/tree && cp disk/init.lua home/dots/",
  }

  local overlapping = {
    'file { path = "~/dots/tree/rc", content = "x" } file { path = "~/.rc", source = "tree/rc" }',
    'file { path = "~/dots/tree/rc", absent = true } file { path = "~/.t", source = "tree" }',
    'file { path = "~/dots/tree/rc", source = "tree/rc", mutable = true }',
    'file { path = "~/dots/tree/rc", source = "tree/rc", copy = true }',
    'file { path = "~/dots/tree", source = "tree", recursive = true }',
    'file { path = "~/dots/tree/new", content = "x" } file { path = "~/.t", source = "tree" }',
    'file { path = "~/dots/tree/l", merge = "lines", values = { "n" } } '
      .. 'file { path = "~/.t", source = "tree" }',
    'file { path = "~/dots/tree/rc", content = "x" } env { RC = syslua.lib.read("tree/rc") }',
  }

  for _, name in ipairs(get_names(names)) do
    it("never hide that a target is a source: " .. name, function()
      here.write("disk/tree/rc", "text")
      here.write("disk/tree/sub/x", "text")
      here.write_config("", "disk/init.lua")
      local mounted = here.shell(names[name])
      assert.equal(0, mounted.code, mounted.stderr)
      local configs = { unpack_list(overlapping) }
      if name ~= "a directory of a source" then
        configs[#configs + 1] = 'file { path = "~/dots/init.lua", content = "x" }'
        configs[#configs + 1] = 'file { path = "~/dots/syslua.lock", content = "x" }'
      end
      for _, config in ipairs(configs) do
        here.write_config(config, "disk/init.lua")
        local before = here.list("disk")
        for _, command in ipairs({ "plan", "apply" }) do
          local result = here.run(command, here.directory .. "/disk")
          assert.equal(1, result.code, config .. result.stdout)
          contains(result.stderr, "which the config reads", "init.lua:2")
          assert.equal(before, here.list("disk"), config)
        end
      end
    end)
  end

  it("may show one home by two paths", function()
    here.shell("mkdir elsewhere; echo original >~/.rc; mkdir ~/.d; echo '{ \"b\": 1 }' >~/.s")
    local config = [[
      file { path = "~/.rc", content = "x" }
      file { path = "~/.new/deep/f", content = "x" }
      file { path = "~/.s", merge = "json", values = { a = 1 } }
      directory { path = "~/.d", mode = "700" }
    ]]
    local function list()
      return here.shell("cd ~; find . -printf '%y %m %p %l\\n' | LC_ALL=C sort; cat .rc .s").stdout
    end
    local before = list()
    here.apply(config)
    assert.equal(0, here.shell("mount --bind home elsewhere").code)
    local homes = { here.directory .. "/elsewhere", here.home }
    for number = 1, 4 do
      here.environment.HOME = homes[(number - 1) % 2 + 1]
      here.must("apply", "init.lua")
      local again = here.must("apply", "init.lua")
      contains(again.stdout, "Nothing changed")
      assert.equal(0, here.run("status").code)
      if number > 1 then
        here.apply(config .. 'file { path = "~/.more", content = "' .. number .. '" }')
        here.must("rollback", "--yes")
      end
    end
    here.environment.HOME = homes[1]
    here.must("destroy", "--yes")
    here.environment.HOME = homes[2]
    assert.equal(before, list())
  end)
end)
