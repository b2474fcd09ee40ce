--- git repositories that mean harm, and submodules: what could run something, lead elsewhere or
-- stand for something else is refused. This does not depend on the Lua: it runs on one.

local git_place = require("spec.support.git_place")
local interpreter = require("spec.support.interpreter")

if interpreter.name ~= "lua5.4" then
  return
end

describe("ctx.fetch_git #once", function()
  local place, here, web, fetch, assert_fetched, assert_failed

  lazy_setup(function()
    place = git_place.new()
    here, web = place.here, place.web
    fetch, assert_fetched, assert_failed = place.fetch, place.assert_fetched, place.assert_failed
  end)

  lazy_teardown(function()
    place.stop()
  end)

  before_each(function()
    place.forget()
  end)

  describe("refuses", function()
    local cases = {
      ["a helper program as address"] = {
        "ext::sh -c 'touch $HOME/ran'",
        "main",
        "names a helper program",
      },
      ["another helper"] = { "fd::17", "main", "names a helper program" },
      ["an address like an option"] = { "--upload-pack=touch ran", "main", "begins with a hyphen" },
      ["a host like an option"] = {
        "ssh://-oProxyCommand=touch%20ran/x",
        "main",
        "begins with a hyphen",
      },
      ["a user like an option"] = {
        "ssh://-oProxyCommand=x@host/x",
        "main",
        "begins with a hyphen",
      },
      ["a path like an option"] = {
        "host:--upload-pack=x",
        "main",
        "would be taken for an option",
      },
      ["an unknown scheme"] = { "git://127.0.0.1/a.git", "main", "has the scheme git://" },
      ["a relative path"] = { "./work", "main", "is a relative path" },
      ["a newline in the address"] = { "http://127.0.0.1/a\nb", "main", "has a newline" },
      ["a newline in the revision"] = { "http://127.0.0.1/a", "ma\nin", "has a newline" },
      ["a revision like an option"] = {
        "http://127.0.0.1/a",
        "--upload-pack=x",
        "begins with a hyphen",
      },
      ["a revision that is none"] = {
        "http://127.0.0.1/a",
        "main~1",
        "neither a commit, a tag nor a branch",
      },
      ["an empty revision"] = { "http://127.0.0.1/a", "", "is empty" },
    }
    for what, case in pairs(cases) do
      it(what, function()
        assert_failed(fetch(case[1], case[2], ("0"):rep(64)), case[3])
        assert.is_false(here.exists("home/ran"))
        assert.is_false(here.exists("ran"))
      end)
    end

    it("a hash that is none", function()
      assert_failed(
        fetch(web.url .. "/a.git", "main", "abc"),
        "is not a SHA-256",
        "nix-prefetch-git"
      )
    end)
  end)

  describe("refuses a tree with", function()
    -- Writes a commit whose tree is these raw bytes, as no git would make it.
    local make_tree = [=[
import hashlib, os, sys, zlib
git, name = sys.argv[1:3]
def put(kind, content):
    data = b"%s %d\0" % (kind, len(content)) + content
    digest = hashlib.sha1(data).hexdigest()
    path = os.path.join(git, "objects", digest[:2])
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, digest[2:]), "wb") as file:
        file.write(zlib.compress(data))
    return bytes.fromhex(digest)
def tree(*entries):
    lines = (mode + b" " + path + b"\0" + digest for mode, path, digest in entries)
    return put(b"tree", b"".join(lines))
blob = put(b"blob", b"evil\n")
outside = put(b"blob", b"../../../../../canary")
inner = tree((b"100644", b"file", blob))
trees = {
    "dot-git": lambda: tree((b"40000", b".git", inner)),
    "dot-git-upper": lambda: tree((b"40000", b".GIT", inner)),
    "dot-git-hfs": lambda: tree((b"40000", b".g\xe2\x80\x8cit", inner)),
    "dot-git-ntfs": lambda: tree((b"40000", b"git~1", inner)),
    "dot-git-stream": lambda: tree((b"40000", b".git::$INDEX_ALLOCATION", inner)),
    "dot-dot": lambda: tree((b"40000", b"..", inner)),
    "dot": lambda: tree((b"40000", b".", inner)),
    "slash": lambda: tree((b"100644", b"../canary", blob)),
    "absolute": lambda: tree((b"100644", b"/tmp/canary", blob)),
    "empty-name": lambda: tree((b"100644", b"", blob)),
    "duplicate": lambda: tree((b"100644", b"a", blob), (b"100644", b"a", blob)),
    "link-then-through": lambda: tree((b"120000", b"a", outside), (b"40000", b"a", inner)),
    "directory-then-link": lambda: tree((b"40000", b"a", inner), (b"120000", b"a", outside)),
    "modules-link": lambda: tree((b"120000", b".gitmodules", outside)),
    "missing-blob": lambda: tree((b"100644", b"a", bytes(20))),
    "unknown-mode": lambda: tree((b"10644x", b"a", blob)),
    "deep": lambda: deep(300),
}
def deep(levels):
    at = inner
    for _ in range(levels):
        at = tree((b"40000", b"d", at))
    return at
made = trees[name]()
people = b"\nauthor a <a@b> 0 +0000\ncommitter a <a@b> 0 +0000\n"
commit = b"tree " + made.hex().encode() + people + b"\nevil\n"
digest = put(b"commit", commit).hex()
print(digest)
]=]

    local cases = {
      ["`.git`"] = { "dot-git", ".git" },
      ["`.GIT`"] = { "dot-git-upper", "take for it" },
      ["`.git` as HFS reads it"] = { "dot-git-hfs", "take for it" },
      ["`.git` as NTFS reads it"] = { "dot-git-ntfs", "take for it" },
      ["a stream of `.git`"] = { "dot-git-stream", "take for it" },
      ["`..`"] = { "dot-dot", "lead out of it" },
      ["`.`"] = { "dot", "lead out of it" },
      ["a path in a name"] = { "slash", "separator" },
      ["an absolute name"] = { "absolute", "separator" },
      ["an empty name"] = { "empty-name", "the tree" },
      ["a name twice"] = { "duplicate", "the same name twice" },
      ["a link and something behind it"] = { "link-then-through", "the same name twice" },
      ["a directory that becomes a link"] = { "directory-then-link", "the same name twice" },
      ["a link for .gitmodules"] = { "modules-link", "expects a file" },
      ["a missing file"] = { "missing-blob", "damaged" },
      ["a mode that is none"] = { "unknown-mode", "the repository is damaged" },
      ["too many levels"] = { "deep", "more than 200 directories" },
    }

    for what, case in pairs(cases) do
      it(what, function()
        here.shell("rm -rf srv/evil.git; git init -q --bare srv/evil.git")
        here.write("make_tree.py", make_tree)
        here.write("canary", "alive\n")
        local commit =
          here.shell("python3 make_tree.py srv/evil.git " .. case[1]).stdout:match("%x+")
        local url = "file://" .. here.directory .. "/srv/evil.git"
        assert_failed(fetch(url, commit, ("0"):rep(64)), case[2])
        assert.equal("alive\n", here.read("canary"))
      end)
    end

    it("what a server sends so, too", function()
      here.shell("rm -rf srv/evil.git; git init -q --bare srv/evil.git")
      here.write("make_tree.py", make_tree)
      for name, text in pairs({
        ["dot-git"] = ".git",
        duplicate = "twice",
        ["dot-dot"] = "lead out",
      }) do
        local commit = here.shell("python3 make_tree.py srv/evil.git " .. name).stdout:match("%x+")
        here.shell("git -C srv/evil.git update-ref refs/heads/" .. name .. " " .. commit)
        assert_failed(fetch(web.url .. "/evil.git", name, ("0"):rep(64)), text)
      end
    end)
  end)

  describe("with submodules", function()
    local commit, plain_hash, full_hash

    lazy_setup(function()
      local made = here.shell(
        [[
        set -e
        export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b
        export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
        mkdir modules && cd modules
        export GIT_ALLOW_PROTOCOL=file
        git init -q -b main inner && echo inner >inner/file && git -C inner add file &&
          git -C inner commit -qm inner
        git clone -q --bare inner ../srv/inner.git
        git init -q -b main middle && cd middle
        git submodule --quiet add ../../srv/inner.git deep/inner >&2
        git -c protocol.file.allow=always config -f .gitmodules submodule.deep/inner.url \
          ../inner.git
        git add -A && git commit -qm middle && cd ..
        git clone -q --bare middle ../srv/middle.git
        git init -q -b main outer && cd outer
        git submodule --quiet add ../../srv/middle.git mod >&2
        git config -f .gitmodules submodule.mod.url ../middle.git
        echo outer >file && git add -A && git commit -qm outer && cd ..
        git clone -q --bare outer ../srv/outer.git
        cp -R outer plain && rm -rf plain/.git plain/mod && mkdir plain/mod
        cp -R outer full && rm -rf full/mod && cp -R middle full/mod &&
          rm -rf full/mod/deep/inner &&
          git clone -q ../srv/inner.git full/mod/deep/inner &&
            find full -name .git -prune -exec rm -rf {} +
        git -C outer rev-parse HEAD; nix-hash --type sha256 plain; nix-hash --type sha256 full]]
      )
      assert(made.code == 0, made.stderr)
      commit, plain_hash, full_hash = made.stdout:match("(%x+)\n(%x+)\n(%x+)")
    end)

    it("leaves an empty directory unless told otherwise, as nix-prefetch-git does", function()
      assert_fetched(fetch(web.url .. "/outer.git", commit, plain_hash), plain_hash)
    end)

    it("fetches them in each other, by addresses relative to their parent", function()
      assert_fetched(
        fetch(web.url .. "/outer.git", commit, full_hash, "{ submodules = true }"),
        full_hash
      )
      here.shell("rm -rf root/cache/git")
      local url = "file://" .. here.directory .. "/srv/outer.git"
      assert_fetched(fetch(url, commit, full_hash, "{ submodules = true }"), full_hash)
    end)

    it("refuses one of a server that lies on this machine, or names a helper", function()
      for address, text in pairs({
        ["file://" .. here.directory .. "/srv/inner.git"] = "is on this machine",
        ["/srv/inner.git"] = "is on this machine",
        ["ext::sh -c 'touch ran'"] = "names a helper program",
        ["-u./payload"] = "begins with a hyphen",
      }) do
        local made = here.shell(([[
          set -e
          rm -rf bad srv/bad.git
          git clone -q srv/outer.git bad && cd bad
          git config -f .gitmodules submodule.mod.url "%s"
          git add .gitmodules
          git -c user.name=a -c user.email=a@b commit -qm bad &&
            git clone -q --bare . ../srv/bad.git]]):format(address))
        assert.equal(0, made.code, made.stderr)
        assert_failed(
          fetch(web.url .. "/bad.git", "main", full_hash, "{ submodules = true }"),
          text
        )
      end
    end)

    it("says that one has no address", function()
      local made = here.shell([[
        set -e
        rm -rf bad srv/bad.git
        git clone -q srv/outer.git bad && cd bad && git rm -q --cached .gitmodules
        git -c user.name=a -c user.email=a@b commit -qm bad &&
          git clone -q --bare . ../srv/bad.git]])
      assert.equal(0, made.code, made.stderr)
      local result = fetch(web.url .. "/bad.git", "main", full_hash, "{ submodules = true }")
      assert_failed(result, ".gitmodules has no address of the submodule mod")
    end)
  end)
end)
