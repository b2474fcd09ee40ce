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
    package.loaded.syslua = { username = "somebody", native = syslua.native }
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
    assert.truthy(get_failure(directory .. "/none").message:find("/none", 1, true))
    -- Packages are looked for beside it.
    assert.equal(directory .. "/full/init.lua", (config_path.get_default()))
    variables.SYSLUA_CONFIG = directory .. "/none"
    assert.equal(directory .. "/none", (config_path.get_default()))
    variables.SYSLUA_CONFIG = ""
    assert.truthy(get_failure().message:find(directory .. "/.config/syslua/init.lua", 1, true))
    package.loaded.syslua.username = "root"
    assert.truthy(get_failure().message:find("/etc/syslua/init.lua", 1, true))
  end)

  it("says which path was looked at, and why", function()
    local caught = get_failure(directory .. "/empty")
    assert.equal(
      ("cannot open the config `%s/empty/init.lua`: No such file or directory"):format(directory),
      caught.message
    )
    variables.SYSLUA_CONFIG = directory .. "/none"
    assert.truthy(get_failure().message:find("$SYSLUA_CONFIG names it", 1, true))
    assert.truthy(get_failure().hint:find("SYSLUA_CONFIG", 1, true))
  end)
end)
