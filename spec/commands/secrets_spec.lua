--- `secrets`: documents that the real `sops` reads, and those that it wrote.

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local text_checks = require("spec.support.text_checks")
local tree = require("spec.support.tree")

local contains, contains_none, matches_none =
  text_checks.contains, text_checks.contains_none, text_checks.matches_none

local recipient = "age1fm04afyk2yvux4cluqw83g4vx5cqvfdkle3r7qpx6nsm8yw6vcvstu8dzn"
local vectors = "src/secrets/tests/vectors/"
local sops = (os.getenv("SYSLUA_TOOLS") or "/var/cache/syslua-tools") .. "/bin/sops"
local it_with_sops = process.has(sops) and it or pending

describe("secrets #once", function()
  local here = machine.for_each_test(function(here)
    here.copy(vectors .. "key.txt", "key.txt")
    here.environment.SOPS_AGE_KEY_FILE = here.directory .. "/key.txt"
    here.environment.SOPS_DISABLE_VERSION_CHECK = "1"
    here.environment.SYSLUA_CONFIG = here.directory .. "/init.lua"
    here.environment.SHELL = "/bin/sh"
    here.write_config("")
    here.write(".sops.yaml", "creation_rules:\n  - age: " .. recipient .. "\n")
  end)

  local function run(code, ...)
    local result = here.run("secrets", ...)
    assert.equal(code, result.code, result.stdout .. result.stderr)
    return result.stdout, result.stderr
  end

  local function decrypt(file)
    local result = here.shell(("%s decrypt %s"):format(process.quote(sops), file))
    assert.equal(0, result.code, result.stderr)
    return result.stdout
  end

  it("sets and gets values by key", function()
    contains(run(0, "set", "db.password", "hunter2"), "secrets.yaml")
    run(0, "set", "db.users[0].name", "ada")
    run(0, "set", "db.users[1].name", "bob")
    run(0, "set", "port", "5432", "--type", "int")
    run(0, "set", '["tls.crt"]', "a\nb\n")
    assert.equal("hunter2\n", (run(0, "get", "db.password")))
    assert.equal("bob\n", (run(0, "get", "db.users[1].name")))
    assert.equal("a\nb\n", (run(0, "get", '["tls.crt"]')))
    assert.equal(
      '{"password":"hunter2","users":[{"name":"ada"},{"name":"bob"}]}\n',
      (run(0, "get", "db"))
    )
    contains(run(0, "get", "port", "--json"), '"value":5432')
    local text = here.read("secrets.yaml")
    contains_none(text, "hunter2")
    contains(text, "type:int]")
  end)

  it("keeps types", function()
    run(0, "set", "port", "5432", "--type", "int")
    run(0, "set", "port", "5433")
    contains(run(0, "get", "port", "--json"), '"value":5433')
    local _, problem = run(1, "set", "port", "many")
    contains(problem, "`port` is of type int")
    contains_none(problem, "many")
    run(0, "set", "port", "many", "--type", "str")
    assert.equal("many\n", (run(0, "get", "port")))
  end)

  it("reads a value from standard input", function()
    for given, expected in pairs({
      ["one\\n"] = "one\n",
      ["two\\nlines\\n"] = "two\nlines\n",
      none = "none\n",
    }) do
      local line = ("printf '%s' | $LUA -l syslua secrets set key"):format(given)
      assert.equal(0, here.shell(line).code)
      assert.equal(expected, (run(0, "get", "key")))
    end
  end)

  it_with_sops("writes what sops reads, in every format", function()
    for _, name in ipairs({ "a.yaml", "b.json", "c.env", "d.ini" }) do
      local key = name == "d.ini" and "section.key" or "key"
      run(0, "set", key, "täglich: #1", "--file", name)
      run(0, "set", key .. "2", "x", "--file", name)
      contains(decrypt(name), "täglich: #1")
      run(0, "rotate", "--file", name)
      contains(decrypt(name), "täglich: #1")
      assert.equal("x\n", (run(0, "get", key .. "2", "--file", name)))
    end
  end)

  it_with_sops("keeps what sops wrote but for the value that is set", function()
    here.write(
      "s.yaml",
      "# head\na: 1 # one\n\nb:\n  - x\n  # inner\n  - y\nc: |\n  two\n  lines\n"
    )
    assert.equal(0, here.shell(process.quote(sops) .. " encrypt --in-place s.yaml").code)
    local before = tree.lines(here.read("s.yaml"))
    run(0, "set", "b[1]", "z", "--file", "s.yaml")
    local after, changed = tree.lines(here.read("s.yaml")), {}
    assert.equal(#before, #after)
    for index, line in ipairs(before) do
      -- Both may be of one second.
      if after[index] ~= line and not line:find("lastmodified:", 1, true) then
        changed[#changed + 1] = line:match("^%s*(%S+)")
      end
    end
    assert.same({ "-", "mac:" }, changed)
    contains(decrypt("s.yaml"), "- z")
  end)

  it("edits in a private file that goes on every way out", function()
    run(0, "set", "a", "one")
    run(0, "set", "b", "two")
    local before = here.read("secrets.yaml")
    local function edit(script)
      here.write("editor", "#!/bin/sh\n" .. script .. "\n")
      here.shell("chmod +x editor")
      here.environment.EDITOR = here.directory .. "/editor"
      local result = here.run("secrets", "edit")
      local left =
        here.shell('ls -d /dev/shm/syslua-secret-* "$TMPDIR"/syslua-secret-* 2>/dev/null')
      matches_none(left.stdout, "secret%-" .. "%d")
      return result
    end
    local result = edit([[stat -c '%a %n' "$1" "${1%/*}" >seen; cp "$1" seen-content]])
    assert.equal(0, result.code, result.stderr)
    contains(here.read("seen"), "600 ")
    contains(here.read("seen"), "700 ")
    assert.equal("a: one\nb: two\n", here.read("seen-content"))
    assert.equal(before, here.read("secrets.yaml"))

    assert.equal(
      0,
      edit([[printf 'a: one\nb: other # why\nc: [1]\n' >"$1"; touch "${1%/*}/.swp"]]).code
    )
    assert.equal("other\n", (run(0, "get", "b")))
    -- What was not touched keeps its encrypted text.
    assert.equal(before:match("a: ENC[^\n]*"), here.read("secrets.yaml"):match("a: ENC[^\n]*"))
    local changed = here.read("secrets.yaml")
    local wrong = edit([[printf 'a: [\n' >"$1"]])
    assert.equal(1, wrong.code)
    assert.equal(1, select(2, wrong.stderr:gsub("error: ", "")))
    local empty = edit([[: >"$1"]])
    assert.equal(1, empty.code)
    contains(empty.stderr, "the editor left an empty file; nothing was changed")
    assert.equal(1, edit("exit 3").code)
    assert.is_true(edit([[kill -TERM $PPID; exec sleep 30]]).code ~= 0)
    assert.is_true(edit([[kill -HUP $PPID; exec sleep 30]]).code ~= 0)
    assert.equal(changed, here.read("secrets.yaml"))
  end)

  for _, kind in ipairs({ "ed25519", "rsa" }) do
    it("adds and removes recipients: ssh-" .. kind, function()
      run(0, "set", "a", "one")
      here.shell("ssh-keygen -q -t " .. kind .. " -N '' -f other")
      local other = here.read("other.pub"):gsub("\n", "")
      run(0, "recipients", "add", other)
      contains(run(0, "recipients"), recipient)
      contains(run(0, "recipients"), other)
      here.environment.SOPS_AGE_KEY_FILE = nil
      here.environment.SOPS_AGE_SSH_PRIVATE_KEY_FILE = here.directory .. "/other"
      assert.equal("one\n", (run(0, "get", "a")))
      contains(run(0, "recipients", "remove", recipient), "- " .. recipient)
      assert.equal("one\n", (run(0, "get", "a")))
      local _, problem = run(1, "recipients", "remove", other)
      contains(problem, "last recipient")
      contains(run(0, "rotate", "--recipient", other, "--json"), '"added":[],')
      contains(run(0, "recipients", "add", other, "--json"), '"removed":[],')
      -- The rule says who can decrypt it after a rotation.
      contains(run(0, "rotate"), "+ " .. recipient)
      problem = select(2, run(1, "get", "a"))
      contains(problem, recipient, "SOPS_AGE_SSH_PRIVATE_KEY_FILE: 1 key of SSH")
    end)
  end

  it("asks a command for the identity of a recipient", function()
    run(0, "set", "a", "one")
    here.environment.SOPS_AGE_KEY_FILE = nil
    here.write("ask.sh", "echo \"$SOPS_AGE_RECIPIENT\" >>asked; cat 'key.txt'\n")
    here.environment.SOPS_AGE_KEY_CMD = "sh 'ask.sh'"
    assert.equal("one\n", (run(0, "get", "a")))
    assert.equal(recipient .. "\n", here.read("asked"))
    here.write("ask.sh", "exit 3\n")
    contains(select(2, run(1, "get", "a")), "SOPS_AGE_KEY_CMD: `sh` failed: exit status: 3")
  end)

  it("makes identities and keeps those that are there", function()
    here.environment.SOPS_AGE_KEY_FILE = nil
    local made = run(0, "keygen"):match("age1%w+")
    local file = here.home .. "/.config/sops/age/keys.txt"
    assert.equal("600\n", here.shell("stat -c %a " .. process.quote(file)).stdout)
    local before = here.read(file)
    run(1, "keygen")
    here.environment.SOPS_AGE_KEY_FILE = ""
    contains(select(2, run(1, "keygen")), file)
    assert.equal(before, here.read(file))
    here.write(".sops.yaml", "creation_rules:\n  - age: " .. made .. "\n")
    run(0, "set", "a", "one")
    assert.equal("one\n", (run(0, "get", "a")))
  end)

  it("refuses by name what it cannot do", function()
    local function refuse(part, ...)
      contains(select(2, run(1, ...)), part)
    end
    refuse("there is no", "get", "a")
    run(0, "set", "a.b", "one")
    refuse("there is no `c`", "get", "a.c")
    refuse("is a map", "set", "a", "x")
    refuse("is not a key path", "get", "a..b")
    refuse("`sops`", "set", "sops.mac", "x")
    refuse(
      "is in clear",
      "get",
      "a",
      "--file",
      here.write("t.yaml", (here.read("secrets.yaml"):gsub("a:\n", "z: 1\na:\n")))
    )
    refuse("not encrypted", "get", "a", "--file", here.write("p.yaml", "a: 1\n"))
    here.write(".sops.yaml", "creation_rules:\n  - pgp: ABCD\n    age: " .. recipient .. "\n")
    refuse("`pgp`", "set", "a", "x", "--file", "new.yaml")
    refuse("`pgp`", "rotate")
    here.write(".sops.yaml", "creation_rules:\n  - path_regex: ^x$\n    age: " .. recipient .. "\n")
    refuse("no rule", "set", "a", "x", "--file", "new.yaml")
    here.shell("rm .sops.yaml")
    refuse("no recipients are given for", "set", "a", "x", "--file", "new.yaml")
    assert.is_false(here.exists("new.yaml"))
    run(2, "get", "a", "b")
    run(2, "get", "a", "--type", "int")
    run(2)
  end)

  it("opens what age wrote", function()
    if not process.has("age") then
      return pending("age is not installed")
    end
    here.shell("printf 'top\\nsecret' | age -r " .. recipient .. " -o s.age")
    assert.equal("top\nsecret", (run(0, "get", "--file", "s.age")))
  end)

  it("leaves the old or the new document when it is killed at any operation", function()
    if not process.has("strace") then
      return pending("strace is not installed")
    end
    run(0, "set", "a", "one")
    local calls = "fchmod,fchown,fsync,rename,renameat,renameat2,fdatasync,ftruncate"
    local before, kills, seen_old, seen_new = here.read("secrets.yaml"), 0, false, false
    for number = 1, 40 do
      local line = "strace -f -qq -o /dev/null -e trace=%s -e inject=%s:signal=KILL:when=%d"
      line = line:format(calls, calls, number)
      local result = here.shell(line .. " $LUA -l syslua secrets rotate")
      local now = here.read("secrets.yaml")
      assert.equal("one\n", (run(0, "get", "a")))
      seen_old = seen_old or now == before
      seen_new = seen_new or now ~= before
      before = now
      if result.code == 0 then
        break
      end
      kills = kills + 1
    end
    assert.is_true(kills >= 2, "it was killed " .. kills .. " times")
    assert.is_true(seen_old and seen_new)
  end)

  it("serves scripts", function()
    here.write(
      "script.lua",
      [[
        local secrets = require("syslua").secrets
        secrets.set("s.yaml", "a.b", 5, "int")
        assert(secrets.get("s.yaml", "a.b") == 5)
        assert(secrets.outline("s.yaml").a.b == "int")
        assert(#secrets.recipients("s.yaml", "list").recipients == 1)
      ]]
    )
    local result = here.lua("script.lua")
    assert.equal(0, result.code, result.stderr)
  end)
end)
