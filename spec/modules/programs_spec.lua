--- Modules for programs: what they write is what the programs themselves read.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local process = require("spec.support.process")

describe("modules.programs.", function()
  local here = machine.for_each_test()

  local function apply(lines)
    here.write_config(lines)
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
  end

  local function ask(line)
    local result = here.shell(line)
    assert.equal("", result.stderr)
    return (result.stdout:gsub("\n$", ""))
  end

  it("git is read by git", function()
    apply([==[
      local lib = syslua.lib
      local git = require("modules.programs.git")
      git.setup {
        user_name = 'Ada "the first" # Lovelace ',
        user_email = "ada@example.org",
        aliases = { st = "status --short", graph = "log --graph" },
        ignores = { "*.o" },
        attributes = { "*.png binary" },
        settings = {
          ["remote.my.origin"] = { fetch = { "+a:b", "+c:d" } },
          pull = { rebase = true },
          core = { abbrev = 12 },
        },
      }
      git.setup { ignores = lib.mkBefore({ "*.tmp" }),
        settings = { core = { pager = "a\\b\t\"c\"" } } }
    ]==])
    assert.equal('Ada "the first" # Lovelace ', ask("git config user.name"))
    assert.equal("ada@example.org", ask("git config user.email"))
    assert.equal("status --short", ask("git config alias.st"))
    assert.equal("+a:b\n+c:d", ask("git config --get-all remote.my.origin.fetch"))
    assert.equal("true", ask("git config --type=bool pull.rebase"))
    assert.equal("12", ask("git config core.abbrev"))
    assert.equal('a\\b\t"c"', ask("git config core.pager"))
    assert.equal("main", ask("git config init.defaultBranch"))
    assert.equal("*.tmp\n*.o\n", here.read("home/.config/git/ignore"))
    assert.equal("0", ask("git init -q repo && cd repo && git check-ignore -q x.o; echo $?"))
    assert.equal("x.png: binary: set", ask("cd repo && git check-attr binary x.png"))
  end)

  it("zsh is read by zsh", function()
    if not process.has("zsh") then
      pending("zsh is not installed")
      return
    end
    apply([==[
      env { EDITOR = "vim" }
      require("modules.programs.zsh").setup {
        aliases = { ll = "ls -l", quote = "echo 'a b'" },
        setopt = { "EXTENDED_GLOB" },
        history = { size = 77, path = "~/.zsh 'history" },
        prompt = "%n> ",
        keymap = "vi",
        extra = { "GREETING='from init'" },
      }
    ]==])
    local line = [=[zsh -ic 'alias ll; alias quote; print $HISTSIZE $HISTFILE; print $GREETING; ]=]
      .. [=[print -r -- $PROMPT;
      [[ -o extendedglob && -o sharehistory ]] && print options
      print $EDITOR; bindkey | grep -c vi-cmd-mode' 2>/dev/null]=]
    local expected = "ll='ls -l'\nquote='echo '\\''a b'\\'\n77 "
      .. here.home
      .. "/.zsh 'history\nfrom init\n%n> \noptions\nvim\n1"
    assert.equal(expected, ask(line))
  end)

  it("tmux is read by tmux", function()
    if not process.has("tmux") then
      pending("tmux is not installed")
      return
    end
    apply([==[
      require("modules.programs.tmux").setup {
        prefix = "C-a",
        mouse = true,
        base_index = 1,
        history_limit = 5000,
        key_mode = "vi",
        settings = {
          ["status-left"] = "[#S] $HOME \"q\"",
          ["terminal-overrides"] = { "a:b", "c:d" },
        },
        binds = { r = "source-file ~/.config/tmux/tmux.conf", ["|"] = "split-window -h" },
        extra = { "set -g status-interval 7" },
      }
    ]==])
    local result = here.shell([[
      tmux -S "$TMPDIR/tmux" -f ~/.config/tmux/tmux.conf new-session -d 'sleep 20' || exit
      for option in prefix mouse base-index history-limit mode-keys status-left status-interval; do
        tmux -S "$TMPDIR/tmux" show -gv $option
      done
      tmux -S "$TMPDIR/tmux" show -sv 'terminal-overrides' | tail -n 2
      tmux -S "$TMPDIR/tmux" list-keys -T prefix |
        grep -c -e 'split-window -h$' -e 'source-file.*tmux.conf'
      tmux -S "$TMPDIR/tmux" kill-server
    ]])
    assert.equal("", result.stderr)
    local expected = 'C-a\non\n1\n5000\nvi\n[#S] $HOME "q"\n7\na:b\nc:d\n'
    assert.equal(expected, result.stdout:sub(1, #expected))
  end)

  it("ssh gets lists in one line where it takes one", function()
    if not process.has("ssh") then
      pending("ssh is not installed")
      return
    end
    local keywords = {
      Ciphers = { "aes128-ctr", "aes256-ctr" },
      MACs = { "hmac-sha2-256", "hmac-sha2-512" },
      KexAlgorithms = { "curve25519-sha256", "ecdh-sha2-nistp256" },
      HostKeyAlgorithms = { "ssh-ed25519", "rsa-sha2-512" },
      HostbasedAcceptedAlgorithms = { "ssh-ed25519", "rsa-sha2-512" },
      PubkeyAcceptedAlgorithms = { "ssh-ed25519", "rsa-sha2-512" },
      CASignatureAlgorithms = { "ssh-ed25519", "rsa-sha2-512" },
      PreferredAuthentications = { "publickey", "password" },
      KbdInteractiveDevices = { "pam", "skey" },
      ProxyJump = { "a", "ada@b:22" },
      IgnoreUnknown = { "UseKeychain", "Other*" },
    }
    local parts = {}
    for keyword, list in pairs(keywords) do
      parts[#parts + 1] = ("%s = { %q, %q }"):format(keyword, list[1], list[2])
    end
    apply(
      ('require("modules.programs.ssh").setup { hosts = { web = { %s } } }'):format(
        table.concat(parts, ", ")
      )
    )
    local web = "\n" .. ask("ssh -T -F ~/.ssh/config -G web") .. "\n"
    for keyword, list in pairs(keywords) do
      -- `ssh -G` does not show what it is to ignore.
      local line = ("\n%s %s,%s\n"):format(keyword:lower(), list[1], list[2])
      assert.truthy(keyword == "IgnoreUnknown" or web:find(line, 1, true), line .. web)
    end
  end)

  it("ssh is read by ssh", function()
    if not process.has("ssh") then
      pending("ssh is not installed")
      return
    end
    apply([==[
      local lib, ssh = syslua.lib, require("modules.programs.ssh")
      ssh.setup {
        hosts = {
          ["*"] = { ServerAliveInterval = 60, User = "nobody" },
          ["*.example.org"] = { User = "ada", ForwardAgent = true },
          web = { HostName = "www.example.org", Port = lib.mkDefault(22),
            IdentityFile = { "~/.ssh/a b", "~/.ssh/c" } },
        },
      }
      ssh.setup { hosts = { web = { Port = 2222, ProxyCommand = "nc -x proxy:1080 %h %p" } } }
    ]==])
    local web = ask("ssh -T -F ~/.ssh/config -G web")
    for _, line in ipairs({
      "hostname www.example.org",
      "port 2222",
      "user nobody",
      "identityfile ~/.ssh/a b",
      "identityfile ~/.ssh/c",
      "proxycommand nc -x proxy:1080 %h %p",
      "serveraliveinterval 60",
    }) do
      contains("\n" .. web .. "\n", "\n" .. line .. "\n")
    end
    local other = ask("ssh -T -F ~/.ssh/config -G x.example.org")
    contains(other, "user ada", "forwardagent yes")
  end)

  it("starship and direnv hook into shells, where they are", function()
    apply([==[
      require("modules.programs.starship").setup {
        settings = { add_newline = false, character = { symbol = ">" } } }
      require("modules.programs.direnv").setup { settings = { global = { load_dotenv = true } },
        stdlib = { "use_x() { :; }" } }
    ]==])
    assert.equal(
      'add_newline = false\n\n[character]\nsymbol = ">"\n',
      here.read("home/.config/starship.toml")
    )
    assert.equal("[global]\nload_dotenv = true\n", here.read("home/.config/direnv/direnv.toml"))
    assert.equal("use_x() { :; }\n", here.read("home/.config/direnv/direnvrc"))
    -- Programs that print what they were asked for.
    here.write("bin/starship", "#!/bin/sh\necho \"STAR='$*'\"\n")
    here.write("bin/direnv", "#!/bin/sh\necho \"DIR='$*'\"\n")
    here.shell("chmod +x bin/*")
    local line = [[bash -c 'PATH=$PWD/bin:$PATH; . "$SYSLUA_ROOT/env.sh"; echo "$STAR, $DIR"']]
    assert.equal("init bash, hook bash", ask(line))
    assert.equal("none", ask([[bash -c '. "$SYSLUA_ROOT/env.sh"; echo "${STAR-none}"']]))
  end)

  it("neovim writes Lua that loads", function()
    local found = here.evaluate([==[
      require("modules.programs.neovim").setup {
        default_editor = true,
        globals = { mapleader = " " },
        settings = { number = true, tabstop = 2, listchars = { tab = "> ", trail = "\\" } },
        keymaps = { { key = "<leader>w", action = ":w<CR>" } },
        colorscheme = "habamax",
        extra = { "seen.extra = true" },
      }
    ]==])
    assert.has_variable(found, "EDITOR", "nvim")
    local content = found.files["~/.config/nvim/init.lua"].content
    local seen = { g = {}, opt = {}, map = {} }
    local vim = {
      g = seen.g,
      opt = seen.opt,
      keymap = {
        set = function(...)
          seen.map = { ... }
        end,
      },
      cmd = {
        colorscheme = function(name)
          seen.colorscheme = name
        end,
      },
    }
    local chunk = assert((loadstring or load)("local vim, seen = ...\n" .. content))
    chunk(vim, seen)
    assert.same({ mapleader = " " }, seen.g)
    assert.same({ number = true, tabstop = 2, listchars = { tab = "> ", trail = "\\" } }, seen.opt)
    assert.same({ "n", "<leader>w", ":w<CR>", { silent = true } }, seen.map)
    assert.is_true(seen.extra)
    assert.equal("habamax", seen.colorscheme)
  end)
end)
