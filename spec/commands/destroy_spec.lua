--- `destroy`: back to before the first apply; the root goes, but for what is the user's.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")

local unpack = table.unpack or unpack

describe("destroy #once", function()
  local here = machine.for_each_test(function(here)
    here.write("home/.taken", "mine\n")
    here.write("home/.directory/inner", "inner\n")
  end)

  local lines = [[
    file({ path = "~/.taken", content = "ours\n" })
    file({ path = "~/.directory", content = "ours\n", mode = "644" })
    file({ path = "~/.new/deep/file", content = "ours\n" })
    env({ EDITOR = "vi" })
    activate({ config = function(_, ctx) ctx.run("touch ~/.ran", { undo = "rm ~/.ran" }) end })
  ]]

  it("puts everything back and removes the root, without the config", function()
    local before = here.list("home")
    here.apply(lines)
    os.remove(here.directory .. "/init.lua")
    local result = here.must("destroy", "--yes")
    contains(result.stdout, "- link    ~/.new/deep/file", "is gone")
    assert.equal(before, here.list("home"))
    assert.is_false(here.exists("root"))
    contains(here.must("destroy", "--yes").stdout, "Nothing to do: there is no root")
    -- And from the beginning.
    here.apply(lines)
    assert.equal("ours\n", here.read("home/.taken"))
  end)

  it("removes the directories that were made for the root, and no others", function()
    here.environment.SYSLUA_ROOT = here.home .. "/.local/share/syslua"
    here.write("home/.local/bin/mine", "mine\n")
    local before = here.list("home")
    here.apply(lines)
    here.must("destroy", "--yes")
    assert.equal(before, here.list("home"))
  end)

  it("keeps edits of managed targets, and names them", function()
    here.apply(lines)
    os.remove(here.home .. "/.taken")
    here.write("home/.taken", "edited\n")
    here.write("home/.directory", "edited too\n")
    local result = here.must("destroy", "--yes")
    contains(
      result.stdout,
      "backups/displaced/",
      "(from ~/.taken)",
      "(from ~/.directory)",
      "holds only what stays; 2 edits of yours stay"
    )
    assert.equal("mine\n", here.read("home/.taken"))
    assert.equal("inner\n", here.read("home/.directory/inner"))
    assert.equal("backups\n", here.shell("ls -A $SYSLUA_ROOT").stdout)
    local copies = here.shell("cat $SYSLUA_ROOT/backups/displaced/*").stdout
    contains(copies, "edited\n", "edited too\n")
    contains(here.must("status").stdout, "(from ~/.taken)")
    -- Nothing more to do, and still named.
    contains(here.must("destroy", "--yes").stdout, "Nothing to do", "(from ~/.taken)")
    -- A later root knows them still.
    here.apply(lines)
    contains(here.must("destroy", "--yes").stdout, "(from ~/.directory)")
    here.shell("rm $SYSLUA_ROOT/backups/displaced/*")
    here.must("destroy", "--yes")
    assert.is_false(here.exists("root"))
  end)

  it("shows what it would do, and does nothing with --dry-run", function()
    here.apply(lines)
    local home, root = here.list("home"), here.list("root")
    local result = here.must("destroy", "--dry-run")
    contains(
      result.stdout,
      "- link    ~/.new/deep/file",
      "! undo",
      "from snapshot 1 to before",
      "Dry run: no changes were made."
    )
    assert.equal(home, here.list("home"))
    assert.equal(root, here.list("root"))
  end)

  it("refuses without --yes when nobody can be asked", function()
    here.apply(lines)
    local home = here.list("home")
    for _, words in ipairs({ { "destroy" }, { "destroy", "--json" }, { "destroy", "--quiet" } }) do
      local result = here.run(unpack(words))
      assert.equal(2, result.code)
      contains(result.stderr, "there is no terminal to ask on", "--yes")
    end
    assert.equal(home, here.list("home"))
    assert.equal("snapshots/1", here.read_link("root/store/metadata/current"))
  end)

  it("answers in JSON", function()
    here.apply(lines)
    os.remove(here.home .. "/.taken")
    here.write("home/.taken", "edited\n")
    local result = here.must("destroy", "--json", "--yes")
    contains(
      result.stdout,
      '"command":"destroy"',
      '"applied":true',
      '"exists":true',
      '"removed":false',
      '"target":"' .. here.home .. '/.taken"',
      '"stuck":[],"unknown":[]'
    )
  end)

  it("leaves what it does not know, and names it", function()
    here.apply(lines)
    here.write("root/notes", "mine\n")
    here.write("root/store/own/file", "mine\n")
    here.write("root/store/metadata/own", "mine\n")
    local result = here.must("destroy", "--yes")
    contains(
      result.stdout,
      "stays    " .. here.root .. "/notes: sys.lua did not make it",
      here.root .. "/store/own:",
      here.root .. "/store/metadata/own:"
    )
    assert.equal(
      "./notes\n./store/metadata/own\n./store/own/file\n",
      here.shell("cd $SYSLUA_ROOT && find . -type f | LC_ALL=C sort").stdout
    )
    assert.equal("mine\n", here.read("home/.taken"))
  end)

  it("touches nothing that is no root", function()
    here.write("other/store/data", "mine\n")
    here.write("other/cache/data", "mine\n")
    here.write("file", "mine\n")
    local before = here.list("other")
    for _, root in ipairs({ "other", "home", "file" }) do
      local result = here.run("destroy", "--yes", "--root", root)
      assert.equal(1, result.code, result.stdout)
      contains(result.stderr, "is not a root of sys.lua", "--root")
    end
    assert.equal(before, here.list("other"))
    assert.equal("mine\n", here.read("home/.taken"))
    assert.equal("mine\n", here.read("file"))
  end)

  it("fails closed on a snapshot that it cannot read", function()
    here.apply(lines)
    here.shell("chmod u+w $SYSLUA_ROOT/store/metadata/snapshots/1/snapshot.json")
    here.write("root/store/metadata/snapshots/1/snapshot.json", "{")
    local home = here.list("home")
    local result = here.run("destroy", "--yes")
    assert.equal(1, result.code)
    contains(result.stderr, "snapshots/1/snapshot.json")
    assert.equal(home, here.list("home"))
    assert.is_true(here.exists("root/store/obj"))
  end)

  it("removes a root that only built", function()
    here.write_config(
      [[derive({ name = "x", config = function(_, ctx) ctx.write(ctx.out, "x") end })]]
    )
    here.must("build", "init.lua")
    here.must("destroy", "--yes")
    assert.is_false(here.exists("root"))
  end)

  it("brings back an original that was lost sight of", function()
    here.write("home/.config/conf", "mine\n")
    here.apply([[file({ path = "~/.config/conf", content = "ours\n" })]])
    -- The link of ours goes along.
    here.shell("mv ~/.config ~/elsewhere; ln -s elsewhere ~/.config")
    here.must("destroy", "--yes")
    assert.equal("mine\n", here.read("home/elsewhere/conf"))
    assert.is_false(here.exists("root"))
  end)

  it("waits for those who build or switch, as long as it may", function()
    here.apply(lines)
    for _, lock in ipairs({ "store.lock", "metadata/switch.lock" }) do
      local line = [[
        (exec 9<$SYSLUA_ROOT/store/%s; flock -s 9; exec sleep 5) & id=$!; sleep 0.2
        $LUA -l syslua destroy --yes --lock-timeout 0.1; code=$?; kill $id; exit $code
      ]]
      local result = here.shell(line:format(lock))
      assert.equal(1, result.code, result.stdout)
      contains(result.stderr, "locked by", lock)
    end
    assert.is_true(here.exists("home/.new/deep/file"))
  end)

  it("can be driven from a script", function()
    here.apply(lines)
    local result = here.script([[
      local planned = syslua.snapshots.destroy({ dry_run = true })
      local done = syslua.snapshots.destroy()
      print(planned.changed, planned.applied, done.applied, done.removed, #done.displaced)
    ]])
    assert.equal("true\tfalse\ttrue\ttrue\t0\n", result.stdout, result.stderr)
  end)
end)
