--- `packages{}` for a user: brew, for which a script stands in that prints what the real one
-- printed and notes what it was asked; what is refused; and machines that have no manager.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, matches_none = text_checks.contains, text_checks.matches_none

local brew = [[
#!/bin/sh
echo "brew $*" >>"$RECORD/asked"
cd "$RECORD"
case "$*" in
  "list --formula --versions") cat db ;;
  "list --cask --versions") exit 1 ;;
  "install --dry-run"*nope*) echo 'Error: No available formula with the name "nope".' >&2; exit 1 ;;
  "install --dry-run"*)
    printf '==> Would install 1 formula:\nwget\n'
    printf '==> Would install 1 dependency for wget:\nopenssl@3\n' ;;
  install*) printf 'wget 1.24.5\nopenssl@3 3.3.0\n' >>db; echo "==> Pouring wget" ;;
  "uses --installed wget") cat needed 2>/dev/null || true ;;
  uninstall*) sed -i '/^wget/d' db; echo "Uninstalling wget" ;;
esac
]]

describe("packages{} #once", function()
  local here = machine.for_each_test(function(here)
    here.shell("mkdir -p bin record")
    here.environment.RECORD = here.directory .. "/record"
  end)

  local function run(code, ...)
    return here.run_to(code, ...)
  end

  local function is_root()
    return here.shell("id -u").stdout == "0\n"
  end

  it("has brew install and uninstall", function()
    if is_root() then
      pending("brew refuses root")
      return
    end
    here.write("bin/brew", brew)
    here.write("record/db", "git 2.45.0 2.44.0\n")
    here.shell("chmod 755 bin/brew")
    here.environment.PATH = here.directory .. "/bin:" .. os.getenv("PATH")
    here.write_config('packages { brew = { "wget", "git" } }')
    contains(run(0, "plan", "init.lua"), "wget (brew)", "openssl@3", "git (brew)  2.44.0")
    contains(run(0, "apply", "init.lua"), "==> Pouring wget")
    contains(here.read("record/asked"), "brew install wget\n")
    contains(run(0, "apply", "init.lua"), "Nothing")
    contains(run(0, "status", "--verbose"), "installed brew package wget 1.24.5")
    here.write("record/needed", "curl\n")
    here.write_config("")
    contains(run(0, "plan", "init.lua"), "stays, since curl needs it")
    here.shell("rm record/needed")
    contains(run(0, "apply", "init.lua"), "Uninstalling wget")
    contains(here.read("record/asked"), "brew uninstall wget\n")
    matches_none(here.read("record/asked"), "uninstall.*git")
    here.write_config('packages { brew = { "nope" } }')
    contains(run(1, "apply", "init.lua"), "No available formula", "init.lua")
  end)

  it("needs rights that a user does not have", function()
    if is_root() or here.shell("command -v apt-get").code ~= 0 then
      pending("for a user, with apt")
      return
    end
    here.write_config('packages { apt = { "hello" } }')
    for _, command in ipairs({ "plan", "apply" }) do
      contains(run(1, command, "init.lua"), "only root installs packages with apt", "init.lua")
    end
  end)

  it("installs nothing where no manager is, and says so", function()
    here.shell('ln -s "$(command -v $LUA)" /bin/sh bin')
    here.environment.PATH = here.directory .. "/bin"
    here.write_config('packages { pacman = { "hello" }, dnf = { "hello" } }')
    local result = here.run("plan", "init.lua")
    assert.equal(0, result.code, result.stderr)
    contains(result.stdout, "there is no pacman here")
    contains(run(0, "apply", "init.lua"), "this machine has none of dnf, pacman")
    contains(run(0, "apply", "init.lua"), "Nothing")
    run(0, "status")
  end)

  it("refuses what is not a package, with the line", function()
    local cases = {
      { 'packages { apt = { "--purge" } }', "begins with '-'", "init.lua:2" },
      { 'packages { apt = { "a b" } }', "contains ' '", "init.lua:2" },
      { 'packages { apt = { "lib*" } }', "contains '*'", "init.lua:2" },
      { 'packages { apt = { "" } }', "is empty", "init.lua:2" },
      { "packages { apt = { 7 } }", "apt", "number", "init.lua:2" },
      { 'packages { atp = { "git" } }', "atp", "apt", "init.lua:2" },
      { 'packages { "git" }', "packages{}", "init.lua:2" },
      { 'project { name = "p", setup = function() packages { apt = "git" } end }', "project{}" },
    }
    for _, case in ipairs(cases) do
      here.write_config(case[1])
      local result = here.run("plan", "init.lua")
      assert.equal(1, result.code, case[1])
      contains(result.stderr, (table.unpack or unpack)(case, 2))
    end
  end)
end)
