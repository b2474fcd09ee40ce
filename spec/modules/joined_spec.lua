--- The packages in `pkgs/joined`: programs that are joined with a configuration, which is read by
-- the programs themselves where this machine has them.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")
local tree = require("spec.support.tree")

local contains, contains_none, matches_none =
  text_checks.contains, text_checks.contains_none, text_checks.matches_none

describe("pkgs.joined. #once", function()
  local here = machine.for_each_test()

  local function apply(lines)
    here.write_config(lines)
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stdout .. result.stderr)
  end

  local function ask(line)
    local result = here.shell(line)
    assert.equal("", result.stderr, line)
    return (result.stdout:gsub("\n$", ""))
  end

  -- Programs that are not here: each says what it was asked.
  local function stand_in(...)
    here.shell("mkdir -p bin")
    for _, name in ipairs({ ... }) do
      here.write("bin/" .. name, '#!/bin/sh\necho "# ' .. name .. ' $*"\n')
    end
    here.shell("chmod 755 bin/*")
  end

  local function has(program)
    return here.shell("command -v " .. program).code == 0
  end

  local function need(program)
    if not has(program) then
      pending(program .. " is not installed")
      return false
    end
    return true
  end

  local with_bin = 'PATH="$PWD/bin:$PATH"; . "$SYSLUA_ROOT/env.sh"; '

  it("there are ten of them, and each one takes its tools from tools{}", function()
    local files = tree.list({ "pkgs/joined" }, ".lua")
    assert.equal(10, #files)
    for _, name in ipairs(files) do
      local text = tree.read(name)
      contains(text, "syslua.module")
      matches_none(text, "https?://[%w.]+/[^\n]*%.tar")
    end
  end)

  it("git_delta is read by git, together with what the user gives git", function()
    apply([[
      require("modules.programs.git").setup { user_name = "Ada" }
      require("pkgs.joined.git_delta").setup {
        installed = true,
        delta = { ["line-numbers"] = true },
      }
    ]])
    assert.equal("delta", ask("git config --global core.pager"))
    assert.equal("delta --color-only", ask("git config --global interactive.diffFilter"))
    assert.equal("true", ask("git config --global delta.line-numbers"))
    assert.equal("true", ask("git config --global delta.navigate"))
    assert.equal("Ada", ask("git config --global user.name"))
  end)

  it("git_gh answers for passwords of its hosts only", function()
    stand_in("gh")
    apply([[ require("pkgs.joined.git_gh").setup { installed = true } ]])
    here.write("bin/gh", "#!/bin/sh\ncat >/dev/null\nprintf 'username=ada\\npassword=pw\\n'\n")
    local fill = 'PATH="$PWD/bin:$PATH"; printf "protocol=https\\nhost=%s\\n\\n" | '
      .. "GIT_TERMINAL_PROMPT=0 git credential fill 2>&1"
    contains(ask(fill:format("github.com")), "password=pw")
    contains_none(here.shell(fill:format("example.org")).stdout, "password=pw")
  end)

  it("zsh_starship_fzf and bash_starship_fzf give a shell its prompt and keys", function()
    stand_in("starship", "fzf")
    for _, shell in ipairs({ "zsh", "bash" }) do
      if has(shell) then
        apply(
          ([[ require("pkgs.joined.%s_starship_fzf").setup { installed = true } ]]):format(shell)
        )
        here.write("bin/starship", "#!/bin/sh\necho \"PS1='star $2 '\"\n")
        local prompt =
          ask(('PATH="$PWD/bin:$PATH" %s -i -c \'printf %%s "$PS1"\' 2>/dev/null'):format(shell))
        assert.equal("star " .. shell .. " ", prompt)
        local options = ask(with_bin .. 'printf %s "$FZF_DEFAULT_OPTS"')
        assert.equal("--height=40% --layout=reverse", options)
        contains(here.read("home/.config/starship.toml"), "add_newline = false")
      end
    end
  end)

  it("shells_zoxide names the command in each shell", function()
    apply([[ require("pkgs.joined.shells_zoxide").setup { installed = true, command = "j" } ]])
    stand_in("zoxide")
    here.write("bin/zoxide", '#!/bin/sh\necho "echo zoxide $*"\n')
    for _, shell in ipairs({ "bash", "zsh", "fish" }) do
      if has(shell) then
        local line = ('PATH="$PWD/bin:$PATH" %s -i -c true 2>/dev/null'):format(shell)
        if shell ~= "fish" then
          here.shell(('echo ". \\"$SYSLUA_ROOT/env.sh\\"" >home/.%src'):format(shell))
        else
          line = 'PATH="$PWD/bin:$PATH" fish -i -c "source $SYSLUA_ROOT/env.fish" 2>/dev/null'
        end
        local said = here.shell(line).stdout
        contains(said, "zoxide init --cmd j " .. shell)
      end
    end
    here.write_config([[ require("pkgs.joined.shells_zoxide").setup { command = "a; b" } ]])
    assert.equal(1, here.run("plan", "init.lua").code)
  end)

  it("fzf_fd_bat has fzf list files with fd", function()
    if not need("fzf") then
      return
    end
    stand_in("fd", "bat")
    here.write("bin/fd", "#!/bin/sh\nprintf 'one\\ntwo\\n'\n")
    apply([[ require("pkgs.joined.fzf_fd_bat").setup { installed = true, shells = { "bash" } } ]])
    local filter = 'sh -c "$FZF_DEFAULT_COMMAND" | fzf --filter=tw'
    assert.equal("two", ask(with_bin .. filter))
    contains(ask(with_bin .. 'printf %s "$FZF_CTRL_T_COMMAND"'), "fd --hidden")
  end)

  it("bat_man makes bat the pager of man", function()
    stand_in("bat")
    here.write("bin/bat", '#!/bin/sh\necho "bat $*"; cat\n')
    apply([[ require("pkgs.joined.bat_man").setup { installed = true } ]])
    local shown = ask(with_bin .. 'printf "x\\bxhello\\n" | eval "$MANPAGER"')
    assert.equal("bat --language man --plain\nxhello", shown)
    assert.equal("--style=plain\n--theme=ansi\n", here.read("home/.config/bat/config"))
  end)

  it("direnv_shells is read by direnv", function()
    if not need("direnv") then
      return
    end
    apply([[ require("pkgs.joined.direnv_shells").setup { installed = true } ]])
    here.shell("mkdir -p work && echo 'export SEEN=yes' >work/.envrc")
    assert.equal(
      "yes",
      here.shell(
        "cd work && direnv allow . 2>&1 && direnv exec . sh -c 'printf %s $SEEN' 2>/dev/null"
      ).stdout
    )
    contains(here.read("home/.config/direnv/direnv.toml"), "hide_env_diff = true")
  end)

  local function make_repository(name, file, text)
    here.shell(([[
      set -e
      mkdir -p repos/%s && cd repos/%s && git init -q -b main . && mkdir -p "$(dirname %s)"
      cat >%s <<'END'
%s
END
      chmod 755 %s && git add . && git -c user.name=a -c user.email=a@b commit -q -m one
    ]]):format(name, name, file, file, text, file))
    return here.directory .. "/repos/" .. name
  end

  it("neovim_plugins are loaded by Neovim, and pinned by the lock", function()
    if not need("nvim") then
      return
    end
    local url = make_repository("greet", "plugin/greet.lua", "vim.g.greeted = 'hello'")
    apply(([[
      require("pkgs.joined.neovim_plugins").setup {
        installed = true,
        plugins = { greet = { url = "file://%s", rev = "main" } },
        settings = { number = true },
      }
    ]]):format(url))
    local said = here.shell(
      "nvim --headless +'lua io.write(vim.g.greeted, tostring(vim.o.number))' +qa 2>&1"
    ).stdout
    assert.equal("hellotrue", said)
    contains(here.read("syslua.lock"), "greet")
  end)

  it("tmux_plugins are run by tmux", function()
    if not need("tmux") then
      return
    end
    local url = make_repository(
      "greet",
      "greet.tmux",
      '#!/bin/sh\ntmux set-option -g @greeted "$(tmux show-option -gv @name)"'
    )
    apply(([[
      require("pkgs.joined.tmux_plugins").setup {
        plugins = { greet = { url = "file://%s", rev = "main" } },
        settings = { ["@name"] = "ada" },
      }
    ]]):format(url))
    local said = here.shell([[
      export TMUX_TMPDIR=$PWD
      tmux -L joined -f "$HOME/.config/tmux/tmux.conf" new-session -d 'sleep 20'
      for n in 1 2 3 4 5 6 7 8 9 10; do
        tmux -L joined show-option -gv @greeted 2>/dev/null && break
        sleep 0.2
      done
      tmux -L joined kill-server
    ]]).stdout
    assert.equal("ada\n", said)
  end)
end)
