--- What of a tree is taken, and how its files are called: `exclude`, `include`, `.sysluaignore`,
--- `rename`; and sources that may be absent: `optional`.

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local syslua = require("syslua")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

describe("what of a tree is taken #once", function()
  local here = machine.for_each_test()

  local function shell(line)
    local result = here.shell(line)
    assert.equal(0, result.code, line .. ": " .. result.stderr)
    return result.stdout
  end

  -- The files and links below a directory of the machine, in one line.
  local function list(directory)
    local line = "cd %s && find . ! -type d | sed 's,^./,,' | LC_ALL=C sort | paste -sd' '"
    return (shell(line:format(process.quote(directory))):gsub("\n$", ""))
  end

  local function write_all(...)
    for _, name in ipairs({ ... }) do
      here.write(name, name .. "\n")
    end
  end

  local function state_of(target)
    local result = here.run("status", "--json")
    for _, found in ipairs(syslua.lib.fromJSON(result.stdout).targets) do
      if found.target == target then
        return found.state
      end
    end
  end

  it("leaves out what patterns name, in every kind of tree", function()
    write_all("t/a", "t/a.bak", "t/cache/x", "t/deep/cache/y", "t/deep/z", "t/deep/keep.bak")
    for _, kind in ipairs({ "", "copy = true, ", "mutable = true, " }) do
      here.apply(([[
        file { path = "~/.t", source = "t", recursive = true, %s
          exclude = { "*.bak", "/cache/", "!keep.bak" } }
      ]]):format(kind))
      assert.equal("a deep/cache/y deep/keep.bak deep/z", list("home/.t"), kind)
      matches(here.run("apply", "init.lua").stdout, "^Nothing changed")
      assert.equal(0, here.run("status").code, kind)
      assert.equal(0, here.run("verify").code, kind)
    end
    here.apply("")
    assert.is_false(here.exists("home/.t"))
  end)

  it("takes only what `include` names, and `exclude` wins", function()
    write_all("t/a.lua", "t/b.txt", "t/deep/c.lua", "t/deep/d_test.lua", "t/doc/e.txt", "t/f")
    here.apply([[
      file { path = "~/.t", source = "t", recursive = true,
        include = { "*.lua", "/doc/" }, exclude = { "*_test.lua", "/closed" } }
    ]])
    assert.equal("a.lua deep/c.lua doc/e.txt", list("home/.t"))
    -- What is not taken changes nothing, and what is excluded may be unreadable.
    shell("mkdir -m 0 t/closed; echo new >t/b.txt; mkfifo t/pipe")
    assert.equal(0, here.run("plan", "--exit-code", "init.lua").code)
    local result = here.run("apply", "init.lua")
    matches(result.stdout, "^Nothing changed")
    shell("rmdir t/closed")
  end)

  it("reads the list at the top of the tree, which a config can take back", function()
    write_all("t/a", "t/b~", "t/sub/c~", "t/sub/.sysluaignore", "t/d~")
    here.write("t/.sysluaignore", "# editors\r\n\r\n*~\r\n")
    here.apply([[file { path = "~/.t", source = "t", recursive = true }]])
    assert.equal("a sub/.sysluaignore", list("home/.t"))
    here.apply([[file { path = "~/.t", source = "t", recursive = true, exclude = { "!/d~" } }]])
    assert.equal("a d~ sub/.sysluaignore", list("home/.t"))
    -- What it says counts at the next apply.
    here.write("t/.sysluaignore", "a\n")
    local plan = here.run("plan", "--exit-code", "init.lua")
    assert.equal(3, plan.code, plan.stdout)
    here.must("apply", "init.lua")
    assert.equal("b~ d~ sub/.sysluaignore sub/c~", list("home/.t"))
  end)

  it("never takes a repository of git", function()
    write_all("t/.git/config", "t/a", "t/module/.git/HEAD", "t/module/b", "t/.gitignore")
    here.write("t/worktree/.git", "gitdir: elsewhere\n")
    here.write("t/worktree/c", "c\n")
    for _, kind in ipairs({ "", "copy = true, ", "mutable = true, ", 'exclude = { "!.git" }, ' }) do
      here.apply(([[
        file { path = "~/.t", source = "t", %s recursive = true }
      ]]):format(kind))
      assert.equal(".gitignore a module/b worktree/c", list("home/.t"), kind)
    end
  end)

  it("passes sockets and pipes by, and says so", function()
    write_all("t/a")
    shell("mkfifo t/pipe; mkdir t/run")
    shell([[
      cd t/run
      python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('s')"
    ]])
    here.write_config([[file { path = "~/.t", source = "t", recursive = true }]])
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
    for _, name in ipairs({ "t/pipe", "t/run/s" }) do
      local notice = name .. " is a socket, a pipe or a device: it is passed by"
      contains(result.stderr, notice, "init.lua:2")
    end
    assert.equal("a", list("home/.t"))
    -- Those that nobody asked for are no news.
    here.write_config([[
      file { path = "~/.t", source = "t", recursive = true, exclude = { "/run", "pipe" } }
    ]])
    result = here.run("apply", "init.lua")
    contains_none(result.stderr, "passed by")
  end)

  it("takes a directory as a whole by the same rules", function()
    write_all("t/a", "t/b.bak", "t/.git/config", "t/deep/.git", "t/deep/c", "t/only/x.bak")
    write_all("other/d", "other/.git/config", "l/e", "l/f")
    here.write("t/.sysluaignore", "*.bak\n")
    here.write("l/.sysluaignore", "/f\n")
    shell("mkfifo t/pipe t/deep/q.bak l/pipe; ln -s ../other l/away; ln -s e l/near")
    for _, kind in ipairs({ "", "copy = true" }) do
      here.write_config(([[
        file { path = "~/.t", source = "t", %s }
        file { path = "~/.l", source = "l", %s }
      ]]):format(kind, kind))
      local result = here.run("apply", "init.lua")
      assert.equal(0, result.code, result.stderr)
      local notice = "%s is a socket, a pipe or a device: it is passed by %%(init.lua:%d%%)"
      matches(result.stderr, notice:format("t/pipe", 2), notice:format("l/pipe", 3))
      contains_none(result.stderr, "q.bak")
      -- Objects are closed, and so are copies of them.
      shell("rm -rf seen; cp -rL home/.t seen; chmod -R u+w seen; cp -rL home/.l seen/l")
      shell("chmod -R u+w seen")
      assert.equal("a deep/c l/away/d l/e l/near", list("seen"), kind)
      -- What is not taken may change.
      write_all("t/new.bak", "t/.git/HEAD", "other/.git/HEAD", "l/f")
      matches(here.run("apply", "init.lua").stdout, "^Nothing changed")
      assert.equal(0, here.run("verify").code, kind)
      assert.equal(0, here.run("status").code, kind)
      shell("rm t/new.bak")
    end
    here.write("t/.sysluaignore", "[\n")
    local result = here.run("apply", "init.lua")
    assert.equal(1, result.code)
    contains(result.stderr, "/t/.sysluaignore:1: unclosed", "at init.lua:2")
    here.apply("")
    assert.is_false(here.exists("home/.t"))
  end)

  it("gives files other names", function()
    write_all("t/dot_config/app/rc", "t/dot_profile", "t/README.md", "t/plain", "t/a.tmpl")
    shell("ln -s plain t/link")
    local config = [[
      file { path = "~", source = "t", recursive = true, %s exclude = { "*.tmpl" },
        rename = function(path)
          if path ~= "README.md" then
            return (path:gsub("^dot_", "."):gsub("/dot_", "/."))
          end
        end }
    ]]
    for _, kind in ipairs({ "", "copy = true, ", "mutable = true, " }) do
      here.apply(config:format(kind))
      assert.equal("t/dot_config/app/rc\n", here.read("home/.config/app/rc"), kind)
      assert.equal("t/plain\n", here.read("home/link"), kind)
      assert.equal(".config/app/rc .profile link plain", list("home"), kind)
      matches(here.run("apply", "init.lua").stdout, "^Nothing changed")
      assert.equal(0, here.run("status").code, kind)
    end
    here.apply(config:format(""))
    -- An edit, drift and a way back.
    here.write("t/dot_profile", "edited\n")
    here.must("apply", "init.lua")
    assert.equal("edited\n", here.read("home/.profile"))
    here.must("rollback", "--yes")
    assert.equal("t/dot_profile\n", here.read("home/.profile"))
    shell("rm home/plain && echo mine >home/plain")
    assert.equal(3, here.run("status").code)
    assert.equal("replaced", state_of("~/plain") or state_of(here.home .. "/plain"))
    here.must("apply", "init.lua")
    assert.equal("t/plain\n", here.read("home/plain"))
    here.must("destroy", "--yes")
    assert.equal("", list("home"))
  end)

  it("refuses names that are none, at the line of the declaration", function()
    write_all("t/a", "t/b/c")
    for result, message in pairs({
      ['"/etc/x"'] = 'for a: the new path "/etc/x" is absolute',
      ['"../x"'] = 'for a: the new path "../x" has `..`',
      ['"x/../y"'] = 'for a: the new path "x/../y" has `..`',
      ['"x/.."'] = 'for a: the new path "x/.." has `..`',
      ['"x/"'] = 'for a: the new path "x/" ends with a slash',
      ['""'] = "for a: the new path is empty",
      ['"."'] = 'for a: "." is not the path of a file',
      ["7"] = "for a: expected a path or nil, got number 7",
      ["false"] = "for a: expected a path or nil, got boolean false",
      ['"x"'] = "a and b/c both become x",
      ['path == "a" and "x" or "./x"'] = "a and b/c both become x",
    }) do
      local config = [[
        file { path = "~/.t", source = "t", recursive = true,
          rename = function(path) return %s end }
      ]]
      local failure = here.fail(config:format(result))
      assert.equal("config", failure.kind)
      contains(failure.message, message)
      assert.equal("init.lua:2", failure.position)
      assert.truthy(failure.hint)
    end
    -- One of them below another cannot be.
    here.write_config([[
      file { path = "~/.t", source = "t", recursive = true,
        rename = function(path) return path == "a" and "x" or "x/y" end }
    ]])
    local plan = here.run("plan", "init.lua")
    assert.equal(1, plan.code)
    contains(plan.stderr, "/.t/x/y is below", "init.lua:2")
    -- An error of the function has its own line.
    local failure = here.fail([[
      file { path = "~/.t", source = "t", recursive = true,
        rename = function(path)
          return path.nothing.more
        end }
    ]])
    assert.equal("init.lua:4", failure.position)
  end)

  it("refuses what means nothing", function()
    write_all("t/a")
    for fields, message in pairs({
      ['source = "t/a", exclude = { "x" }'] = "`exclude` in file{} works only with",
      ['source = "t", include = { "x" }'] = "`include` in file{} works only with",
      ['content = "", rename = tostring'] = "`rename` in file{} works only with",
      ['content = "", optional = true'] = "`optional` in file{} needs the path of a source",
      ['source = source("t"), optional = true'] = "`optional` in file{} needs the path of a source",
      ['source = "t", recursive = true, exclude = "x"'] = "`exclude` in file{}: expected list",
      ['source = "t", recursive = true, exclude = { 1 }'] = "`exclude[1]` in file{}",
      ['source = "t", recursive = true, include = {}'] = "`include` in file{} is empty",
      ['source = "t", recursive = true, exclude = { "#a#" }'] = 'the pattern "#a#" is a comment',
      ['source = "t", recursive = true, exclude = { "" }'] = 'the pattern "" matches nothing',
      ['source = "t", recursive = true, exclude = { "a", "[x" }'] = "unclosed character class",
      ['source = "t", recursive = true, exclude = { "a" }'] = "the patterns of file{} take no file",
      ['source = "t", recursive = true, include = { "b" }'] = "the patterns of file{} take no file",
      ['source = "t", recursive = true, ignore = { "b" }'] = "unknown field `ignore`",
    }) do
      local failure = here.fail(([[
        file { path = "~/.t", %s }
      ]]):format(fields))
      contains(failure.message, message)
      assert.equal("init.lua:2", failure.position, fields)
    end
    here.write("t/.sysluaignore", "ok\n[x\n")
    local failure = here.fail([[file { path = "~/.t", source = "t", recursive = true }]])
    contains(failure.message, "t/.sysluaignore:2: unclosed")
  end)

  it("lets a file be absent on this machine", function()
    write_all("there", "t/a")
    here.apply([[
      file { path = "~/.one", source = "there", optional = true }
      file { path = "~/.two", source = "missing", optional = true }
      file { path = "~/.three", source = "missing", optional = true, recursive = true }
      file { path = "~/.four", source = "~/no/such", optional = true, mutable = true }
      file { path = "~/.five", source = "missing", optional = true, copy = true }
      file { path = "~/.six", source = "missing", optional = true, mode = "644" }
      file { path = "~/.seven", source = "missing", recursive = true, optional = true,
        exclude = { "x" }, rename = function(path) return path end }
      file { path = "~/.eight", template = "missing", values = { a = 1 }, optional = true }
      file { path = "~/.nine", source = "t", recursive = true, optional = true }
    ]])
    assert.equal(".nine/a .one", list("home"))
    -- It comes and goes with its source.
    write_all("missing")
    here.write("missing", "{{ a }}\n")
    local config = [[
      file { path = "~/.two", source = "missing", optional = true }
      file { path = "~/.five", source = "missing", optional = true, copy = true }
      file { path = "~/.eight", template = "missing", values = { a = 1 }, optional = true }
    ]]
    here.apply(config)
    assert.equal(".eight .five .two", list("home"))
    assert.equal("1\n", here.read("home/.eight"))
    shell("rm missing")
    here.must("apply", "init.lua")
    assert.equal("", list("home"))
    -- Without `optional` it is an error.
    local failure = here.fail([[file { path = "~/.two", source = "missing" }]])
    contains(failure.message, "the source missing does not exist")
  end)

  it("chooses in what a derivation makes", function()
    local config = [[
      local made = derive { name = "made", config = function(_, ctx)
        for _, name in ipairs { "a", "b.bak", "doc/c", ".git/config", "bin/d" } do
          ctx.write(ctx.out .. "/" .. name, name)
        end
      end }
      file { path = "~/.t", source = made, recursive = true, %s }
    ]]
    here.apply(config:format('exclude = { "*.bak" }'))
    assert.equal("a bin/d doc/c", list("home/.t"))
    matches(here.run("apply", "init.lua").stdout, "^Nothing changed")
    here.apply(config:format('include = { "/bin/" }'))
    assert.equal("bin/d", list("home/.t"))
    assert.equal(0, here.run("status").code)
    local failure = here.fail(config:format('exclude = { "[" }'))
    contains(failure.message, "unclosed character class")
    assert.equal("init.lua:7", failure.position)
    failure = here.fail(config:format("rename = function(path) return path end"))
    contains(failure.message, "are not built yet")
  end)

  it("is repaired from the snapshot's copy of the config", function()
    write_all("t/a", "t/b.bak", "t/dot_c", "t/cache/x", "u/d", "u/e")
    here.write("t/.sysluaignore", "cache\n")
    here.write("u/.sysluaignore", "e\n")
    here.apply([[
      file { path = "~/.t", source = "t", recursive = true, exclude = { "*.bak" } }
      file { path = "~/.all", source = "t", recursive = true }
      file { path = "~/.taken", source = "t", recursive = true, exclude = { "!cache" } }
      file { path = "~/.r", source = "t", recursive = true, include = { "dot_*" },
        rename = function(path) return (path:gsub("^dot_", ".")) end }
      file { path = "~/.u", source = "u", recursive = true }
      file { path = "~/.o", source = "o", optional = true }
    ]])
    local before = list("home")
    assert.equal(
      ".all/a .all/b.bak .all/dot_c .r/.c .t/a .t/dot_c "
        .. ".taken/a .taken/b.bak .taken/cache/x .taken/dot_c .u/d",
      before
    )
    shell([[
        if [ $(id -u) = 0 ]; then chattr -R -f -i root || true; fi
        chmod -R u+w root/store/obj
        find root/store/obj -type f | while read -r file; do echo damage >>"$file"; done
        rm -r t u init.lua
      ]])
    local result = here.run("verify", "--repair")
    assert.equal(0, result.code, result.stdout .. result.stderr)
    contains(result.stdout, "0 still broken")
    assert.equal(0, here.run("verify").code)
    assert.equal(before, list("home"))
    assert.equal("t/dot_c\n", here.read("home/.r/.c"))
    assert.equal("t/cache/x\n", here.read("home/.taken/cache/x"))
    assert.equal("u/d\n", here.read("home/.u/d"))
  end)

  it("adopts edits of what is taken, and declares by itself what is not", function()
    write_all("conf/t/a", "conf/t/dot_b", "conf/r/dot_c")
    here.write_config(
      [[
      file { path = "~/.t", source = "t", recursive = true, exclude = { "*.bak" } }
      file { path = "~/.r", source = "r", recursive = true,
        rename = function(path) return (path:gsub("^dot_", ".")) end }
    ]],
      "conf/init.lua"
    )
    here.must("apply", "conf")
    local function edit(name, text)
      shell("rm -f home/" .. name)
      here.write("home/" .. name, text)
    end
    edit(".t/a", "edited\n")
    edit(".r/.c", "renamed\n")
    edit(".t/new", "new\n")
    edit(".t/new.bak", "left out\n")
    here.must("adopt", "home/.t/a", "home/.r/.c", "home/.t/new", "--write", "-c", "conf")
    assert.equal("edited\n", here.read("conf/t/a"))
    assert.equal("renamed\n", here.read("conf/r/dot_c"))
    assert.equal("new\n", here.read("conf/t/new"))
    local result = here.run("adopt", "home/.t/new.bak", "-c", "conf")
    assert.is_false(here.exists("conf/t/new.bak"))
    contains(result.stdout, 'file { path = "~/.t/new.bak"')
    here.must("apply", "conf")
    assert.equal(0, here.run("status").code)
  end)

  it(
    "lets others declare a path that the tree leaves out, and wins or loses like a tree",
    function()
      write_all("t/a", "t/b", "t/c", "other")
      here.apply([[
      file { path = "~/.t", source = "t", recursive = true, exclude = { "b" } }
      file { path = "~/.t/b", source = "other" }
      file { path = "~/.t/a", content = syslua.lib.mkForce("forced\n") }
    ]])
      assert.equal("forced\n", here.read("home/.t/a"))
      assert.equal("other\n", here.read("home/.t/b"))
      assert.equal("t/c\n", here.read("home/.t/c"))
      here.apply([[
      file { path = "~/.t", source = "t", recursive = true,
        rename = function(path) return "x/" .. path end }
      file { path = "~/.t/x/a", content = syslua.lib.mkForce("forced\n") }
    ]])
      assert.equal("forced\n", here.read("home/.t/x/a"))
      local failure = here.fail([[
      file { path = "~/.t", source = "t", recursive = true,
        rename = function(path) return "x/" .. path end }
      file { path = "~/.t/x/a", content = "other\n" }
    ]])
      assert.equal("conflict", failure.kind)
      contains(failure.message, "source t/a at init.lua:2")
    end
  )
end)
