--- `init`: what it writes applies, passes its own test, and is never written over what is there.

local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local syslua = require("syslua")
local text_checks = require("spec.support.text_checks")
local tree = require("spec.support.tree")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

-- The checker, as `make setup` installs it.
local function get_checker()
  local line = '. .ci/lib.sh; tool emmylua_check "$emmylua_version"'
  local result = process.run({ "bash", "-c", line }, { directory = tree.root })
  return result.code == 0 and result.stdout:gsub("\n$", "") or nil
end

local is_root = process.run({ "id", "-u" }).stdout == "0\n"

describe("init", function()
  local here = machine.for_each_test()

  it("writes a config that applies, and whose test passes", function()
    local result = here.run("init", "config")
    assert.equal(0, result.code, result.stderr)
    contains(result.stdout, "wrote config/init.lua\n")
    result = here.run("apply", "config")
    assert.equal(0, result.code, result.stderr)
    assert.equal("Hello from sys.lua!\n", here.read("home/.hello"))
    result = process.run(
      { interpreter.name, "/usr/bin/busted" },
      { directory = here.directory .. "/config", environment = here.environment }
    )
    assert.equal(0, result.code, result.stdout .. result.stderr)
    contains(result.stdout, "2 successes / 0 failures")
    matches(here.run("apply", "config").stdout, "^Nothing changed")
  end)

  -- The place of root is outside of the machine that is thrown away.
  local it_as_user = is_root and pending or it
  it_as_user("writes where commands look for a config", function()
    assert.equal(0, here.run("init").code)
    assert.truthy(here.read("home/.config/syslua/init.lua"))
    assert.equal(0, here.run("apply").code)
  end)

  it("overwrites nothing unless told to", function()
    here.write("config/init.lua", "mine\n")
    local before = here.list("config")
    local result = here.run("init", "config")
    assert.equal(1, result.code)
    assert.equal(
      "error: config: there already is init.lua\n  hint: name another directory, "
        .. "or overwrite with --force\n",
      result.stderr
    )
    assert.equal(before, here.list("config"))
    result = here.run("init", "config", "--force")
    assert.equal(0, result.code, result.stderr)
    contains(here.read("config/init.lua"), "setup = function")
  end)

  it("points editors to the types, and apply keeps that up to date", function()
    here.run("init", "config")
    local written = here.read("config/.luarc.json")
    local library = syslua.lib.fromJSON(written).workspace.library
    assert.is_true(#library >= 2)
    for _, directory in ipairs(library) do
      assert.equal(0, process.run({ "test", "-d", directory }).code, directory)
    end
    -- An older place of sys.lua, and a directory of the user's.
    local changed = syslua.lib.fromJSON(written)
    changed.workspace.library = { "/no/such/types", here.home }
    changed.hint = { enable = true }
    here.write("config/.luarc.json", syslua.lib.toJSON(changed))
    assert.equal(0, here.run("apply", "config").code)
    local refreshed = syslua.lib.fromJSON(here.read("config/.luarc.json"))
    assert.is_true(refreshed.hint.enable)
    assert.equal(library[1], refreshed.workspace.library[1])
    assert.equal(here.home, refreshed.workspace.library[#library + 1])
    assert.is_nil(refreshed.workspace.library[#library + 2])
    -- Up to date, nothing is written.
    local before = here.list("config")
    here.run("apply", "config")
    assert.equal(before, here.list("config"))
  end)

  it("leaves editors' files that are not its own alone", function()
    here.write_config("", "config/init.lua")
    for _, text in ipairs({ '{ "workspace": { "library": [] } }', "no JSON", "[]" }) do
      here.write("config/.luarc.json", text)
      assert.equal(0, here.run("apply", "config").code)
      assert.equal(text, here.read("config/.luarc.json"))
    end
  end)

  it(
    "has shells with a file read the environment, once, and destroy takes the line away",
    function()
      here.write("home/.bashrc", "# mine\n")
      for _ = 1, 2 do
        here.must("init", "config", "--force", "--shell")
      end
      local script = here.root .. "/env.sh"
      local plain = ("[ ! -r %s ] || . %s"):format(script, script)
      local own = here.root .. "/users/root/env.sh"
      local both = ("if [ -r %s ]; then . %s; elif [ -r %s ]; then . %s; fi"):format(
        own,
        own,
        script,
        script
      )
      local line = (is_root and both or plain) .. " # sys.lua\n"
      assert.equal("# mine\n" .. line, here.read("home/.bashrc"))
      assert.is_nil(here.read("home/.zshrc"))
      here.must("apply", "config")
      local result = here.shell("bash -c '. ~/.bashrc; echo ${PATH%%:*}'")
      assert.equal(here.home .. "/.local/bin\n", result.stdout)
      here.write("home/.bashrc", here.read("home/.bashrc") .. "# more\n")
      result = here.must("destroy", "--dry-run")
      contains(result.stdout, "~/.bashrc would no longer read")
      contains(here.read("home/.bashrc"), line)
      here.must("destroy", "--yes")
      assert.equal("# mine\n# more\n", here.read("home/.bashrc"))
    end
  )

  it("has login shells of bash read it too, and leaves files as they were #once", function()
    local files = { ".bashrc", ".bash_profile", ".bash_login", ".profile" }
    for _, case in ipairs({
      {},
      { [".profile"] = "# mine\n" },
      { [".bash_login"] = "export X=1" },
      { [".bash_profile"] = "", [".profile"] = "# other\n" },
      { [".profile"] = 'if [ -n "$BASH_VERSION" ]; then . ~/.bashrc; fi\n' },
      { [".bashrc"] = "alias a=b", [".bash_profile"] = ". ~/.bashrc" },
    }) do
      here.shell("rm -f ~/.bash* ~/.profile")
      for name, text in pairs(case) do
        here.write("home/" .. name, text)
      end
      for _ = 1, 2 do
        here.must("init", "config", "--force", "--shell", "bash")
      end
      here.apply([[env({ V = "1" })]])
      for _, flags in ipairs({ "-ic", "-lc", "-lic" }) do
        local result = here.shell(("bash %s 'echo \"<$V>\"' 2>/dev/null </dev/null"):format(flags))
        assert.equal("<1>\n", result.stdout, flags)
      end
      here.must("destroy", "--yes")
      for _, name in ipairs(files) do
        local before = case[name] or name == ".bashrc" and "" or nil
        assert.equal(before, here.read("home/" .. name), name)
      end
    end
  end)

  local places = {
    sh = ".profile",
    bash = ".bashrc",
    zsh = ".zshrc",
    fish = ".config/fish/config.fish",
    elvish = ".config/elvish/rc.elv",
    nushell = ".config/nushell/config.nu",
    powershell = ".config/powershell/profile.ps1",
  }

  it("has the shells read it that are named, with $HOME in the line", function()
    local root = here.home .. "/.local/share/sys lua's"
    local words = ""
    for name in pairs(places) do
      words = words .. " --shell " .. name
    end
    local result = here.shell("$LUA -l syslua init config" .. words, { SYSLUA_ROOT = root })
    assert.equal(0, result.code, result.stderr)
    for name, place in pairs(places) do
      local text = here.read("home/" .. place)
      assert.truthy(text, name)
      contains_none(text, here.home)
    end
    result = here.shell("$LUA -l syslua apply config", { SYSLUA_ROOT = root })
    assert.equal(0, result.code, result.stderr)
    local questions = {
      bash = "bash -ic",
      zsh = "zsh -ic",
      fish = "fish -ic",
      -- Without a terminal it reads no file of its own.
      elvish = "cat ~/.config/elvish/rc.elv >rc; echo /usr/bin/env >>rc; elvish -norc rc; :",
    }
    for name, question in pairs(questions) do
      if process.has(name) then
        result = here.shell(question .. " '/usr/bin/env' 2>/dev/null </dev/null")
        local entry = "\nPATH=" .. here.home .. "/.local/bin:"
        contains("\n" .. result.stdout, entry)
      end
    end
    result = here.shell("$LUA -l syslua destroy --yes", { SYSLUA_ROOT = root })
    assert.equal(0, result.code, result.stderr)
    for name, place in pairs(places) do
      assert.equal("", here.read("home/" .. place), name)
    end
  end)
  local it_as_root = is_root and it or pending
  it_as_root("has root's shells read what is root's own, if there is any", function()
    local words, earlier = "", ("[ ! -r %s/env.sh ] || . %s/env.sh"):format(here.root, here.root)
    for name in pairs(places) do
      words = words .. " --shell " .. name
    end
    -- The line of an earlier version is replaced, and the text around it stays.
    here.write("home/.bashrc", "# one\n" .. earlier .. " # sys.lua\n# two\n")
    here.must("init", "config", "--force", "--shell", "bash")
    contains_none(here.read("home/.bashrc"), earlier .. " # sys.lua")
    local result = here.shell("$LUA -l syslua init config --force" .. words)
    assert.equal(0, result.code, result.stderr)
    local questions = {
      sh = "ENV=~/.profile sh -ic",
      bash = "bash -ic",
      zsh = "zsh -ic",
      fish = "fish -ic",
      elvish = "cat ~/.config/elvish/rc.elv >rc; echo /usr/bin/env >>rc; elvish -norc rc; :",
    }
    local own = [[user { name = "root", setup = function() env { WHOSE = "root's" } end }]]
    local common = [[env { WHOSE = "all" }]]
    for _, case in ipairs({ { common, "all" }, { own, "root's" }, { common, "all" } }) do
      here.apply(case[1])
      for name, question in pairs(questions) do
        if process.has(name) then
          result = here.shell(question .. " '/usr/bin/env' 2>/dev/null </dev/null")
          local found = ("\n" .. result.stdout):find("\nWHOSE=" .. case[2] .. "\n", 1, true)
          assert.truthy(found, name .. result.stdout)
        end
      end
      result = here.shell('eval "$($LUA -l syslua env --shell sh)"; echo "$WHOSE"')
      assert.equal(case[2] .. "\n", result.stdout, result.stderr)
    end
    here.must("destroy", "--yes")
    for name, place in pairs(places) do
      local rest = name == "bash" and "# one\n# two\n" or ""
      assert.equal(rest, here.read("home/" .. place), name)
    end
  end)

  it("goes by XDG_CONFIG_HOME and ZDOTDIR", function()
    local variables = { XDG_CONFIG_HOME = here.home .. "/xdg", ZDOTDIR = here.home .. "/zsh" }
    local result = here.shell("$LUA -l syslua init config --shell fish --shell zsh", variables)
    assert.equal(0, result.code, result.stderr)
    assert.truthy(here.read("home/xdg/fish/config.fish"))
    assert.truthy(here.read("home/zsh/.zshrc"))
    assert.is_nil(here.read("home/.zshrc"))
  end)

  it("refuses a shell that it does not know", function()
    local result = here.run("init", "config", "--shell", "fisch")
    assert.equal(2, result.code)
    contains(result.stderr, "did you mean `fish`?")
  end)

  it("names the directory as the shell takes it", function()
    local result = here.run("init", "my config")
    contains(result.stdout, "plan 'my config'")
    contains(here.read("my config/init.lua"), "plan 'my config'")
  end)
end)

if interpreter.name == "lua5.4" then
  describe("emmylua_check", function()
    local checker = get_checker()
    local it_checked = checker and it or pending
    local here = machine.for_each_test(function(here)
      here.run("init", "config")
    end)

    local function check()
      return process.run({ checker, "--warnings-as-errors", here.directory .. "/config" })
    end

    it_checked("passes on what init writes", function()
      local result = check()
      assert.equal(0, result.code, result.stdout .. result.stderr)
    end)

    local right = {
      [[file { path = "~/.x", content = "", mode = "600", owner = "ada" }]],
      [[file { path = "~/.x", source = derive { name = "x", config = function(_, ctx) ]]
        .. [[ctx.write(ctx.out, "") end } }]],
      [[file { path = "~/.x", content = syslua.lib.mkDefault("x") }]],
      [[env { A = "x", B = 1, C = { "x", syslua.lib.mkBefore("y") }, ]]
        .. [[D = syslua.lib.ref("HOME") .. "/x" }]],
      [[user { name = "ada", setup = function() env { A = "1" } end }]],
      [[project { name = "web", path = "~/web", config = function() end }]],
      [[require("modules.programs.git").setup { user_name = "Ada" }]],
      [[require("pkgs.cli.ripgrep").setup { version = "15.1.0" }]],
    }

    it_checked("passes on configs that are right", function()
      here.write_config(table.concat(right, "\n"), "config/init.lua")
      local result = check()
      assert.equal(0, result.code, result.stdout .. result.stderr)
    end)

    local wrong = {
      [[file { path = "~/.x", contnet = "" }]],
      [[file { path = 1, content = "" }]],
      [[file { content = "" }]],
      [[file("~/.x")]],
      [[env { A = true }]],
      [[user { name = 1, setup = function() end }]],
      [[project { setup = function() end }]],
      [[derive { name = "x" }]],
      [[derive { name = "x", config = function(_, ctx) ctx.wirte(ctx.out, "") end }]],
      [[activate { config = function(_, ctx) ctx.add_to_path(1) end }]],
      [[syslua.lib.mkFroce(1)]],
      [[syslua.lib.mkOverride("x", 1)]],
      [[local x = syslua.platfrom]],
      [[fiel { path = "~/.x", content = "" }]],
    }

    it_checked("fails on each config that is wrong", function()
      for index, line in ipairs(wrong) do
        here.write_config(line, "config/init.lua")
        local result = check()
        assert.not_equal(0, result.code, index .. ": " .. line)
        contains(result.stdout, "init.lua:2:")
      end
    end)
  end)
end
