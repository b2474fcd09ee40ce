local commands = require("syslua.cli.commands")
local tree = require("spec.support.tree")

describe("cli.commands", function()
  it("lists the files of commands/, each with the contract of a command", function()
    local orders = {}
    for _, name in ipairs(commands.list()) do
      local command = commands.load(name)
      assert.equal("number", type(command.order))
      assert.is_nil(orders[command.order], name .. " has the order of another command")
      orders[command.order] = name
      assert.equal("string", type(command.summary))
      assert.equal("table", type(command.arguments))
      assert.equal("function", type(command.run))
      local prints = require("syslua.cli.arguments").has_flag(command, "--json")
      assert.is_true(not prints or command.render ~= nil or name == "graph", name)
    end
    assert.equal(#tree.list({ "lua/syslua/commands" }, ".lua"), #commands.list())
  end)

  it("knows what is a command", function()
    assert.is_true(commands.exists("apply"))
    assert.is_false(commands.exists("aply"))
  end)
end)
