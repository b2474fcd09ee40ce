--- The hook in shells that people have set up in other ways: options, other hooks, aliases over
-- builtins, read-only and missing variables, put together at random. The shell lives, values are
-- exact, also those of projects of the config and of directories with an entry file, and the hook
-- is there once.

local machine = require("spec.support.machine")
local pane = require("spec.support.pane")
local process = require("spec.support.process")
local projects = require("spec.support.projects")
local random = require("spec.support.random")

describe("the hook in surroundings of any kind: #once", function()
  local here

  before_each(function()
    here = machine.new()
    -- Otherwise fish begins to make completions of its own in the background, and zsh asks.
    here.shell("mkdir -p ~/.local/share/fish/generated_completions ~/web ~/Web")
    here.write("home/.zshrc", "")
    here.environment.LUA = require("spec.support.interpreter").name
  end)

  after_each(function()
    pane.close_all(here)
    here.remove()
  end)

  -- Lines that may stand before the hook, and after it.
  local shells = {
    bash = {
      hook = '\\eval "$HOOK"',
      -- Quoted, since a part may end in a newline.
      hooks = "${PROMPT_COMMAND[*]@Q}",
      "set -e",
      "set -u",
      "set -o noclobber",
      "shopt -s nocasematch nullglob extglob",
      "shopt -s failglob",
      "IFS=:",
      "IFS=",
      "alias read=: export=: unset=: eval=: local=: return=:",
      "alias cd='builtin cd -P' source=: .=: command=: set=: shift=:",
      "alias emulate=: typeset=: declare=: break=: continue=:",
      "readonly TAKEN=own",
      "readonly PS1",
      "readonly SYSLUA_PROJECT",
      "alias printf='builtin printf' test=: true=false",
      "unset HOME",
      "PATH=",
      "unset PATH",
      "PROMPT_COMMAND='X=$((${X:-0} + 1))'",
      "PROMPT_COMMAND=('X=$((${X:-0} + 1))' ':')",
      "PROMPT_COMMAND='true;'",
      "_direnv_hook() { \\local previous=$?; return $previous; }; PROMPT_COMMAND=_direnv_hook",
      "starship_precmd() { STATUS=$?; PS1='> '; }; PROMPT_COMMAND=starship_precmd",
      "trap 'true' DEBUG",
      "set -o posix",
    },
    zsh = {
      hook = '\\eval "$HOOK"',
      hooks = "${precmd_functions[*]}",
      "set -e",
      "setopt nounset",
      "setopt noclobber",
      "setopt ksh_arrays",
      "setopt sh_word_split glob_subst",
      "setopt extended_glob null_glob",
      "setopt csh_null_glob err_return",
      "emulate sh",
      "emulate ksh",
      "IFS=:",
      "IFS=",
      "alias read=: export=: unset=: eval=: local=: return=:",
      "alias cd='builtin cd -P' source=: .=: command=: set=: shift=:",
      "alias emulate=: typeset=: break=: continue=: autoload=:",
      "readonly TAKEN=own",
      "readonly PS1",
      "readonly SYSLUA_PROJECT",
      "alias printf='builtin printf' test=: true=false",
      "unset HOME",
      "PATH=",
      "precmd_functions=(mine); mine() { X=$((${X:-0} + 1)); }",
      "precmd() { X=$((${X:-0} + 1)); }",
      "_direnv_hook() { true; }; typeset -ag precmd_functions; precmd_functions+=(_direnv_hook)",
      "starship_precmd() { STATUS=$?; PROMPT='> '; }; precmd_functions=(starship_precmd)",
      "setopt prompt_subst; PROMPT='$(true)> '",
    },
    fish = {
      hook = "builtin echo $HOOK | builtin source",
      "set -g IFS :",
      "function mine --on-event fish_prompt; set -g X 1; end",
      "function cd; builtin cd $argv; end",
      "function contains; return 1; end; function source; return 1; end",
      "function math; builtin echo 1; end",
      "set -e HOME",
      "set -gx PATH",
      "set -g fish_trace ''",
      "function fish_prompt; echo '> '; end",
      "set -g TAKEN own",
    },
  }

  shells.nushell = {
    -- It reads files only.
    hook = "source ~/hook.nu",
    hooks = "($env.config.hooks.pre_prompt | where {|one| $one | describe | "
      .. "str starts-with record } | each {|one| $one.code | to text } | str join)",
    mark = "# __syslua_",
    "$env.config.hooks.pre_prompt = [{|| $env.X = 1 }]",
    "$env.config.hooks.env_change = { PWD: [{|| $env.X = 2 }] }",
    "$env.PROMPT_COMMAND = {|| '> ' }",
    "$env.PROMPT_COMMAND = '> '",
    "hide-env --ignore-errors PROMPT_COMMAND",
    "$env.PATH = []",
    "$env.TAKEN = 'own'",
    "alias ls = ls --all",
    "alias cd = cd --physical",
    "alias mkdir = mkdir --verbose",
    "def find [...words] { 1 }",
    "$env.config.error_style = 'plain'",
  }

  local config = [[
    syslua.lib.env.defineMergeable("LIST_DIRS", ":")
    env({ VALUE = %q, LIST_DIRS = { "/a", "/b c" }, TAKEN = "ours" })
    project({ name = "web", path = "~/web", setup = function() env({ PORT = %q }) end })
  ]]
  local first = { "it's  $HOME `x` *", "1 2" }
  local second = { "another: one; [a-z]*", "3" }

  -- Names of directories with an entry file, below the home.
  local names = { "app", "my  app", "it's $HOME `x`", "[a-z]*", "-n", "a\\b", "\195\188ber" }
  local is_served = process.has("script")

  -- Trusts a directory with an entry file, and one inside of it.
  local function make_app(name)
    projects.write(here, name, ('env({ APP = %q, TAKEN = "app", DEEP = "" })'):format(first[1]))
    projects.write(
      here,
      name .. "/deep",
      'syslua.lib.env.defineMergeable("LIST_DIRS", ":") env({ DEEP = "deep", LIST_DIRS = { '
        .. '"/deep" } })'
    )
    local code, shown = projects.trust(here, name .. "/deep")
    assert.equal(0, code, shown)
  end

  for name, shell in pairs(shells) do
    local it_there = pane.find(name) and it or pending

    for seed = 1, 10 do
      it_there(("%s, %d"):format(name, seed), function()
        local numbers = random.new(100 + seed)
        local chosen, taken = {}, {}
        for _, line in ipairs(shell) do
          -- A prompt that cannot be set ends bash's whole PROMPT_COMMAND, where starship sets it.
          local is_ended = line:find("^starship_precmd") and taken["readonly PS1"]
          if numbers(4) == 1 and not is_ended then
            chosen[#chosen + 1] = line
            taken[line] = true
          end
        end
        local about = table.concat(chosen, "\n")
        here.apply(config:format(first[1], first[2]))
        local app = "home/" .. names[numbers(#names)]
        if is_served then
          make_app(app)
        end
        local hook = here.must("env", "--shell", name, "--hook").stdout
        here.write("home/hook.nu", hook)
        -- What replaces hooks of others comes before.
        local at = numbers(#chosen + 1)
        for index = at, #chosen do
          local line = chosen[index]
          if
            line:find("^PROMPT_COMMAND=")
            or line:find("; PROMPT_COMMAND=", 1, true)
            or line:find("precmd_functions=", 1, true)
            or line:find("pre_prompt =", 1, true)
          then
            at = index + 1
          end
        end
        table.insert(chosen, at, shell.hook)
        -- Some read it twice.
        if numbers(2) == 1 then
          chosen[#chosen + 1] = shell.hook
        end
        local flags = ({ bash = "--norc", zsh = "-f", fish = "-N", nushell = "-n" })[name]
        local options = { arguments = flags, environment = { HOOK = hook } }
        local opened = pane.open(here, name, options)
        for _, line in ipairs(chosen) do
          local lives, problem = pcall(opened.run, line)
          assert.is_true(lives, about .. "\nat " .. line .. "\n" .. tostring(problem))
        end
        local function check(values, port)
          opened.run("")
          local expected = ("%s,%s"):format(values[1], port)
          assert.equal(expected, opened.get({ "VALUE", "PORT" }), about)
        end
        local home = here.home
        check(first, "")
        opened.run("cd " .. home .. "/web")
        check(first, first[2])
        opened.run("cd " .. home .. "/Web")
        check(first, "")
        here.apply(config:format(second[1], second[2]))
        check(second, "")
        opened.run("cd " .. home .. "/web")
        check(second, second[2])
        if is_served then
          local place = process.quote(here.directory .. "/" .. app)
          if name == "fish" then
            place = place:gsub("\\", "\\\\"):gsub("'\\\\''", "\\'")
          end
          if name == "nushell" then
            place = '"' .. (here.directory .. "/" .. app):gsub("\\", "\\\\") .. '"'
          end
          local function expect(line, expected)
            opened.run(line)
            assert.equal(expected, opened.get({ "APP", "DEEP", "VALUE" }), about .. "\n" .. line)
          end
          expect("cd " .. place, first[1] .. ",," .. second[1])
          expect("cd deep", first[1] .. ",deep," .. second[1])
          expect("cd ..", first[1] .. ",," .. second[1])
          expect("cd " .. home, ",," .. second[1])
          expect("cd " .. place .. "; cd deep", first[1] .. ",deep," .. second[1])
          -- What changed is no longer trusted.
          projects.write(here, app, 'env({ APP = "changed" })')
          expect("", ",deep," .. second[1])
          expect("cd " .. home, ",," .. second[1])
        end
        if shell.hooks then
          local _, count = opened.show(shell.hooks):gsub(shell.mark or "__syslua_hook_", "")
          assert.equal(1, count, about)
        end
      end)
    end
  end
end)
