--- What shells get that source `env.sh`.

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

describe("env.sh #once", function()
  local here = machine.for_each_test(function(here)
    -- Otherwise fish begins to make completions of its own in the background.
    here.shell("mkdir -p ~/.local/share/fish/generated_completions")
  end)

  local function apply(lines)
    here.write_config(lines)
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
  end

  -- Runs a line in a shell that has sourced the script.
  local function run_in(shell, line)
    local script = '. "$SYSLUA_ROOT/env.sh"; ' .. line
    local result = here.shell(shell .. " -c " .. process.quote(script))
    assert.equal(0, result.code, result.stderr)
    assert.equal("", result.stderr)
    return result.stdout
  end

  for _, shell in ipairs({ "sh", "bash", "zsh" }) do
    local it_there = process.has(shell) and it or pending

    it_there("gives " .. shell .. " a program that only the config put on PATH", function()
      assert.not_equal(0, here.shell("command -v greet").code)
      apply([[
        local greet = derive({
          name = "greet",
          config = function(_, ctx)
            ctx.write(ctx.out .. "/bin/greet", "#!/bin/sh\necho hello\n")
            ctx.chmod(ctx.out .. "/bin/greet", "755")
          end,
        })
        activate({ config = function(_, ctx) ctx.add_to_path(greet.out .. "/bin") end })
      ]])
      assert.equal("hello\n", run_in(shell, "greet"))
    end)

    it_there("gives " .. shell .. " values byte for byte", function()
      apply([[env({ NASTY = "it's $HOME `x` \"q\" \\ %\n%" })]])
      assert.equal([[it's $HOME `x` "q" \ %]] .. "\n%", run_in(shell, [[printf %s "$NASTY"]]))
    end)

    it_there("expands the home for " .. shell .. ", and puts entries before PATH", function()
      apply([[
        env({ PATH = { "~/bin", "/opt/a b" }, NOTES = "~/notes", LITERAL = "a ~/b" })
      ]])
      local text = run_in(shell, [[echo "$PATH"; echo "$NOTES"; echo "$LITERAL"]])
      local path, notes, literal = text:match("^(.-)\n(.-)\n(.-)\n$")
      local entries = here.home .. "/bin:/opt/a b:"
      assert.equal(entries, path:sub(1, #entries))
      assert.equal(here.home .. "/notes", notes)
      assert.equal("a ~/b", literal)
    end)

    it_there("takes back in " .. shell .. " what is no longer declared", function()
      apply([[env({ PATH = "~/bin", GONE = "1" })]])
      here.write_config("", "none.lua")
      local line = [[
        . "$SYSLUA_ROOT/env.sh"
        twice=$PATH
        "$LUA" -l syslua apply none.lua >/dev/null || exit 1
        . "$SYSLUA_ROOT/env.sh"
        echo "${GONE-unset}"; echo "$PATH"; echo "$twice"
      ]]
      local gone, path, twice = run_in(shell, line):match("^(.-)\n(.-)\n(.-)\n$")
      assert.equal("unset", gone)
      contains_none(path, here.home)
      assert.equal(here.home .. "/bin:" .. path, twice)
    end)

    it_there("sources scripts in " .. shell .. " when they are for it", function()
      apply([[
        for _, name in ipairs({ "sh", "bash", "zsh" }) do
          local script = derive({
            name = "script",
            opts = { name = name },
            config = function(opts, ctx)
              ctx.write(ctx.out, "sourced=\"$sourced " .. opts.name .. "\"\n")
            end,
          })
          activate({
            config = function(_, ctx)
              ctx.source_in_shell(script.out, { shells = { name } })
            end,
          })
        end
        local all = derive({
          name = "all",
          config = function(_, ctx) ctx.write(ctx.out, "sourced=\"$sourced all\"\n") end,
        })
        activate({ config = function(_, ctx) ctx.source_in_shell(all.out) end })
      ]])
      assert.equal(" " .. shell .. " all\n", run_in(shell, 'echo "$sourced"'))
    end)
  end

  for _, shell in ipairs({ "sh", "bash", "zsh" }) do
    local it_there = process.has(shell) and it or pending

    it_there("goes on in " .. shell .. " when a script is missing", function()
      apply([[
        activate({ config = function(_, ctx) ctx.source_in_shell("~/missing.sh") end })
        env({ AFTER = "1" })
      ]])
      assert.equal("1 on\n", run_in(shell, 'echo "$AFTER on"'))
    end)
  end

  describe("completions of packages", function()
    local config = [[
      local tool = derive({
        name = "tool",
        config = function(_, ctx)
          ctx.write(ctx.out .. "/bin/tool", "#!/bin/sh\necho \"<$*>\"\n")
          ctx.chmod(ctx.out .. "/bin/tool", "755")
          ctx.write(ctx.out .. "/share/bash-completion/completions/tool.bash",
            "complete -W 'from-bash' tool\n")
          ctx.write(ctx.out .. "/share/zsh/site-functions/_tool",
            "#compdef tool\ncompadd from-zsh\n")
          ctx.write(ctx.out .. "/share/fish/vendor_completions.d/tool.fish",
            "complete -c tool -f -a from-fish\n")
          ctx.write(ctx.out .. "/share/man/man1/tool.1", ".TH TOOL 1\n")
        end,
      })
      activate({ config = function(_, ctx) ctx.add_to_path(tool.out .. "/bin") end })
    ]]
    local starts = {
      bash = { "bash --norc", "" },
      ["zsh, before its own"] = { "zsh -f", "", "autoload -Uz compinit; compinit -u -D" },
      ["zsh, after its own"] = { "zsh -f", "autoload -Uz compinit; compinit -u -D\n", "" },
    }
    for name, how in pairs(starts) do
      local shell = name:match("^%a+")
      local it_there = process.has(shell) and process.has("script") and it or pending

      it_there("are found by " .. name, function()
        here.apply(config)
        local lines = {
          how[2] .. '. "$SYSLUA_ROOT/env.sh"',
          how[3] or "",
          "tool fro\t",
          "tool fro\t",
          "exit 0",
        }
        here.write("lines", table.concat(lines, "\n") .. "\n")
        local feed = "while IFS= read -r line; do printf '%s\\n' \"$line\"; sleep 0.3; done <lines"
        local line = ("(%s) | script -qec '%s' /dev/null >shown"):format(feed, how[1])
        here.shell(line, { TERM = "dumb", PS1 = "$ " })
        local shown = here.read("shown")
        local _, count = shown:gsub("<from%-" .. shell .. ">", "")
        assert.equal(2, count, shown)
      end)
    end

    local it_fish = process.has("fish") and it or pending
    it_fish("are found by fish", function()
      here.apply(config)
      local result =
        here.shell([[fish -N -c 'source $SYSLUA_ROOT/env.fish; complete -C "tool fro"']])
      assert.equal("from-fish\n", result.stdout, result.stderr)
    end)

    local it_man = process.has("manpath") and it or pending
    it_man("and its manual by man, also beside a MANPATH", function()
      here.apply(config .. 'env({ MANPATH = "/x" })')
      local result = here.shell('. "$SYSLUA_ROOT/env.sh"; manpath 2>/dev/null')
      matches(result.stdout, "/tool%-%x+/share/man")
    end)
  end)

  describe("aliases", function()
    local config = [[
      alias({ ll = "echo 'long list'", ["g.s-t"] = "printf '%s|' \"a b\"", gone = "echo gone" })
    ]]
    -- How an interactive shell without files of the user runs lines.
    local shells = {
      sh = { "sh -i", ". %s\n" },
      bash = { "bash --norc -i", ". %s\n" },
      zsh = { "zsh -f -i", ". %s\n" },
      fish = { "fish -N -i", "source %s\n", "root/env.fish" },
    }
    for name, how in pairs(shells) do
      local it_there = process.has(name) and it or pending

      local function run(lines)
        local read = how[2]:format(here.directory .. "/" .. (how[3] or "root/env.sh"))
        here.write("lines", read .. lines:gsub("READ\n", read))
        return here.shell(how[1] .. " <lines 2>/dev/null", { PS1 = "", PS2 = "" }).stdout
      end

      it_there("are there in " .. name .. ", and go again", function()
        here.apply(config)
        here.write_config('alias({ ll = "echo new" })', "next.lua")
        local lines = table.concat({
          "ll x",
          "g.s-t y",
          "gone",
          '"$LUA" -l syslua apply next.lua >/dev/null',
          "READ",
          "ll x",
          "gone",
          "echo end",
          "",
        }, "\n")
        local shown = run(lines)
        contains(shown, "long list x", "a b|y|", "new x")
        local _, count = shown:gsub("%f[%w]gone\r?\n", "")
        assert.equal(1, count, shown)
      end)

      it_there("of the user stay in " .. name .. " until there is a new snapshot", function()
        here.apply(config)
        local shown = run("alias ll='echo mine'\nREAD\nll x\n")
        contains(shown, "mine x")
      end)
    end

    it("are not there in scripts", function()
      here.apply(config)
      assert.equal("", run_in("bash", "alias"))
    end)

    it("conflict, give way, and are checked", function()
      local machine_of =
        here.evaluate('alias({ a = syslua.lib.mkDefault("x") }) alias({ a = "y" })')
      assert.truthy(machine_of)
      for _, lines in ipairs({
        'alias({ a = "x" }) alias({ a = "y" })',
        'alias({ ["a b"] = "x" })',
        'alias({ ["-a"] = "x" })',
        'alias({ a = "x\\ny" })',
        'alias({ a = " " })',
        "alias({ a = 1 })",
        'alias({ "x" })',
        'alias("x")',
      }) do
        assert.equal("init.lua:2", here.fail(lines).position, lines)
      end
    end)
  end)

  it("is a link that leads through the current snapshot", function()
    apply([[env({ EDITOR = "vi" })]])
    local script = here.read("root/env.sh")
    contains(script, "EDITOR")
    contains(here.read_link("root/env.sh"), "metadata/current/env.sh")
    assert.equal(script, here.read("root/store/metadata/snapshots/1/env.sh"))
  end)
end)
