--- Trees of git commits, over https, http, ssh and from this machine. Servers do not depend on the
-- Lua: this runs on one.

local git_place = require("spec.support.git_place")
local interpreter = require("spec.support.interpreter")
local nginx = require("spec.support.nginx")
local python_server = require("spec.support.python_server")
local sshd = require("spec.support.sshd")
local text_checks = require("spec.support.text_checks")

local contains, contains_none = text_checks.contains, text_checks.contains_none

if interpreter.name ~= "lua5.4" then
  return
end

describe("ctx.fetch_git #once", function()
  local place, here, web, commits, hashes, fetch, assert_fetched, assert_failed

  lazy_setup(function()
    place = git_place.new()
    here, web, commits, hashes = place.here, place.web, place.commits, place.hashes
    fetch, assert_fetched, assert_failed = place.fetch, place.assert_fetched, place.assert_failed
  end)

  lazy_teardown(function()
    place.stop()
  end)

  before_each(function()
    place.forget()
  end)

  local function list_requests()
    return table.concat(web.list_requests(), "\n")
  end

  for _, from in ipairs({ "http", "file", "a path" }) do
    describe("from " .. from, function()
      local url

      before_each(function()
        local urls =
          { http = web.url .. "/a.git", file = "file://" .. here.directory .. "/srv/a.git" }
        url = urls[from] or here.directory .. "/work"
      end)

      it("fetches a commit, byte for byte as git has it", function()
        local tree = assert_fetched(fetch(url, commits.topic, hashes.topic), hashes.topic)
        assert.equal("one\r\ntwo\n", here.read(tree .. "/lines"))
        assert.equal("at $Format:%H$ $Id$\n", here.read(tree .. "/stamp"))
        assert.equal("hidden\n", here.read(tree .. "/hidden"))
        assert.equal("../lines", here.read_link(tree .. "/dir/sub/link"))
        assert.equal("555", here.shell("stat -c %a " .. tree .. "/dir/tool").stdout:match("%d+"))
        assert.is_false(here.exists(tree .. "/.git"))
      end)

      it("fetches a branch", function()
        assert_fetched(fetch(url, "main", hashes.main), hashes.main)
      end)

      it("fetches a lightweight tag and an annotated one", function()
        assert_fetched(fetch(url, "light", hashes.light), hashes.light)
        here.shell("rm -rf root/cache/git")
        assert_fetched(fetch(url, "v1", hashes.light), hashes.light)
      end)

      it("takes the tag where a branch has the same name, and full names", function()
        assert_fetched(fetch(url, "both", hashes.light), hashes.light)
        here.shell("rm -rf root/cache/git")
        assert_fetched(fetch(url, "refs/heads/both", hashes.topic), hashes.topic)
      end)

      it("says that there is no such branch, tag or commit", function()
        assert_failed(
          fetch(url, "nothing", hashes.main),
          "it has neither a tag nor a branch `nothing`"
        )
        assert_failed(fetch(url, ("12"):rep(20), hashes.main), ("12"):rep(20))
        assert_failed(fetch(url, commits.main:sub(1, 8), hashes.main), "all 40 digits")
      end)

      it("names both hashes of another tree, and keeps nothing", function()
        local result = fetch(url, "main", hashes.topic)
        assert_failed(result, "declared sha256 " .. hashes.topic, "received sha256 " .. hashes.main)
      end)
    end)
  end

  it("takes hashes as nix-prefetch-git prints them", function()
    local program =
      "import base64, sys; print(base64.b64encode(bytes.fromhex(sys.argv[1])).decode())"
    local sri = "sha256-"
      .. here.shell(("python3 -c '%s' %s"):format(program, hashes.main)).stdout:match("%S+")
    assert_fetched(fetch(web.url .. "/a.git", "main", sri), hashes.main)
  end)

  it("fetches one commit alone where the server allows it", function()
    local made = here.shell([[
      set -e
      export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b
      export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
      cd work
      head -c 3000000 /dev/urandom >ballast && git add ballast && git commit -qm ballast
      git rm -q --cached ballast && git commit -qm less &&
        git push -q ../srv/a.git HEAD:refs/heads/light-tree]])
    assert.equal(0, made.code, made.stderr)
    local result = fetch(
      web.url .. "/a.git",
      "light-tree",
      hashes.main,
      nil,
      { SYSLUA_DOWNLOAD_LIMIT = "100000" }
    )
    assert_fetched(result, hashes.main)
  end)

  it("fetches all where the server does not", function()
    here.shell([[
      cp -R srv/a.git srv/old.git && git -C srv/old.git config protocol.version 0 &&
      git -C srv/old.git config uploadpack.allowAnySHA1InWant false]])
    here.write("home/.gitconfig-old", "[protocol]\n  version = 0\n")
    here.write("home/save", here.read("home/.gitconfig"))
    here.write("home/.gitconfig", here.read("home/.gitconfig") .. "[protocol]\n  version = 0\n")
    local result = fetch(web.url .. "/old.git", commits.light, hashes.light)
    here.write("home/.gitconfig", here.read("home/save"))
    assert_fetched(result, hashes.light)
  end)

  it("keeps trees for others, also with --offline, and looks at them again", function()
    assert_fetched(fetch(web.url .. "/a.git", "main", hashes.main), hashes.main)
    assert_fetched(
      fetch(web.url .. "/gone.git", "main", hashes.main, nil, nil, "--offline"),
      hashes.main
    )
    here.shell("echo damaged >>root/cache/git/" .. hashes.main .. "/third")
    assert_fetched(
      fetch(web.url .. "/a.git", "topic2", hashes.topic, nil, nil, "--offline").code == 1
          and fetch(web.url .. "/a.git", "main", hashes.main)
        or {},
      hashes.main
    )
  end)

  it("says so when the network is switched off", function()
    assert_failed(
      fetch(web.url .. "/a.git", "main", hashes.main, nil, nil, "--offline"),
      "--offline"
    )
    local file = "file://" .. here.directory .. "/srv/a.git"
    assert_fetched(fetch(file, "main", hashes.main, nil, nil, "--offline"), hashes.main)
  end)

  it("follows a redirect of the repository", function()
    assert_fetched(fetch(web.url .. "/moved/a.git", "main", hashes.main), hashes.main)
  end)

  it("obeys insteadOf", function()
    here.write("home/.config/git/config", ('[url "%s/"]\n  insteadOf = short:\n'):format(web.url))
    local result = fetch("short:a.git", "main", hashes.main)
    here.shell("rm -r home/.config")
    assert_fetched(result, hashes.main)
  end)

  describe("with a login", function()
    it("from the address, prints none of it", function()
      local url = web.url:gsub("http://", "http://ada:s3cret@") .. "/private/a.git"
      assert_fetched(fetch(url, "main", hashes.main), hashes.main)
      here.shell("rm -rf root/cache/git")
      local result = fetch(url:gsub("s3cret", "wr0ng"), "main", hashes.main)
      assert_failed(result, "http://***@127.0.0.1", "netrc")
      contains_none(result.stderr, "wr0ng")
    end)

    it("from ~/.netrc", function()
      local file = here.write("logins", "machine 127.0.0.1 login ada password s3cret\n")
      assert_fetched(
        fetch(web.url .. "/private/a.git", "main", hashes.main, nil, { NETRC = file }),
        hashes.main
      )
    end)
  end)

  describe("says what went wrong:", function()
    it("no such repository", function()
      assert_failed(fetch(web.url .. "/gone.git", "main", hashes.main), "404 Not Found")
      assert_failed(
        fetch("file://" .. here.directory .. "/gone", "main", hashes.main),
        "there is no repository"
      )
    end)

    it("no repository at all", function()
      assert_failed(
        fetch(web.url .. "/page", "main", hashes.main),
        "cannot fetch " .. web.url .. "/page"
      )
    end)

    it("a server with faults", function()
      assert_failed(
        fetch(web.url .. "/answers/500", "main", hashes.main),
        "500 Internal Server Error"
      )
      assert_failed(fetch(web.url .. "/answers/403", "main", hashes.main), "403 Forbidden")
    end)

    it("a dropped connection", function()
      assert_failed(fetch(web.url .. "/cut/a.git", "main", hashes.main), "cannot fetch " .. web.url)
    end)

    it("nothing there", function()
      assert_failed(
        fetch("http://127.0.0.1:1/a.git", "main", hashes.main),
        "127.0.0.1:1 refused the connection"
      )
    end)

    it("more than the limit", function()
      local result =
        fetch(web.url .. "/a.git", "main", hashes.main, nil, { SYSLUA_DOWNLOAD_LIMIT = "100" })
      assert_failed(result, "SYSLUA_DOWNLOAD_LIMIT")
    end)
  end)

  describe("over ssh", function()
    local server

    lazy_setup(function()
      server = sshd.start(here.directory)
    end)

    lazy_teardown(function()
      server.stop()
    end)

    local function url_of(path)
      return ("ssh://%s@127.0.0.1:%s%s"):format(server.user, server.port, path)
    end

    local function with_ssh(command)
      return { GIT_SSH_COMMAND = command or server.command }
    end

    it("fetches a commit and a branch, with the ssh of GIT_SSH_COMMAND", function()
      local url = url_of(here.directory .. "/srv/a.git")
      assert_fetched(fetch(url, commits.light, hashes.light, nil, with_ssh()), hashes.light)
      here.shell("rm -rf root/cache/git")
      assert_fetched(fetch(url, "topic", hashes.topic, nil, with_ssh()), hashes.topic)
    end)

    it("takes core.sshCommand, and addresses as scp has them", function()
      here.write(
        "home/.config/git/config",
        ("[core]\n  sshCommand = %s -p %s\n"):format(server.command, server.port)
      )
      local result =
        fetch(("%s@127.0.0.1:%s/srv/a.git"):format(server.user, here.directory), "v1", hashes.light)
      here.shell("rm -r home/.config")
      assert_fetched(result, hashes.light)
    end)

    it("says that the key is refused", function()
      here.shell("ssh-keygen -q -t ed25519 -N '' -f ssh/stranger")
      local command = server.command:gsub("ssh/user", "ssh/stranger")
      assert_failed(
        fetch(url_of("/x"), "main", hashes.main, nil, with_ssh(command)),
        "Permission denied",
        "ssh"
      )
    end)

    it("asks nobody whether an unknown host is right", function()
      local command = server.command:gsub("ssh/known", "ssh/unknown")
      local result = fetch(url_of("/x"), "main", hashes.main, nil, with_ssh(command))
      assert_failed(result, "Host key verification failed", "connect to that host once")
    end)

    it("says what the other side said", function()
      local result = fetch(url_of("/no/such"), "main", hashes.main, nil, with_ssh())
      assert_failed(result, "'/no/such' does not appear to be a git repository")
    end)

    it("leaves a server that says nothing, and ends the ssh", function()
      local sleeper =
        here.write("sleeper", "#!/bin/sh\necho $$ >>pids\nsleep 77 & echo $! >>pids; wait\n")
      here.shell("chmod +x sleeper")
      local variables = with_ssh(sleeper)
      variables.SYSLUA_RESPONSE_TIMEOUT = "0.5"
      assert_failed(
        fetch(url_of("/x"), "main", hashes.main, nil, variables),
        "no data came for 0.5 s"
      )
      for id in here.read("pids"):gmatch("%d+") do
        -- Whoever inherited it may not have looked yet.
        local state =
          here.shell(("cut -d ' ' -f 3 /proc/%s/stat 2>/dev/null || echo Z"):format(id)).stdout
        assert.equal("Z\n", state)
      end
    end)

    it("ends the ssh when a signal says so", function()
      local sleeper = here.write("sleeper", "#!/bin/sh\nsleep 78 & echo $! >child; wait\n")
      here.shell("chmod +x sleeper; rm -f child")
      -- Writes the config.
      fetch(url_of("/x"), "main", hashes.main, nil, nil, "--offline")
      local result = here.shell(
        [[
        $LUA -l syslua apply init.lua & own=$!
        i=0
        while ! [ -s child ] && [ $i -lt 100 ]; do sleep 0.05; i=$((i + 1)); done
        begin=$(date +%s%N)
        kill -INT $own
        wait $own
        echo "code $?"
        [ $(($(date +%s%N) - begin)) -lt 2000000000 ] && echo "in time"
        grep -sq '^State:[^Z]*$' /proc/$(cat child)/status && echo "ssh is left"
        ls -A root/cache/git
      ]],
        with_ssh(sleeper)
      )
      assert.equal("code 130\nin time\n", result.stdout, result.stderr)
    end)

    it("says that there is no ssh", function()
      assert_failed(
        fetch(url_of("/x"), "main", hashes.main, nil, with_ssh("/no/such/ssh")),
        "/no/such/ssh"
      )
    end)
  end)

  describe("over https", function()
    local tls, url

    lazy_setup(function()
      tls = nginx.start(here.directory, web.url)
      url = tls.urls.good .. "/git/a.git"
    end)

    lazy_teardown(function()
      tls.stop()
    end)

    it("fetches what a trusted server has", function()
      assert_fetched(
        fetch(url, commits.light, hashes.light, nil, { SSL_CERT_FILE = tls.authority }),
        hashes.light
      )
      here.shell("rm -rf root/cache/git")
      assert_fetched(
        fetch(url, "topic", hashes.topic, nil, { SSL_CERT_FILE = tls.authority }),
        hashes.topic
      )
    end)

    it("trusts the authority that git's configuration names", function()
      here.write("home/.config/git/config", ("[http]\n  sslCAInfo = %s\n"):format(tls.authority))
      local result = fetch(url, "main", hashes.main)
      here.shell("rm -r home/.config")
      assert_fetched(result, hashes.main)
    end)

    it("refuses a certificate of another name", function()
      local result = fetch(
        tls.urls.other .. "/git/a.git",
        "main",
        hashes.main,
        nil,
        { SSL_CERT_FILE = tls.authority }
      )
      assert_failed(result, "the certificate is not for 127.0.0.1")
    end)

    it("goes through a proxy", function()
      local proxy = python_server.start("rude_server", here.directory)
      local variables =
        { SSL_CERT_FILE = tls.authority, https_proxy = "http://127.0.0.1:" .. proxy.port }
      local result = fetch(url, "main", hashes.main, nil, variables)
      local requests = table.concat(proxy.list_requests())
      proxy.stop()
      assert_fetched(result, hashes.main)
      contains(requests, "CONNECT 127.0.0.1:")
    end)
  end)

  it("fetches once what two processes want at once", function()
    local config = [[
return { setup = function()
  derive({
    name = "at-once-%s",
    config = function(_, ctx)
      ctx.copy(ctx.fetch_git(%q, "main", %q), ctx.out)
    end,
  })
end }]]
    local before = #web.list_requests()
    local lines = {}
    for number = 1, 3 do
      here.write(
        "once-" .. number .. ".lua",
        config:format(number, web.url .. "/a.git", hashes.main)
      )
      lines[number] = ("$LUA -l syslua build once-%d.lua & p%d=$!"):format(number, number)
    end
    local result = here.shell(table.concat(lines, "\n") .. "\nwait $p1 && wait $p2 && wait $p3")
    assert.equal(0, result.code, result.stderr)
    -- What is there, twice, since the tag is asked for before the branch; and the pack.
    assert.is_true(#web.list_requests() - before <= 5, list_requests())
    assert.equal(
      hashes.main .. "\n",
      here.shell("ls -A root/cache/git | grep -v '\\.from$'").stdout
    )
  end)

  it("asks for each thing once", function()
    local before = #web.list_requests()
    assert_fetched(fetch(web.url .. "/a.git", commits.main, hashes.main), hashes.main)
    -- What is there, and the pack.
    assert.is_true(#web.list_requests() - before <= 3, list_requests())
  end)
end)
