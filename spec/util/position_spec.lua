local position = require("syslua.util.position")

-- Compiles a piece of a user's file that calls `callback` at line 2.
local function compile(chunk_name, callback)
  local code = "local callback = ...\nlocal result = callback()\nreturn result"
  local chunk = assert((loadstring or load)(code, chunk_name))
  return function()
    return chunk(callback)
  end
end

-- What the running test itself adds to a chain.
local function keep_user_files(chain)
  local kept = {}
  for _, text in ipairs(chain) do
    if not text:find("position_spec", 1, true) and not text:find("busted", 1, true) then
      kept[#kept + 1] = text
    end
  end
  return kept
end

local own_directory = debug.getinfo(position.caller, "S").source:gsub("util/position%.lua$", "")

describe("util.position", function()
  it("names the caller's line", function()
    assert.equal("init.lua:2", compile("@init.lua", position.caller)())
    assert.truthy(position.caller():find("position_spec.lua:%d+$"))
  end)

  it("lists the user's lines, innermost first", function()
    local chain = compile("@init.lua", compile("@modules/git.lua", position.chain))()
    assert.same({ "modules/git.lua:2", "init.lua:2" }, keep_user_files(chain))
  end)

  it("leaves out sys.lua's own files, but not its modules", function()
    local inner = compile(own_directory .. "helpers/file.lua", position.chain)
    local module = compile(own_directory .. "modules/git.lua", inner)
    local chain = keep_user_files(compile("@init.lua", module)())
    assert.equal(2, #chain)
    assert.truthy(chain[1]:find("/modules/git.lua:2", 1, true))
    assert.equal("init.lua:2", chain[2])
  end)

  it("ends where the evaluation of a config begins", function()
    local config = compile("@init.lua", position.chain)
    local evaluation = compile(own_directory .. "evaluate.lua", config)
    assert.same({ "init.lua:2" }, compile("@script.lua", evaluation)())
  end)

  it("names the script when evaluation itself fails", function()
    local evaluation = compile(own_directory .. "evaluate.lua", position.caller)
    assert.equal("script.lua:2", compile("@script.lua", evaluation)())
  end)

  it("ends at the command line", function()
    local runner = compile(own_directory .. "cli/main.lua", position.caller)
    assert.is_nil(compile("@sys", runner)())
  end)

  it("says a line once when it stands there in succession", function()
    local inner = compile("@init.lua", position.chain)
    assert.same({ "init.lua:2" }, keep_user_files(compile("@init.lua", inner)()))
  end)

  it("shows code that is in no file", function()
    assert.equal("stdin:2", compile("=stdin", position.caller)())
    assert.equal('[string "local callback = ......"]:2', compile(nil, position.caller)())
  end)
end)
