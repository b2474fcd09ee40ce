--- Every example runs, and does what it says.

local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local server = require("spec.support.server")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

describe("examples/dotfiles", function()
  local here = machine.for_each_test(function(here)
    here.copy("examples/dotfiles", "dotfiles")
  end)

  local function apply()
    local result = here.run("apply", "dotfiles")
    assert.equal(0, result.code, result.stderr)
    return result.stdout
  end

  it("links the files", function()
    apply()
    assert.equal(here.read("dotfiles/bashrc"), here.read("home/.bashrc"))
    assert.equal(here.read("dotfiles/gitignore"), here.read("home/.config/git/ignore"))
    assert.equal(here.directory .. "/dotfiles/zshrc", here.read_link("home/.zshrc"))
    contains(here.read("home/.gitconfig"), "name = Ada Lovelace")
  end)

  it("changes nothing the second time", function()
    apply()
    local home, root = here.list("home"), here.list("root")
    matches(apply(), "^Nothing changed")
    assert.equal(home, here.list("home"))
    assert.equal(root, here.list("root"))
  end)

  it("loses the file whose entry is removed", function()
    apply()
    local text =
      here.read("dotfiles/init.lua"):gsub('[^\n]*file%({ path = "~/.config/git/ignore"[^\n]*\n', "")
    here.write("dotfiles/init.lua", text)
    contains(apply(), "1 removed")
    assert.is_false(here.exists("home/.config"))
    assert.truthy(here.exists("home/.bashrc"))
  end)

  it("gives shells its environment", function()
    apply()
    for shell, file in pairs({ bash = ".bashrc", zsh = ".zshrc" }) do
      if process.has(shell) then
        local result = here.shell(shell .. " -c '. ~/" .. file .. '; echo "$EDITOR $PATH"\'')
        assert.equal(0, result.code, result.stderr)
        local start = "vim " .. here.home .. "/.local/bin:"
        assert.equal(start, result.stdout:sub(1, #start))
      end
    end
  end)

  it("is what git takes for its configuration", function()
    apply()
    if process.has("git") then
      assert.equal("Ada Lovelace\n", here.shell("git config --global user.name").stdout)
      assert.equal("true\n", here.shell("git config --global pull.rebase").stdout)
    end
  end)
end)

describe("examples/tool", function()
  local here, web

  before_each(function()
    here = machine.new()
    here.copy("examples/tool", "tool")
    web = server.start(here.directory .. "/tool")
    local text = here.read("tool/release.lua"):gsub("http://127%.0%.0%.1:8000", web.url)
    here.write("tool/release.lua", text)
  end)

  after_each(function()
    web.stop()
    here.remove()
  end)

  it("puts a program on PATH", function()
    local result = here.run("apply", "tool")
    assert.equal(0, result.code, result.stderr)
    for _, shell in ipairs({ "sh", "bash", "zsh" }) do
      if process.has(shell) then
        result = here.shell(shell .. [[ -c '. "$SYSLUA_ROOT/env.sh"; greet you']])
        assert.same({ code = 0, stdout = "Hello, you!\n", stderr = "" }, result)
      end
    end
    local platform = here.shell("ls root/store/pkg/greet/1.0").stdout:gsub("\n", "")
    assert.equal(
      "greet: says hello.\n",
      here.read("root/store/pkg/greet/1.0/" .. platform .. "/README")
    )
  end)

  it("needs the server only once", function()
    assert.equal(0, here.run("apply", "tool").code)
    web.stop()
    local result = here.run("apply", "tool")
    assert.equal(0, result.code, result.stderr)
    matches(result.stdout, "^Nothing changed")
  end)

  it("refuses another archive", function()
    here.write("tool/greet-1.0.tar.gz", "not what was released")
    local result = here.run("apply", "tool")
    assert.equal(1, result.code)
    contains(result.stderr, "another content than declared")
    assert.is_false(here.exists("root/env.sh"))
  end)
end)

describe("examples/from-source", function()
  local here = machine.for_each_test(function(here)
    here.copy("examples/from-source", "from-source")
    local result = here.shell("sh from-source/make-repository counting.git")
    assert.equal(0, result.code, result.stderr)
    local url = "file://" .. here.directory .. "/counting.git"
    local text = here.read("from-source/release.lua"):gsub("file:///tmp/counting%.git", url)
    here.write("from-source/release.lua", text)
  end)

  it("compiles a library out of git, and programs with it, fully confined", function()
    local result = here.run("apply", "from-source", "--sandbox", "require")
    assert.equal(0, result.code, result.stderr)
    result = here.shell([[. "$SYSLUA_ROOT/env.sh"; tally "how many words" "are these"]])
    assert.same({ code = 0, stdout = "5\n", stderr = "" }, result)
    assert.equal("3 Roses are red\n3 violets are blue\n", here.read("home/poem.txt"))
    -- The program needs the library for ever, the poem needed it only to be built.
    local library = machine.get_object(here, "counting-1.0")
    local tally, info = machine.get_object(here, "tally")
    contains(info, '"' .. library .. '"')
    local _, of_poem = machine.get_object(here, "poem")
    contains_none(of_poem, library)
    local program = "root/store/obj/" .. tally .. "/bin/tally"
    local libraries = here.shell("ldd " .. program).stdout
    contains(libraries, "/" .. library .. "/lib/libcount.so")
  end)

  it("changes nothing the second time, without the repository", function()
    assert.equal(0, here.run("apply", "from-source").code)
    here.shell("rm -rf counting.git")
    local result = here.run("apply", "from-source")
    matches(result.stdout, "^Nothing changed")
  end)

  it("refuses another tree than the one that was declared", function()
    local text = here.read("from-source/release.lua"):gsub("7a465f08", "00000000")
    here.write("from-source/release.lua", text)
    local result = here.run("apply", "from-source")
    assert.equal(1, result.code)
    contains(result.stderr, "7a465f084877c48ec50bb5af5a32c7af")
    assert.is_false(here.exists("root/env.sh"))
  end)
end)

describe("examples/plugins", function()
  local here = machine.for_each_test(function(here)
    here.copy("examples/plugins", "plugins")
    local result = here.shell("sh plugins/make-repositories repositories")
    assert.equal(0, result.code, result.stderr)
    local base = "file://" .. here.directory .. "/repositories/"
    local text = here.read("plugins/init.lua"):gsub("file:///tmp/plugins/", base)
    here.write("plugins/init.lua", text)
  end)

  it("needs no hash, and moves with its list", function()
    local result = here.run("apply", "plugins")
    assert.equal(0, result.code, result.stderr)
    local start = "home/.local/share/nvim/site/pack/all/start/"
    assert.equal("vim.g.lilac = true\n", here.read(start .. "lilac.nvim/plugin/lilac.lua"))
    local _, entries = here.read("plugins/syslua.lock"):gsub('\n    "', "")
    assert.equal(2, entries)
    local commit = here
      .shell([[
      set -e
      export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
      git clone -q repositories/lilac.nvim work && cd work
      echo "vim.g.lilac = 2" >plugin/lilac.lua && git commit -q -a -m "Does more"
      git push -q && git rev-parse HEAD
    ]]).stdout
      :match("%x+")
    local list = here.read("plugins/lazy-lock.json")
    here.write("plugins/lazy-lock.json", (list:gsub('(lilac.-commit": ")%x+', "%1" .. commit)))
    result = here.run("apply", "plugins")
    assert.equal(0, result.code, result.stderr)
    assert.equal("vim.g.lilac = 2\n", here.read(start .. "lilac.nvim/plugin/lilac.lua"))
    assert.equal("building lilac.nvim\n", result.stderr:match("building[^\n]*\n"))
    contains_none(result.stderr, "quickly")
  end)
end)

describe("examples/workflow.lua", function()
  it("builds, plans and applies", function()
    local here = machine.new()
    here.copy("examples", "examples")
    local result = here.lua("examples/workflow.lua", "examples/dotfiles", "elsewhere")
    assert.equal("", result.stderr)
    assert.equal(0, result.code)
    contains(
      result.stdout,
      "  it says: Hello, world!\n",
      "  3 derivations, 6 activations\n",
      "  add symlink ~/.bashrc\n",
      "  dry run: would change something\n",
      "  snapshot 1\n",
      "/no/such"
    )
    assert.truthy(here.read("home/.bashrc"))
    assert.is_false(here.exists("root"))
    result = here.lua("examples/workflow.lua", "examples/dotfiles", "elsewhere")
    contains(result.stdout, "  nothing changed\n")
    assert.equal(2, here.lua("examples/workflow.lua").code)
    here.remove()
  end)
end)

describe("examples/config_spec.lua", function()
  it("passes", function()
    local here = machine.new()
    local options = { environment = here.environment }
    local result =
      process.run({ interpreter.name, "/usr/bin/busted", "examples/config_spec.lua" }, options)
    assert.equal(0, result.code, result.stdout .. result.stderr)
    contains(result.stdout, "6 successes / 0 failures / 0 errors")
    assert.equal("", here.list("root"))
    here.remove()
  end)
end)

describe("examples/tools #once", function()
  it("needs nothing but its lock, on each platform", function()
    local here = machine.new()
    here.copy("examples/tools", "tools")
    for _, platform in ipairs({
      "x86_64-linux",
      "aarch64-linux",
      "aarch64-darwin",
      "x86_64-windows",
    }) do
      local result =
        here.run("plan", "tools", "--locked", "--offline", "--system", platform, "--verbose")
      assert.equal(0, result.code, result.stderr)
      for _, tool in ipairs({ "ripgrep", "fd", "fzf", "jq" }) do
        matches(result.stdout, "build +" .. tool .. " ")
      end
    end
    here.remove()
  end)
end)
