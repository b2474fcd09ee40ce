--- Inputs from servers: https with an authority of its own, ssh, archives; what is wrong with each;
-- and what a user's git configuration must not change. Servers do not depend on the Lua: this runs
-- on one.

local git_place = require("spec.support.git_place")
local interpreter = require("spec.support.interpreter")
local nginx = require("spec.support.nginx")
local sshd = require("spec.support.sshd")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

if interpreter.name ~= "lua5.4" then
  return
end

describe("inputs #once", function()
  local place, here, web, variables

  lazy_setup(function()
    place = git_place.new()
    here = place.here
    here.shell("mkdir web; ln -s ../srv web/srv")
    web = nginx.start(here.directory, place.web.url)
    variables = { SSL_CERT_FILE = web.authority }
  end)

  lazy_teardown(function()
    web.stop()
    place.stop()
  end)

  before_each(function()
    here.shell("rm -rf root syslua.lock home/smudged home/hooked")
  end)

  local function run(declared, words, environment, lines)
    local text = "return {\n  inputs = {\n    x = %s,\n  },\n  setup = function(inputs)\n%s\n"
      .. "  end,\n}\n"
    here.write("init.lua", text:format(declared, lines or ""))
    return here.shell("$LUA -l syslua " .. (words or "apply init.lua"), environment or variables)
  end

  local function assert_locked(result, sha256, rev)
    assert.equal(0, result.code, result.stderr)
    local entry = require("syslua").lib.fromJSON(here.read("syslua.lock")).inputs.x
    assert.equal(sha256, entry.sha256)
    assert.equal(rev, entry.rev)
    local tree = "root/cache/inputs/" .. sha256
    assert.equal(sha256 .. "\n", here.shell("nix-hash --type sha256 " .. tree).stdout)
    assert.equal(sha256 .. "\n", here.shell("ls -A root/cache/inputs | grep -v '\\.from$'").stdout)
  end

  local function assert_failed(result, ...)
    assert.equal(1, result.code, result.stdout .. result.stderr)
    contains(result.stderr, "the input `x`", "init.lua:3", ...)
    assert.equal("", here.shell("ls -A root/cache/inputs 2>/dev/null | grep -v '\\.from$'").stdout)
    assert.is_false(here.exists("syslua.lock"))
  end

  local function https(path)
    return "git:" .. web.urls.good .. "/git/" .. path
  end

  for _, name in ipairs({ "main", "topic", "light" }) do
    it("come over https by a branch or tag: " .. name, function()
      local result = run(("%q"):format(https("a.git#" .. name)))
      assert_locked(result, place.hashes[name], place.commits[name])
    end)
  end

  it("come over https by a revision, and by the branch of the repository", function()
    local rev = place.commits.topic
    assert_locked(run(("%q"):format(https("a.git#" .. rev))), place.hashes.topic, rev)
    here.shell("rm -rf root syslua.lock")
    assert_locked(run(("%q"):format(https("a.git"))), place.hashes.main, place.commits.main)
  end)

  it("are private with a login, which stands nowhere", function()
    local url = https("private/a.git#main")
    assert_failed(run(("%q"):format(url)), "401")
    assert_failed(run(("{ url = %q, auth = 'ada:wr0ng' }"):format(url)), "401")
    here.environment.TOKEN = "ada:s3cret"
    local result =
      run(("{ url = %q, auth = os.getenv('TOKEN') }"):format(url), "apply init.lua --verbose")
    here.environment.TOKEN = nil
    assert_locked(result, place.hashes.main, place.commits.main)
    local found = here.shell("grep -rl 's3cret' root syslua.lock 2>/dev/null").stdout
    assert.equal("", found)
    contains_none(result.stdout .. result.stderr, "s3cret")
    -- Locked and cached, nothing asks for it.
    assert.equal(0, run(("%q"):format(url)).code)
  end)

  it("are private with a login from a document, decrypted while they are fetched", function()
    local vectors = "src/secrets/tests/vectors/"
    here.copy(vectors .. "key.txt", "key.txt")
    local recipient = "age1fm04afyk2yvux4cluqw83g4vx5cqvfdkle3r7qpx6nsm8yw6vcvstu8dzn"
    local with_key = {
      SSL_CERT_FILE = web.authority,
      SOPS_AGE_KEY_FILE = here.directory .. "/key.txt",
      SOPS_AGE_RECIPIENTS = recipient,
    }
    here.shell(
      "rm -f tokens.yaml; $LUA -l syslua secrets set git s3cret --file tokens.yaml",
      with_key
    )
    local url = https("private/a.git#main")
    local declared = ("{ url = %q, auth = 'ada:' .. sops.load('tokens.yaml').git }"):format(url)
    -- Without an identity the error says which secret it is, and whose it is.
    assert_failed(run(declared), "git of tokens.yaml", recipient)
    -- What programs get as arguments is in the trace.
    local words = "strace -f -qq -s 100000 -e trace=execve -o trace $LUA -l syslua"
    if here.shell("command -v strace").code ~= 0 then
      words = "$LUA -l syslua"
    end
    run(declared, "plan init.lua", with_key)
    here.shell("rm -rf root syslua.lock")
    local result = here.shell(words .. " apply init.lua --verbose", with_key)
    assert_locked(result, place.hashes.main, place.commits.main)
    assert.equal("", here.shell("grep -rl 's3cret' root syslua.lock trace 2>/dev/null").stdout)
    contains_none(result.stdout .. result.stderr, "s3cret")
    -- Locked and cached, it needs no identity.
    assert.equal(0, run(declared).code)
    here.shell("rm -rf root")
    local without = run(declared)
    assert.equal(1, without.code)
    contains(without.stderr, "git of tokens.yaml")
    assert.equal(0, run(declared, nil, with_key).code)
    -- A wrong one is refused without being shown.
    here.shell(
      "$LUA -l syslua secrets set git wr0ng --file tokens.yaml; rm -rf root syslua.lock",
      with_key
    )
    local wrong = run(declared, nil, with_key)
    assert_failed(wrong, "401")
    contains_none(wrong.stderr, "wr0ng")
  end)

  it("come with the login of ~/.netrc", function()
    local logins = here.write("logins", "machine 127.0.0.1 login ada password s3cret\n")
    local result = run(
      ("%q"):format(https("private/a.git#main")),
      nil,
      { SSL_CERT_FILE = web.authority, NETRC = logins }
    )
    assert_locked(result, place.hashes.main, place.commits.main)
  end)

  it("come with a login of git's credential helpers, which learn whether it was right", function()
    local helper = here.write(
      "helper",
      "#!/bin/sh\n{ echo $1; cat; } >>$HOME/asked\n"
        .. '[ "$1" = get ] || exit 0\necho username=ada\necho "password=$(cat $HOME/password)"\n'
    )
    here.shell("chmod +x helper")
    here.write("home/.config/git/config", ("[credential]\n  helper = %s\n"):format(helper))
    local function asked()
      local text = here.read("home/asked") or ""
      here.shell("rm -f home/asked")
      return text
    end
    local url = https("private/a.git#main")
    here.write("home/password", "wr0ng")
    assert_failed(run(("%q"):format(url)), "401", "credential helper")
    local words = asked()
    matches(words, "^get\n.*protocol=https\nhost=127.0.0.1:%d+\n", "erase\n.*password=wr0ng\n")
    here.write("home/password", "s3cret")
    assert_locked(run(("%q"):format(url)), place.hashes.main, place.commits.main)
    words = asked()
    matches(words, "store\n.*password=s3cret\n")
    contains_none(words, "erase")
    assert.equal("", here.shell("grep -rl s3cret root syslua.lock").stdout)
    -- A build asks them too; a server that wants no login, a token and --offline ask none.
    local lines = [[file { path = "~/.b", source = derive { name = "b", config = function(_, ctx)
      ctx.copy(ctx.fetch_git(%q, "main") .. "/second", ctx.out)
    end }.out }]]
    here.shell("rm -rf root syslua.lock")
    local repository = (url:gsub("^git:", ""):gsub("#.*", ""))
    local built = run(("%q"):format(https("a.git#main")), nil, nil, lines:format(repository))
    assert.equal(0, built.code, built.stderr)
    contains(asked(), "store\n")
    here.shell("rm -rf root syslua.lock")
    assert_locked(run(("%q"):format(https("a.git#main"))), place.hashes.main, place.commits.main)
    here.shell("rm -rf root syslua.lock")
    assert_failed(run(("{ url = %q, auth = 'ada:wr0ng' }"):format(url)), "401")
    assert_failed(run(("%q"):format(url), "apply init.lua --offline"), "--offline")
    assert.equal("", asked())
    here.shell("rm -r home/.config")
  end)

  it("say what is wrong with a server", function()
    assert_failed(run(("%q"):format(https("a.git#none"))), "neither a tag nor a branch `none`")
    assert_failed(run(("%q"):format(https("a.git#" .. ("12"):rep(20)))), ("12"):rep(20))
    assert_failed(run(("%q"):format(https("gone.git"))), "404")
    assert_failed(run(("%q"):format(https("cut/a.git"))), "cannot fetch")
    assert_failed(run('"git:https://no-such-host.invalid/x"'), "no-such-host.invalid")
    assert_failed(run('"git:https://127.0.0.1:1/x"'), "refused the connection")
    for name, url in pairs(web.urls) do
      if name ~= "good" then
        assert_failed(run(("%q"):format("git:" .. url .. "/git/a.git")), "certificate")
      end
    end
    assert_failed(run(("%q"):format(https("a.git")), "apply init.lua --offline"), "--offline")
  end)

  it("come over ssh with a key and a known host", function()
    local server = sshd.start(here.directory)
    local url = ("git:ssh://%s@127.0.0.1:%s%s/srv/a.git#main"):format(
      server.user,
      server.port,
      here.directory
    )
    local function with(command)
      return { GIT_SSH_COMMAND = command }
    end
    here.shell("ssh-keygen -q -t ed25519 -N '' -f ssh/stranger")
    local stranger = server.command:gsub("ssh/user", "ssh/stranger")
    assert_failed(run(("%q"):format(url), nil, with(stranger)), "Permission denied")
    local unknown = server.command:gsub("ssh/known", "ssh/unknown")
    assert_failed(run(("%q"):format(url), nil, with(unknown)), "Host key verification failed")
    local result = run(("%q"):format(url), nil, with(server.command))
    here.write(
      "home/.config/git/config",
      ("[core]\n  sshCommand = %s -p %s\n"):format(server.command, server.port)
    )
    assert_locked(result, place.hashes.main, place.commits.main)
    here.shell("rm -rf root syslua.lock")
    local scp = ("git:%s@127.0.0.1:%s/srv/a.git#main"):format(server.user, here.directory)
    local by_scp = run(("%q"):format(scp))
    here.shell("rm -r home/.config")
    server.stop()
    assert_locked(by_scp, place.hashes.main, place.commits.main)
  end)

  it("obey insteadOf, and nothing of git that changes bytes or runs", function()
    -- Filters and line endings are in the configuration already.
    here.shell("mkdir -p hooks template/hooks home/.config/git")
    for _, directory in ipairs({ "hooks", "template/hooks" }) do
      for _, hook in ipairs({ "post-checkout", "reference-transaction", "pre-auto-gc" }) do
        here.write(directory .. "/" .. hook, "#!/bin/sh\ntouch $HOME/hooked\n")
      end
    end
    here.shell("chmod +x hooks/* template/hooks/*")
    local configuration = [[
[core]
  hooksPath = HERE/hooks
[init]
  templateDir = HERE/template
[url "WEB/git/"]
  insteadOf = https://short/
]]
    configuration = configuration:gsub("HERE", here.directory):gsub("WEB", web.urls.good)
    here.write("home/.config/git/config", configuration)
    local result = run('"git:https://short/a.git#main"')
    local from_file =
      run(("%q"):format("git:file://" .. here.directory .. "/srv/a.git#main"), "update -c init.lua")
    here.shell("rm -r home/.config hooks template")
    assert.equal(0, from_file.code, from_file.stderr)
    assert_locked(result, place.hashes.main, place.commits.main)
    assert.is_false(here.exists("home/smudged"))
    assert.is_false(here.exists("home/hooked"))
  end)

  describe("that are archives", function()
    local sha256

    lazy_setup(function()
      local made = here.shell([[
        set -e
        mkdir -p pack/top-1.0/bin
        echo text >pack/top-1.0/file; echo '#!/bin/sh' >pack/top-1.0/bin/tool
        chmod +x pack/top-1.0/bin/tool
        ln -s file pack/top-1.0/link
        cd pack
        tar czf ../web/a.tar.gz top-1.0 && tar cJf ../web/a.tar.xz top-1.0
        python3 - <<'END'
import os, zipfile
with zipfile.ZipFile("../web/a.zip", "w") as out:
    for top, _, names in os.walk("top-1.0"):
        for name in names:
            path = os.path.join(top, name)
            info = zipfile.ZipInfo(path)
            info.create_system = 3
            if os.path.islink(path):
                info.external_attr = 0o120777 << 16
                out.writestr(info, os.readlink(path))
            else:
                info.external_attr = (os.stat(path).st_mode & 0xffff) << 16
                out.writestr(info, open(path).read())
END
        head -c 100 ../web/a.tar.gz >../web/cut.tar.gz
        tar czPf ../web/evil.tar.gz --transform 's,top-1.0/file,../outside,' top-1.0/file
        nix-hash --type sha256 top-1.0
      ]])
      assert.equal(0, made.code, made.stderr)
      sha256 = made.stdout:match("%x+")
    end)

    local function url(name)
      return ("%q"):format("archive:" .. web.urls.good .. "/" .. name)
    end

    for _, name in ipairs({ "a.tar.gz", "a.tar.xz", "a.zip", "a.tar.gz?strip=1" }) do
      it("are unpacked without the directory at their top: " .. name, function()
        local result = run(url(name), nil, nil, 'assert(io.open(inputs.x.path .. "/file"))')
        assert_locked(result, sha256, nil)
        -- The cache is enough.
        local again = run(url(name), "apply init.lua --offline --locked")
        assert.equal(0, again.code, again.stderr)
      end)
    end

    it("keep the directory on demand", function()
      local declared = ("{ url = %s, strip = 0 }"):format(url("a.tar.gz"))
      local result = run(declared, nil, nil, 'assert(io.open(inputs.x.path .. "/top-1.0/file"))')
      assert.equal(0, result.code, result.stderr)
    end)

    it("are refused when they are cut, hostile or missing", function()
      assert_failed(run(url("cut.tar.gz")), "cut.tar.gz")
      assert_failed(run(url("evil.tar.gz")), "evil.tar.gz")
      assert_failed(run(url("none.tar.gz")), "404")
      assert.is_false(here.exists("root/cache/outside"))
    end)

    it("that changed on the server are told with both hashes", function()
      assert_locked(run(url("a.tar.gz")), sha256, nil)
      here.shell(
        "rm -rf root; cp web/a.tar.gz save; cd pack; echo more >>top-1.0/file; "
          .. "tar czf ../web/a.tar.gz top-1.0"
      )
      local result = run(url("a.tar.gz"))
      here.shell("mv save web/a.tar.gz")
      assert.equal(1, result.code)
      contains(result.stderr, "locked sha256   " .. sha256, "received sha256", "sys update x")
    end)
  end)

  it("need no network once they are locked and cached", function()
    local lines = 'file { path = "~/f", source = inputs.x.path .. "/second" }'
    assert.equal(0, run(("%q"):format(https("a.git#main")), nil, nil, lines).code)
    here.shell("rm -f home/f")
    local result = here.shell("unshare -rn $LUA -l syslua apply init.lua --locked")
    if result.stderr:find("unshare", 1, true) then
      pending("no network namespaces here")
    end
    assert.equal(0, result.code, result.stderr)
    assert.equal("second\n", here.read("home/f"))
  end)

  it("resolve side by side, in the time of the slowest", function()
    -- Each connection waits a second before git is asked.
    local slow =
      here.write("slow", '#!/bin/sh\nsleep 1\nfor word; do last=$word; done\nexec sh -c "$last"\n')
    here.shell("chmod +x slow")
    local declared = {}
    for number = 1, 20 do
      declared[number] = ("i%d = %q,"):format(
        number,
        ("git:ssh://host%d%s/srv/a.git#main"):format(number, here.directory)
      )
    end
    here.write(
      "init.lua",
      "return {\n  inputs = {\n"
        .. table.concat(declared, "\n")
        .. "\n},\n  setup = function() end,\n}\n"
    )
    local begin = here.shell("date +%s%N").stdout
    local result = here.shell(
      "$LUA -l syslua plan init.lua",
      { GIT_SSH_COMMAND = slow, GIT_SSH_VARIANT = "ssh" }
    )
    local seconds = (tonumber(here.shell("date +%s%N").stdout) - tonumber(begin)) / 1e9
    assert.equal(0, result.code, result.stderr)
    assert.equal(20, select(2, result.stdout:gsub("would lock i%d+", "")))
    assert.truthy(seconds < 15, seconds)
  end)
end)
