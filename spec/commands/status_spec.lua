--- `status`: what is applied, and every way in which a target can differ from it.

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local syslua = require("syslua")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

local unpack = table.unpack or unpack

local config = [[
  file { path = "~/.linked", content = "linked" }
  file { path = "~/.installed", content = "installed\n", mode = "600" }
  file { path = "~/.copied", content = "copied\n", copy = true }
  file { path = "~/.once", content = "first\n", mutable = true }
  file { path = "~/.own", source = "own.txt", mutable = true }
  file { path = "~/.tree", source = "tree", recursive = true }
  file { path = "~/deep/er/file", content = "deep" }
]]

describe("status", function()
  local here

  local function expect(code, ...)
    local result = here.run("status", ...)
    assert.equal(code, result.code, result.stdout .. result.stderr)
    assert.equal("", result.stderr)
    return result.stdout
  end

  -- The report of one target besides what was declared of it; and the whole.
  local function look(target, code)
    local document = syslua.lib.fromJSON(expect(code, "--json"))
    for _, report in ipairs(document.targets) do
      if report.target == target then
        return report, document
      end
    end
    error("no target " .. target)
  end

  -- What drifts comes back by the next apply: one machine does for all.
  before_each(function()
    if here then
      return
    end
    here = machine.new()
    here.write("own.txt", "own\n")
    here.write("tree/a", "a")
    here.write("tree/sub/b", "b")
    here.apply(config)
  end)

  teardown(function()
    if here then
      here.remove()
    end
  end)

  it("says that everything is as applied, and writes nothing", function()
    local before = here.list("root") .. here.list("home")
    local shown = expect(0)
    contains(
      shown,
      "\nSnapshot  1, applied ",
      "\nManaged   8 targets, 6 derivations\n",
      "\nEverything is as applied.\n"
    )
    local document = syslua.lib.fromJSON(expect(0, "--json"))
    assert.equal(8, document.managed)
    assert.equal(8, #document.targets)
    assert.equal(0, document.drift)
    assert.equal(before, here.list("root") .. here.list("home"))
  end)

  for name, case in pairs({
    ["a missing link"] = { "~/.linked", "rm ~/.linked", "missing" },
    ["a missing parent"] = { "~/deep/er/file", "rm -r ~/deep", "missing" },
    ["a link that leads elsewhere"] = {
      "~/.linked",
      "ln -sfn /etc/hostname ~/.linked",
      "changed",
      { "link" },
      "a link to /etc/hostname",
    },
    ["a file in place of a link"] = {
      "~/.linked",
      "rm ~/.linked; echo x >~/.linked",
      "replaced",
      nil,
      "a file",
    },
    ["a directory in place of a file"] = {
      "~/.installed",
      "rm ~/.installed; mkdir ~/.installed",
      "replaced",
      nil,
      "a directory",
    },
    ["a link in place of a file"] = {
      "~/.installed",
      "ln -sfn /x ~/.installed",
      "replaced",
      nil,
      "a link to /x",
    },
    ["other content"] = { "~/.installed", "echo more >>~/.installed", "changed", { "content" } },
    ["content of the same length and time"] = {
      "~/.installed",
      "touch -r ~/.installed t; echo INSTALLED >~/.installed; touch -r t ~/.installed",
      "changed",
      { "content" },
    },
    ["another mode"] = {
      "~/.installed",
      "chmod 640 ~/.installed",
      "changed",
      { "mode" },
      "mode 640",
    },
    ["content and mode"] = {
      "~/.installed",
      "chmod 644 ~/.installed; echo >~/.installed",
      "changed",
      { "content", "mode" },
      "mode 644",
    },
    ["a bit to run it that nobody declared"] = {
      "~/.copied",
      "chmod +x ~/.copied",
      "changed",
      { "mode" },
      "mode 755",
    },
    ["a file that is the user's, gone"] = { "~/.once", "rm ~/.once", "missing" },
    ["a link to the user's own file, elsewhere"] = {
      "~/.own",
      "ln -sfn /x ~/.own",
      "changed",
      { "link" },
      "a link to /x",
    },
    ["a file of a tree"] = { "~/.tree/sub/b", "rm ~/.tree/sub/b", "missing" },
  }) do
    it("tells of " .. name, function()
      local target, damage, state, differs, found = unpack(case, 1, 5)
      assert.equal(0, here.shell(damage).code)
      local report, document = look(target, 3)
      assert.same({ state, differs, found }, { report.state, report.differs, report.found }, target)
      assert.equal(1, document.drift)
      contains(expect(3), "! " .. state)
      -- What status says, apply restores.
      here.must("apply", "init.lua")
      assert.equal("ok", look(target, 0).state)
    end)
  end

  it("takes what is the user's for the user's", function()
    here.shell("echo edited >~/.once; chmod 600 ~/.once; echo edited >own.txt")
    here.shell("echo new >~/.tree/new; chmod 664 ~/.copied")
    expect(0)
    here.shell("rm own.txt")
    assert.equal("broken", look("~/.own", 3).state)
    local shown = expect(3)
    contains_none(shown, "verify --repair")
    contains(shown, "linked to files of yours that are gone")
    here.write("own.txt", "own\n")
  end)

  it("says of what is written once what apply does with it #once", function()
    for _, line in ipairs({
      "ln -sfn nowhere ~/.once",
      "ln -sfn ~/.linked ~/.once",
      "rm -f ~/.once; mkdir ~/.once",
      "rm -rf ~/.once; mkfifo ~/.once",
    }) do
      here.shell(line)
      expect(0)
      matches(here.must("apply", "init.lua").stdout, "^Nothing changed")
    end
    here.shell("rm ~/.once")
    expect(3)
    here.must("apply", "init.lua")
    assert.equal("first\n", here.read("home/.once"))
  end)

  it("tells of a parent that is not a directory", function()
    here.shell("mv ~/deep aside; touch ~/deep")
    assert.equal("missing", look("~/deep/er/file", 3).state)
    here.shell("rm ~/deep; mv aside ~/deep")
  end)

  it("does not guess at what it cannot see", function()
    if process.run_line("id -u").stdout == "0\n" then
      return
    end
    here.shell("chmod 000 ~/deep ~/.installed")
    local file, document = look("~/.installed", 3)
    assert.equal("unreadable", file.state)
    assert.same({ "mode" }, file.differs)
    contains(file.problem, "Permission denied")
    assert.equal(2, document.drift)
    assert.equal("unreadable", look("~/deep/er/file", 3).state)
    local shown = expect(3)
    contains(shown, "2 targets are out of sight")
    here.shell("chmod 700 ~/deep ~/.installed")
    here.must("apply", "init.lua")
  end)

  it("tells of links to objects that are gone", function()
    local object = here.read_link(here.home .. "/.linked"):match("[^/]+$")
    here.shell(
      ("cd $SYSLUA_ROOT/store/obj; chmod u+w .; chmod -R u+w %s; rm -rf %s"):format(object, object)
    )
    assert.equal("broken", look("~/.linked", 3).state)
    local shown = expect(3)
    contains(shown, "1 target is linked to objects that are gone")
    here.must("verify", "--repair")
    assert.equal("ok", look("~/.linked", 0).state)
  end)

  it("lists displaced copies with what they were", function()
    here.shell("rm -rf $SYSLUA_ROOT/backups/displaced/*")
    here.shell("rm ~/.linked; ln -s /x ~/.linked; echo mine >~/.installed")
    here.must("apply", "init.lua")
    local document = syslua.lib.fromJSON(expect(0, "--json"))
    local kinds = {}
    for _, copy in ipairs(document.displaced) do
      kinds[copy.target:match("[^/]+$")] = copy.kind
      assert.truthy(here.exists(copy.path))
      assert.is_number(copy.created_at)
    end
    assert.same({ [".linked"] = "symlink", [".installed"] = "file" }, kinds)
    local shown = expect(0)
    contains(shown, "(a symlink, from ~/.linked)", "(from ~/.installed)")
  end)

  it("survives names that are no UTF-8, and shows them as text", function()
    here.apply(
      'file { path = "~/\\255\\27[31m", content = "x" } file { path = "~/é", content = "x" }'
    )
    here.shell("rm -f ~/?*")
    local result = here.run("status")
    assert.equal(3, result.code, result.stderr)
    contains(result.stdout, "~/\239\191\189\\x1b[31m", "~/é")
    local document = here.run("status", "--json").stdout
    contains(document, '"target":{"$bytes":"fi//G1szMW0="}')
  end)

  it("survives a root and a config whose paths are no UTF-8", function()
    local other = machine.new()
    local place = other.directory .. "/\233"
    other.environment.SYSLUA_ROOT = place .. "/root"
    other.write(
      place .. "/init.lua",
      'return { setup = function() file { path = "~/.x", content = "x" } end }'
    )
    for _, words in ipairs({
      { "apply", place },
      { "status" },
      { "history" },
      { "list", "--all" },
      { "info" },
      { "why", "~/.x" },
      { "diff", "0", "1" },
      { "rollback", "0", "--yes" },
    }) do
      words[#words + 1] = "--json"
      local result = other.run(unpack(words))
      assert.equal(0, result.code, table.concat(words, " ") .. ": " .. result.stderr)
      contains(result.stdout, '"$bytes":"')
      syslua.lib.fromJSON(result.stdout)
    end
    assert.equal(0, other.run("status").code)
    other.remove()
  end)
end)
