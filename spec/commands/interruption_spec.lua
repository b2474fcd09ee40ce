--- The switch among signals, kills and others like it: old or new, never between.

local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local text_checks = require("spec.support.text_checks")

local contains, contains_none = text_checks.contains, text_checks.contains_none

-- What does not differ between versions of Lua is tried on one.
local it_once = interpreter.version == "5.4" and it or pending
local it_traced = interpreter.version == "5.4" and process.has("strace") and it or pending

local whole = os.getenv("SYSLUA_SWEEP") == "all"

describe("a switch", function()
  local here = machine.for_each_test()

  local function run(...)
    local result = here.run(...)
    assert.equal(0, result.code, result.stderr)
    return result
  end

  for _, signal in ipairs({ "INT", "TERM", "HUP" }) do
    it_once(
      "ends within two seconds, with all it started, when it is told by SIG" .. signal,
      function()
        here.write("home/.taken", "mine\n")
        here.write_config([[
        file({ path = "~/.taken", content = "ours\n" })
        activate({ config = function(_, ctx)
          ctx.run("touch ~/done", { undo = "rm ~/done" })
          ctx.run("echo $$ >~/child; exec sleep 60", { undo = "rm -f ~/child" })
        end })
      ]])
        local before = here.list("home")
        local result = here.shell([[
        $LUA -l syslua apply init.lua & id=$!
        i=0; while [ ! -s ~/child ] && [ $i -lt 100 ]; do sleep 0.05; i=$((i + 1)); done
        child=$(cat ~/child); begin=$(date +%s%N); kill -]] .. signal .. [[ $id; wait $id; code=$?
        echo "took $((($(date +%s%N) - begin) / 1000000))"
        kill -0 "$child" 2>/dev/null && echo "the child lives"
        exit $code
      ]])
        assert.equal(130, result.code, result.stdout .. result.stderr)
        assert.is_true(tonumber(result.stdout:match("took (%d+)")) < 2000, result.stdout)
        contains_none(result.stdout, "lives")
        assert.equal(before, here.list("home"))
        assert.is_false(here.exists("root/store/metadata/journal"))
      end
    )
  end

  it_once("does not mind that nobody reads what it says", function()
    here.write_config([[
      for number = 1, 200 do file({ path = "~/file" .. number, content = tostring(number) }) end
    ]])
    here.shell("$LUA -l syslua apply init.lua 2>&1 | head -n 1")
    assert.is_false(here.exists("root/store/metadata/journal"))
    local count = here.shell("ls ~ | wc -l").stdout
    assert.truthy(count == "200\n" or count == "0\n", count)
  end)

  it_once("is told of while it is cut off, and taken back by the next one", function()
    here.write("home/.taken", "mine\n")
    here.write_config([[
      file({ path = "~/.taken", content = "ours\n" })
      activate({ config = function(_, ctx)
        ctx.run("sleep 60; touch ~/never", { undo = "touch ~/undone" })
      end })
    ]])
    here.shell([[
      $LUA -l syslua apply init.lua & id=$!
      i=0; while ! grep -q begin $SYSLUA_ROOT/store/metadata/journal 2>/dev/null &&
        [ $i -lt 100 ]; do
        sleep 0.05; i=$((i + 1))
      done
      kill -9 $id; wait $id 2>/dev/null
    ]])
    assert.equal("ours\n", here.read("home/.taken"))
    local status = here.run("status")
    contains(status.stdout, "was cut off")
    here.write_config([[file({ path = "~/.other", content = "other\n" })]])
    contains(run("plan", "init.lua").stdout, "was cut off")
    local result = run("apply", "init.lua")
    contains(result.stderr, "took back")
    assert.equal("mine\n", here.read("home/.taken"))
    assert.is_true(here.exists("home/undone"))
    assert.equal("other\n", here.read("home/.other"))
  end)

  it_once("refuses a journal that is damaged, and loses nothing", function()
    here.write("home/.taken", "mine\n")
    here.write_config([[file({ path = "~/.one", content = "one\n" })]])
    run("apply", "init.lua")
    here.write_config([[file({ path = "~/.taken", content = "ours\n" })]])
    for _, text in ipairs({ "", "{", '{"version":9}', "\0\0\0", ("["):rep(100000) }) do
      here.write("root/store/metadata/journal", text)
      for _, words in ipairs({ "apply init.lua", "rollback --yes" }) do
        local result = here.shell("$LUA -l syslua " .. words)
        assert.equal(1, result.code, result.stdout)
        contains(result.stderr, "store/metadata/journal")
      end
      assert.equal("mine\n", here.read("home/.taken"))
    end
    os.remove(here.root .. "/store/metadata/journal")
    run("apply", "init.lua")
  end)

  it_traced("is old or new after a kill at any call that changes something", function()
    here.write("home/.taken", "mine\n")
    local first = [[
      file({ path = "~/.one", content = "first\n" })
      file({ path = "~/.gone/deep", content = "gone\n" })
      file({ path = "~/.real", content = "first\n", mode = "640" })
    ]]
    local second = [[
      file({ path = "~/.one", content = "second\n" })
      file({ path = "~/.taken", content = "ours\n" })
      file({ path = "~/.real", content = "second\n", mode = "640" })
      file({ path = "~/.come/deep", content = "come\n" })
    ]]
    here.write_config(second)
    run("build", "init.lua")
    here.write_config(first)
    run("apply", "init.lua")
    here.write_config(second)
    here.shell("cp -a home root .. 2>/dev/null; mkdir saved; cp -a home root saved/")
    local function read_home()
      local list = "cd ~ && find . -type f -exec sha256sum {} + -o -printf '%p %l\\n' | sort"
      return here.shell(list).stdout
    end
    local old = read_home()
    run("apply", "init.lua")
    local new = read_home()
    local counted = 0
    for _, call in ipairs({
      "renameat",
      "renameat2",
      "rename",
      "symlinkat",
      "unlinkat",
      "linkat",
      "mkdirat",
      "syncfs",
      "fsync",
      "rmdir",
      "unlink",
    }) do
      local number = 0
      repeat
        number = number + (whole and 1 or 2)
        here.shell("chmod -R u+w home root; rm -rf home root; cp -a saved/home saved/root .")
        local line = "strace -f -qq -o /dev/null -e inject=%s:signal=KILL:when=%d -e trace=%s $LUA "
          .. "-l syslua apply init.lua"
        local result = here.shell(line:format(call, number, call))
        local ended = result.code == 0
        if not ended then
          counted = counted + 1
          -- The next command that takes the lock recovers; that there is no such snapshot it says
          -- then.
          here.run("rollback", "99", "--yes")
          local state = read_home()
          assert.is_true(state == old or state == new, ("%s %d: %s"):format(call, number, state))
          run("apply", "init.lua")
          assert.equal(new, read_home())
          assert.equal(0, here.run("verify").code)
        end
      until ended or number > 60
    end
    assert.is_true(counted > 5, tostring(counted))
  end)
end)
