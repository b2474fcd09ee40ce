--- `shell`: commands and shells in the environment of a project.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local process = require("spec.support.process")

describe("shell #once", function()
  local here = machine.for_each_test(function(here)
    -- Otherwise fish begins to make completions of its own in the background.
    here.shell("mkdir -p ~/.local/share/fish/generated_completions")
    here.write_config([[
      local tool = derive({
        name = "tool",
        config = function(_, ctx)
          ctx.write(ctx.out .. "/bin/tool", "#!/bin/sh\necho tool $PORT \"$@\"\n")
          ctx.chmod(ctx.out .. "/bin/tool", "755")
        end,
      })
      file({ path = "~/.applied", content = "" })
      project({
        name = "web",
        setup = function()
          env({ PORT = 8080, GREETING = "it's $HOME \"q\"", PATH = "~/web/bin",
            XDG_DATA_DIRS = "/web/share" })
          activate({ config = function(_, ctx) ctx.add_to_path(tool.out .. "/bin") end })
        end,
      })
      project({ name = "other", setup = function() env({ PORT = 1 }) end })
    ]])
  end)

  local function run(words, environment)
    return here.shell("$LUA -l syslua shell --config init.lua " .. words, environment)
  end

  it("runs a command with the variables of a project, and applies nothing", function()
    local line = [[web -- sh -c 'printf "%s|" "$PORT" "$GREETING" "$XDG_DATA_DIRS" ]]
      .. [["$SYSLUA_PROJECT" "$1"; echo "$PATH"' sh 'a b']]
    local result = run(line)
    assert.equal(0, result.code, result.stderr)
    local rest = "/web/share:/usr/local/share:/usr/share"
    local expected = ([[8080|it's $HOME "q"|%s|web|a b|]]):format(rest)
    assert.equal(expected, result.stdout:sub(1, #expected))
    contains(result.stdout, "|" .. here.root .. "/store/obj/tool", ":" .. here.home .. "/web/bin:")
    assert.is_false(here.exists("home/.applied"))
    assert.is_false(here.exists("root/env.sh"))
  end)

  it("finds programs of the project, with flags of their own", function()
    local result = run("web -- tool -x --help --version")
    assert.equal("tool 8080 -x --help --version\n", result.stdout, result.stderr)
  end)

  it("passes exit codes on", function()
    for _, code in ipairs({ 0, 1, 7, 42, 255 }) do
      assert.equal(code, run(("web -- sh -c 'exit %d'"):format(code)).code)
    end
    local result = run("web -- no-such-program")
    assert.equal(127, result.code)
    contains(result.stderr, "no-such-program")
    here.write("no-program", "")
    assert.equal(126, run("web -- ./no-program").code)
  end)

  it("reads its own standard input", function()
    local result = here.shell("echo in | $LUA -l syslua shell --config init.lua web -- cat")
    assert.equal("in\n", result.stdout)
  end)

  it("lays one project over another, and takes nothing back", function()
    local result =
      run("web -- $LUA -l syslua shell --config init.lua other -- sh -c 'echo $PORT $GREETING'")
    assert.equal('1 it\'s $HOME "q"\n', result.stdout, result.stderr)
  end)

  it("names the projects that there are", function()
    local result = run("wep -- true")
    assert.equal(2, result.code)
    contains(result.stderr, "did you mean `web`?")
    result = run("")
    assert.equal(2, result.code)
    contains(result.stderr, "it declares")
  end)

  local shells = {
    sh = 'echo "[$PORT $SYSLUA_PROJECT]"',
    bash = 'echo "[$PORT $SYSLUA_PROJECT $FROM_RC]"',
    zsh = 'echo "[$PORT $SYSLUA_PROJECT $FROM_RC${ZDOTDIR-}]"',
    fish = 'echo "[$PORT $SYSLUA_PROJECT $FROM_RC]"',
  }
  for name, question in pairs(shells) do
    local it_there = process.has(name) and process.has("script") and it or pending

    it_there("starts " .. name .. " with the user's files and a mark in the prompt", function()
      here.write("home/.bashrc", "FROM_RC=rc\nPS1='bash> '\n")
      here.write("home/.zshrc", "FROM_RC=rc\nPROMPT='zsh> '\n")
      here.write("home/.config/fish/config.fish", "set FROM_RC rc\n")
      here.write("input", question .. "\nexit 5\n")
      local shell = here.shell("command -v " .. name).stdout:gsub("\n", "")
      local line = [[
        script -qec '$LUA -l syslua shell --config init.lua web' /dev/null <input >shown
        echo $?
      ]]
      local result = here.shell(line, { SHELL = shell, TERM = "xterm", PS1 = "$ " })
      local shown = here.read("shown")
      assert.equal("5\n", result.stdout, shown)
      local expected = name == "sh" and "[8080 web]" or "[8080 web rc]"
      contains(shown, expected, "(web) ")
    end)
  end
end)
