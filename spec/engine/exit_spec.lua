--- The interpreter may end while threads of the engine are alive.

local machine = require("spec.support.machine")

describe("the end of the interpreter", function()
  local here = machine.for_each_test()

  it("does not crash, a thousand times", function()
    here.write(
      "exit.lua",
      [[
      local syslua = require("syslua")
      local one = syslua.derive({
        name = "one",
        opts = { number = arg[1] },
        config = function(_, ctx)
          ctx.run("true")
          ctx.write(ctx.out, "same")
        end,
      })
      syslua.build(one)
      ]]
    )
    -- Every tenth builds something, so that threads were at work; two that run at once hurt more.
    local line = [[
      i=0; while [ $i -lt 1000 ]; do i=$((i + 1)); echo $((i % 10 ? 0 : i)); done |
        xargs -P 4 -n 1 "$LUA" exit.lua
    ]]
    assert.same({ code = 0, stdout = "", stderr = "" }, here.shell(line))
  end)

  it("does not crash after an evaluation, when its values are collected", function()
    here.write_config([[
      local one = derive({ name = "one", opts = { source("init.lua") }, config = function() end })
      file({ path = "~/.one", source = one.out })
    ]])
    for _, text in ipairs({
      [[manifest = syslua.evaluate("init.lua")]],
      [[manifest = syslua.evaluate("init.lua", { raw = true }); manifest = nil; collectgarbage(); ]]
        .. [[collectgarbage()]],
      [[handle = syslua.derive({ name = "x", config = function() end }); ]]
        .. [[syslua.source("init.lua")]],
      [[pcall(syslua.evaluate, "nowhere.lua"); os.exit(0)]],
    }) do
      assert.same({ code = 0, stdout = "", stderr = "" }, here.script(text), text)
    end
  end)
end)
