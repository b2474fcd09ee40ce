--- The system's store beside a user's: root builds into /syslua, here a file system of its own that
--- nobody else sees, and the user borrows from it.
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

local user = "syslua-test"

describe("the system's store #root #once", function()
  local here

  -- What root and the user do, one after the other, where /syslua is empty at first.
  local function play(steps)
    local script = here.write("play.sh", [[
        set -e
        mount -t tmpfs -o mode=755 none /syslua
        as_user() {
          setpriv --reuid=]] .. user .. " --regid=" .. user .. [[ --init-groups env \
            HOME="$PWD/user" SYSLUA_ROOT="$PWD/user/root" "$@"
        }
        sys() { SYSLUA_ROOT=/syslua "$LUA" -l syslua "$@"; }
        user_sys() { as_user "$LUA" -l syslua "$@"; }
        let_user_root() {
          mkdir -p "/syslua/store/metadata/gc-roots/users/$(id -u ]] .. user .. [[)"
          chown -R ]] .. user .. [[: /syslua/store/metadata/gc-roots/users/*
          chmod 711 /syslua/store/metadata/gc-roots/users
        }
      ]] .. steps)
    return here.shell("unshare --mount --propagation private sh " .. process.quote(script))
  end

  local made_directory

  setup(function()
    made_directory = process.run_line("mkdir /syslua 2>/dev/null").code == 0
  end)

  teardown(function()
    if made_directory then
      process.run_line("rmdir /syslua")
    end
  end)

  before_each(function()
    here = machine.new()
    here.shell("chmod 755 . && mkdir user && chown " .. user .. ": user")
    here.write_config([[
      local low = derive({ name = "low", config = function(_, ctx) ctx.write(ctx.out, "low") end })
      derive({
        name = "high",
        config = function(_, ctx)
          ctx.write(ctx.out .. "/text", "see " .. ctx.read(low.out))
          ctx.symlink(low.out, ctx.out .. "/low")
        end,
      })
    ]])
    here.shell("chmod 644 init.lua")
  end)

  after_each(function()
    here.remove()
  end)

  it("lends its objects to a user who may root them there", function()
    local result = play([[
      sys build init.lua >/dev/null
      let_user_root
      user_sys build init.lua >/dev/null
      readlink user/root/store/obj/high-*
      ls /syslua/store/metadata/gc-roots/users/*
      user_sys verify >/dev/null
      user_sys build init.lua --check 2>&1 >/dev/null
    ]])
    assert.equal(0, result.code, result.stdout .. result.stderr)
    matches(result.stdout, "^/syslua/store/obj/high%-%x+\n", "\nlow%-%x+\n")
    contains(result.stdout, "nothing differs")
  end)

  it("lends nothing to a user without a directory for roots, who builds instead", function()
    local result = play([[
      sys build init.lua >/dev/null
      user_sys build init.lua >/dev/null
      stat -c '%F %U' user/root/store/obj/high-*
    ]])
    assert.equal(0, result.code, result.stdout .. result.stderr)
    assert.equal("directory " .. user .. "\n", result.stdout)
  end)

  it("lends only what has the pins of the user's own lock", function()
    here.write(
      "c/init.lua",
      ([[
      return { setup = function()
        local low = derive({ name = "low", config = function(_, ctx)
          ctx.copy(ctx.fetch_url("file://%s/one"), ctx.out)
        end })
        derive({ name = "high", config = function(_, ctx)
          ctx.write(ctx.out, "see " .. ctx.read(low.out))
        end })
      end }
    ]]):format(here.directory)
    )
    local result = play([[
      cp -R c user/ && chown -R ]] .. user .. [[: user/c
      chmod 755 c && chmod 644 c/init.lua
      echo 1 >one
      sys build c/init.lua >/dev/null
      let_user_root
      echo 2 >one
      user_sys build user/c/init.lua >/dev/null
      cat user/root/store/obj/high-*
      test ! -L user/root/store/obj/high-*
      cp c/syslua.lock user/c/syslua.lock
      user_sys build user/c/init.lua --locked >/dev/null
      find user/root/store/obj -name 'high-*' -type l -exec cat {} +
      sys build c/init.lua >/dev/null
      cat /syslua/store/obj/high-*
    ]])
    assert.equal(0, result.code, result.stdout .. result.stderr)
    assert.equal("see 2\nsee 1\nsee 1\n", result.stdout)
  end)

  it("has no lock that a user can hold, or has to wait for", function()
    local result = play([[
      sys build init.lua >/dev/null
      let_user_root
      for lock in $(find /syslua -name '*.lock') /syslua/store/locks; do
        setpriv --reuid=syslua-test --regid=syslua-test --init-groups test -r "$lock" &&
          echo "$lock"
      done
      exec 9</syslua/store/store.lock
      flock -x 9
      user_sys build --lock-timeout 1 init.lua >/dev/null 9<&-
      readlink user/root/store/obj/high-*
    ]])
    assert.equal(0, result.code, result.stdout .. result.stderr)
    matches(result.stdout, "^/syslua/store/obj/high%-%x+\n$")
  end)

  it("lends nothing that is damaged", function()
    local damage = [[

      low=$(echo /syslua/store/obj/low-*)
      chattr -i "$low" 2>/dev/null || true
      chmod u+w "$low" && echo damaged >"$low" && chmod a-w "$low"
    ]]
    local result = play("sys build init.lua >/dev/null; let_user_root" .. damage .. [[
      user_sys build init.lua >/dev/null
      cat user/root/store/obj/low-*
    ]])
    assert.equal(0, result.code, result.stdout .. result.stderr)
    assert.equal("low", result.stdout)

    here.shell("rm -rf user/root")
    result = play(
      "sys build init.lua >/dev/null; let_user_root; user_sys build init.lua >/dev/null"
        .. damage
        .. [[
      user_sys verify >&2 && exit 1
      user_sys verify --repair init.lua >&2
      cat user/root/store/obj/low-*
      user_sys verify >&2
    ]]
    )
    assert.equal(0, result.code, result.stdout .. result.stderr)
    assert.equal("low", result.stdout)
  end)

  it("can be read by everybody, and a user's by the user, whatever the umask", function()
    local result = play([[
      umask 077
      sys build init.lua >/dev/null
      umask 022
      user_sys build init.lua >/dev/null
      as_user cat /syslua/store/info/low-*.json /syslua/store/obj/low-* >/dev/null
      as_user ls /syslua/store/drv-out >/dev/null
      stat -c %a /syslua/store/obj user/root/store/obj
    ]])
    assert.equal(0, result.code, result.stdout .. result.stderr)
    assert.equal("555\n500\n", result.stdout)
  end)

  it("keeps no owner, capability or access control list of what was built", function()
    here.write_config([[
      derive({
        name = "odd",
        config = function(_, ctx)
          ctx.run("mkdir $out; echo x >$out/file; cp /bin/true $out/program; ln -s file $out/link")
          ctx.run("chown -h 1:1 $out/*; chmod 4755 $out/program; "
            .. "setcap cap_net_raw+ep $out/program")
          ctx.run("setfattr -n user.test -v 1 $out/file 2>/dev/null; true")
        end,
      })
    ]])
    local result = here.shell([[
      SYSLUA_SANDBOX=off $LUA -l syslua build init.lua >/dev/null && cd root/store/obj/odd-* &&
      stat -c '%n %a %u %g' * && getcap * && $LUA -l syslua verify
    ]])
    assert.equal(0, result.code, result.stderr)
    assert.truthy(
      result.stdout:find("file 444 0 0\nlink 777 0 0\nprogram 555 0 0\n1 object", 1, true)
        or result.stdout:find("file 444 0 0\nlink 777 0 0\nprogram 555 0 0\n", 1, true),
      result.stdout
    )
    contains_none(result.stdout, "cap_net_raw")
  end)
end)
