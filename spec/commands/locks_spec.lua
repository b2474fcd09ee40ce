--- The lock where much goes wrong at once: builds that end together, files that are no file, what
--- cannot be written or committed, dead addresses, revisions that are not what was fetched.

local input_place = require("spec.support.input_place")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

describe("the lock of a config #once", function()
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

  local function sys(words, environment)
    return here.shell("timeout -k 2 100 $LUA -l syslua " .. words, environment)
  end

  local function must(words, environment)
    local result = sys(words, environment)
    assert.equal(0, result.code, words .. ": " .. result.stdout .. result.stderr)
    return result
  end

  local function fail(words, ...)
    local result = sys(words)
    -- A wrong address in the command line is 2.
    local code = words:find("^init") and result.code == 2 and 2 or 1
    assert.equal(code, result.code, words .. ": " .. result.stdout .. result.stderr)
    contains(result.stderr, ...)
    return result
  end

  local pinned = 'file { path = "~/.%s", source = derive { name = %q, config = function(_, ctx)\n'
    .. "  %s\nend }.out }"

  local function count_pins()
    local count = 0
    for _ in pairs(place.lock().fetches or {}) do
      count = count + 1
    end
    return count
  end

  it("has the pins of all builds that end at the same time", function()
    local count = 4
    local commands = {}
    for number = 1, count do
      here.write("blob" .. number, tostring(number))
      local blob = ("file://%s/blob%d"):format(here.directory, number)
      local fetch = ('ctx.run("sleep 0.3") ctx.copy(ctx.fetch_url(%q), ctx.out)'):format(blob)
      local name = "p" .. number
      here.write_config(pinned:format(name, name, fetch), name .. ".lua")
      local form = "SYSLUA_ROOT=$PWD/root%d $LUA -l syslua build %s.lua >out%d 2>&1 &"
      commands[number] = form:format(number, name, number)
    end
    for _ = 1, 4 do
      here.shell("rm -rf syslua.lock root?")
      here.shell(table.concat(commands, "\n") .. "\nwait")
      assert.equal(count, count_pins(), here.shell("cat out*").stdout)
    end
  end)

  it("that cannot be written lets nothing be switched", function()
    place.commit("dots", { file = "one\n" })
    here.write("blob", "blob")
    here.shell("ln -s missing/syslua.lock syslua.lock")
    local fetch = ('ctx.copy(ctx.fetch_url("file://%s/blob"), ctx.out)'):format(here.directory)
    for _, declared in ipairs({ ("dots = %q,"):format(url("dots")), "" }) do
      write(declared, 'file { path = "~/.x", content = "x" }\n' .. pinned:format("y", "y", fetch))
      fail("apply init.lua", "cannot write", "switched", "hint:")
      assert.is_false(here.exists("home/.x"))
      assert.is_false(here.exists("root/snapshots/1"))
      assert.truthy(here.read_link("syslua.lock"))
    end
    here.shell("mkdir missing")
    must("apply init.lua")
    assert.is_true(here.exists("home/.x"))
    -- The link stays, and its file is one that no program would start.
    assert.equal("missing/syslua.lock", here.read_link("syslua.lock"))
    matches(here.shell("stat -c %a missing/syslua.lock").stdout, "^6")
  end)

  it("is refused at once where it is no small file", function()
    write("", "")
    for _, line in ipairs({
      "mkfifo syslua.lock",
      "mkdir syslua.lock",
      "ln -s /dev/zero syslua.lock",
      "truncate -s 70M syslua.lock",
      "ln -s syslua.lock syslua.lock",
    }) do
      here.shell("rm -rf syslua.lock; " .. line)
      fail("plan init.lua", "syslua.lock", "hint:")
      fail("apply init.lua", "syslua.lock", "hint:")
    end
  end)

  it("is as it was when git cannot commit it", function()
    place.commit("dots", { file = "one\n" })
    here.shell("mkdir config && git init -q config")
    write(("dots = %q,"):format(url("dots")), "", "config/init.lua")
    local function status()
      return here.shell("git -C config status --short").stdout
    end
    local before = status()
    here.shell("printf '#!/bin/sh\\nexit 1\\n' >config/.git/hooks/pre-commit")
    here.shell("chmod +x config/.git/hooks/pre-commit")
    fail("update --commit -c config/init.lua", "commit", "as it was before", "hint:")
    assert.is_false(here.exists("config/syslua.lock"))
    assert.equal(before, status())
    here.shell("rm config/.git/hooks/pre-commit")
    must("apply config/init.lua")
    here.shell("cd config && git add . && git commit -qm first")
    local old = here.read("config/syslua.lock")
    place.commit("dots", { file = "two\n" })
    here.shell("touch config/.git/index.lock")
    fail("update --commit -c config/init.lua", "as it was before", "hint:")
    assert.equal(old, here.read("config/syslua.lock"))
    here.shell("rm config/.git/index.lock")
    -- What a hook of another repository has in its environment changes nothing.
    must("update --commit -c config/init.lua", { GIT_DIR = here.directory .. "/repos/dots/.git" })
    assert.equal("2\n", here.shell("git -C config rev-list --count HEAD").stdout)
    assert.equal("2\n", here.shell("git -C repos/dots rev-list --count HEAD").stdout)
    assert.equal("", status())
    assert.truthy(here.read("config/syslua.lock") ~= old)
  end)

  it("is wrong everywhere where its revision or address is not what was fetched", function()
    local old = place.commit("dots", { file = "one\n" })
    here.shell("cp -r repos/dots repos/same")
    local used = 'file { path = "~/.x", source = inputs.dots.path .. "/file" }'
    write(("dots = %q,"):format(url("dots") .. "#main"), used)
    must("apply init.lua")
    local right = here.read("syslua.lock")
    here.write("syslua.lock", (right:gsub(old, ("12"):rep(20))))
    for _, words in ipairs({ "lock --check -c init.lua", "apply init.lua", "plan init.lua" }) do
      fail(words, ("12"):rep(20), "sys update dots", "init.lua:3")
    end
    -- Another server that has the same is asked, once.
    write(("dots = %q,"):format(url("same") .. "#main"), used)
    here.write("syslua.lock", (right:gsub("repos/dots", "repos/same")))
    must("apply init.lua")
    here.shell("mv repos/same repos/gone")
    must("apply init.lua --offline")
    -- What gc keeps of it is enough.
    must("gc")
    must("apply init.lua --offline")
  end)

  it("pins nothing by what a build made of --locked or --offline", function()
    here.write("blob", "1")
    local fetch = 'local ok = pcall(ctx.fetch_url, "%s") ctx.write(ctx.out, tostring(ok))'
    here.write_config(pinned:format("q", "q", fetch:format("file://" .. here.directory .. "/blob")))
    fail("apply init.lua --locked", "is not in syslua.lock", "is not kept")
    fail("build init.lua --locked", "is not in syslua.lock", "is not kept")
    must("apply init.lua")
    assert.equal("true", here.read("home/.q"))
    must("apply init.lua --locked")
    here.write_config(pinned:format("q", "q", fetch:format("https://127.0.0.1:1/blob")))
    here.shell("rm -f syslua.lock")
    fail("apply init.lua --offline", "--offline", "is not kept")
    -- A server that is down is part of the world, not of the call.
    must("apply init.lua")
    assert.equal("false", here.read("home/.q"))
  end)

  it("moves what can be looked up, and names the rest", function()
    place.commit("dots", { file = "one\n" })
    place.commit("gone", { file = "one\n" })
    here.write("one", "1")
    here.write("two", "2")
    local function fetch(words)
      return "ctx.copy(ctx.fetch_url("
        .. words:gsub("HERE", "file://" .. here.directory)
        .. "), ctx.out)"
    end
    write(
      ("dots = %q,\n gone = %q,"):format(url("dots"), url("gone")),
      pinned:format("a", "a", fetch('"HERE/none", nil, { mirrors = { "HERE/one" } }'))
        .. pinned:format("b", "b", fetch('"HERE/two"'))
    )
    must("apply init.lua")
    local mirrored = place.lock().fetches["file://" .. here.directory .. "/none"]
    assert.same({ "file://" .. here.directory .. "/one" }, mirrored.mirrors)
    -- The mirror counts.
    local new = place.commit("dots", { file = "two\n" })
    here.write("one", "1 again")
    assert.equal(3, sys("outdated -c init.lua").code)
    here.shell("rm two; mv repos/gone repos/away")
    local outdated = fail("outdated -c init.lua", "/two", "the input `gone`", "init.lua:4")
    contains(outdated.stdout, "would update dots")
    local json = sys("outdated -c init.lua --json")
    assert.equal(1, json.code)
    local document = require("syslua").lib.fromJSON(json.stdout)
    assert.equal(2, #document.changes)
    assert.equal(2, #document.failures)
    local updated = fail("update -c init.lua", "/two", "the input `gone`")
    contains(updated.stdout, "updated dots")
    assert.equal(new, place.lock().inputs.dots.rev)
    assert.truthy(
      mirrored.sha256 ~= place.lock().fetches["file://" .. here.directory .. "/none"].sha256
    )
    must("update dots -c init.lua")
    must("apply init.lua")
  end)

  -- A stand-in for ssh that counts, and takes its time.
  local function make_ssh(seconds)
    local script = "#!/bin/sh\necho x >>%s/count\nsleep %s\n"
      .. 'for word; do last=$word; done\nexec sh -c "$last"\n'
    here.write("ssh", script:format(here.directory, seconds))
    here.shell("chmod +x ssh")
    here.environment.GIT_SSH_COMMAND = here.directory .. "/ssh"
    here.environment.GIT_SSH_VARIANT = "ssh"
  end

  local function ssh_url(name, rest)
    return ("git:u@h:%s/repos/%s%s"):format(here.directory, name, rest or "")
  end

  local function count_connections()
    local count = tonumber(here.shell("wc -l <count 2>/dev/null || echo 0").stdout)
    here.shell("rm -f count")
    return count
  end

  it("fetches one address once a run", function()
    place.commit("dots", { file = "one\n", ["sub/file"] = "sub\n" })
    place.commit("mid", {
      ["init.lua"] = ("return { inputs = { low = %q } }\n"):format(ssh_url("dots")),
    })
    make_ssh(0)
    write(("a = %q,"):format(ssh_url("dots")))
    must("plan init.lua")
    local once = count_connections()
    here.shell("rm -rf root")
    write(
      ("a = %q, b = %q, c = %q, mid = %q,"):format(
        ssh_url("dots"),
        ssh_url("dots"),
        ssh_url("dots", "?dir=sub"),
        url("mid")
      )
    )
    must("apply init.lua")
    assert.equal(once, count_connections())
    local inputs = place.lock().inputs
    assert.equal(inputs.a.rev, inputs.c.rev)
    assert.equal(inputs.a.sha256, inputs["mid/low"].sha256)
    -- Locked, they are the same on a new machine.
    here.shell("rm -rf root")
    must("apply init.lua")
    assert.equal(once, count_connections())
  end)

  it("looks at all that moved side by side", function()
    local declared = {}
    for number = 1, 8 do
      place.commit("r" .. number, { file = "one\n" })
      declared[number] = ("r%d = %q,"):format(number, ssh_url("r" .. number))
    end
    make_ssh(1)
    write(table.concat(declared, "\n"))
    must("apply init.lua")
    for number = 1, 8 do
      place.commit("r" .. number, { file = "two\n" })
    end
    local begin = here.shell("date +%s%N").stdout
    local result = must("update -c init.lua")
    local seconds = (tonumber(here.shell("date +%s%N").stdout) - tonumber(begin)) / 1e9
    assert.equal(8, select(2, result.stdout:gsub("1 commit", "")), result.stdout)
    -- One after the other it is 16 seconds at least.
    assert.truthy(seconds < 12, seconds)
  end)

  it("names a remedy, whatever is wrong with an address", function()
    place.commit("dots", { file = "" })
    here.environment.GIT_SSH_COMMAND = "false"
    for _, declared in ipairs({
      ("%q"):format(url("dots") .. "#none"),
      ("%q"):format(url("dots") .. "#" .. ("0"):rep(39) .. "1"),
      ("%q"):format(url("missing")),
      '"git:https://no-such-host.invalid/r.git"',
      '"git:https://127.0.0.1:1/r.git"',
      '"git:no-such-host.invalid:r.git"',
      '"archive:https://127.0.0.1:1/x.tgz"',
      '{ url = "archive:https://127.0.0.1:1/x.tgz", strip = -1 }',
      '{ url = "archive:https://127.0.0.1:1/x.tgz", strip = 1.5 }',
    }) do
      write(("x = %s,"):format(declared))
      fail("plan init.lua", "hint:", "init.lua:3", "`x`")
    end
  end)

  it("is not added to by a script with `locked`", function()
    place.commit("dots", { file = "one\n" })
    here.write("blob", "1")
    local fetch = ('ctx.copy(ctx.fetch_url("file://%s/blob"), ctx.out)'):format(here.directory)
    for _, declared in ipairs({ ("dots = %q,"):format(url("dots")), "" }) do
      write(declared, pinned:format("y", "y", fetch))
      local result = here.script([[
        local syslua = require("syslua")
        local manifest = syslua.evaluate("init.lua")
        local succeeded, problem = pcall(syslua.apply, manifest, { locked = true })
        print(succeeded, tostring(problem))
      ]])
      contains(result.stdout, "false", "--locked")
      assert.is_false(here.exists("syslua.lock"))
      assert.is_false(here.exists("home/.y"))
    end
  end)

  it("has its line, whatever comments say", function()
    here.write(
      "init.lua",
      '-- dots = those of ada\nlocal host = "git:file:///nosuch"\n-- dots = host\nreturn {\n'
        .. '  inputs = {\n    dots = host .. "/x",\n  },\n  setup = function() end,\n}\n'
    )
    fail("plan init.lua", "init.lua:6", "hint:")
  end)

  it("is cloned without a word of logins, and offline only from this machine", function()
    place.commit("config", { ["init.lua"] = "return { setup = function() end }" })
    make_ssh(0)
    for _, address in ipairs({
      "https://ada:s3cret@127.0.0.1:1/x",
      "git:https://ada:s3cret@127.0.0.1:1/x",
      "https://s3cret@127.0.0.1:1/x?dir=y#main",
      "https://127.0.0.1:1/x?token=s3cret",
    }) do
      local result = fail(("init --from '%s' new"):format(address), "cannot clone")
      contains_none(result.stdout .. result.stderr, "s3cret")
    end
    local others = { "path:./x", "path:/x", "archive:https://127.0.0.1:1/x", "/x", "./x" }
    for _, address in ipairs(others) do
      local result = fail(("init --from '%s' new"):format(address), "cannot clone", "hint:")
      contains_none(result.stderr:match("hint:.*"), "path:/")
    end
    fail(("init --from 'u@h:%s/repos/config' new --offline"):format(here.directory), "--offline")
    assert.equal(0, count_connections())
    assert.is_false(here.exists("new"))
    must(("init --from 'file://%s/repos/config' new --offline"):format(here.directory))
    must(("init --from 'u@h:%s/repos/config' other"):format(here.directory))
    assert.is_true(here.exists("new/init.lua") and here.exists("other/init.lua"))
  end)
end)
