--- What the programs of a build do whose own process was killed: they have no part in the next one.
local machine = require("spec.support.machine")

describe("a build that was killed", function()
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
end)
