--- What a person sees of work on a terminal, and what everybody else gets.

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

describe("progress", function()
  local here = machine.for_each_test(function(here)
    here.write_config([[
      derive({ name = "slow", version = "1.0", config = function(_, ctx)
        ctx.run("sleep 0.4")
        ctx.write(ctx.out, "")
      end })
    ]])
    here.environment.TERM = "xterm"
  end)

  -- Runs a command with its stderr, or all, on a terminal; returns what the terminal got.
  local function on_terminal(words)
    local line = '"$LUA" -l syslua ' .. words
    return here.shell("script -qec " .. process.quote(line) .. " /dev/null </dev/null").stdout
  end

  local function has_bars(text)
    return text:find("\27[2K", 1, true) ~= nil or text:find("\27[1A", 1, true) ~= nil
  end

  it("is a bar on a terminal, which is gone in the end", function()
    local text = on_terminal("apply init.lua")
    assert.truthy(has_bars(text), text)
    contains(text, "building slow 1.0")
    -- After the last control of the cursor there is the report only.
    local last = text:match(".*\27%[2?K(.*)$") or text:match(".*\27%[%d*[AJ](.*)$")
    contains_none(last, "building")
    contains(last, "1 built")
  end)

  it("is lines where nobody can see bars, or nobody wants them", function()
    for name, run in pairs({
      ["no terminal"] = function()
        return here.run("build", "init.lua").stderr
      end,
      ["NO_COLOR"] = function()
        here.environment.NO_COLOR = "1"
        local text = on_terminal("build init.lua")
        here.environment.NO_COLOR = nil
        return text
      end,
      ["--color never"] = function()
        return on_terminal("build init.lua --color never")
      end,
      ["a dumb terminal"] = function()
        here.environment.TERM = "dumb"
        local text = on_terminal("build init.lua")
        here.environment.TERM = "xterm"
        return text
      end,
    }) do
      local text = run()
      assert.is_false(has_bars(text), name .. ": " .. text)
      contains_none(text, "\27")
      contains(text, "building slow 1.0")
      here.shell("chmod -R u+w root; rm -rf root")
    end
  end)

  it("is nothing with --quiet", function()
    assert.equal("", on_terminal("build init.lua --quiet"))
  end)

  it("leaves JSON alone", function()
    local text = on_terminal("build init.lua --json 2>err")
    matches(text, "^{")
    assert.equal("", here.read("err"))
  end)

  it("leaves the message of a failure whole", function()
    here.write_config([[
      derive({ name = "bad", config = function(_, ctx)
        ctx.run("sleep 0.3; echo oops; exit 1")
      end })
    ]])
    local text = on_terminal("build init.lua"):gsub("\27%[[%d;]*m", "")
    contains(
      text,
      "error: cannot build bad: `sleep 0.3; echo oops; exit 1` failed with exit code 1",
      "| oops"
    )
  end)

  it("shows a warning above the bars", function()
    here.environment.SYSLUA_TEST = "1"
    here.write(
      "script.lua",
      [[
      local syslua = require("syslua")
      local progress = require("syslua.cli.progress")
      local listener = progress.get_listener({}, true)
      listener({ kind = "build_started", name = "one", hash = "1" })
      listener({ kind = "warning", message = "careful" })
      listener({ kind = "download", url = "http://h/file.tar.gz", bytes = 10, total = 100 })
      listener({ kind = "unpack_started", archive = "/a/b.tar" })
      listener({ kind = "unpack_finished", archive = "/a/b.tar" })
      listener({ kind = "download", url = "http://h/file.tar.gz", bytes = 100, total = 100 })
      listener({ kind = "build_failed", name = "one", hash = "1" })
      require("syslua.cli.terminal").talk({ "the end" })
    ]]
    )
    local text = here.shell("script -qec '\"$LUA\" script.lua' /dev/null </dev/null").stdout
    text = text:gsub("\27%[[%d;]*m", "")
    contains(text, "warning: careful")
    matches(text, "the end\r\n$")
  end)
end)
