--- `packages{}` with the real apt and dpkg, in a container that boots for these specs. Its packages
-- come from a small repository on its own disk: nothing needs the network.

local container = require("spec.support.container")
local json = require("dkjson")
local text_checks = require("spec.support.text_checks")

local contains, contains_none = text_checks.contains, text_checks.contains_none

-- Makes a package: name, version, dependencies, more fields and scripts.
local make = [[
make() {
  dir=/srv/build/$1-$2; mkdir -p "$dir/DEBIAN" "$dir/usr/share/$1"
  { echo "Package: $1"; echo "Version: $2"; echo "Architecture: all"
    echo "Maintainer: nobody <nobody@example.org>"; echo "Description: a package for tests"
    if [ -n "$3" ]; then echo "Depends: $3"; fi
    if [ -n "$5" ]; then echo "$5"; fi; } >"$dir/DEBIAN/control"
  echo "$2" >"$dir/usr/share/$1/version"
  if [ -n "$4" ]; then printf '#!/bin/sh\nset -e\n%s\n' "$4" >"$dir/DEBIAN/postinst"
    chmod 755 "$dir/DEBIAN/postinst"; fi
  dpkg-deb --build --root-owner-group "$dir" /srv/repo >/dev/null
}
mkdir -p /srv/repo
make tool 1.0 libtool-data
make tool 2.0 libtool-data
make libtool-data 1.0
make other 1.0
make there 1.0
make auto 1.0
make user-of-auto 1.0 auto
make needs-tool 1.0 tool
make bad 1.0 "" "test -e /srv/mended || { echo 'bad: it does not work' >&2; exit 3; }"
make slow 1.0 "" "if [ -e /srv/slow ]; then echo begun >/srv/begun; sleep 600; fi"
make rival 1.0 "" "" "Conflicts: there"
make real 1.0 "" "" "Provides: virtual"
mkdir -p /srv/build/confd-1.0/DEBIAN /srv/build/confd-1.0/etc/confd
echo /etc/confd/confd.conf >/srv/build/confd-1.0/DEBIAN/conffiles
echo packaged >/srv/build/confd-1.0/etc/confd/confd.conf
make confd 1.0
cd /srv/repo
for deb in *.deb; do
  dpkg-deb -f "$deb"
  echo "Filename: ./$deb"; echo "Size: $(stat -c %s "$deb")"
  echo "SHA256: $(sha256sum "$deb" | cut -d' ' -f1)"; echo
done >Packages
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/srv/repo ./' >/etc/apt/sources.list
apt-get update >/dev/null 2>&1
]]

describe("packages{} with apt #root #once", function()
  local here = container.use("syslua-packages", function(started)
    started.write("/srv/make", make)
    started.shell("sh /srv/make")
    started.shell("useradd --create-home --shell /bin/sh ada")
  end)
  if not here then
    return
  end

  local names =
    "tool libtool-data other there auto user-of-auto needs-tool bad slow rival real confd"

  before_each(function()
    here.run("rm -f /srv/slow /srv/begun; touch /srv/mended; dpkg --configure -a")
    here.run("lua5.4 -l syslua destroy --yes")
    here.run("dpkg --purge --force-all " .. names)
    here.run("rm -rf /etc/syslua /srv/mended; mkdir -p /etc/syslua")
  end)

  local function write(lines)
    here.write("/etc/syslua/init.lua", "return { setup = function()\n" .. lines .. "\nend }\n")
  end

  local function apply(lines, flags)
    write(lines)
    return here.sys("apply " .. (flags or ""))
  end

  local function must(result)
    assert.are.equal(0, result.code, result.stdout .. result.stderr)
    return result.stdout .. result.stderr
  end

  -- The installed packages of the repository, with their versions.
  local function installed()
    local line = "dpkg-query -W -f '${db:Status-Abbrev}${Package}=${Version}\\n' %s 2>/dev/null"
    local found = {}
    for status, package in here.run(line:format(names)).stdout:gmatch("(%a%a.)(%S+)\n") do
      if status:find("^.[iFU]") then
        found[#found + 1] = package .. (status:sub(2, 2) == "i" and "" or "!")
      end
    end
    table.sort(found)
    return table.concat(found, " ")
  end

  local function auto()
    return " " .. here.shell("apt-mark showauto | tr '\\n' ' '") .. " "
  end

  it("are planned, installed, removed and brought back", function()
    write('packages { apt = { "tool" } }\nfile { path = "/etc/tool.conf", content = "a" }')
    local plan = here.sys("plan")
    contains(must(plan), "tool (apt)  2.0", "init.lua:2", "libtool-data 1.0")
    assert.are.equal("", installed())
    contains(must(here.sys("apply")), "Setting up tool (2.0)")
    assert.are.equal("libtool-data=1.0 tool=2.0", installed())
    contains(must(here.sys("apply")), "Nothing")
    assert.are.equal(0, here.sys("status").code)

    contains(must(apply("")), "tool")
    assert.are.equal("", installed())
    must(here.sys("rollback --yes"))
    assert.are.equal("libtool-data=1.0 tool=2.0", installed())
    must(here.sys("destroy --yes"))
    assert.are.equal("", installed())
  end)

  it("stay when they were there before", function()
    here.shell("apt-get install -y there user-of-auto 2>&1")
    contains(auto(), " auto ")
    must(apply('packages { apt = { "there", "other", "auto" } }'))
    contains_none(auto(), " auto ")
    must(apply(""))
    assert.are.equal("auto=1.0 there=1.0 user-of-auto=1.0", installed())
    contains(auto(), " auto ")
  end)

  it("of the user stay in another version, and when nothing was done", function()
    here.shell("apt-get install -y tool=1.0 2>&1")
    must(apply('packages { apt = "tool=2.0" }'))
    here.shell("apt-get install -y --allow-downgrades tool=1.0 2>&1")
    local status = here.sys("status")
    contains(status.stdout, "tool=2.0", "the config wants version 2.0")
    assert.are.equal(3, status.code)
    must(here.sys("apply"))
    must(apply(""))
    assert.are.equal("libtool-data=1.0 tool=2.0", installed())
    here.shell("apt-get install -y --allow-downgrades tool=1.0 2>&1; apt-mark hold tool")
    local failed = apply('packages { apt = "tool=2.0" }')
    here.shell("apt-mark unhold tool")
    assert.are.equal(1, failed.code, failed.stdout)
    contains_none(failed.stderr, "this stays")
    must(apply(""))
    assert.are.equal("libtool-data=1.0 tool=1.0", installed())
    must(here.sys("destroy --yes"))
    assert.are.equal("libtool-data=1.0 tool=1.0", installed())
  end)

  it("bring files that the config replaces in the same apply", function()
    local lines = 'packages { apt = "confd" }\n'
      .. 'file { path = "/etc/confd/confd.conf", content = "mine" }'
    must(apply(lines))
    assert.are.equal("mine", here.shell("cat /etc/confd/confd.conf"))
    contains(must(here.sys("apply")), "Nothing")
    must(apply(""))
    assert.are.equal("packaged", here.shell("cat /etc/confd/confd.conf"))
    here.run("dpkg --purge confd; rm -rf /etc/confd")
    must(here.sys("rollback --yes"))
    assert.are.equal("mine", here.shell("cat /etc/confd/confd.conf"))
  end)

  it("stay while a package of the user needs them", function()
    must(apply('packages { apt = { "tool", "other" } }'))
    here.shell("apt-get install -y needs-tool 2>&1")
    contains(must(apply("")), "tool (apt)  stays, since needs-tool needs it")
    assert.are.equal("libtool-data=1.0 needs-tool=1.0 tool=2.0", installed())
    contains(auto(), " tool ")
  end)

  it("may have a version", function()
    must(apply('packages { apt = { "tool=1.0" } }'))
    assert.are.equal("libtool-data=1.0 tool=1.0", installed())
    contains(must(apply('packages { apt = { "tool=2.0" } }', "--dry-run")), "1.0 -> 2.0")
    must(apply('packages { apt = { "tool=2.0" } }'))
    assert.are.equal("libtool-data=1.0 tool=2.0", installed())
    must(apply('packages { apt = { "tool=1.0" } }'))
    assert.are.equal("libtool-data=1.0 tool=1.0", installed())
  end)

  it("that fail leave everything else as it was, and are named", function()
    local failed =
      apply('file { path = "/etc/x.conf", content = "a" }\npackages { apt = { "bad", "other" } }')
    assert.are.equal(1, failed.code)
    contains(
      failed.stderr,
      "apt-get",
      "exit code 100",
      "bad: it does not work",
      "init.lua:3",
      "dpkg --configure -a"
    )
    assert.are_not.equal(0, here.run("test -e /etc/x.conf").code)
    local status = here.sys("status")
    assert.are.equal(3, status.code)
    contains(status.stdout, "bad", "dpkg --configure -a")
    must(apply(""))
    assert.are.equal("", installed())
  end)

  it("are not undone when the switch fails, and the message and status say so", function()
    local failed = apply([[
      packages { apt = { "other" } }
      activate { config = function(_, ctx) ctx.run("exit 7") end }
    ]])
    assert.are.equal(1, failed.code)
    contains(failed.stderr, "exit code 7", "not undone", "apt installed other")
    assert.are.equal("other=1.0", installed())
    local status = here.sys("status")
    assert.are.equal(3, status.code)
    contains(status.stdout, "other", "a switch that failed left it")
    local parsed = json.decode(here.sys("status --json").stdout)
    assert.are.equal("left", parsed.packages[1].state)
    must(apply(""))
    assert.are.equal("", installed())
  end)

  it("that a kill cut off are named, and are ours", function()
    here.shell("touch /srv/slow")
    write('packages { apt = { "slow" } }')
    here.shell("(lua5.4 -l syslua apply >/srv/log 2>&1 &)")
    for _ = 1, 100 do
      if here.run("test -e /srv/begun").code == 0 then
        break
      end
      here.run("sleep 0.1")
    end
    here.shell("test -e /srv/begun")
    here.run("pkill -9 -f 'syslua appl[y]'; pkill -9 apt-get; pkill -9 dpkg; pkill -9 sleep")
    here.run("sleep 0.3; rm /srv/slow")
    contains(here.sys("status").stdout, "slow", "dpkg --configure -a")
    local again = here.sys("apply")
    assert.are.equal(1, again.code)
    contains(again.stderr, "was cut off", "slow", "dpkg --configure -a")
    here.shell("dpkg --configure -a")
    must(here.sys("apply"))
    assert.are.equal("slow=1.0", installed())
    must(apply(""))
    assert.are.equal("", installed())
  end)

  it("are refused with the line", function()
    local cases = {
      { 'packages { apt = { "tool", "nope" } }', "nope", "init.lua:2", "apt-get update" },
      { 'packages { apt = { "virtual" } }', "virtual", "real", "init.lua:2" },
      { 'packages { atp = { "tool" } }', "atp", "apt", "init.lua:2" },
      { 'packages { apt = { "--purge" } }', "--purge", "init.lua:2" },
      {
        'packages { apt = { "tool=1.0" } }\npackages { apt = { "tool" } }',
        "init.lua:2",
        "init.lua:3",
      },
      { 'user { name = "ada", setup = function() packages { apt = { "tool" } } end }', "user{}" },
    }
    for _, case in ipairs(cases) do
      local refused = apply(case[1])
      assert.are.equal(1, refused.code, case[1])
      contains(refused.stderr, table.unpack(case, 2))
    end
    here.shell("apt-get install -y there 2>&1")
    local refused = apply('packages { apt = { "rival" } }')
    assert.are.equal(1, refused.code)
    contains(refused.stderr, "would remove there", "init.lua:2")
    assert.are.equal("there=1.0", installed())
  end)

  it("are refused for a user without rights", function()
    here.write(
      "/home/ada/init.lua",
      'return { setup = function()\npackages { apt = "tool" }\nend }',
      "ada"
    )
    for _, command in ipairs({ "plan", "apply" }) do
      local refused = here.sys(command .. " /home/ada/init.lua", "ada")
      assert.are.equal(1, refused.code)
      contains(refused.stderr, "only root installs packages", "init.lua:2")
    end
  end)

  it("are part of the JSON of commands", function()
    write('packages { apt = { "tool" } }')
    local plan = json.decode(must(here.sys("plan --json")))
    assert.are.equal("apt", plan.packages[1].manager)
    assert.are.equal("package", plan.actions[1].kind)
    assert.are.equal("tool", plan.actions[1].name)
    must(here.sys("apply"))
    local status = json.decode(here.sys("status --json").stdout)
    assert.are.equal("installed", status.packages[1].state)
    assert.are.equal("2.0", status.packages[1].version)
    assert.is_false(status.packages[1].was_there)
    contains(here.sys("history").stdout, "tool")
    contains(here.sys("why tool").stdout, "init.lua:2")
    -- A package that someone removed is missing, and comes back.
    here.shell("apt-get remove -y tool 2>&1")
    assert.are.equal(3, here.sys("status").code)
    must(here.sys("apply"))
    assert.are.equal("libtool-data=1.0 tool=2.0", installed())
  end)
end)
