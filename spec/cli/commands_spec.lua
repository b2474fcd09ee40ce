local commands = require("syslua.cli.commands")
local tree = require("spec.support.tree")

describe("cli.commands", function()
  it("lists modules that keep the contract of a command", function()
    for _, name in ipairs(commands.names) do
      local command = commands.load(name)
      assert.equal("string", type(command.summary))
      assert.equal("function", type(command.add_to_parser))
      assert.equal("function", type(command.run))
    end
  end)

  it("lists each file of commands/", function()
    local listed = { require("syslua.util.table").unpack(commands.names) }
    table.sort(listed)
    local files = {}
    for index, file in ipairs(tree.list({ "lua/syslua/commands" }, ".lua")) do
      files[index] = file:match("([^/]+)%.lua$")
    end
    table.sort(files)
    assert.same(files, listed)
  end)

  it("knows what is a command", function()
    assert.is_true(commands.exists("apply"))
    assert.is_false(commands.exists("aply"))
  end)
end)
