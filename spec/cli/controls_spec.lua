--- No text from elsewhere controls the terminal: names of files, values, output of builds and
--- commands, diffs, errors.

local machine = require("spec.support.machine")
local random = require("spec.support.random")
local text = require("syslua.util.text")
local text_checks = require("spec.support.text_checks")
local unpack = require("syslua.util.table").unpack

local contains_none, matches_none = text_checks.contains_none, text_checks.matches_none

-- What a terminal acts upon, as bytes: C0, DEL, C1 in UTF-8 and raw, and what changes directions.
local hostile = {
  "\27]0;title\7",
  "\27[2J\27[32mall is well\27[0m",
  "\8\8\8",
  "\r",
  "\127",
  "\194\155" .. "31m",
  "\155" .. "31m",
  "\226\128\174evil",
  "\226\129\166evil",
  "\216\156",
  "\24\26\14\15",
}

local function assert_inert(shown)
  matches_none(shown, "[^\t\n\32-\126\194-\244\128-\191]", "\194[\128-\159]")
  contains_none(shown, "\226\128\174", "\226\129\166", "\216\156")
end

describe("text from elsewhere", function()
  it("is inert, whatever bytes it has", function()
    local seed = tonumber(os.getenv("SYSLUA_SEED")) or 1
    local pick = random.new(seed)
    for _ = 1, 2000 do
      local parts = {}
      for index = 1, pick(12) do
        parts[index] = pick(3) == 1 and hostile[pick(#hostile)] or string.char(pick(256) - 1)
      end
      local value = table.concat(parts)
      assert_inert(text.inert(value))
      assert_inert(text.printable(value))
      assert.equal(text.inert(value), text.inert(text.inert(value)))
    end
    assert.equal("ä→日\t\n", text.inert("ä→日\t\n"))
    assert.equal([[\x1b[2J\x7f\u{009b}\u{202e}]], text.inert("\27[2J\127\194\155\226\128\174"))
  end)

  it("keeps the meaning of JSON", function()
    assert.equal(
      [["\u007f\u009b\u202e\u2066\u061c→ä"]],
      text.inert_json('"\127\194\155\226\128\174\226\129\166\216\156→ä"')
    )
  end)
end)

describe("a terminal #once", function()
  local here = machine.for_each_test()

  -- Runs a command, with and without colours, and checks both streams; with colours, only ours are
  -- there.
  local function check(...)
    local words = { ... }
    local result = here.run(...)
    assert_inert(result.stdout)
    assert_inert(result.stderr)
    words[#words + 1] = "--color=always"
    result = here.run(unpack(words))
    for _, shown in ipairs({ result.stdout, result.stderr }) do
      contains_none(shown, "\27[32mall is well")
      assert_inert((shown:gsub("\27%[[%d;]*m", "")))
    end
  end

  it("is not controlled by builds, files, values, descriptions and errors", function()
    for index, bytes in ipairs(hostile) do
      here.write("painted", "plain\n")
      here.write(
        "init.lua",
        'return { setup = function() file { path = "~/.painted", source = "painted" } end }'
      )
      here.must("apply", "init.lua")
      here.write("painted", "plain\n" .. bytes .. "\n")
      check("plan", "--diff", "init.lua")
      check("plan", "--diff", "--build", "init.lua")
      here.must("apply", "init.lua")
      check("diff", "--text")
      local name = bytes:find("[/%z]") and "name" or bytes
      here.write("bytes", bytes)
      here.write("name", name)
      here.write(
        "init.lua",
        [[
        local file_of = io.open(os.getenv("HOME") .. "/../bytes", "rb")
        local bytes = file_of:read("*a")
        file_of:close()
        file_of = io.open(os.getenv("HOME") .. "/../name", "rb")
        local name = file_of:read("*a")
        file_of:close()
        return { setup = function()
          print(bytes)
          file { path = "~/.dir/" .. name, content = bytes }
          env { VALUE = bytes:find("[\r\n]") and "x" or bytes }
          activate { config = function(_, ctx) ctx.run("cat \"$HOME/../bytes\"; exit 0") end }
        end }
      ]]
      )
      check("plan", "init.lua", "--verbose")
      check("apply", "init.lua", "--verbose")
      here.shell("rm -rf home/.dir/*")
      here.write("home/.dir/" .. name, "edited")
      check("status")
      check("why", here.home .. "/.dir/" .. name)
      check("env")
      check("history")
      check("diff", "--text")
      here.write(
        "init.lua",
        [[
        local file_of = io.open(os.getenv("HOME") .. "/../bytes", "rb")
        local bytes = file_of:read("*a")
        return { setup = function() error(bytes) end }
      ]]
      )
      check("plan", "init.lua")
      here.write(
        "init.lua",
        ([[
        return { setup = function()
          derive { name = "painter", config = function(_, ctx)
            ctx.write("bytes", %q)
            ctx.run("cat bytes; cat bytes >&2; exit %d")
          end }
        end }
      ]]):format(bytes, index)
      )
      check("build", "init.lua")
      check("build", "init.lua", "--verbose")
      check("why", bytes)
      check("info", bytes)
      check(bytes)
    end
  end)
end)
