--- Shells that are open while configs are applied, and login shells that open later: in a terminal.

local machine = require("spec.support.machine")
local matches = require("spec.support.text_checks").matches
local pane = require("spec.support.pane")

describe("shells that are open #once", function()
  local here

  before_each(function()
    here = machine.new()
    -- Otherwise fish begins to make completions of its own in the background, and zsh asks.
    here.shell("mkdir -p ~/.local/share/fish/generated_completions")
    -- As Debian gives them.
    here.write("home/.profile", 'if [ -n "$BASH_VERSION" ]; then . ~/.bashrc; fi\n')
    here.write("home/.zshrc", "autoload -Uz compinit; compinit -u -D\n")
    here.write("home/.config/nushell/env.nu", "")
    here.write("home/.config/nushell/config.nu", "$env.config.show_banner = false\n")
    here.environment.LUA = require("spec.support.interpreter").name
  end)

  after_each(function()
    pane.close_all(here)
    here.remove()
  end)

  local config = [[
    local tool = derive({
      name = "tool",
      config = function(_, ctx)
        ctx.write(ctx.out .. "/bin/tool", "#!/bin/sh\necho \"<$*>\"\n")
        ctx.chmod(ctx.out .. "/bin/tool", "755")
        ctx.write(ctx.out .. "/share/bash-completion/completions/tool",
          "complete -W from-bash tool\n")
        ctx.write(ctx.out .. "/share/zsh/site-functions/_tool", "#compdef tool\ncompadd from-zsh\n")
        ctx.write(ctx.out .. "/share/fish/vendor_completions.d/tool.fish",
          "complete -c tool -fa from-fish\n")
      end,
    })
    activate({ config = function(_, ctx) ctx.add_to_path(tool.out .. "/bin") end })
    env({ EDITOR = "vi", XDG_DATA_DIRS = "~/data" })
    alias({ again = "tool from-alias" })
  ]]

  -- The lines of a shell's own file that add the hook.
  local hooks = {
    bash = { "home/.bashrc", 'eval "$($LUA -l syslua env --shell bash --hook)"\n' },
    zsh = { "home/.zshrc", 'eval "$($LUA -l syslua env --shell zsh --hook)"\n' },
    fish = {
      "home/.config/fish/config.fish",
      "$LUA -l syslua env --shell fish --hook | source\n",
    },
    nushell = { "home/.config/nushell/config.nu", "source ~/hook.nu\n" },
  }

  -- What they say of a command that is not there.
  local missing = {
    bash = "%s: command not found",
    zsh = "command not found: %s",
    fish = "Unknown command: %s",
    nushell = "Command `%s` not found",
  }

  for name, hook in pairs(hooks) do
    local it_there = pane.find(name) and it or pending

    it_there("have what is applied at the next prompt, and login shells too: " .. name, function()
      here.must("init", "config", "--shell", name)
      if name == "nushell" then
        here.write("home/hook.nu", here.must("env", "--shell", "nushell", "--hook").stdout)
      end
      here.write(hook[1], (here.read(hook[1]) or "") .. hook[2])
      local shell = pane.open(here, name)
      assert.equal("", shell.get({ "EDITOR" }))
      here.apply(config)
      -- The prompt at which it sees that.
      shell.run("")
      assert.equal("vi", shell.get({ "EDITOR" }))
      shell.enter("tool here", "\n<here>\n")
      shell.enter("again x", "\n<from%-alias x>\n")
      local path = shell.get({ name == "nushell" and "SHLVL" or "PATH" })
      if name ~= "nushell" then
        matches(path, "^[^:]*/tool%-%x+/bin:")
      end

      -- Nothing is applied since; /etc/profile sets PATH anew.
      local login = pane.open(here, name, { login = true })
      assert.equal("vi", login.get({ "EDITOR" }))
      login.enter("tool here", "\n<here>\n")
      login.enter("again x", "\n<from%-alias x>\n")
      if name ~= "nushell" then
        login.type("tool fro")
        login.press("Tab")
        here.shell("sleep 0.5")
        login.enter("", "\n<from%-" .. name .. ">\n")
      end

      here.apply("")
      for _, one in ipairs({ shell, login }) do
        one.run("")
        assert.equal("", one.get({ "EDITOR" }))
        one.enter("tool here", missing[name]:format("tool"))
        one.enter("again x", missing[name]:format("again"))
      end
    end)
  end
end)
