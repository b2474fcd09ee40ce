--- Words that no command expects, for each argument and option of each command, found by
--- themselves.

local arguments = require("syslua.cli.arguments")
local commands = require("syslua.cli.commands")
local flags = require("syslua.cli.flags")
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local runner = require("syslua.cli.runner")
local text_checks = require("spec.support.text_checks")
local unpack = require("syslua.util.table").unpack

local contains, contains_none = text_checks.contains, text_checks.contains_none

-- All that takes a word, with the words of a line that gives it one: `{ name, argument, words }`.
local function list_cases(word)
  local cases = {}
  for _, name in ipairs(commands.list()) do
    local command = commands.load(name)
    local before, missing = {}, {}
    for _, argument in ipairs(arguments.list_positional(command)) do
      local words = { unpack(before) }
      words[#words + 1] = word
      cases[#cases + 1] = { name, argument, words }
      before[#before + 1] = argument.choices and argument.choices[1] or "x"
      if argument.missing or not argument.arity then
        missing[#missing + 1] = before[#before]
      end
    end
    for _, list in ipairs({ command.arguments, flags }) do
      for _, argument in ipairs(list) do
        if argument.value then
          local words = { argument.name:match("%S+$") .. "=" .. word, unpack(missing) }
          cases[#cases + 1] = { name, argument, words }
        end
      end
    end
  end
  return cases
end

describe("an empty word #once", function()
  it("is refused, and the message names the argument", function()
    local count = 0
    for _, case in ipairs(list_cases("")) do
      local name, argument, words = case[1], case[2], case[3]
      local shown = name .. " " .. table.concat(words, " ")
      local accepted, problem = pcall(runner.parse, name, words, "sys")
      assert.equal(argument.may_be_empty or false, accepted, shown)
      if not accepted then
        assert.equal("usage", problem.kind, shown)
        local is_missing = argument.missing and problem.message == argument.missing.message
        contains(problem.message, is_missing and "missing" or argument.name:match("%S+$"))
        count = count + 1
      end
    end
    assert.is_true(count > 100)
  end)

  it("is not the key of a secret", function()
    local here = machine.new()
    for _, words in ipairs({ { "set", "", "x" }, { "get", "" }, { "recipients", "" } }) do
      local result = here.run("secrets", unpack(words))
      assert.equal(2, result.code, result.stderr)
      contains(result.stderr, "is an empty word")
    end
    here.remove()
  end)
end)

describe("a strange word #once", function()
  local here

  setup(function()
    here = machine.new()
    here.write_config('file { path = "~/x", content = "x" }', "home/.config/syslua/init.lua")
    here.environment.EDITOR = "true"
  end)

  teardown(function()
    here.remove()
  end)

  for _, word in ipairs({ " ", "%s\n\255", ("x"):rep(300) }) do
    it(("is done or refused with a message: %q"):format(word:sub(1, 3)), function()
      local lines = {}
      for _, case in ipairs(list_cases(word)) do
        local line = { "$LUA -l syslua", case[1] }
        for _, one in ipairs(case[3]) do
          line[#line + 1] = process.quote(one)
        end
        local shown = table.concat(line, " ")
        -- `watch` ends only when its arguments are wrong.
        local is_endless = case[1] == "watch" and case[2].value
        lines[#lines + 1] = is_endless and ""
          or ("timeout 20 %s >/dev/null </dev/null || echo $? %s"):format(
            shown,
            process.quote(shown)
          )
      end
      local result = here.shell(table.concat(lines, "\n"))
      contains_none(result.stderr, "traceback", "lua/syslua/", "panicked")
      for code, shown in result.stdout:gmatch("%f[^\n%z](%d+) (%$LUA [^\n]*)") do
        assert.is_true(tonumber(code) <= 3, code .. ": " .. shown)
      end
    end)
  end
end)
