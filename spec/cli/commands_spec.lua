local commands = require("syslua.cli.commands")

describe("cli.commands", function()
  it("lists modules that keep the contract of a command", function()
    for _, listed in ipairs(commands.list) do
      local command = commands.load(listed.name)
      assert.equal(listed.summary, command.summary)
      assert.equal("function", type(command.add_to_parser))
      assert.equal("function", type(command.run))
    end
  end)

  it("knows what is a command", function()
    assert.is_true(commands.exists("apply"))
    assert.is_false(commands.exists("aply"))
  end)
end)
