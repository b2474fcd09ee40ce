local failure = require("syslua.util.failure")
local main = require("syslua.cli.main")
local output = require("spec.support.output")
local real = require("syslua").bindings
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

local unpack = table.unpack or unpack -- luacheck: ignore 143

describe("cli.main", function()
  local calls, result, config

  before_each(function()
    calls = {}
    result = { changed = true, root = "/r", snapshot = { id = "1" }, realize = {}, actions = {} }
    config = os.tmpname()
    package.loaded["syslua.bindings"] = nil
    package.loaded.syslua = {
      version = "1.2.3",
      platform = "x86_64-linux",
      bindings = {
        originals = real.originals,
        can_read = real.can_read,
        read_file = real.read_file,
        exists = real.exists,
        list_directory = real.list_directory,
        status = function(options)
          calls.status = options
          return true, { root = "/r", snapshot = { id = "1" }, targets = {}, drift = 1 }
        end,
        is_terminal = function()
          return false
        end,
        pending_lock = function()
          return true, {}
        end,
        write_lock = function()
          return true, nil
        end,
        forget_lock = function()
          return true, nil
        end,
        report_json = function(value)
          calls.json = value
          return true, "{json}"
        end,
      },
      evaluate = function(path, options)
        calls.evaluate = { path, options }
        return "manifest"
      end,
      plan = function(manifest, options)
        calls.plan = { manifest, options }
        return result
      end,
      apply = function(manifest, options)
        calls.apply = { manifest, options }
        return result
      end,
    }
  end)

  after_each(function()
    os.remove(config)
    package.loaded.syslua = nil
    package.loaded["syslua.bindings"] = nil
  end)

  local function run(...)
    local words = { ... }
    return output.catch(function()
      return main.main(words)
    end)
  end

  it("shows the version without loading a parser", function()
    local loaded = package.loaded.argparse
    package.loaded.argparse = nil
    for _, word in ipairs({ "version", "--version" }) do
      local code, data = run(word)
      assert.equal(0, code)
      contains(data, "sys.lua 1.2.3")
    end
    assert.is_nil(package.loaded.argparse)
    package.loaded.argparse = loaded
  end)

  it("shows help", function()
    for _, words in ipairs({ { "help" }, { "--help" }, { "-h" } }) do
      local code, data, talk = run(unpack(words))
      assert.equal(0, code)
      contains(data, "\n   apply        Make this machine")
      -- The summaries stand below one another.
      contains(data, "\n   completions  Print ")
      assert.equal("", talk)
    end
    local _, explained = run("help", "plan")
    contains(explained, "--exit-code")
    local code, by_flag = run("plan", "--json", "--help")
    assert.equal(0, code)
    assert.equal(explained, by_flag)
  end)

  it("names the closest command", function()
    local code, data, talk = run("aply")
    assert.equal(2, code)
    assert.equal("", data)
    assert.equal("error: there is no command `aply`\n  hint: did you mean `sys apply`?\n", talk)
    assert.equal(2, (run("help", "aply")))
  end)

  it("refuses wrong usage", function()
    for message, words in pairs({
      ["a command is missing"] = {},
      ["did you mean `--root`?"] = { "--rot", "x", "plan" },
      ["did you mean `--json`?"] = { "plan", "--jsno" },
      ["usage: sys plan [OPTIONS] [CONFIG]"] = { "plan", "a", "b" },
      ["--jobs: expected a number from 1 to 10000, got `0`"] = { "plan", "--jobs", "0" },
      ["--jobs: expected a number from 1 to 10000, got `1e300`"] = { "plan", "--jobs", "1e300" },
      ["adopt: a path is missing"] = { "adopt" },
      ["--lock-timeout: expected a number of seconds, got `x`"] = { "--lock-timeout=x", "plan" },
      ["must be one of `auto`, `always`, `never`"] = { "plan", "--color", "red" },
      ["requires an argument"] = { "plan", "--root" },
      ["plan: --root is an empty word"] = { "plan", "--root=" },
      ["--keep: expected a number of snapshots, 1 or more, got"] = { "gc", "--keep", "-3" },
      ["--older-than: expected an age, got"] = { "gc", "--older-than", "-1d" },
    }) do
      local code, data, talk = run(unpack(words))
      assert.equal(2, code)
      assert.equal("", data)
      contains(talk, message)
    end
  end)

  it("hands the flags to the engine, wherever they stand", function()
    local words = { "--root", "/x", "plan", config, "--jobs=3", "--offline", "--lock-timeout", "5" }
    local code = run(unpack(words))
    assert.equal(0, code)
    assert.equal(config, calls.evaluate[1])
    assert.equal("manifest", calls.plan[1])
    local options = calls.plan[2]
    assert.equal("/x", options.root)
    assert.equal(3, options.jobs)
    assert.equal(5, options.lock_timeout)
    assert.is_true(options.offline)
    run("plan", config)
    assert.is_nil(calls.plan[2].root)
  end)

  it("exits with 3 only when asked to", function()
    assert.equal(0, (run("plan", config)))
    assert.equal(3, (run("plan", config, "--exit-code")))
    result.changed = false
    assert.equal(0, (run("plan", config, "--exit-code")))
    assert.equal(3, (run("status")))
  end)

  it("applies, or says what it would do", function()
    run("apply", config)
    assert.is_false(calls.apply[2].dry_run)
    local _, data = run("apply", config, "--dry-run")
    assert.is_true(calls.apply[2].dry_run)
    contains(data, "Dry run: no changes were made.")
  end)

  it("writes one JSON object", function()
    local _, data = run("apply", config, "--json")
    assert.equal("{json}\n", data)
    assert.equal(1, calls.json.version)
    assert.equal("apply", calls.json.command)
    assert.is_true(calls.json.changed)
  end)

  it("is silent with --quiet", function()
    for _, command in ipairs({ "apply", "plan" }) do
      local code, data, talk = run(command, config, "--quiet")
      assert.equal(0, code)
      assert.equal("", data .. talk)
    end
    local code, data = run("status", "--quiet")
    assert.equal(3, code)
    assert.equal("", data)
  end)

  it("reports failures of the engine", function()
    function package.loaded.syslua.evaluate()
      failure.raise({ kind = "config", message = "no", position = "init.lua:3", hint = "yes" })
    end
    local code, data, talk = run("plan", config)
    assert.equal(1, code)
    assert.equal("", data)
    assert.equal("error: no\n  at init.lua:3\n  hint: yes\n", talk)
    code, data = run("plan", config, "--json")
    assert.equal(1, code)
    assert.equal("{json}\n", data)
    assert.same(
      { kind = "config", message = "no", position = "init.lua:3", hint = "yes" },
      calls.json.error
    )
  end)

  it("asks the engine what a text that it raised stands for", function()
    package.loaded.syslua.error = function(value)
      return { kind = "build", message = "table of " .. value }
    end
    function package.loaded.syslua.evaluate()
      error("text", 0)
    end
    local _, _, talk = run("plan", config)
    assert.equal("error: table of text\n", talk)
  end)

  it("reports plain errors, with a traceback when asked for", function()
    function package.loaded.syslua.evaluate()
      error("oops")
    end
    local code, _, talk = run("plan", config)
    assert.equal(1, code)
    matches(talk, "^error: oops\n  at [^\n]*main_spec.lua:%d+\n$")
    _, _, talk = run("plan", config, "--verbose")
    contains(talk, "stack traceback")
  end)

  it("exits with 130 when interrupted", function()
    function package.loaded.syslua.apply()
      failure.raise({ kind = "interrupted", message = "interrupted; nothing was changed" })
    end
    assert.equal(130, (run("apply", config)))
    function package.loaded.syslua.apply()
      error("interrupted!", 0)
    end
    assert.equal(130, (run("apply", config)))
  end)

  it("says how to install the parser's library", function()
    local loaded, preload = package.loaded.argparse, package.preload.argparse
    package.loaded.argparse = nil
    package.preload.argparse = function()
      error("not here")
    end
    local code, _, talk = run("plan", "--json")
    package.loaded.argparse, package.preload.argparse = loaded, preload
    assert.equal(1, code)
    contains(talk, "apt install lua-argparse")
  end)

  describe("start", function()
    local real_exit = os.exit
    local code

    before_each(function()
      code = nil
      os.exit = function(given) -- luacheck: ignore 122
        code = given
      end
    end)

    after_each(function()
      os.exit = real_exit -- luacheck: ignore 122
    end)

    local function start(...)
      local words = { ... }
      local _, data, talk = output.catch(function()
        return main.start(words)
      end)
      return code, data .. talk
    end

    it("leaves scripts to Lua", function()
      assert.is_nil((start()))
      assert.is_nil((start("-")))
      assert.is_nil((start(config)))
      assert.is_nil((start("no/such/file")))
      assert.is_nil((start("no_such_file.lua")))
    end)

    it("runs commands, and refuses other words", function()
      assert.equal(0, (start("version")))
      local given, talk = start("aply")
      assert.equal(2, given)
      contains(talk, "did you mean `lua -l syslua apply`?")
    end)

    it("prefers the command to a file of its name", function()
      io.open("version", "w"):close()
      local given = start("version")
      os.remove("version")
      assert.equal(0, given)
    end)
  end)
end)
