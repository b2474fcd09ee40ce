local terminal = require("syslua.cli.terminal")

describe("cli.terminal", function()
  local real_getenv = os.getenv
  local variables

  before_each(function()
    variables = {}
    os.getenv = function(name) -- luacheck: ignore 122
      return variables[name]
    end
    package.loaded.syslua = {
      bindings = {
        is_terminal = function()
          return true
        end,
      },
    }
  end)

  after_each(function()
    os.getenv = real_getenv -- luacheck: ignore 122
    package.loaded.syslua = nil
  end)

  local function is_coloured(args)
    return terminal.get_data_style(args)("add", "x") ~= "x"
  end

  it("colours on a terminal", function()
    assert.is_true(is_coloured({}))
    assert.is_true(is_coloured({ color = "auto" }))
    package.loaded.syslua = { bindings = {} }
    assert.is_false(is_coloured({}))
  end)

  it("obeys NO_COLOR and dumb terminals", function()
    variables.NO_COLOR = "1"
    assert.is_false(is_coloured({}))
    variables = { NO_COLOR = "" }
    assert.is_true(is_coloured({}))
    variables = { TERM = "dumb" }
    assert.is_false(is_coloured({}))
  end)

  it("obeys the flags", function()
    variables.NO_COLOR = "1"
    assert.is_true(is_coloured({ color = "always" }))
    assert.is_false(is_coloured({ color = "always", json = true }))
    variables = {}
    assert.is_false(is_coloured({ color = "never" }))
  end)
end)
