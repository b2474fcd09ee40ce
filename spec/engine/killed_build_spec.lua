--- What the programs of a build do whose own process was killed: they have no part in the next one.
local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")

describe("a build that was killed #once", function()
  it("does not write into the next one", function()
    local here = machine.new()
    here.write_config([[
      derive({
        name = "slow",
        config = function(_, ctx)
          ctx.run("mkdir $out; sleep 1; echo run >>$out/stamp; sleep 0.2")
        end,
      })
    ]])
    here.shell([[
      $LUA -l syslua build init.lua >/dev/null 2>&1 &
      sleep 0.6
      kill -9 $!
    ]])
    local result = here.run("build", "init.lua")
    assert.equal(0, result.code, result.stderr)
    -- What the first one would have written by now.
    here.shell("sleep 0.6")
    assert.equal("run\n", here.read(result.stdout:match("[^\n]+") .. "/stamp"))
    assert.equal(0, here.run("verify").code)
    here.remove()
  end)

  it("keeps the next one waiting until its processes are gone", function()
    local here = machine.new()
    local mark = "86.0" .. math.random(100000, 999999)
    here.write_config(([[
      derive({ name = "slow", config = function(_, ctx)
        ctx.run("for i in $(seq 200); do sleep %s & done; wait")
      end })
    ]]):format(mark))
    -- The lock is held as long as one of them runs.
    local line = ([[
      $LUA -l syslua build init.lua --sandbox require >output 2>&1 & own=$!
      for i in $(seq 200); do
        if [ "$(pgrep -c -f '[s]leep MARK')" -ge 200 ]; then break; fi
        sleep 0.05
      done
      lock=$(ls root/store/locks/b??.jail)
      if flock -n $lock true; then echo free; fi
      kill -9 $own
      until flock -n $lock true; do :; done
      pgrep -c -f '[s]leep MARK'
    ]]):gsub("MARK", mark)
    assert.equal("0\n", here.shell(line).stdout, here.read("output"))
    local busy = here.shell([[
      flock root/store/locks/b??.jail sleep 5 & sleep 0.3
      $LUA -l syslua build init.lua --sandbox require --lock-timeout 0
      kill $!
    ]])
    contains(busy.stderr, "slow is being built by")
    here.remove()
  end)
end)
