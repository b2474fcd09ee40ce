--- What stood at targets: moved away, never lost, and back when the target is no longer managed.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

describe("apply #once", function()
  local here = machine.for_each_test()

  local function run(...)
    local result = here.run(...)
    assert.equal(0, result.code, result.stderr)
    return result
  end

  local function apply(lines)
    here.write_config(lines)
    return run("apply", "init.lua")
  end

  -- The only displaced copy.
  local function read_displaced()
    local directory = here.root .. "/backups/displaced"
    local name = here.shell("ls -A " .. directory).stdout:gsub("\n$", "")
    return here.read(directory .. "/" .. name)
  end

  it("moves away what stands at a target, and brings it back", function()
    here.write("home/.file", "mine\n")
    here.write("home/.directory/inner", "inner\n")
    here.shell("ln -s nowhere ~/.link; chmod 600 ~/.file")
    local before = here.list("home")
    local lines = [[
      for _, name in ipairs({ "file", "directory", "link" }) do
        file({ path = "~/." .. name, content = name .. "\n" })
      end
    ]]
    here.write_config(lines)
    contains(
      run("plan", "init.lua").stdout,
      "replaces a file",
      "replaces a directory",
      "replaces a link to nowhere"
    )
    apply(lines)
    assert.equal("file\n", here.read("home/.file"))
    assert.equal("directory\n", here.read("home/.directory"))
    matches(run("apply", "init.lua").stdout, "^Nothing changed")
    apply("")
    assert.equal(before, here.list("home"))
  end)

  it("brings originals back when going to another snapshot, and takes them again", function()
    here.write("home/.file", "mine\n")
    apply([[file({ path = "~/.file", content = "ours\n" })]])
    run("rollback", "0", "--yes")
    assert.equal("mine\n", here.read("home/.file"))
    here.write("home/.file", "mine, edited\n")
    run("rollback", "1", "--yes")
    assert.equal("ours\n", here.read("home/.file"))
    run("rollback", "0", "--yes")
    assert.equal("mine, edited\n", here.read("home/.file"))
  end)

  it("keeps edits of managed targets, and restores what is declared", function()
    local lines = [[file({ path = "~/.file", content = "ours\n" })]]
    apply(lines)
    os.remove(here.home .. "/.file")
    here.write("home/.file", "edited\n")
    assert.equal(3, here.run("status").code)
    contains(run("plan", "init.lua").stdout, "replaces a file")
    apply(lines)
    assert.equal("ours\n", here.read("home/.file"))
    assert.equal("edited\n", read_displaced())
    contains(here.run("status").stdout, "kept", "backups/displaced/", "(from ~/.file)")
    apply("")
    assert.is_false(here.exists("home/.file"))
    assert.equal("edited\n", read_displaced())
  end)

  it("keeps what somebody put in place of a target that is no longer declared", function()
    apply([[file({ path = "~/.file", content = "ours\n" })]])
    os.remove(here.home .. "/.file")
    here.write("home/.file", "theirs\n")
    contains(apply("").stdout, "replaces a file", "kept", "backups/displaced/", "(from ~/.file)")
    assert.is_false(here.exists("home/.file"))
    assert.equal("theirs\n", read_displaced())
  end)

  it("keeps an edit and brings the original back when a target goes", function()
    here.write("home/.file", "mine\n")
    apply([[file({ path = "~/.file", content = "ours\n" })]])
    os.remove(here.home .. "/.file")
    here.write("home/.file", "edited\n")
    local result = apply("")
    contains(result.stdout, "replaces a file", "kept", "backups/displaced/", "(from ~/.file)")
    assert.equal("mine\n", here.read("home/.file"))
    assert.equal("edited\n", read_displaced())
    contains(run("status").stdout, "kept", "backups/displaced/", "(from ~/.file)")
    -- By whatever route it ends.
    apply([[file({ path = "~/.file", content = "ours\n" })]])
    os.remove(here.home .. "/.file")
    here.write("home/.file", "edited again\n")
    contains(run("rollback", "0", "--yes").stdout, "kept", "backups/displaced/", "(from ~/.file)")
    assert.equal("mine\n", here.read("home/.file"))
  end)

  it("brings an original back to a directory that somebody removed", function()
    here.write("home/.config/app/conf", "mine\n")
    apply([[file({ path = "~/.config/app/conf", content = "ours\n" })]])
    here.shell("rm -r ~/.config")
    apply("")
    assert.equal("mine\n", here.read("home/.config/app/conf"))
  end)

  it("moves no directory that cannot be moved, and brings it back", function()
    here.write("home/.locked/inner", "inner\n")
    here.shell("chmod 500 ~/.locked")
    local before = here.list("home")
    apply([[file({ path = "~/.locked", content = "ours\n" })]])
    assert.equal("ours\n", here.read("home/.locked"))
    apply("")
    assert.equal(before, here.list("home"))
  end)

  it("removes what is ours in a directory that is moved away as a whole", function()
    here.write("home/.config/app/conf", "mine\n")
    here.write("tree/sub/two", "two\n")
    local before = here.list("home")
    apply([[
      file({ path = "~/.config/app/conf", content = "ours\n", copy = true })
      file({ path = "~/.new/er/file", content = "ours\n", copy = true })
      file({ path = "~/.config/app", source = "tree", recursive = true })
    ]])
    apply([[
      file({ path = "~/.config/app", content = "whole\n" })
      file({ path = "~/.new/er", content = "whole\n" })
    ]])
    apply("")
    assert.equal(before, here.list("home"))
  end)

  it("refuses what another root of the same user manages, linked or installed", function()
    local lines = [[
      file({ path = "~/.link", content = "ours\n" })
      file({ path = "~/.real", content = "ours\n", mode = "644" })
    ]]
    apply(lines)
    local before = here.list("home")
    for _, name in ipairs({ "link", "real" }) do
      here.write_config(([[file({ path = "~/.%s", content = "theirs\n" })]]):format(name))
      for _, command in ipairs({ "plan", "apply" }) do
        local result = here.run(command, "--root", "other", "init.lua")
        assert.equal(1, result.code, result.stdout)
        contains(result.stderr, "is managed by the root " .. here.root, "init.lua:2")
      end
    end
    assert.equal(before, here.list("home"))
    -- Without that root they are files as any.
    run("destroy", "--yes")
    run("apply", "--root", "other", "init.lua")
    assert.equal("theirs\n", here.read("home/.real"))
    run("destroy", "--yes", "--root", "other")
  end)

  it("turns links into directories of links, and back", function()
    here.write("tree/one", "one\n")
    local whole = [[file({ path = "~/.tree", source = "tree" })]]
    local parts = [[
      file({ path = "~/.tree/one", source = "tree/one" })
      file({ path = "~/.tree/two", content = "two\n" })
    ]]
    apply(whole)
    apply(parts)
    assert.equal("one\n", here.read("home/.tree/one"))
    assert.equal("two\n", here.read("home/.tree/two"))
    apply(whole)
    assert.truthy(here.read_link("home/.tree"))
    apply(parts)
    run("rollback", "--yes")
    assert.truthy(here.read_link("home/.tree"))
    apply("")
    assert.equal("", here.list("home"):gsub("^d %d+ %. \n", ""))
  end)

  it("follows links among the parents of a target, once", function()
    here.shell("mkdir ~/real; ln -s real ~/way")
    apply([[file({ path = "~/way/deep/file", content = "ours\n" })]])
    assert.equal("ours\n", here.read("home/real/deep/file"))
    apply("")
    assert.is_false(here.exists("home/real/deep"))
    assert.equal("real", here.read_link("home/way"))
  end)

  it("keeps names that are no text, and long ones", function()
    local name = "\255" .. ("x"):rep(254)
    here.write("home/" .. name, "mine\n")
    apply([[file({ path = "~/\255" .. ("x"):rep(254), content = "ours\n" })]])
    assert.equal("ours\n", here.read("home/" .. name))
    apply("")
    assert.equal("mine\n", here.read("home/" .. name))
  end)

  describe("installs", function()
    local lines = [[
      local text = derive({ name = "text", config = function(_, ctx) ctx.write(ctx.out, "%s") end })
      activate({ config = function(_, ctx) ctx.install(text.out, "~/.real", { mode = "640" }) end })
    ]]

    it("real files, and sees by content when they change", function()
      here.write("home/.real", "mine\n")
      apply(lines:format("first"))
      assert.equal("first", here.read("home/.real"))
      assert.is_nil(here.read_link("home/.real"))
      contains(here.list("home"), "f 640 ./.real 5")
      here.shell("touch ~/.real")
      matches(run("apply", "init.lua").stdout, "^Nothing changed")
      apply(lines:format("second"))
      assert.equal("second", here.read("home/.real"))
      here.write("home/.real", "edited\n")
      local status = here.run("status")
      assert.equal(3, status.code)
      contains(status.stdout, "changed", "~/.real")
      apply(lines:format("second"))
      assert.equal("second", here.read("home/.real"))
      assert.equal("edited\n", read_displaced())
      run("rollback", "1", "--yes")
      assert.equal("first", here.read("home/.real"))
      apply("")
      assert.equal("mine\n", here.read("home/.real"))
    end)

    it("puts a mode right that somebody changed", function()
      apply(lines:format("first"))
      here.shell("chmod 666 ~/.real")
      assert.equal(3, here.run("status").code)
      apply(lines:format("first"))
      contains(here.list("home"), "f 640 ./.real 5")
      assert.equal("", here.shell("ls -A " .. here.root .. "/backups/displaced").stdout)
    end)

    it("what is written once only once", function()
      local once = lines:gsub('mode = "640"', "mutable = true")
      apply(once:format("first"))
      here.write("home/.real", "edited\n")
      matches(run("apply", "init.lua").stdout, "^Nothing changed")
      assert.equal(0, here.run("status").code)
      apply(once:format("second"))
      assert.equal("edited\n", here.read("home/.real"))
      -- It is the user's, whatever becomes of the declaration.
      apply("")
      assert.equal("edited\n", here.read("home/.real"))
      apply(once:format("third"))
      assert.equal("edited\n", here.read("home/.real"))
      here.must("destroy", "--yes")
      assert.equal("edited\n", here.read("home/.real"))
    end)

    it("nothing of what is written once where something stands", function()
      here.write("home/.real", "mine\n")
      apply((lines:gsub('mode = "640"', "mutable = true"):format("first")))
      assert.equal("mine\n", here.read("home/.real"))
      assert.equal(
        "",
        here.shell("ls -A " .. here.root .. "/backups").stdout:gsub("displaced\noriginals\n", "")
      )
    end)

    it("nothing with a mode, an owner or a source that cannot be", function()
      for option, problem in pairs({
        ['mode = "9"'] = 'got string "9"',
        ['owner = "nobody-of-that-name"'] = "owner",
        ["mode = {}"] = "mode",
        ["mod = 1"] = "mode",
      }) do
        here.write_config((lines:format("first"):gsub('mode = "640"', option)))
        local result = here.run("apply", "init.lua")
        assert.equal(1, result.code, option)
        contains(result.stderr, problem, "init.lua:3")
      end
    end)
  end)

  it("moves away what may not be read, and puts back what is declared", function()
    for _, mode in ipairs({ "", ', mode = "644"' }) do
      local lines = ('file({ path = "~/.real", content = "real", copy = true%s })'):format(mode)
      apply(lines)
      here.shell("chmod u+w ~/.real; echo edit >~/.real; chmod 0 ~/.real")
      assert.equal(3, here.run("status").code)
      apply(lines)
      assert.equal("real", here.read("home/.real"))
      here.shell("chmod 0 ~/.real")
      apply("")
      assert.is_false(here.exists("home/.real"))
      local kept = here.shell("cd root/backups/displaced; chmod 600 *; cat *; rm -f *").stdout
      assert.equal(4 + #"edit\n", #kept)
    end
  end)

  it("follows no link that somebody put in the place of a managed file", function()
    here.write("home/.dir/inner", "inner")
    here.shell("mkdir ~/elsewhere")
    local before = here.list("home")
    apply([[file({ path = "~/.dir", content = "dir", mode = "600" })]])
    here.shell("rm ~/.dir; ln -s elsewhere ~/.dir")
    apply([[file({ path = "~/.dir/sub/new", content = "new" })]])
    assert.equal("", here.shell("ls -A ~/elsewhere").stdout)
    assert.equal("new", here.read("home/.dir/sub/new"))
    assert.equal("inner", here.read("home/.dir/inner"))
    apply("")
    assert.equal(before, here.list("home"))
  end)

  it("takes a directory that it made for its own, whatever somebody put below", function()
    apply([[
      file({ path = "~/.tree/sub/one", content = "one" })
      file({ path = "~/.tree/two", content = "two" })
    ]])
    here.shell("rm ~/.tree/sub/one; mkdir ~/.tree/sub/one; echo edit >~/.tree/sub/one/file")
    apply([[file({ path = "~/.tree", content = "tree" })]])
    apply("")
    assert.is_false(here.exists("home/.tree"))
    assert.equal("edit\n", here.shell("cat root/backups/displaced/*/file").stdout)
  end)

  it("changes no byte when the last of fifty activations fails", function()
    here.write("home/.file3", "mine\n")
    apply([[file({ path = "~/.file0", content = "0" })]])
    -- Apart from logs, built objects, the record of what was built, and that a number was used.
    local function read_root()
      return here.shell(
        "cd $SYSLUA_ROOT && find . -path ./store/log -prune -o -path ./store/obj -prune -o -path "
          .. "./store/files -prune -o -path ./store/drv -prune -o -path ./store/drv-out -prune -o "
          .. "-path ./store/info -prune -o -path ./store/metadata/snapshots.json -prune -o \\( "
          .. "-type f -exec sha256sum {} + -o -print \\) | sort"
      ).stdout
    end
    local home, root = here.list("home"), read_root()
    here.write_config([[
      for number = 1, 49 do
        file({ path = "~/.file" .. number, content = tostring(number) })
      end
      activate({ config = function(_, ctx) ctx.run("echo why not; exit 7") end })
    ]])
    local result = here.run("apply", "init.lua")
    assert.equal(1, result.code)
    contains(result.stderr, "exit code 7", "why not", "init.lua:5")
    assert.equal(home, here.list("home"))
    assert.equal(root, read_root())
  end)
end)
