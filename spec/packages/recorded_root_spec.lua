--- `packages{}` with dnf and pacman, for root: scripts stand in for them, which print what the real
-- programs printed and note what they were asked.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")

local dnf = [[
#!/bin/sh
echo "dnf $*" >>"$RECORD/asked"
cd "$RECORD"
table() {
  printf 'Dependencies resolved.\n=====\n Package  Architecture  Version  Repository  Size\n=====\n'
  echo "$1:"
  echo " hello             x86_64        2.12.1-2.fc39        fedora              129 k"
  echo "$2:"
  echo " info              x86_64        7.0.3-3.fc39         fedora              182 k"
  printf '\nTransaction Summary\n=====\n2 Packages\n\nOperation aborted.\n'
}
case "$*" in
  *nope*) echo "Error: Unable to find a match: nope" >&2; exit 1 ;;
  "install --assumeno"*) table Installing "Installing dependencies"; exit 1 ;;
  "install --assumeyes"*)
    printf 'hello\t2.12.1-2.fc39\ninfo\t7.0.3-3.fc39\n' >>db
    echo Complete! ;;
  "remove --assumeno"*) table Removing "Removing unused dependencies"; exit 1 ;;
  "remove --assumeyes"*) sed -i '/^hello/d; /^info/d' db; echo Complete! ;;
  repoquery*) echo "bash user"; echo "glibc dependency" ;;
esac
]]

local rpm = '#!/bin/sh\necho "rpm $*" >>"$RECORD/asked"\ncat "$RECORD/db"\n'

local pacman = [[
#!/bin/sh
echo "pacman $*" >>"$RECORD/asked"
cd "$RECORD"
case "$*" in
  --query) cat db ;;
  "--query --deps"*) echo glibc ;;
  "--sync --needed --print"*nope*) echo "error: target not found: nope" >&2; exit 1 ;;
  "--sync --needed --print"*) printf '+ info 7.1-1\n+ hello 2.12.1-2\n' ;;
  "--sync"*) printf 'hello 2.12.1-2\ninfo 7.1-1\n' >>db; echo "(1/2) installing info" ;;
  "--remove --print"*--recursive*) printf -- '- hello 2.12.1-2\n- info 7.1-1\n' ;;
  "--remove --print"*)
    if [ -e needed ]; then
      echo "error: failed to prepare transaction (could not satisfy dependencies)" >&2
      echo ":: removing hello breaks dependency 'hello' required by greeter" >&2
      exit 1
    fi
    printf -- '- hello 2.12.1-2\n' ;;
  "--remove"*) sed -i '/^hello/d; /^info/d' db; echo "(1/2) removing hello" ;;
esac
]]

describe("packages{} with recorded managers #root #once", function()
  local here = machine.for_each_test(function(here)
    here.shell("mkdir -p bin record")
    here.environment.RECORD = here.directory .. "/record"
    here.environment.PATH = here.directory .. "/bin:" .. os.getenv("PATH")
  end)

  local function install(programs, db)
    for name, text in pairs(programs) do
      here.write("bin/" .. name, text)
    end
    here.write("record/db", db)
    here.shell("chmod 755 bin/*")
  end

  local function apply(lines, code)
    here.write_config(lines)
    local result = here.run("apply", "init.lua")
    assert.equal(code or 0, result.code, result.stdout .. result.stderr)
    return result.stdout .. result.stderr
  end

  it("asks dnf for tables, and removes what came with a package", function()
    install({ dnf = dnf, rpm = rpm }, "bash\t5.2.15-5.fc39\nglibc\t2.38-7.fc39\n")
    here.write_config('packages { dnf = { "hello", "bash" } }')
    local plan = here.run("plan", "init.lua")
    contains(plan.stdout, "hello (dnf)  2.12.1-2.fc39", "info 7.0.3-3.fc39", "init.lua")
    contains(apply('packages { dnf = { "hello", "bash" } }'), "Complete!")
    contains(here.read("record/asked"), "dnf install --assumeyes hello\n")
    contains(apply('packages { dnf = { "hello", "bash" } }'), "Nothing")
    apply("")
    contains(
      here.read("record/asked"),
      "dnf remove --assumeyes --setopt=clean_requirements_on_remove=false hello info\n"
    )
    assert.equal("bash\t5.2.15-5.fc39\nglibc\t2.38-7.fc39\n", here.read("record/db"))
    contains(apply('packages { dnf = { "nope" } }', 1), "Unable to find a match: nope", "init.lua")
  end)

  it("asks pacman for lists, and leaves what another package needs", function()
    install({ pacman = pacman }, "bash 5.2.026-2\nglibc 2.39-1\n")
    contains(apply('packages { pacman = { "hello", "glibc" } }'), "(1/2) installing info")
    contains(
      here.read("record/asked"),
      "pacman --sync --needed --noconfirm --noprogressbar -- hello\n",
      "pacman --database --asexplicit -- glibc\n"
    )
    here.write("record/needed", "")
    contains(apply(""), "stays, since greeter needs it")
    contains(here.read("record/asked"), "pacman --database --asdeps -- glibc hello\n")
    contains(here.read("record/db"), "hello")
    here.shell("rm record/needed; printf 'bash 5.2.026-2\\nglibc 2.39-1\\n' >record/db")
    apply('packages { pacman = { "hello" } }')
    apply("")
    contains(
      here.read("record/asked"),
      "pacman --remove --noconfirm --noprogressbar -- hello info\n"
    )
    contains(apply('packages { pacman = { "nope" } }', 1), "target not found: nope", "init.lua")
  end)

  it("refuses brew for root", function()
    install({ brew = "#!/bin/sh\nexit 1\n" }, "")
    contains(apply('packages { brew = { "wget" } }', 1), "brew does not work for root", "init.lua")
  end)
end)
