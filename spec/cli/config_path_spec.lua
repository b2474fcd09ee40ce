local contains = require("spec.support.text_checks").contains
local syslua = require("syslua")
local config_path = require("syslua.cli.config_path")
local failure = require("syslua.util.failure")

describe("cli.config_path", function()
  local real_getenv = os.getenv
  local variables, directory

  before_each(function()
    directory = os.tmpname()
    os.remove(directory)
    assert(os.execute(("mkdir -p '%s/empty' '%s/full'"):format(directory, directory)))
    io.open(directory .. "/full/init.lua", "w"):close()
    variables = { HOME = directory }
    os.getenv = function(name) -- luacheck: ignore 122
      return variables[name]
    end
    package.loaded.syslua = { username = "somebody", bindings = syslua.bindings }
  end)

  after_each(function()
    os.getenv = real_getenv -- luacheck: ignore 122
    package.loaded.syslua = nil
    os.execute(("rm -r '%s'"):format(directory))
  end)

  local function get_failure(argument)
    local ok, caught = pcall(config_path.get, argument)
    assert.is_false(ok)
    -- Lua 5.1 raises the text of it.
    caught = failure.from(caught)
    assert.equal("config", caught.kind)
    return caught
  end

  it("takes a file as it is, and the init.lua of a directory", function()
    assert.equal(directory .. "/full/init.lua", config_path.get(directory .. "/full/init.lua"))
    assert.equal(directory .. "/full/init.lua", config_path.get(directory .. "/full"))
    assert.equal(directory .. "/full/init.lua", config_path.get(directory .. "/full/"))
  end)

  it("prefers the argument, then SYSLUA_CONFIG, then the default", function()
    variables.SYSLUA_CONFIG = "~/full"
    assert.equal(directory .. "/full/init.lua", config_path.get())
    contains(get_failure(directory .. "/none").message, "/none")
    -- Packages are looked for beside it.
    assert.equal(directory .. "/full/init.lua", (config_path.get_default()))
    variables.SYSLUA_CONFIG = directory .. "/none"
    assert.equal(directory .. "/none", (config_path.get_default()))
    variables.SYSLUA_CONFIG = ""
    contains(get_failure().message, directory .. "/.config/syslua/init.lua")
    package.loaded.syslua.username = "root"
    contains(get_failure().message, "/etc/syslua/init.lua")
  end)

  it("says which path was looked at, and why", function()
    local caught = get_failure(directory .. "/empty")
    assert.equal(
      ("cannot open the config `%s/empty/init.lua`: No such file or directory"):format(directory),
      caught.message
    )
    variables.SYSLUA_CONFIG = directory .. "/none"
    contains(get_failure().message, "$SYSLUA_CONFIG names it")
    contains(get_failure().hint, "SYSLUA_CONFIG")
  end)
end)
