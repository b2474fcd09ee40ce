--- Aliases and functions, in shells as people have them: in a terminal, by the line of
--- `init --shell`.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local pane = require("spec.support.pane")

describe("aliases and functions #once", function()
  local here

  before_each(function()
    here = machine.new()
    -- Otherwise fish begins to make completions of its own in the background, and zsh asks.
    here.shell("mkdir -p ~/.local/share/fish/generated_completions")
    here.write("home/.zshrc", "")
    here.write("home/.config/nushell/env.nu", "")
    here.write("home/.config/nushell/config.nu", "$env.config.show_banner = false\n")
  end)

  after_each(function()
    pane.close_all(here)
    here.remove()
  end)

  local config = [[
    alias({
      greet = "echo hello",
      mkcd = {
        sh = 'mkdir -p "$1" && cd "$1" && GIVEN="$2"',
        bash = 'mkdir -p "$1" && cd "$1" && GIVEN="$2" && OWN=bash',
        fish = "mkdir -p $argv[1]; and cd $argv[1]; set -g GIVEN $argv[2]",
        nushell = "mkdir $args.0; cd $args.0; $env.GIVEN = $args.1",
        elvish = "mkdir -p $args[0]; cd $args[0]; set-env GIVEN $args[1]",
        powershell = "New-Item -ItemType Directory -Force $args[0] | Set-Location",
        cmd = "mkdir $1 $T cd $1",
      },
      broken = { sh = "if then", fish = "if", elvish = "{" },
    })
    env({ LAST = "set" })
  ]]

  for name in pairs(pane.shells) do
    local it_there = pane.find(name) and it or pending

    it_there("are there in " .. name, function()
      here.must("init", "config", "--shell", name)
      here.apply(config)
      local shell = pane.open(here, name)
      shell.enter("greet there", "\nhello there\n")
      shell.run("mkcd made/deep 'a b'")
      contains(shell.get({ "PWD" }), "/home/made/deep")
      local names = name == "nushell" and { "GIVEN", "LAST" } or { "GIVEN", "LAST", "OWN" }
      local own = name == "bash" and ",bash" or name ~= "nushell" and "," or ""
      assert.equal("a b,set" .. own, shell.get(names))
    end)
  end

  it("are there in sh", function()
    here.apply(config)
    local lines = {
      '. "$SYSLUA_ROOT/env.sh"',
      "greet there",
      "mkcd made/deep 'a b'",
      'echo "${PWD##*/} $GIVEN ${OWN-} $LAST"',
    }
    here.write("lines", table.concat(lines, "\n") .. "\n")
    local shown = here.shell("sh -i <lines 2>/dev/null", { PS1 = "", PS2 = "" }).stdout
    contains(shown, "hello there\n", "deep a b  set\n")
  end)

  it("are checked", function()
    for _, wrong in ipairs({
      { "alias({ a = { sh = 1 } })", "expected a text for each shell" },
      { "alias({ a = {} })", "needs a text" },
      { "alias({ a = { tcsh = 'x' } })", "unknown shell" },
      { "alias({ ['a.b'] = { sh = 'x' } })", "cannot be the name of a function" },
      { "alias({ ['if'] = { sh = 'x' } })", "cannot be the name of a function" },
      { "alias({ a = { sh = ' ' } })", "no commands" },
      { "alias({ a = { sh = 'x\\r' } })", "control character" },
      { "alias({ a = 1 })", "expected a string, or a table" },
      { "alias({ a = { sh = 'x' } }) alias({ a = 'y' })", "declared twice" },
      { "alias({ a = { sh = 'x' } }) alias({ a = { sh = 'x', zsh = 'y' } })", "declared twice" },
    }) do
      here.write_config(wrong[1])
      local result = here.run("plan", "init.lua")
      assert.equal(1, result.code, wrong[1])
      contains(result.stderr, wrong[2], "init.lua:2")
    end
    here.apply([[
      alias({ a = { sh = "x" } })
      alias({ a = { sh = "x" }, b = syslua.lib.mkDefault({ sh = "y" }) })
      alias({ b = "z" })
    ]])
    contains(here.must("why", "a").stdout, "function a, of sh")
    contains(here.must("why", "b").stdout, "alias b = z")
  end)
end)
