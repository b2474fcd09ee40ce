--- Downloads against servers that misbehave, and against nginx with TLS: every way to fail has its
-- message, and loses nothing. Servers and messages do not depend on the Lua: this runs on one. It
-- is over 600 lines, since it is one list of faults over one pair of servers.

local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local nginx = require("spec.support.nginx")
local process = require("spec.support.process")
local python_server = require("spec.support.python_server")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

if interpreter.name ~= "lua5.4" then
  return
end

describe("ctx.fetch_url #once", function()
  local here, rude, hash, short_hash
  local count = 0

  lazy_setup(function()
    here = machine.new()
    here.environment.SYSLUA_STALL_TIMEOUT = "0.5"
    here.environment.SYSLUA_RESPONSE_TIMEOUT = "1"
    here.environment.SYSLUA_DOWNLOAD_RETRIES = "1"
    here.shell("mkdir web; head -c 3000000 /dev/urandom >web/file; printf 'content\\n' >web/short")
    hash = here.shell("sha256sum <web/file").stdout:match("%x+")
    short_hash = here.shell("sha256sum <web/short").stdout:match("%x+")
    rude = python_server.start("rude_server", here.directory .. "/web")
  end)

  lazy_teardown(function()
    rude.stop()
    here.remove()
  end)

  before_each(function()
    here.shell(
      "chmod -R u+w root/cache 2>/dev/null; rm -rf root/cache/downloads "
        .. "root/store/metadata/gc-roots"
    )
  end)

  -- Builds a derivation that says what it fetched: its path, and the file's hash.
  local function fetch(url, sha256, opts, environment, words)
    count = count + 1
    here.write(
      "init.lua",
      ([[
return { setup = function()
  derive({
    name = "fetched-%d",
    config = function(_, ctx)
      local path = ctx.fetch_url(%q, %q%s)
      ctx.write(ctx.out, path .. "\n" .. ctx.run({ "sha256sum", path }):sub(1, 64) .. "\n")
    end,
  })
end }]]):format(count, url, sha256, opts and ", " .. opts or "")
    )
    return here.shell(("$LUA -l syslua apply init.lua %s"):format(words or ""), environment)
  end

  local function read_built()
    local object = machine.get_object(here, "fetched-" .. count)
    return here.read("root/store/obj/" .. object):match("^(.-)\n(%x+)\n$")
  end

  local function assert_fetched(result, wanted)
    assert.equal(0, result.code, result.stderr)
    local path, found = read_built()
    assert.equal(wanted or hash, found)
    -- Neither parts nor locks are left.
    assert.equal((wanted or hash) .. "\n", here.shell("ls root/cache/downloads").stdout)
    return path
  end

  -- Fails, says each of the texts, and leaves nothing behind but what can be resumed.
  local function assert_failed(result, texts, left)
    assert.equal(1, result.code, result.stdout .. result.stderr)
    for _, text in ipairs(texts) do
      contains(result.stderr, text)
    end
    contains(result.stderr, "init.lua:5")
    local listed = here.shell("ls root/cache/downloads | grep -v lock$").stdout
    assert.equal(left or "", (listed:gsub("%x%x%x%x+", "#")))
  end

  local function list_requests(path)
    local found = {}
    for _, request in ipairs(rude.list_requests()) do
      if request:find(path, 1, true) then
        found[#found + 1] = request
      end
    end
    return found
  end

  describe("against a server with faults", function()
    it("tries again after a 503", function()
      local result = fetch(rude.url .. "/flaky/1/file", hash)
      assert_fetched(result)
      contains(result.stderr, "trying again in 0.3 s")
      assert.equal(2, #list_requests("/flaky/1/"))
    end)

    it("gives up after as many retries as are set", function()
      assert_failed(
        fetch(rude.url .. "/flaky/2/file", hash),
        { "503 Service Unavailable, 2 times in a row" }
      )
      assert.equal(2, #list_requests("/flaky/2/"))
    end)

    it("waits as long as a 429 asks for", function()
      local result = fetch(rude.url .. "/patience/1/file", hash)
      assert_fetched(result)
      contains(result.stderr, "trying again in 1.0 s")
    end)

    it("does not wait for an hour", function()
      local result = fetch(rude.url .. "/patience/3600/file", hash)
      assert_failed(result, { "429 Too Many Requests", "come back in 3600 s" })
    end)

    it("asks for the rest after a dropped connection, of the same content", function()
      assert_fetched(fetch(rude.url .. "/drop/file", hash))
      local requests = list_requests("/drop/file")
      assert.equal(2, #requests)
      matches(requests[2], 'range=bytes=%d+%- if%-range="one"')
    end)

    it("resumes by date where there is no tag", function()
      assert_fetched(fetch(rude.url .. "/drop-dated/file", hash))
      contains(list_requests("/drop-dated/file")[2], "if-range=Tue, 01 Jan 2030")
    end)

    it("starts over where the server names neither tag nor date", function()
      assert_fetched(fetch(rude.url .. "/drop-untagged/file", hash))
      contains_none(list_requests("/drop-untagged/file")[2], "range=")
    end)

    it("starts over when the file changed meanwhile", function()
      assert_fetched(fetch(rude.url .. "/changed/file", hash))
      assert.equal(2, #list_requests("/changed/file"))
    end)

    it("starts over when another part comes than asked for", function()
      assert_fetched(
        fetch(rude.url .. "/other-range/file", hash, nil, { SYSLUA_DOWNLOAD_RETRIES = "3" })
      )
    end)

    it("starts over when the rest cannot be had", function()
      assert_fetched(
        fetch(rude.url .. "/unsatisfiable/file", hash, nil, { SYSLUA_DOWNLOAD_RETRIES = "3" })
      )
    end)

    it("starts over once when beginning and rest do not fit together", function()
      assert_fetched(fetch(rude.url .. "/wrong-rest/file", hash))
      assert.equal(3, #list_requests("/wrong-rest/file"))
    end)

    it("does not start over twice", function()
      local result = fetch(rude.url .. "/always-wrong/file", hash)
      local received =
        here.shell("head -c 3000000 /dev/zero | tr '\\0' z | sha256sum").stdout:match("%x+")
      assert_failed(result, { hash, received })
      assert.equal(3, #list_requests("/always-wrong/file"))
    end)

    it("keeps what came for the next run", function()
      local none = { SYSLUA_DOWNLOAD_RETRIES = "0" }
      local result = fetch(rude.url .. "/always-drop/file", hash, nil, none)
      assert_failed(result, { "dropped after", "of 3000000 bytes" }, "#.part\n#.part.json\n")
      -- The same address answers well now.
      here.shell("sed -i s/always-drop/drop/ root/cache/downloads/*.json")
      assert_fetched(fetch(rude.url .. "/drop/file", hash, nil, none))
      local requests = list_requests("/drop/file")
      contains(requests[#requests], "range=bytes=")
    end)

    it("resumes in the next run only from the same address", function()
      local none = { SYSLUA_DOWNLOAD_RETRIES = "0" }
      assert.equal(1, fetch(rude.url .. "/always-drop/file", hash, nil, none).code)
      assert_fetched(fetch(rude.url .. "/file/file", hash, nil, none))
    end)

    it("tells a truncated download", function()
      local result = fetch(rude.url .. "/truncated/file", hash)
      assert_failed(result, { "3000000 of 3000100 bytes" })
    end)

    it("ends an endless download", function()
      local result =
        fetch(rude.url .. "/endless/file", hash, nil, { SYSLUA_DOWNLOAD_LIMIT = "10000000" })
      assert_failed(result, { "larger than 10000000 bytes", "SYSLUA_DOWNLOAD_LIMIT" })
    end)

    it("refuses what is too large before it comes", function()
      assert_failed(fetch(rude.url .. "/huge/file", hash), { "larger than 68719476736 bytes" })
    end)

    it("leaves a server that stalls", function()
      local result = fetch(rude.url .. "/stall/file", hash, nil, { SYSLUA_DOWNLOAD_RETRIES = "0" })
      assert_failed(
        result,
        { "no data came for 0.5 s after 4 of 8 bytes" },
        "#.part\n#.part.json\n"
      )
    end)

    it("leaves a server that sends next to nothing", function()
      local result =
        fetch(rude.url .. "/trickle/file", hash, nil, { SYSLUA_DOWNLOAD_RETRIES = "0" })
      assert_failed(result, { "bytes came in 0.5 s" })
    end)

    it("leaves a server that does not answer", function()
      local result = fetch(
        rude.url .. "/silent/file",
        hash,
        nil,
        { SYSLUA_DOWNLOAD_RETRIES = "0", SYSLUA_STALL_TIMEOUT = "5" }
      )
      assert_failed(result, { "no answer within 1 s" })
    end)

    it("leaves a server when a signal says so, and keeps what came", function()
      -- Writes the config.
      fetch(rude.url .. "/stall/file?signal", hash, nil, nil, "--offline")
      local result = here.shell(
        [[
        $LUA -l syslua apply init.lua & own=$!
        i=0
        while ! ls root/cache/downloads/*.part >/dev/null 2>&1 && [ $i -lt 100 ]; do
          sleep 0.05; i=$((i + 1))
        done
        begin=$(date +%s%N)
        kill -INT $own
        wait $own
        echo "code $?"
        [ $(($(date +%s%N) - begin)) -lt 2000000000 ] && echo "in time"
        ls root/cache/downloads | sed 's/^[0-9a-f]*//'
      ]],
        { SYSLUA_STALL_TIMEOUT = "30" }
      )
      assert.equal("code 130\nin time\n.part\n.part.json\n", result.stdout, result.stderr)
    end)

    it("says that a connection was dropped, or that it is no web server", function()
      assert_failed(
        fetch(rude.url .. "/reset/file", hash),
        { "the connection was dropped, 2 times in a row" }
      )
      assert_failed(fetch(rude.url .. "/garbage/file", hash), { "does not speak HTTP" })
    end)

    it("says that there is no such file, at once", function()
      assert_failed(
        fetch(rude.url .. "/missing/file", hash),
        { "the server answered 404 Not Found" }
      )
      assert.equal(1, #list_requests("/missing/file"))
      assert_failed(fetch(rude.url .. "/status/403", hash), { "403 Forbidden" })
    end)

    it("says that a connection was refused", function()
      assert_failed(
        fetch("http://127.0.0.1:1/file", hash),
        { "127.0.0.1:1 refused the connection" }
      )
    end)

    it("says that a host is unknown", function()
      assert_failed(
        fetch("http://no-such-host.invalid/file", hash),
        { "the host no-such-host.invalid is unknown" }
      )
    end)

    it("names both hashes of wrong content, and keeps nothing", function()
      local result = fetch(rude.url .. "/file/short", hash)
      assert_failed(result, { "declared sha256 " .. hash, "received sha256 " .. short_hash })
      assert.equal("", here.shell("find root/cache/downloads -type f").stdout)
    end)
  end)

  describe("refuses", function()
    local cases = {
      ["a scheme that it does not know"] = { "ftp://host/file", "has the scheme ftp://" },
      ["an address without scheme"] = { "host/file", "has no scheme" },
      ["an address without host"] = { "http:///file", "names no host" },
      ["a malformed port"] = { "http://host:99999/", "malformed port" },
      ["a newline"] = { "http://127.0.0.1/a\nHost: x", "has a newline in it" },
      ["a control character"] = { "http://127.0.0.1/a\1", "has a control character in it" },
      ["a space"] = { "http://127.0.0.1/a b", "write %20" },
      ["a file address of another host"] = { "file://host/file", "names an absolute path" },
      ["a file that is not there"] = { "file:///no/such/file", "No such file" },
      ["a file that is none"] = { "file:///dev/null", "not a regular file" },
      ["a hash that is none"] = { "http://127.0.0.1/", "is not a SHA-256", hash = "abc" },
      ["a name that leads elsewhere"] = {
        "http://127.0.0.1/",
        "has a slash in it",
        opts = '{ name = "../x" }',
      },
      ["a name with a newline"] = {
        "http://127.0.0.1/",
        "has a newline",
        opts = '{ name = "a\\nb" }',
      },
      ["a malformed mirror"] = {
        "http://127.0.0.1/",
        "has no scheme",
        opts = '{ mirrors = { "ext::id" } }',
      },
      ["an unknown option"] = { "http://127.0.0.1/", "mirrors", opts = "{ mirror = {} }" },
    }
    for what, case in pairs(cases) do
      it(what, function()
        assert_failed(fetch(case[1], case.hash or hash, case.opts), { case[2] })
      end)
    end
  end)

  describe("on redirects", function()
    it("follows ten", function()
      assert_fetched(fetch(rude.url .. "/redirect/10/file", hash))
    end)

    it("does not follow eleven, or a circle", function()
      assert_failed(
        fetch(rude.url .. "/redirect/11/file", hash),
        { "redirects more than 10 times" }
      )
      assert_failed(fetch(rude.url .. "/loop/file", hash), { "redirects more than 10 times" })
    end)

    it("refuses one to another scheme", function()
      assert_failed(
        fetch(rude.url .. "/to?file:///etc/passwd", hash),
        { "redirects to an address that has the scheme file://" }
      )
    end)

    it("takes no login to another server", function()
      local other = python_server.start("rude_server", here.directory .. "/web")
      local address = ("http://ada:s3cret@127.0.0.1:%s/to?%s/file/short"):format(
        rude.port,
        other.url
      )
      assert_fetched(fetch(address, short_hash), short_hash)
      contains_none(table.concat(other.list_requests()), "authorization")
      other.stop()
      local requests = list_requests("/to?" .. other.url)
      contains(requests[1], "authorization=Basic")
    end)
  end)

  describe("with a login", function()
    it("from the address, prints none of it", function()
      local address = ("http://ada:s3cret@127.0.0.1:%s/login/file"):format(rude.port)
      local result = fetch(address, hash)
      assert_fetched(result)
      here.shell("rm -rf root/cache/downloads")
      result = fetch(address:gsub("s3cret", "wr0ng"), short_hash)
      assert_failed(result, { "http://***@127.0.0.1", "401 Unauthorized", ".netrc" })
      contains_none(result.stderr, "wr0ng", "ada")
    end)

    it("from ~/.netrc", function()
      here.write("home/.netrc", "machine 127.0.0.1 login ada password s3cret\n")
      local result = fetch(rude.url .. "/login/file", hash)
      os.remove(here.home .. "/.netrc")
      assert_fetched(result)
    end)

    it("from the file that NETRC names", function()
      local file = here.write("logins", "default login ada password s3cret\n")
      assert_fetched(fetch(rude.url .. "/login/file", hash, nil, { NETRC = file }))
    end)

    it("of another host stays at home", function()
      local file = here.write("logins", "machine other.example login ada password s3cret\n")
      assert_failed(
        fetch(rude.url .. "/login/file", hash, nil, { NETRC = file }),
        { "401 Unauthorized" }
      )
    end)
  end)

  describe("with mirrors", function()
    it("asks them in order when the first address fails", function()
      local opts = ("{ mirrors = { %q, %q } }"):format(
        rude.url .. "/missing/m",
        rude.url .. "/file/file?mirror"
      )
      assert_fetched(fetch(rude.url .. "/missing/first", hash, opts))
      assert.equal(1, #list_requests("/file/file?mirror"))
    end)

    it("goes on when the first has other content", function()
      local opts = ("{ mirrors = { %q } }"):format(rude.url .. "/file/file")
      assert_fetched(fetch(rude.url .. "/file/short", hash, opts))
    end)

    it("says what each answered when all fail", function()
      local opts = ("{ mirrors = { %q } }"):format("http://127.0.0.1:1/x")
      assert_failed(
        fetch(rude.url .. "/missing/y", hash, opts),
        { "404 Not Found", "mirrors", "127.0.0.1:1 refused" }
      )
    end)
  end)

  describe("through a proxy", function()
    it("of http_proxy, asks for the whole address", function()
      local variables = { http_proxy = ("http://ada:s3cret@127.0.0.1:%s"):format(rude.port) }
      assert_fetched(fetch("http://only-the-proxy-knows.example/file/file", hash, nil, variables))
      local requests = list_requests("PROXY http://only-the-proxy-knows.example/file/file")
      assert.equal(1, #requests)
      contains(requests[1], "proxy-authorization=Basic YWRhOnMzY3JldA==")
    end)

    it("of HTTP_PROXY and ALL_PROXY, as HOST:PORT", function()
      local before = #list_requests("PROXY http://x.example/")
      assert_fetched(
        fetch("http://x.example/file/file", hash, nil, { HTTP_PROXY = "127.0.0.1:" .. rude.port })
      )
      here.shell("rm -rf root/cache/downloads")
      assert_fetched(
        fetch("http://x.example/file/file", hash, nil, { ALL_PROXY = "127.0.0.1:" .. rude.port })
      )
      assert.equal(before + 2, #list_requests("PROXY http://x.example/"))
    end)

    it("not to the hosts of no_proxy", function()
      local variables =
        { http_proxy = "http://127.0.0.1:1", no_proxy = "localhost,127.0.0.0,127.0.0.1" }
      assert_fetched(fetch(rude.url .. "/file/file", hash, nil, variables))
    end)

    local it_with_curl = process.has("curl") and it or pending

    it_with_curl("not to the hosts and networks of no_proxy, as curl takes them", function()
      -- Not /0: curl takes it for /32, against RFC 4632.
      local lists = {
        ["127.0.0.1"] = "127.0.0.1|127.0.0.0/8|127.0.0.0/31|127.0.0.2/31|10.0.0.0/8|127.0.0.1/32|"
          .. "127.0.0.2/32|*|127.0.0|0.0.1|localhost|10.0.0.1,127.0.0.1|10.0.0.1 , "
          .. "127.0.0.0/24 ,x|,,|::1",
        localhost = "localhost|LOCALHOST|.localhost|local|host|127.0.0.1|example.org, localhost|*",
      }
      for host, choices in pairs(lists) do
        for list in (choices .. "|"):gmatch("([^|]*)|") do
          -- Nobody listens there: only the proxy has it.
          local url = ("http://%s:1/file/file"):format(host)
          local line = "curl -sS -f -o /dev/null --max-time 20 --noproxy %s -x %s %s"
          local expected = here.shell(line:format(process.quote(list), rude.url, url)).code == 0
          here.shell("chmod -R u+w root; rm -rf root")
          local variables =
            { http_proxy = rude.url, no_proxy = list, SYSLUA_DOWNLOAD_RETRIES = "0" }
          local found = fetch(url, hash, nil, variables).code == 0
          assert.equal(expected, found, host .. " with no_proxy=" .. list)
        end
      end
    end)

    it("that is not there, says so", function()
      local result =
        fetch(rude.url .. "/file/file", hash, nil, { http_proxy = "http://127.0.0.1:1" })
      assert_failed(result, { "127.0.0.1:1 (the proxy) refused the connection" })
    end)
  end)

  describe("keeps downloads", function()
    it("under the name in the address, or the one that is given", function()
      local path = assert_fetched(fetch(rude.url .. "/file/file?x=y/z", hash))
      assert.equal("file", path:match("[^/]*$"))
      path = assert_fetched(fetch(rude.url .. "/gone", hash, '{ name = "tool-1.0.tar.gz" }'))
      assert.equal("tool-1.0.tar.gz", path:match("[^/]*$"))
    end)

    it("so that --offline has them, and nothing else", function()
      assert_fetched(fetch(rude.url .. "/file/file", hash))
      assert_fetched(fetch(rude.url .. "/gone", hash, nil, nil, "--offline"))
      assert.equal(
        0,
        fetch("file://" .. here.directory .. "/web/short", short_hash, nil, nil, "--offline").code
      )
      local other = ("0"):rep(64)
      local result = fetch(rude.url .. "/file/file", other, nil, nil, "--offline")
      contains(result.stderr, "the network is switched off (--offline)")
    end)

    it("and looks at them again before use", function()
      assert_fetched(fetch(rude.url .. "/file/file", hash))
      here.shell("f=root/cache/downloads/" .. hash .. "; chmod u+w $f; echo damaged >>$f")
      assert_fetched(fetch(rude.url .. "/file/file?again", hash))
      assert.equal(1, #list_requests("/file/file?again"))
    end)

    it("and shares one between derivations and processes that want it at once", function()
      local config = [[
return { setup = function()
  for number = 1, 3 do
    derive({
      name = "at-once-%s-" .. number,
      config = function(_, ctx)
        ctx.copy(ctx.fetch_url(%q, %q), ctx.out)
      end,
    })
  end
end }]]
      for _, process_name in ipairs({ "a", "b" }) do
        here.write(
          process_name .. ".lua",
          config:format(process_name, rude.url .. "/slow/file?at-once", hash)
        )
      end
      local line = "$LUA -l syslua build %s.lua --jobs 4"
      local both = ("%s & p=$!; %s && wait $p"):format(line:format("a"), line:format("b"))
      local result = here.shell(both, { SYSLUA_STALL_TIMEOUT = "9" })
      assert.equal(0, result.code, result.stderr)
      assert.equal(1, #list_requests("/slow/file?at-once"))
      contains(result.stderr, "waiting for")
    end)
  end)

  it("reads file addresses with encoded characters", function()
    here.write("web/with space", "content\n")
    local path = assert_fetched(
      fetch("file://" .. here.directory .. "/web/with%20space", short_hash),
      short_hash
    )
    assert.equal("with space", path:match("[^/]*$"))
  end)

  it("stays within the memory of a few buffers", function()
    if not process.has("/usr/bin/time") then
      pending("GNU time is not installed")
    end
    here.shell("head -c 150000000 /dev/zero >web/large")
    local large = here.shell("sha256sum <web/large").stdout:match("%x+")
    here.write(
      "init.lua",
      ([[
return { setup = function()
  derive({ name = "large", config = function(_, ctx)
    ctx.write(ctx.out, ctx.fetch_url(%q, %q))
  end })
end }]]):format(rude.url .. "/file/large", large)
    )
    local result = here.shell("/usr/bin/time -f '%M KB' $LUA -l syslua apply init.lua")
    assert.equal(0, result.code, result.stderr)
    assert.is_true(tonumber(result.stderr:match("(%d+) KB")) < 60000, result.stderr)
  end)

  describe("over TLS", function()
    local web

    lazy_setup(function()
      web = nginx.start(here.directory)
    end)

    lazy_teardown(function()
      web.stop()
    end)

    local function trusting(variables)
      variables = variables or {}
      variables.SSL_CERT_FILE = web.authority
      return variables
    end

    it("trusts the authority that SSL_CERT_FILE names", function()
      assert_fetched(fetch(web.urls.good .. "/file", hash, nil, trusting()))
    end)

    it("trusts those in the directory that SSL_CERT_DIR names", function()
      here.shell(
        "mkdir -p authorities; cp tls/ca.pem authorities/; echo nothing >authorities/README"
      )
      local variables = { SSL_CERT_DIR = here.directory .. "/authorities" }
      assert_fetched(fetch(web.urls.good .. "/file", hash, nil, variables))
    end)

    it("refuses an authority that nobody trusts", function()
      local certificates = here.shell("ls /etc/ssl/certs/ca-certificates.crt").code == 0
      local text = certificates and "signed by an unknown authority" or "No CA certificates"
      assert_failed(fetch(web.urls.good .. "/file", hash), { text })
    end)

    it("refuses a certificate that signed itself", function()
      local result = fetch(web.urls.self .. "/file", hash, nil, trusting())
      assert_failed(result, {
        "the certificate of 127.0.0.1 is signed by an unknown authority",
        "SSL_CERT_FILE",
      })
    end)

    it("refuses a certificate of another name", function()
      local result = fetch(web.urls.other .. "/file", hash, nil, trusting())
      assert_failed(result, { "the certificate is not for 127.0.0.1" })
    end)

    it("refuses a certificate that has expired", function()
      local result = fetch(web.urls.expired .. "/file", hash, nil, trusting())
      assert_failed(result, { "the certificate of 127.0.0.1 has expired" })
    end)

    it("refuses a server that speaks none", function()
      local result = fetch(rude.url:gsub("http:", "https:") .. "/file/file", hash, nil, trusting())
      assert_failed(result, { "TLS failed" })
    end)

    it("says so when SSL_CERT_FILE cannot be read", function()
      local result = fetch(web.urls.good .. "/file", hash, nil, { SSL_CERT_FILE = "/no/such/file" })
      assert_failed(result, { "/no/such/file", "SSL_CERT_FILE" })
    end)

    it("refuses to be redirected from https to http", function()
      local down = web.urls.good .. "/down"
      assert_failed(fetch(down, hash, nil, trusting()), { "redirects from https to plain http" })
      -- The other way is fine.
      local up = ("%s/to?%s"):format(rude.url, web.urls.good)
      assert_fetched(fetch(up .. "/file", hash, nil, trusting()))
      here.shell("rm -rf root/cache/downloads")
      assert_failed(
        fetch(up .. "/missing", hash, nil, trusting()),
        { "404 Not Found (from https://127.0.0.1" }
      )
    end)

    it("goes through a tunnel of https_proxy", function()
      local variables = trusting({ https_proxy = "http://ada:s3cret@127.0.0.1:" .. rude.port })
      assert_fetched(fetch(web.urls.good .. "/file", hash, nil, variables))
      local requests = list_requests("CONNECT 127.0.0.1:")
      assert.equal(1, #requests)
      contains(requests[1], "proxy-authorization=Basic")
    end)

    it("resumes with nginx", function()
      here.shell("mkdir -p root/cache/downloads")
      local name = "root/cache/downloads/" .. hash
      here.shell("head -c 1000000 web/file >" .. name .. ".part")
      local tag = here.shell(
        ("curl -sI %s/file | sed -n 's/^ETag: //p' | tr -d '\\r\\n'"):format(web.url)
      ).stdout
      here.write(name .. ".part.json", ('{"url":"%s/file","validator":%q}'):format(web.url, tag))
      assert_fetched(fetch(web.url .. "/file", hash))
      contains(here.read("access.log"), '"GET /file HTTP/1.1" 206 2000000')
    end)
  end)
end)
