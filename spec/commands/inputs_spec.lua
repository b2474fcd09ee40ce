--- The commands of inputs: `update --commit`, `init --from`, `--json`; scripts; and what inputs of
--- git are told about.

local input_place = require("spec.support.input_place")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

describe("a config with inputs", function()
  local place, here, url

  before_each(function()
    place = input_place.new()
    here, url = place.here, place.url
    here.environment.GIT_AUTHOR_NAME, here.environment.GIT_AUTHOR_EMAIL = "a", "a@b"
    here.environment.GIT_COMMITTER_NAME, here.environment.GIT_COMMITTER_EMAIL = "a", "a@b"
  end)

  after_each(function()
    here.remove()
  end)

  local function write(inputs, lines, name)
    here.write(
      name or "init.lua",
      ("return {\n  inputs = {\n    %s\n  },\n  setup = function(inputs)\n%s\n  end,\n}\n"):format(
        inputs,
        lines or ""
      )
    )
  end

  local function from_json(text)
    return require("syslua").lib.fromJSON(text)
  end

  it("leaves no directory behind, whatever came first", function()
    place.commit("dots", { file = "one\n" })
    write(("dots = %q,"):format(url("dots")), 'file { path = "~/.one", content = "1" }')
    here.environment.SYSLUA_ROOT = nil
    local home = here.list("home")
    for _, commands in ipairs({
      { "plan init.lua", "apply init.lua", "destroy --yes" },
      { "plan init.lua", "plan init.lua", "destroy --yes" },
      { "apply init.lua", "destroy --yes" },
      { "plan init.lua", "destroy --yes", "apply init.lua", "plan init.lua", "destroy --yes" },
    }) do
      for _, command in ipairs(commands) do
        local result = here.shell("XDG_DATA_HOME= $LUA -l syslua " .. command)
        assert.equal(0, result.code, command .. result.stdout .. result.stderr)
      end
      here.shell("rm -f syslua.lock")
      local after = here.list("home"):gsub("(d %d+) [^\n]*\n", "%1\n")
      assert.equal(home:gsub("(d %d+) [^\n]*\n", "%1\n"), after, table.concat(commands, ", "))
    end
  end)

  it("updates those that an address names, and shows both hashes", function()
    for _, name in ipairs({ "dots", "nvim", "zsh" }) do
      place.commit(name, { file = "one\n" })
    end
    local declared = ("dots = %q, nvim = %q, zsh = %q,"):format(
      url("dots"),
      url("nvim"),
      url("zsh")
    )
    write(declared)
    here.must("apply", "init.lua")
    local first = here.read("syslua.lock")
    local moved = {
      [url("dots")] = "dots",
      [(url("nvim"):gsub("^git:", ""))] = "nvim",
      ["git:*"] = "dots nvim zsh",
      ["file://*/zsh"] = "zsh",
      ["d*"] = "dots",
    }
    for _, name in ipairs({ "dots", "nvim", "zsh" }) do
      place.commit(name, { file = "two\n" })
    end
    for address, names in pairs(moved) do
      here.write("syslua.lock", first)
      local result = here.must("update", "-c", "init.lua", address)
      local seen = {}
      for name in result.stdout:gmatch("updated (%w+)") do
        seen[#seen + 1] = name
      end
      assert.equal(names, table.concat(seen, " "), address)
      matches(result.stdout, ", 1 commit, sha256 %x+ %-> %x+\n")
    end
    assert.equal(2, here.run("update", "-c", "init.lua", "https://*").code)
    assert.equal(2, here.run("update", "-c", "init.lua", "it:*").code)
  end)

  it("commits the lock alone", function()
    place.commit("dots", { file = "one\n" })
    here.shell("mkdir config")
    write(("dots = %q,"):format(url("dots")), "", "config/init.lua")
    here.must("apply", "config/init.lua")
    here.shell("cd config && git init -q && git add -A && git commit -qm first")
    place.commit("dots", { file = "two\n" })
    here.shell("cd config && echo staged >staged && git add staged && echo '-- edited' >>init.lua")
    local result = here.must("update", "-c", "config/init.lua", "--commit")
    matches(result.stdout, "^updated dots")
    local shown = here.shell("cd config && git show --name-only --format=%s HEAD").stdout
    assert.equal("Update dots in syslua.lock\n\nsyslua.lock\n", shown)
    assert.equal(
      "A  staged\n M init.lua\n",
      (here.shell("cd config && git status --short").stdout:gsub("( M init.lua\n)(.*)", "%2%1"))
    )
    here.must("update", "-c", "config/init.lua", "--commit")
    assert.equal("2\n", here.shell("cd config && git rev-list --count HEAD").stdout)
  end)

  it("is cloned to a new machine, shown and applied", function()
    place.commit("low", { file = "low\n" })
    local entry = [[
return { inputs = { low = %q }, setup = function(inputs)
  file { path = "~/f", source = inputs.low.path .. "/file" }
end }
]]
    place.commit("config", { ["sub/init.lua"] = entry:format(url("low")) })
    local address = url("config"):gsub("^git:", "") .. "?dir=sub#main"
    local shown = here.must("init", "--from", address, "new/place").stdout
    contains(shown, "would lock low", "1 to add", "apply new/place/sub")
    assert.is_false(here.exists("home/f"))
    assert.equal("main\n", here.shell("cd new/place && git branch --show-current").stdout)
    local again = here.run("init", "--from", address, "new/place")
    assert.equal(1, again.code)
    contains(again.stderr, "is not empty")
    here.must("init", "--from", address, "other", "--yes")
    assert.equal("low\n", here.read("home/f"))
    assert.is_true(here.exists("other/sub/syslua.lock"))
    for wrong, text in pairs({
      ["ext::sh -c id"] = "helper program",
      ["-x"] = "begins with a hyphen",
      ["http://host/x"] = "http://",
    }) do
      local refused = here.run("init", "--from=" .. wrong, "third")
      assert.equal(2, refused.code, refused.stderr)
      contains(refused.stderr, text)
    end
    assert.is_false(here.exists("third"))
  end)

  it("is offered to be applied on a terminal, and then by yes alone", function()
    local first = place.commit("config", {
      ["init.lua"] = 'return { setup = function() file { path = "~/f", content = "1\\n" } end }',
    })
    place.commit("config", {
      ["init.lua"] = 'return { setup = function() file { path = "~/f", content = "2\\n" } end }',
    })
    local address = url("config"):gsub("^git:", "")
    local function clone(answer, from, directory)
      local line = "echo %s | script -qec '$LUA -l syslua init --from %s %s' /dev/null"
      return here.shell(line:format(answer, from, directory)).stdout
    end
    local declined = clone("n", address, "one")
    contains(declined, "Apply it?", "apply one")
    assert.is_false(here.exists("home/f"))
    local accepted = clone("y", address, "two")
    contains(accepted, "1 added")
    assert.equal("2\n", here.read("home/f"))
    -- A full revision is no branch.
    here.must("init", "--from", address .. "#" .. first, "three", "--yes")
    assert.equal("1\n", here.read("home/f"))
  end)

  it("says all of it as JSON", function()
    local old = place.commit("dots", { file = "one\n" })
    write(("dots = %q,"):format(url("dots")))
    local planned = from_json(here.must("plan", "init.lua", "--json").stdout)
    assert.equal(old, planned.locks[1].new.rev)
    here.must("apply", "init.lua", "--json")
    local new = place.commit("dots", { file = "two\n" })
    local outdated = here.run("outdated", "-c", "init.lua", "--json")
    assert.equal(3, outdated.code)
    local change = from_json(outdated.stdout).changes[1]
    assert.same(
      { "dots", old, new, 1 },
      { change.name, change.old.rev, change.new.rev, change.commits }
    )
    local updated = from_json(here.must("update", "-c", "init.lua", "--json").stdout)
    assert.is_true(updated.applied)
    assert.same(
      { changes = {}, complete = true, command = "lock", version = 1 },
      from_json(here.must("lock", "--check", "-c", "init.lua", "--json").stdout)
    )
  end)

  it("is updated by scripts", function()
    place.commit("dots", { file = "one\n" })
    write(("dots = %q,"):format(url("dots")))
    local script = [[
      local inputs = syslua.inputs
      assert(inputs.parse("git:https://host/x?dir=a#b").dir == "a")
      assert(not pcall(inputs.parse, "x"))
      assert(not inputs.lock("init.lua").exists and #inputs.check("init.lua") == 1)
      assert(#inputs.update("init.lua", nil, { dry_run = true }) == 1)
      assert(not inputs.lock("init.lua").exists)
      assert(inputs.update("init.lua")[1].name == "dots"
        and inputs.lock("init.lua").inputs.dots.rev)
      assert(#inputs.outdated("init.lua") == 0)
      syslua.apply(syslua.evaluate("init.lua", { locked = true }))
      print("done")
    ]]
    local result = here.script(script)
    assert.equal("done\n", result.stdout, result.stderr)
  end)

  it("plans on a new machine and leaves nothing but the cache", function()
    place.commit("dots", { file = "one\n" })
    write(
      ("dots = %q,"):format(url("dots")),
      'file { path = "~/f", source = inputs.dots.path .. "/file" }'
    )
    here.must("plan", "init.lua")
    assert.equal("cache\n", here.shell("ls -A root").stdout)
    here.must("apply", "init.lua")
    here.must("destroy", "--yes")
    assert.is_false(here.exists("root"))
  end)

  it("is told of pointers, of names that differ by case and of submodules", function()
    place.commit("part", { inner = "inner\n" })
    place.commit("dots", {
      ["big.bin"] = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
      Case = "",
      case = "",
    })
    place.git(
      "cd dots && git -c protocol.file.allow=always submodule --quiet add ../part part && "
        .. "git commit -qm part"
    )
    write(("dots = %q,"):format(url("dots")))
    local talk = here.must("plan", "init.lua").stderr
    contains(talk, "git LFS", "big.bin", "Case and case", "?submodules=1")
    write(
      ("dots = %q,"):format(url("dots") .. "?submodules=1"),
      'file { path = "~/f", source = inputs.dots.path .. "/part/inner" }'
    )
    here.must("apply", "init.lua")
    assert.equal("inner\n", here.read("home/f"))
  end)

  it("edits no file of an input", function()
    place.commit("dots", { file = "one\n" })
    write(
      ("dots = %q,"):format(url("dots")),
      'file { path = "~/f", source = inputs.dots.path .. "/file", mutable = true }'
    )
    local result = here.run("plan", "init.lua")
    assert.equal(1, result.code)
    contains(result.stderr, "not yours to edit")
  end)

  it("has a lock beside its real entry file, and keeps the mode of it", function()
    place.commit("dots", { file = "one\n" })
    here.shell("mkdir real linked")
    write(("dots = %q,"):format(url("dots")), "", "real/init.lua")
    here.shell("ln -s ../real/init.lua linked/init.lua")
    here.must("apply", "linked/init.lua")
    assert.is_false(here.exists("linked/syslua.lock"))
    here.shell("chmod 600 real/syslua.lock")
    place.commit("dots", { file = "two\n" })
    here.must("update", "-c", "linked/init.lua")
    assert.equal("600\n", here.shell("stat -c %a real/syslua.lock").stdout)
    assert.equal("init.lua\nsyslua.lock\n", here.shell("ls -A real").stdout)
  end)

  it("stops when a signal says so, and leaves nothing", function()
    write('x = "git:ssh://host/srv/x",')
    local sleeper = here.write("sleeper", "#!/bin/sh\necho $$ >child; exec sleep 78\n")
    here.shell("chmod +x sleeper")
    local result = here.shell(
      [[
      $LUA -l syslua apply init.lua & own=$!
      i=0
      while ! [ -s child ] && [ $i -lt 100 ]; do sleep 0.05; i=$((i + 1)); done
      begin=$(date +%s%N)
      kill -INT $own
      wait $own
      echo "code $?"
      [ $(($(date +%s%N) - begin)) -lt 3000000000 ] && echo "in time"
      ls -A root/cache/inputs
    ]],
      { GIT_SSH_COMMAND = sleeper }
    )
    assert.equal("code 130\nin time\n", result.stdout, result.stderr)
    assert.is_false(here.exists("syslua.lock"))
  end)

  it("of root belongs to the owner of its directory #root", function()
    place.commit("dots", { file = "one\n" })
    here.shell("chmod 755 . && mkdir theirs")
    write(("dots = %q,"):format(url("dots")), "", "theirs/init.lua")
    here.shell("chown -R 1234:1234 theirs")
    here.must("apply", "theirs/init.lua")
    assert.equal("1234\n", here.shell("stat -c %u theirs/syslua.lock").stdout)
  end)
end)
