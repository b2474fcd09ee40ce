--- `completions`: in a terminal, with the key that completes.

local machine = require("spec.support.machine")
local process = require("spec.support.process")

describe("completions", function()
  local here

  before_each(function()
    here = machine.new()
    -- Shows what it is called with; the values come from the program itself.
    here.write(
      "bin/sys",
      '#!/bin/sh\ncase $1 in completions) exec "$LUA" -l syslua "$@" ;; esac\necho "<$*>"\n'
    )
    here.shell("chmod +x bin/sys")
    here.apply([[
      env({ EDITOR = "vi" })
      project({ name = "webshop", setup = function() env({ PORT = 1 }) end })
    ]])
  end)

  after_each(function()
    here.remove()
  end)

  local function get_path()
    return here.directory .. "/bin:" .. here.shell('printf %s "$PATH"').stdout
  end

  -- Beginnings, with the key, and what they become.
  local completed = {
    { "sys histo\t", "history" },
    { "sys apply --dry\t", "apply --dry-run" },
    { "sys apply --color alw\t", "apply --color always" },
    { "sys shell web\t", "shell webshop" },
    { "sys env --shell powe\t", "env --shell powershell" },
    { "sys help rollb\t", "help rollback" },
    { "sys apply ini\t", "apply init.lua" },
  }

  local shells = {
    bash = { "bash --norc", 'bind "set enable-bracketed-paste off"\n' },
    zsh = {
      "zsh -f",
      "unsetopt zle_bracketed_paste 2>/dev/null; autoload -Uz compinit; compinit -u -D\n",
    },
  }
  for name, how in pairs(shells) do
    local it_there = process.has(name) and process.has("script") and it or pending

    it_there("work in " .. name, function()
      local lines = { how[2], 'eval "$(sys completions ' .. name .. ')"\n' }
      for _, case in ipairs(completed) do
        lines[#lines + 1] = case[1] .. "\n"
      end
      lines[#lines + 1] = "exit 0\n"
      here.write("lines", table.concat(lines))
      -- A key counts when the shell reads it.
      local feed = "while IFS= read -r line; do printf '%s\\n' \"$line\"; sleep 0.3; done <lines"
      local line = ("(%s) | script -qec '%s' /dev/null >shown"):format(feed, how[1])
      here.shell(line, { TERM = "vt100", PS1 = "$ ", PATH = get_path() })
      local shown = here.read("shown")
      for _, case in ipairs(completed) do
        assert.truthy(shown:find("<" .. case[2] .. ">", 1, true), case[2] .. "\n" .. shown)
      end
    end)
  end

  local it_fish = process.has("fish") and it or pending

  it_fish("work in fish", function()
    for _, case in ipairs(completed) do
      local line = [[fish -N -c 'sys completions fish | source; complete -C "%s"' | cut -f 1]]
      local result = here.shell(line:format((case[1]:gsub("\t", ""))), { PATH = get_path() })
      local last = case[2]:match("[^ ]*$")
      assert.truthy(
        ("\n" .. result.stdout):find("\n" .. last .. "\n", 1, true),
        case[1] .. result.stdout
      )
    end
  end)

  it("know all commands and all flags", function()
    local commands = require("syslua.cli.commands")
    for _, shell in ipairs({ "bash", "zsh", "fish", "nushell", "powershell" }) do
      local text = here.must("completions", shell).stdout
      for _, command in ipairs(commands.list) do
        assert.truthy(text:find(command.name, 1, true), shell .. " " .. command.name)
      end
      assert.truthy(text:find("lock-timeout", 1, true), shell)
    end
  end)

  it("list the values that there are", function()
    assert.equal(
      "0\n1\n",
      (here.must("completions", "--values", "snapshots").stdout:gsub("^1\n0\n", "0\n1\n"))
    )
    assert.equal("webshop\n", here.must("completions", "--values", "projects").stdout)
    assert.truthy(here.must("completions", "--values", "shells").stdout:find("nushell\n", 1, true))
    assert.equal(2, here.run("completions").code)
    assert.equal(2, here.run("completions", "tcsh").code)
  end)
end)
