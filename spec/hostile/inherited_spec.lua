--- What a process inherits changes nothing: closed descriptors, the umask.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")

describe("closed standard descriptors #once", function()
  local here = machine.for_each_test(function(here)
    here.write_config([[
      local built = derive({ name = "built", config = function(_, ctx)
        ctx.run("echo said; echo complained >&2; cat; echo text >$out")
      end })
      file({ path = "~/.built", source = built.out })
      file({ path = "~/.real", content = ("content\n"):rep(100), mode = "600" })
      activate({ config = function(_, ctx) ctx.run("echo ran; cat; touch ~/.ran") end })
    ]])
  end)

  for number = 1, 7 do
    local closed = {}
    for descriptor, bit in pairs({ [0] = 1, [1] = 2, [2] = 4 }) do
      if math.floor(number / bit) % 2 == 1 then
        closed[#closed + 1] = descriptor .. ">&-"
      end
    end
    table.sort(closed)
    local line = table.concat(closed, " ")

    it("keep no output in files: " .. line, function()
      local result = here.shell("$LUA -l syslua apply --verbose init.lua " .. line)
      assert.equal(0, result.code, result.stderr)
      assert.equal("text\n", here.shell("cat home/.built").stdout)
      assert.equal(("content\n"):rep(100), here.read("home/.real"))
      assert.is_true(here.exists("home/.ran"))
      -- Records and locks hold what they held in a root that was made as usual.
      assert.equal(
        "",
        here.shell("find root -name '*.lock' -size +0; find root -name '*.json' -size 0").stdout
      )
      assert.equal(0, here.run("verify").code)
      assert.equal(0, here.run("status").code)
      result = here.shell("$LUA -l syslua destroy --yes " .. line)
      assert.equal(0, result.code, result.stderr)
      assert.is_false(here.exists("root"))
    end)
  end
end)

-- Everything that makes files in a root, one after the other.
local function use_everything(here, umask)
  here.write("home/.taken", "original\n")
  here.write("tree/deep/file", "file\n")
  here.write("download", "downloaded\n")
  here.write("init.lua", [[
return { setup = function()
  local turn = os.getenv("TURN")
  local built = derive({ name = "built", version = "1", opts = { turn = turn },
    config = function(_, ctx)
    ctx.mkdir("made/deep"); ctx.write("made/deep/file", "text")
    ctx.write(ctx.out .. "/written", "text"); ctx.copy("made", ctx.out .. "/copied")
    ctx.run("mkdir sub; touch sub/file $out/touched")
  end })
  local fetched = derive({ name = "fetched", config = function(_, ctx)
    ctx.copy(ctx.fetch_url("file://]] .. here.directory .. [[/download",
      "]] .. here.shell("sha256sum download | cut -c -64").stdout:gsub("%s", "") .. [["), ctx.out)
  end })
  file({ path = "~/.built", source = built.out })
  file({ path = "~/.fetched", source = fetched.out })
  file({ path = "~/.taken", content = "ours " .. turn, mode = "600" })
  file({ path = "~/.tree", source = "tree", recursive = true })
  env({ TURN = turn })
end }]])
  local result = here.shell(([[
    umask %s; set -e
    sys() { $LUA -l syslua "$@" >/dev/null </dev/null; }
    for turn in 1 2 3; do TURN=$turn sys apply init.lua; done
    echo edited >home/.taken
    TURN=4 sys apply init.lua
    sys rollback --yes 2
    sys export $(ls root/store/obj | grep ^tree) --output closure
    sys import closure closure
    object=root/store/obj/$(ls root/store/obj | grep ^fetched)
    chattr -f -i $object || true; chmod 644 $object; echo damaged >$object
    sys verify --repair init.lua || true
    sys gc --keep 2
    chmod u+rw tree home/.taken
    TURN=5 sys apply init.lua
  ]]):format(umask))
  assert(result.code == 0, result.stderr)
end

describe("the umask #once", function()
  it("changes no mode in a root", function()
    local seen = {}
    for _, umask in ipairs({ "022", "000", "077", "027" }) do
      local here = machine.new()
      use_everything(here, umask)
      -- Names with numbers of processes and moments are not compared, but their modes are.
      local modes = here.shell([[
        find root -printf '%m %y %P\n' |
          sed -E 's/[0-9a-f]+-[0-9a-f]{12,}-([0-9]+-)?/N-/
            s/[0-9a-f]{9,}/H/g; s/locks\/b../locks\/bN/' | LC_ALL=C sort -u
      ]])
      seen[#seen + 1] = { umask, modes.stdout }
      assert.equal("", here.shell("find root -perm /022 ! -type l").stdout, umask)
      here.remove()
    end
    for index = 2, #seen do
      for line in seen[index][2]:gmatch("[^\n]+") do
        local is_same = seen[1][2]:find(line .. "\n", 1, true)
        assert.truthy(is_same, ("with umask %s: %s"):format(seen[index][1], line))
      end
    end
    contains(seen[1][2], "700 d backups\n")
    contains(seen[1][2], "600 f store/store.lock\n")
  end)
end)
