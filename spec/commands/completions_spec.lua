--- `completions`: in a terminal, with the key that completes.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local pane = require("spec.support.pane")
local powershell = require("spec.support.powershell")
local process = require("spec.support.process")

local unpack = table.unpack or unpack

describe("completions #once", function()
  local here = machine.for_each_test(function(here)
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
    { "sys --color alw\t", "--color always" },
    { "sys --root /tmp histo\t", "--root /tmp history" },
    { "sys --quie\t", "--quiet" },
    { "sys secrets recipients rem\t", "secrets recipients remove" },
    {
      "sys lock --platform x86_64-linux aarch64-dar\t",
      "lock --platform x86_64-linux aarch64-darwin",
    },
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
        contains(shown, "<" .. case[2] .. ">")
      end
    end)
  end

  local it_fish = process.has("fish") and it or pending

  it_fish("work in fish", function()
    for _, case in ipairs(completed) do
      local line = [[fish -N -c 'sys completions fish | source; complete -C "%s"' | cut -f 1]]
      local result = here.shell(line:format((case[1]:gsub("\t", ""))), { PATH = get_path() })
      local last = case[2]:match("[^ ]*$")
      contains("\n" .. result.stdout, "\n" .. last .. "\n")
    end
  end)

  local it_nushell = pane.find("nushell") and it or pending

  it_nushell("work in Nushell", function()
    here.write("home/sys.nu", here.must("completions", "nushell").stdout)
    here.write("home/.config/nushell/env.nu", "")
    here.write(
      "home/.config/nushell/config.nu",
      "$env.config.show_banner = false\n$env.config.completions.quick = true\nsource ~/sys.nu\n"
    )
    here.environment.LUA = require("spec.support.interpreter").name
    local shell = pane.open(here, "nushell", { environment = { PATH = get_path() } })
    for _, case in ipairs(completed) do
      if not case[1]:find("ini\t", 1, true) then
        shell.type((case[1]:gsub("\t", "")))
        shell.press("Tab")
        -- A key counts when the shell has read it.
        here.shell("sleep 1")
        shell.enter("", "<" .. (case[2]:gsub("%p", "%%%0")) .. " ?>")
      end
    end
    pane.close_all(here)
  end)

  -- What each place of each command is offered: what is typed before it, and some words of it.
  local function list_places()
    local data = require("syslua.cli.completion_data")
    local options = { root = here.root }
    local places =
      { { words = {}, beginning = "", expected = data.get_values("commands", options) } }
    local function add(words, place)
      local expected = place.words
        or place.kind and place.kind ~= "files" and data.get_values(place.kind, options)
      if expected then
        places[#places + 1] = { words = words, beginning = "", expected = expected }
      end
    end
    local all = { data.get_before(), unpack(data.list()) }
    for _, command in ipairs(all) do
      local flags, start = {}, { command.name ~= "" and command.name or nil }
      local function with(...)
        local words = { unpack(start) }
        for index = 1, select("#", ...) do
          words[#words + 1] = (select(index, ...))
        end
        return words
      end
      for index, flag in ipairs(command.flags) do
        flags[index] = flag.name
        if flag.takes_argument then
          add(with(flag.name), flag)
          add(with("--quiet", flag.name), flag)
          if flag.is_many then
            add(with(flag.name, "x", "y"), flag)
          elseif command.arguments[1] and flag.name:find("^%-%-") then
            -- Its argument is no argument of the command.
            add(with(flag.name, "x"), command.arguments[1])
            add(with(flag.name .. "=x"), command.arguments[1])
          end
        end
      end
      places[#places + 1] = { words = start, beginning = "-", expected = flags }
      places[#places + 1] = { words = with("--jobs", "2"), beginning = "-", expected = flags }
      local before = with("--jobs", "2")
      for _, argument in ipairs(command.arguments) do
        add({ unpack(before) }, argument)
        for first, words in pairs(argument.after or {}) do
          add(with(first), { words = words })
          add(with("--jobs", "2", first), { words = words })
        end
        before[#before + 1] = "x"
      end
    end
    return places
  end

  -- How a shell is asked for what it offers, without a terminal: a line a place.
  local asks = {
    bash = {
      'compopt() { :; }; eval "$(sys completions bash)"',
      'COMP_WORDS=(sys %s "%s"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); __sys_complete; '
        .. 'echo "${COMPREPLY[*]}"',
    },
    zsh = {
      'compdef() { :; }; compadd() { shift; print -r -- "$*"; }; _files() { print; }; compset() { '
        .. ':; }\n_describe() { print -r -- "${(@)${(@P)2}%%:*}"; }; eval "$(sys completions zsh)"',
      'words=(sys %s "%s"); CURRENT=$#words; _sys',
    },
    fish = {
      "sys completions fish | source",
      'echo (complete -C "sys %s %s" | cut -f 1)',
    },
  }

  for name, ask in pairs(asks) do
    local it_there = process.has(name) and it or pending

    it_there("offer each command, flag and kind of value in " .. name, function()
      local places, lines = list_places(), { ask[1] }
      assert.is_true(#places > 60)
      for index, place in ipairs(places) do
        lines[index + 1] = ask[2]:format(table.concat(place.words, " "), place.beginning)
      end
      here.write("lines", table.concat(lines, "\n") .. "\n")
      local result = here.shell(name .. " lines", { PATH = get_path() })
      assert.equal("", result.stderr)
      local index = 0
      for line in result.stdout:gmatch("([^\n]*)\n") do
        index = index + 1
        local about = table.concat(places[index].words, " ") .. ": " .. line
        for _, word in ipairs(places[index].expected) do
          -- fish has no name of one letter where there is a longer one.
          local is_there = (" " .. line .. " "):find(" " .. word .. " ", 1, true)
          assert.truthy(is_there or name == "fish" and word:find("^%-%a$"), word .. " of " .. about)
        end
      end
      assert.equal(#places, index)
    end)
  end

  it_nushell("offer each command, flag and kind of value in Nushell", function()
    here.write("sys.nu", here.must("completions", "nushell").stdout)
    here.write(
      "ask.nu",
      [[
source sys.nu
for command in (scope commands | where name =~ '^sys ') {
  for one in ($command.signatures | values | first) {
    print $"($command.name) ($one.parameter_name) "
  }
}
]]
    )
    local result = here.shell(pane.find("nushell") .. " -n ask.nu", { PATH = get_path() })
    assert.equal("", result.stderr)
    local text = here.read("sys.nu")
    for _, command in ipairs(require("syslua.cli.completion_data").list()) do
      local start = "sys " .. command.name .. " "
      contains(result.stdout, start)
      for _, flag in ipairs(command.passes_on and {} or command.flags) do
        local name = flag.name:match("^%-%-(.*)$")
        if name and name ~= "help" then
          contains(result.stdout, start .. name .. " ")
        end
        local values = flag.words and table.concat(flag.words, " ")
        assert.is_true(not values or text:find("[" .. values .. "]", 1, true) ~= nil, values)
      end
    end
  end)

  it("are a script that PowerShell can read, with all of it", function()
    local text = here.must("completions", "powershell").stdout
    local data = require("syslua.cli.completion_data")
    for _, command in ipairs({ data.get_before(), unpack(data.list()) }) do
      for first, words in pairs((command.arguments[2] or {}).after or {}) do
        local line = ("'%s %s 2' = '%s'"):format(command.name, first, table.concat(words, " "))
        contains(text, line)
      end
      for _, flag in ipairs(command.flags) do
        contains(text, flag.name)
        local offered = flag.words and table.concat(flag.words, " ")
          or flag.kind and flag.kind ~= "files" and "@" .. flag.kind
        local line = ("'%s %s' = '%s'"):format(command.name, flag.name, offered or "")
        assert.is_true(not offered or text:find(line, 1, true) ~= nil, line)
      end
    end
    local problem = powershell.check(here, { ["sys.ps1"] = text })
    if problem == "missing" then
      pending("tree-sitter-pwsh is not installed")
    end
    assert.is_nil(problem)
  end)

  it("list the values that there are", function()
    assert.equal(
      "0\n1\n",
      (here.must("completions", "--values", "snapshots").stdout:gsub("^1\n0\n", "0\n1\n"))
    )
    assert.equal("webshop\n", here.must("completions", "--values", "projects").stdout)
    contains(here.must("completions", "--values", "shells").stdout, "nushell\n")
    assert.equal(2, here.run("completions").code)
    assert.equal(2, here.run("completions", "tcsh").code)
  end)
end)
