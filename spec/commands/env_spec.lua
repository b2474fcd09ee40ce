--- `env`, and what `why` and `status` say of the shell that asks.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, contains_none = text_checks.contains, text_checks.contains_none

local unpack = table.unpack or unpack

describe("env", function()
  local here = machine.for_each_test()

  local config =
    [[env({ EDITOR = "vi", PATH = { "~/bin", "/opt/a b" }, NEW = syslua.lib.ref("HOME") .. "/x" })
    activate({ config = function(_, ctx)
      ctx.source_in_shell("~/x.fish", { shells = { "fish" } })
    end })]]

  it("shows variables, lists and scripts", function()
    here.apply(config)
    local shown = here.must("env").stdout
    local lines = {
      "EDITOR=vi\n",
      "NEW=$HOME/x\n",
      "PATH=" .. here.home .. "/bin:/opt/a b:...\n",
      "source " .. here.home .. "/x.fish  (fish)\n",
    }
    assert.equal(table.concat(lines), shown)
    local result = here.must("env", "--json").stdout
    local document = require("syslua.lib").fromJSON(result)
    assert.equal("EDITOR", document.variables[1].name)
    assert.equal(":", document.variables[3].separator)
    assert.equal(3, document.environment.variables)
  end)

  it("prints the script of a shell", function()
    here.apply(config)
    for shell, file in pairs({
      bash = "env.sh",
      fish = "env.fish",
      elvish = "env.elv",
      cmd = "env.cmd",
    }) do
      assert.equal(here.read("root/" .. file), here.must("env", "--shell", shell).stdout)
    end
    local result = here.shell([[eval "$($LUA -l syslua env --shell sh)"; echo "$EDITOR"]])
    assert.equal("vi\n", result.stdout, result.stderr)
    result = here.run("env", "--shell", "bahs")
    assert.equal(2, result.code)
    contains(result.stderr, "did you mean `bash`?")
  end)

  it("prints one thing, of a user that there is", function()
    here.apply(config)
    for _, words in ipairs({ { "--shell", "bash" }, { "--hook", "--shell", "zsh" } }) do
      local result = here.run("env", "--json", unpack(words))
      assert.equal(2, result.code)
      assert.equal("usage", require("syslua.lib").fromJSON(result.stdout).error.kind)
      contains(result.stderr, "--json shows variables")
    end
    for _, name in ipairs({ "no-such-user", "", "a/b", "../root" }) do
      for _, words in ipairs({ {}, { "--json" }, { "--shell", "sh" }, { "--hook" } }) do
        local result = here.run("env", "--user", name, unpack(words))
        assert.equal(2, result.code, name)
        contains(result.stderr, "user")
      end
    end
    -- A user of this machine for whom nothing is declared has what all have.
    contains(here.must("env", "--user", "root").stdout, "EDITOR=vi\n")
  end)

  it("says when there is nothing", function()
    assert.equal("", here.must("env").stdout)
    assert.equal(1, here.run("env", "--shell", "sh").code)
  end)

  it("is seen by why: what a variable was before in this shell", function()
    here.apply(config)
    local line = '. "$SYSLUA_ROOT/env.sh"; $LUA -l syslua why %s'
    local function why(name)
      return here.shell(line:format(name), { EDITOR = "nano" }).stdout
    end
    contains(why("EDITOR"), "before it, in this shell: nano\n")
    contains(why("NEW"), "before it, in this shell: not set\n")
    local before = here.shell('printf %s "$PATH"').stdout
    contains(why("PATH"), "before it, in this shell: " .. before .. "\n")
    contains_none(here.must("why", "EDITOR").stdout, "before it")
  end)

  it("is seen by status: whether this shell has it", function()
    here.apply(config)
    local function status(script)
      return here.shell(script .. "$LUA -l syslua status").stdout
    end
    contains(status(""), "has not read the environment\n")
    local read = '. "$SYSLUA_ROOT/env.sh"; '
    contains(status(read), "has the current environment\n")
    here.write_config('env({ EDITOR = "ed" })', "other.lua")
    local newer = read .. "$LUA -l syslua apply other.lua >/dev/null; "
    contains(status(newer), "has an older environment\n")
    here.write_config("", "none.lua")
    here.must("apply", "none.lua")
    contains_none(status(""), "Shell")
  end)
end)
