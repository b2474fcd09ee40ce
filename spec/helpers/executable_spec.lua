--- Whether a copied file can be run is recorded: what becomes of the object later does not matter.

local machine = require("spec.support.machine")
local matches = require("spec.support.text_checks").matches

describe("the right to run a copied file #once", function()
  local here = machine.for_each_test(function(here)
    here.write("run", "#!/bin/sh\necho ran\n")
    here.shell("chmod 755 run")
    here.apply('file { path = "~/bin/run", source = "run", copy = true }')
  end)

  local function run()
    return here.shell("~/bin/run").stdout
  end

  it("is as recorded, though a program took it from the object", function()
    local object = here.root .. "/store/obj/" .. machine.get_object(here, "run")
    here.shell(("chattr -i %s 2>/dev/null; chmod 444 %s"):format(object, object))
    assert.equal(0, here.run("status").code)
    matches(here.must("apply", "init.lua").stdout, "^Nothing changed")
    here.shell("rm ~/bin/run")
    here.must("apply", "init.lua")
    assert.equal("ran\n", run())
    here.shell("chmod 644 ~/bin/run")
    assert.equal(3, here.run("status").code)
    here.must("apply", "init.lua")
    assert.equal("ran\n", run())
  end)

  it("goes with the source, and comes back with a rollback", function()
    here.shell("chmod 644 run")
    here.must("apply", "init.lua")
    assert.equal("", run())
    here.must("rollback", "1")
    assert.equal("ran\n", run())
    assert.equal(0, here.run("status").code)
  end)
end)
