--- A throw-away machine with git repositories and a server of them, for specs of `ctx.fetch_git`.
-- What is fetched is compared with what git's plumbing and nix-hash say.

local luassert = require("luassert")
local machine = require("spec.support.machine")
local python_server = require("spec.support.python_server")

local git_place = {}

local make_repositories = [=[
set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q -b main work && cd work
mkdir -p dir/sub
printf 'one\r\ntwo\n' >lines
printf '#!/bin/sh\necho tool\n' >dir/tool; chmod +x dir/tool
ln -s ../lines dir/sub/link
ln -s /nowhere dangling
echo 'at $Format:%H$ $Id$' >stamp
printf '* text=auto eol=crlf ident\nstamp export-subst\nhidden export-ignore\nlines filter=evil\n' \
  >.gitattributes
echo hidden >hidden
touch empty
printf 'caf\303\251\n' >"$(printf 'na\303\257ve name')"
git add -A
# What git would have made of it is not what a commit may hold.
git update-index --cacheinfo "100644,$(git hash-object -w --no-filters lines),lines"
git commit -qm one
git tag light && git tag -a -m annotated v1
echo second >second && git add second && git commit -qm two
git branch topic HEAD
git tag both HEAD~1 && git branch both HEAD
echo third >third && git add third && git commit -qm three
cd ..
git clone -q --bare work srv/a.git 2>/dev/null
# The hash of a commit's tree, with nothing but git's plumbing and nix's own tool.
tree_hash() {
  rm -rf plain && mkdir plain
  git -C work ls-tree -r -z --full-tree "$1" | while IFS= read -r -d '' line; do
    name=${line#*	}; set -- ${line%%	*}
    mkdir -p "plain/$(dirname "$name")"
    case $1 in
      120000) ln -s "$(git -C work cat-file blob $3)" "plain/$name" ;;
      *) git -C work cat-file blob $3 >"plain/$name" ;;
    esac
    [ $1 != 100755 ] || chmod +x "plain/$name"
  done
  nix-hash --type sha256 plain
}
for rev in light topic main
do echo "$rev $(git -C work rev-parse $rev^{commit}) $(tree_hash $rev)"; done
]=]

---@class spec.GitPlace
---@field here spec.Machine `srv/a.git` and `work` are a repository of it
---@field web spec.PythonServer serves `srv/`
---@field commits table<string, string> by names of branches and tags: light, topic, main
---@field hashes table<string, string> the NAR hashes of their trees
---@field fetch fun(url: string, rev: string, hash: string, opts: string?, env: table?, ...): any
---@field assert_fetched fun(result: spec.Result, hash: string): string
---@field assert_failed fun(result: spec.Result, ...: string)
---@field forget fun() empties the cache
---@field stop fun()

--- Makes it.
---@return spec.GitPlace
function git_place.new()
  local count = 0
  local here = machine.new()
  here.environment.SYSLUA_DOWNLOAD_RETRIES = "0"
  here.shell("mkdir srv")
  here.write("make", make_repositories)
  local made = here.shell("bash make")
  assert(made.code == 0, made.stderr)
  local commits, hashes = {}, {}
  for name, commit, hash in made.stdout:gmatch("(%S+) (%x+) (%x+)\n") do
    commits[name], hashes[name] = commit, hash
  end
  -- What would change the bytes, were it obeyed.
  here.write(
    "home/.gitconfig",
    [[
  [core]
    autocrlf = true
    eol = crlf
    attributesFile = /dev/null
  [filter "evil"]
    smudge = sh -c 'touch $HOME/smudged; cat; echo smudged'
    required = true
  ]]
  )
  local web = python_server.start("git_server", here.directory .. "/srv")

  -- Builds a derivation that is a copy of what it fetched.
  local function fetch(url, rev, sha256, opts, environment, words)
    count = count + 1
    here.write(
      "init.lua",
      ([[
return { setup = function()
  derive({
    name = "fetched-%d",
    config = function(_, ctx)
      ctx.copy(ctx.fetch_git(%q, %q, %q%s), ctx.out)
    end,
  })
end }]]):format(count, url, rev, sha256, opts and ", " .. opts or "")
    )
    return here.shell(("$LUA -l syslua apply init.lua %s"):format(words or ""), environment)
  end

  local function assert_fetched(result, hash)
    luassert.equal(0, result.code, result.stderr)
    local object = machine.get_object(here, "fetched-" .. count)
    local place = "root/store/obj/" .. object
    luassert.equal(hash, (here.shell("nix-hash --type sha256 " .. place).stdout:gsub("\n", "")))
    -- Nothing but the tree is left, not even a repository.
    luassert.equal(hash .. "\n", here.shell("ls -A root/cache/git | grep -v '\\.from$'").stdout)
    luassert.is_false(here.exists("home/smudged"))
    return place
  end

  local function assert_failed(result, ...)
    luassert.equal(1, result.code, result.stdout .. result.stderr)
    for _, text in ipairs({ ... }) do
      luassert.truthy(
        result.stderr:find(text, 1, true),
        ("%s is not in:\n%s"):format(text, result.stderr)
      )
    end
    luassert.truthy(result.stderr:find("init.lua:5", 1, true), result.stderr)
    luassert.equal("", here.shell("ls -A root/cache/git 2>/dev/null").stdout)
  end

  return {
    here = here,
    web = web,
    commits = commits,
    hashes = hashes,
    fetch = fetch,
    assert_fetched = assert_fetched,
    assert_failed = assert_failed,
    forget = function()
      here.shell("chmod -R u+w root/cache/git 2>/dev/null; rm -rf root/cache/git")
    end,
    stop = function()
      web.stop()
      here.remove()
    end,
  }
end

return git_place
