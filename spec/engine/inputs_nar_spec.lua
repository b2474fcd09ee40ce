--- The hash of an input's tree is what nix says of the same repository: of 20 with odd names, links
-- and modes (none with attributes, which nix obeys). And two branches that each add an input merge,
-- or it is said what to do.

local contains = require("spec.support.text_checks").contains
local input_place = require("spec.support.input_place")
local interpreter = require("spec.support.interpreter")

if interpreter.name ~= "lua5.4" then
  return
end

-- What makes each repository odd; the shell runs it in the work tree.
local oddities = {
  "printf 'one\\r\\ntwo\\n' >lines; printf '\\r' >end",
  "touch empty; mkdir -p a/b/c; touch a/b/c/d",
  "printf x >'with space'; printf y >'two  spaces '",
  "printf x >\"$(printf 'na\\303\\257ve')\"; printf y >\"$(printf '\\346\\274\\242')\"",
  "printf x >\"$(printf 'bytes-\\377\\376')\"",
  "printf x >\"$(printf 'new\\nline')\"",
  "printf x >'a.b'; mkdir a; printf y >a/b; printf z >'a-b'",
  "echo '#!/bin/sh' >run; chmod 755 run; echo text >text; chmod 600 text",
  "ln -s nowhere dangling; ln -s . itself; ln -s /etc/passwd absolute; ln -s ../../up up",
  "mkdir d; touch d/f; ln -s d/f link; ln -s d directory",
  "printf x >Case; printf y >case",
  "head -c 300000 /dev/zero >zeros; head -c 7 /dev/zero >seven; head -c 8 /dev/zero >eight",
  "i=0; while [ $i -lt 200 ]; do echo $i >f$i; i=$((i + 1)); done",
  "p=d; i=0; while [ $i -lt 40 ]; do p=$p/d; i=$((i + 1)); done; mkdir -p $p; echo deep >$p/f",
  "printf x >'*'; printf y >'?'; printf z >'[a]'; printf w >'$HOME'; printf v >'\\'",
  "printf x >.hidden; mkdir .config; printf y >.config/z; printf i >.gitignored",
  "printf '$Id$ $Format:%%H$' >stamp; ln -s stamp 'a link with spaces'",
  "mkdir -p x/y; echo '#!/bin/sh' >x/y/tool; chmod 777 x/y/tool; ln -s y x/z; ln -s x/z/tool tool",
  "n=$(printf 'n%.0s' $(seq 250)); echo long >$n; ln -s $n $(printf 'l%.0s' $(seq 200))",
  "printf x >-rf; printf y >--help; printf z >~; printf q >'\"'",
}

describe("the tree of an input #once", function()
  local place, here

  lazy_setup(function()
    place = input_place.new()
    here = place.here
  end)

  lazy_teardown(function()
    here.remove()
  end)

  it("hashes to what nix says", function()
    local declared = {}
    for number, oddity in ipairs(oddities) do
      local name = "r" .. number
      place.commit(name, { ["flake.nix"] = "{ outputs = { self }: { }; }\n" })
      local made = here.shell("cd repos/" .. name .. " && " .. oddity)
      assert.equal(0, made.code, oddity .. ": " .. made.stderr)
      place.commit(name, {})
      declared[number] = ("%s = %q,"):format(name, place.url(name))
    end
    here.write(
      "init.lua",
      ("return {\n  inputs = {\n%s\n  },\n  setup = function() end,\n}\n"):format(
        table.concat(declared, "\n")
      )
    )
    here.must("update", "-c", "init.lua")
    local inputs = place.lock().inputs
    local has_nix = here.shell("command -v nix").code == 0
    for number in ipairs(oddities) do
      local entry = inputs["r" .. number]
      local plain = here.shell(([[
        rm -rf plain && cp -R repos/r%d plain && rm -rf plain/.git &&
          nix-hash --type sha256 plain]]):format(number)).stdout
      -- What git would change at a checkout, the work tree has not been through.
      assert.equal(plain, entry.sha256 .. "\n", oddities[number])
      if has_nix then
        local shown = here.shell(
          ([[NIX_STATE_DIR=$PWD/nix/var NIX_STORE_DIR=$PWD/nix/store NIX_LOG_DIR=$PWD/nix/log \
          nix --extra-experimental-features 'nix-command flakes' --option sandbox false \
          flake metadata --no-write-lock-file --json "git+file://$PWD/repos/r%d"]]):format(
            number
          )
        )
        local metadata = shown.stdout:match("^%b{}")
        assert.truthy(metadata, shown.stderr)
        local document = require("syslua").lib.fromJSON(metadata)
        assert.equal(document.locked.narHash, place.to_sri(entry.sha256), oddities[number])
        assert.equal(document.lastModified, entry.lastModified)
        assert.equal(document.revision, entry.rev)
      end
    end
  end)

  it("is locked by two branches, which git merges or names what to do", function()
    for _, name in ipairs({ "a", "b", "m", "x", "y", "z" }) do
      place.commit(name, { file = name })
    end
    local function write(names)
      local lines = {}
      for index, name in ipairs(names) do
        lines[index] = ("    %s = %q,"):format(name, place.url(name))
      end
      here.write(
        "config/init.lua",
        "return { inputs = {\n" .. table.concat(lines, "\n") .. "\n}, setup = function() end }\n"
      )
    end
    local git = function(line)
      return here.shell(
        "cd config && export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a "
          .. "GIT_COMMITTER_EMAIL=a@b\n"
          .. line
      )
    end
    local function branch(name, names)
      git("git checkout -q main && git checkout -q -b " .. name)
      write(names)
      here.must("apply", "config/init.lua")
      git("git add -A && git commit -qm " .. name)
    end
    write({ "b", "m", "x" })
    git("git init -q -b main .")
    here.must("apply", "config/init.lua")
    git("git add -A && git commit -qm first")
    branch("low", { "a", "b", "m", "x" })
    branch("high", { "b", "m", "x", "y" })
    -- The lines are apart.
    local merged = git("git merge -q low")
    assert.equal(0, merged.code, merged.stdout .. merged.stderr)
    here.must("lock", "--check", "-c", "config/init.lua")
    -- The same line.
    branch("last", { "b", "m", "x", "y" })
    branch("third", { "b", "m", "x", "z" })
    assert.equal(1, git("git merge -q last").code)
    write({ "b", "m", "x", "y", "z" })
    local refused = here.run("apply", "config/init.lua")
    assert.equal(1, refused.code)
    contains(refused.stderr, "keep the lines of both sides")
    local text = here.read("config/syslua.lock"):gsub("<<<<<<<[^\n]*\n", "")
    text =
      text:gsub("=======[^\n]*\n", ""):gsub(">>>>>>>[^\n]*\n", ""):gsub(' }\n    "', ' },\n    "')
    here.write("config/syslua.lock", text)
    here.must("lock", "--check", "-c", "config/init.lua")
  end)
end)
