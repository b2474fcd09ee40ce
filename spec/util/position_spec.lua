local matches = require("spec.support.text_checks").matches
local position = require("syslua.util.position")

local bindings = require("syslua").bindings

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
  it("knows the files of sys.lua, also by the end of a name", function()
    local own = own_directory:sub(2)
    assert.is_true(position.is_own(own .. "evaluate.lua:1"))
    assert.is_true(position.is_own("..." .. own:sub(-12) .. "evaluate.lua:1"))
    assert.is_false(position.is_own("init.lua:1"))
    assert.is_false(position.is_own(".../dotfiles/lua/init.lua:1"))
  end)

  it("names the caller's line", function()
    assert.equal("init.lua:2", compile("@init.lua", position.caller)())
    matches(position.caller(), "position_spec.lua:%d+$")
  end)

  it("lists the user's lines, innermost first", function()
    local chain = compile("@init.lua", compile("@modules/git.lua", position.chain))()
    assert.same({ "modules/git.lua:2", "init.lua:2" }, keep_user_files(chain))
  end)

  it("leaves out sys.lua's own files", function()
    local inner = compile(own_directory .. "helpers/file.lua", position.chain)
    assert.same({ "init.lua:2" }, keep_user_files(compile("@init.lua", inner)()))
  end)

  it("puts the lines of shipped modules last, and blames their callers", function()
    local module = position.shipped .. "modules/git.lua"
    local chain = keep_user_files(compile("@init.lua", compile(module, position.chain))())
    assert.same({ "init.lua:2", "<syslua>/modules/git.lua:2" }, chain)
    assert.equal("init.lua:2", compile("@init.lua", compile(module, position.caller))())
  end)

  it("continues with the chain of an earlier declaration", function()
    local evaluation, found = own_directory .. "evaluate.lua", nil
    bindings.begin_evaluation()
    finally(bindings.abandon_evaluation)
    local finalizer = compile("@module.lua", function()
      found = { position.chain(), position.caller() }
    end)
    compile(evaluation, function()
      position.at({ "init.lua:7" }, finalizer)
      position.at({ "init.lua:8" }, function()
        found[3] = position.caller()
      end)
    end)()
    assert.same({ "module.lua:2", "init.lua:7" }, keep_user_files(found[1]))
  end)

  it("has a line for what a tail call removed", function()
    bindings.begin_evaluation()
    local chain = compile(own_directory .. "evaluate.lua", function()
      position.set_fallback("init.lua:1")
      return compile(own_directory .. "activate.lua", position.chain)()
    end)()
    bindings.abandon_evaluation()
    assert.is_string(chain[1])
    local defined = position.of_function(compile)
    matches(defined, "position_spec.lua:7$")
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
