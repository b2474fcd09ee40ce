--- Links inside the trees that `file{}` declares: whatever becomes of a tree, each stays a link, is
-- followed, or is refused.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

-- What a tree is declared with, and whether its files are real ones.
local ways = {
  ["as it is"] = { "", false },
  ["with `copy`"] = { ", copy = true", true },
  ["with `recursive`"] = { ", recursive = true", false },
  ["with `recursive` and `copy`"] = { ", recursive = true, copy = true", true },
  ["with a private file"] = { "", true, "chmod 600 tree/deep/file" },
  ["with `recursive` and a private file"] = {
    ", recursive = true",
    false,
    "chmod 600 tree/deep/file",
  },
}

describe("a link in a tree #once", function()
  local here = machine.for_each_test(function(here)
    here.shell([[
      mkdir -p tree/deep shared/inner
      echo file >tree/deep/file; echo shared >shared/file; echo inner >shared/inner/file
    ]])
  end)

  local function declare(extra)
    return ('file { path = "~/.tree", source = "tree"%s }'):format(extra)
  end

  for name, way in pairs(ways) do
    local extra, is_copied, prepare = way[1], way[2], way[3] or ":"

    it("stays one where it leads within the tree, " .. name, function()
      here.shell(prepare)
      here.shell([[
        ln -s deep/file tree/file; ln -s deep tree/directory
        ln -s ../deep/file tree/deep/up; ln -s missing tree/nowhere
      ]])
      here.apply(declare(extra))
      assert.equal("file\n", here.read("home/.tree/file"))
      assert.equal("file\n", here.read("home/.tree/directory/file"))
      assert.equal("file\n", here.read("home/.tree/deep/up"))
      for _, link in ipairs(is_copied and { "file", "directory", "nowhere" } or {}) do
        local target = here.shell("readlink tree/" .. link).stdout
        assert.equal(target, here.shell("readlink ~/.tree/" .. link).stdout)
      end
      assert.equal(0, here.run("status").code)
      matches(here.must("apply", "init.lua").stdout, "^Nothing changed")
      here.must("destroy", "--yes")
      assert.equal("", here.shell("ls -A ~").stdout)
    end)

    it("is followed where it leads elsewhere in the config's directory, " .. name, function()
      here.shell(prepare)
      here.shell([[
        ln -s ../shared/file tree/file; ln -s "$PWD/shared/file" tree/absolute
        ln -s ../../shared tree/deep/shared
        ln -s ../tree/deep/file tree/through; ln -s inner/file shared/short
        ln -s ../../elsewhere shared/inner/further
        mkdir elsewhere; echo further >elsewhere/file; ln -s deep/file tree/within
      ]])
      here.apply(declare(extra))
      local function check()
        for path, content in pairs({
          ["deep/file"] = "file\n",
          ["file"] = "shared\n",
          ["absolute"] = "shared\n",
          ["deep/shared/file"] = "shared\n",
          ["deep/shared/short"] = "inner\n",
          ["deep/shared/inner/file"] = "inner\n",
          ["deep/shared/inner/further/file"] = "further\n",
          ["through"] = "file\n",
          ["within"] = "file\n",
        }) do
          assert.equal(content, here.read("home/.tree/" .. path), path)
        end
      end
      check()
      if way[3] then
        -- What is private itself.
        assert.equal("600\n", here.shell("stat -c %a ~/.tree/deep/file").stdout)
        assert.is_nil(here.read_link("home/.tree/deep/file"))
      elseif is_copied then
        assert.equal("", here.shell("find ~/.tree -type l ! -name within ! -name short").stdout)
      end
      matches(here.must("apply", "init.lua").stdout, "^Nothing changed")
      here.shell("echo other >shared/file")
      here.must("apply", "init.lua")
      assert.equal("other\n", here.read("home/.tree/file"))
      here.must("rollback", "1", "--yes")
      check()
      here.must("destroy", "--yes")
      assert.equal("", here.shell("ls -A ~").stdout)
    end)

    it(
      "is refused with both names where it leads out of the config's directory, " .. name,
      function()
        here.shell(prepare)
        for target, message in pairs({
          ["/etc/hostname"] = "tree/deep/away leads to /etc/hostname, "
            .. "out of the config's directory",
          ["/etc"] = "tree/deep/away leads to /etc, out of the config's directory",
          ["/nowhere/at/all"] = "tree/deep/away leads to /nowhere/at/all, which does not exist",
          ["../../nothing"] = "tree/deep/away leads to ../../nothing, which does not exist",
        }) do
          here.shell(("ln -sfn %s tree/deep/away"):format(target))
          here.write_config(declare(extra))
          for _, command in ipairs({ "plan", "apply" }) do
            local result = here.run(command, "init.lua")
            assert.equal(1, result.code, target)
            contains(result.stderr, message)
          end
        end
        assert.equal("", here.shell("ls -A ~").stdout)
      end
    )

    it("is refused where one that it leads to leads back, " .. name, function()
      here.shell(prepare)
      here.shell("ln -s ../shared tree/shared; ln -s ../tree shared/back")
      here.write_config(declare(extra))
      local result = here.run("plan", "init.lua")
      assert.equal(1, result.code)
      contains(result.stderr, "from where a link leads back", "init.lua:")
    end)
  end

  it("hides no empty directory beside it", function()
    here.shell([[
      mkdir -p tree/empty/deep tree/closed shared/void; chmod 700 tree/closed
      ln -s ../shared/file tree/file; ln -s ../shared tree/shared
    ]])
    local function list(top)
      return here.shell(
        ("cd %s; find -L . -type d -printf '%%P %%m\\n' | LC_ALL=C sort"):format(top)
      ).stdout
    end
    for _, extra in ipairs({ "", ", copy = true" }) do
      here.apply(declare(extra))
      local found = list("home/.tree")
      for _, line in ipairs({ "empty/deep 755", "closed 700", "shared/void %d55" }) do
        matches("\n" .. found, "\n" .. line .. "\n")
      end
      matches(here.must("apply", "init.lua").stdout, "^Nothing changed")
    end
    here.must("destroy", "--yes")
    assert.equal("", here.shell("ls -A ~").stdout)
  end)

  it("leads where it leads, in a directory of one's own that is linked as a whole", function()
    here.shell(
      "ln -s /etc/hostname tree/away; ln -s /nowhere tree/nowhere; ln -s ../shared/file tree/file"
    )
    here.apply(declare(", mutable = true"))
    assert.equal(here.directory .. "/tree", here.read_link("home/.tree"))
    assert.equal("shared\n", here.read("home/.tree/file"))
  end)

  it("is followed in the copy that a snapshot keeps of the config", function()
    here.shell(
      "ln -s ../shared/file tree/file; ln -s deep/file tree/within; ln -s ../../shared "
        .. "tree/deep/shared"
    )
    for _, extra in ipairs({ "", ", copy = true", ", recursive = true" }) do
      here.apply(declare(extra))
      here.shell([[
        mv tree tree.away; mv shared shared.away
        for file in $(find "$SYSLUA_ROOT/store/obj" -type f); do
          chmod u+w $file; echo damaged >>$file
        done
      ]])
      local result = here.run("verify", "--repair")
      here.shell("mv tree.away tree; mv shared.away shared")
      assert.equal(0, result.code, result.stdout .. result.stderr)
      assert.equal("shared\n", here.read("home/.tree/file"))
      assert.equal("inner\n", here.read("home/.tree/deep/shared/inner/file"))
    end
  end)

  it("is judged in what `source()` gives too", function()
    here.shell("ln -s ../shared/file tree/file")
    local config = 'file { path = "~/.tree", source = syslua.source("tree") }'
    here.apply(config)
    assert.equal("shared\n", here.read("home/.tree/file"))
    here.shell("ln -s /etc/hostname tree/away")
    local result = here.run("apply", "init.lua")
    assert.equal(1, result.code)
    contains(result.stderr, "tree/away leads to /etc/hostname")
    here.shell("mkdir tree/secret; echo secret >tree/secret/file")
    here.apply([[
      local function filter(path) return path ~= "away" and path ~= "secret" end
      file { path = "~/.tree", source = syslua.source("tree", { filter = filter }) }
    ]])
    assert.equal("file\n", here.read("home/.tree/deep/file"))
    assert.equal("shared\n", here.read("home/.tree/file"))
    assert.is_false(here.exists("home/.tree/secret"))
    assert.equal("", here.shell([[grep -rl '^secret' "$SYSLUA_ROOT/store"]]).stdout)
  end)
end)
