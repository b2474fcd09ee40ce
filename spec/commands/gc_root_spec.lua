--- `gc` as root: what is immutable goes too, users keep what they need of the system's store, and a
--- full disk is freed.

local json = require("dkjson")
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

local user = "syslua-test"

local function can_run(line)
  return process.run_line(line).code == 0
end

describe("gc #root #once", function()
  local here

  before_each(function()
    here = machine.new()
    here.shell("chmod 755 .")
  end)

  after_each(function()
    here.shell("umount small 2>/dev/null")
    here.remove()
  end)

  local has_flag = can_run([[
    file=$(mktemp "${TMPDIR:-/tmp}/flag.XXXXXX") && chattr +i "$file" 2>/dev/null; code=$?
    chattr -i "$file" 2>/dev/null; rm -f "$file"; exit $code
  ]])
  local it_flagged = has_flag and it or pending

  local function collect(...)
    return json.decode(here.must("gc", "--json", ...).stdout)
  end

  local function get_objects()
    return here.shell("ls -A root/store/obj").stdout
  end

  it_flagged("lifts the flag of what goes, and of nothing else", function()
    here.apply([[
      local dead = derive({ name = "dead", config = function(_, ctx)
        ctx.write(ctx.out .. "/deep/file", "dead")
      end })
      local alive = derive({ name = "alive", opts = { dead }, config = function(_, ctx)
        ctx.write(ctx.out .. "/file", "alive")
      end })
      activate({ config = function(_, ctx) ctx.symlink(alive.out, "~/.alive") end })
    ]])
    local function get_flags()
      return here.shell("lsattr -d $(find root/store/obj -mindepth 1)").stdout
    end
    local function count_flagged()
      local _, flagged = ("\n" .. get_flags()):gsub("\n%S*i%S* root", "")
      return flagged
    end
    assert.equal(5, count_flagged(), get_flags())
    assert.equal(1, collect().removed)
    assert.equal("", here.shell("ls -A root/store/obj | grep -v ^alive").stdout)
    assert.equal(2, count_flagged(), get_flags())
    assert.equal("alive", here.read("home/.alive/file"))
    assert.equal(0, here.run("verify").code)
  end)

  describe("of a store that users borrow from", function()
    local roots, uid, low

    before_each(function()
      here.apply([[
        local low = derive({ name = "low", config = function(_, ctx)
          ctx.write(ctx.out, "low")
        end })
        local high = derive({ name = "high", opts = { low }, config = function(_, ctx)
          ctx.write(ctx.out, "high")
        end })
        activate({ config = function(_, ctx) ctx.symlink(high.out, "~/.high") end })
      ]])
      uid = here.shell("id -u " .. user).stdout:match("%d+")
      roots = here.root .. "/store/metadata/gc-roots/users/" .. uid
      here.shell(
        ("mkdir -p %s && chown %s: %s && chmod 711 %s/.."):format(roots, user, roots, roots)
      )
      low = machine.get_object(here, "low")
    end)

    local function as_user(line)
      local words = "cd %s && setpriv --reuid=%s --regid=%s --init-groups sh -c %s"
      local result = here.shell(words:format(roots, user, user, process.quote(line)))
      assert.equal(0, result.code, result.stderr)
    end

    it("keeps what a user holds there, and names the link", function()
      as_user("ln -s " .. here.root .. "/store/obj/" .. low .. " mine")
      local planned = here.must("gc", "--dry-run").stdout
      contains(planned, ("  keep    %s: the link %s/mine\n"):format(low, roots))
      local result = collect()
      assert.equal(0, result.removed)
      assert.same({}, result.dangling)
      for _, object in ipairs(result.objects) do
        if object.object == low then
          assert.same({ { kind = "gc_root", path = roots .. "/mine" } }, object.held_by)
        end
      end
      as_user("rm mine")
      assert.equal(1, collect().removed)
      contains_none(get_objects(), "low")
    end)

    it("is not harmed by what else a user puts there", function()
      here.write("precious/file", "precious")
      as_user(([[
        ln -s %s/precious out
        ln -s loop loop
        ln -s %s/store/obj/../../../precious climbing
        ln -s %s/store/obj store
        ln -s /proc/self/root/proc/1/cwd proc
        ln -s "$(printf 'new\nline')" "$(printf 'two\nlines \033[31m')"
        ln -s "$(printf '\377')" "$(printf '\376')"
        mkfifo pipe; mkdir shut; chmod 0 shut; echo text >file
        # Deeper than a path can name.
        i=0; while [ $i -lt 30 ]; do
          mkdir -p "$(printf '%%0200d' $i)" && cd -P "$(printf '%%0200d' $i)" || break; i=$((i + 1))
        done
        true
      ]]):format(here.directory, here.root, here.root))
      local text = here.must("gc", "--dry-run").stdout
      contains_none(text, "\27", "two\nlines")
      local result = collect()
      assert.equal(1, result.removed)
      assert.equal("precious", here.read("precious/file"))
      assert.equal("high", here.read("home/.high"))
      assert.truthy(#result.dangling >= 5, json.encode(result.dangling))
      assert.equal(0, here.run("verify").code)
      here.shell("rm -rf " .. process.quote(roots))
    end)
  end)

  describe("on a full disk", function()
    local small

    -- Applies, fills what is left, and shows that only `gc` makes room.
    local function free_room(options, fill)
      local mounted = here.shell("mkdir small && mount -t tmpfs -o " .. options .. " none small")
      assert.equal(0, mounted.code, mounted.stderr)
      small = here.directory .. "/small/root"
      here.environment.SYSLUA_ROOT = small
      here.apply([[
        local dead = derive({ name = "dead", config = function(_, ctx)
          for number = 1, 130 do ctx.write(ctx.out .. "/" .. number, ("x"):rep(6200)) end
        end })
        local alive = derive({ name = "alive", opts = { dead }, config = function(_, ctx)
          ctx.write(ctx.out, "alive")
        end })
        activate({ config = function(_, ctx) ctx.symlink(alive.out, "~/.alive") end })
      ]])
      here.shell(fill)
      assert.not_equal(
        0,
        here.shell("mkdir small/one 2>/dev/null && echo text >small/one/file").code
      )
      here.shell("rm -rf small/one")
      here.write_config([[
        for number = 1, 20 do
          file({ path = "~/.next" .. number, content = ("y"):rep(3000) .. number })
        end
      ]])
      local refused = here.run("apply", "init.lua")
      assert.equal(1, refused.code, refused.stdout)
      contains(refused.stderr, "No space left on device")
      assert.equal("alive", here.read("home/.alive"))
      here.shell(fill)
      local result = collect()
      assert.truthy(result.removed >= 1)
      assert.truthy(result.freed >= 800000, tostring(result.freed))
      assert.equal("alive", here.read("home/.alive"))
      assert.equal(0, here.run("verify").code)
      here.must("apply", "init.lua")
      matches(here.read("home/.next1"), "^y+1$")
      assert.equal(0, here.run("status").code)
    end

    it("frees bytes, so that the next apply works", function()
      free_room(
        "size=2m",
        "cat /dev/zero >small/fill 2>/dev/null; cat /dev/zero >>small/fill 2>/dev/null"
      )
    end)

    it("frees inodes, so that the next apply works", function()
      free_room(
        "size=20m,nr_inodes=300",
        "i=0; while [ $i -lt 400 ]; do : >small/fill.$i || break; i=$((i + 1)); done 2>/dev/null"
      )
    end)

    it("lets snapshots go too when nothing can be written", function()
      assert.equal(0, here.shell("mkdir small && mount -t tmpfs -o size=3m none small").code)
      here.environment.SYSLUA_ROOT = here.directory .. "/small/root"
      for number = 1, 3 do
        here.apply(([[file({ path = "~/.one", content = ("%d"):rep(200000) })]]):format(number))
      end
      here.shell("cat /dev/zero >small/fill 2>/dev/null; cat /dev/zero >>small/fill 2>/dev/null")
      local result = collect("--keep", "1")
      assert.same({ "1", "2" }, result.snapshots)
      assert.equal(2, result.removed)
      assert.equal(0, here.run("verify").code)
      here.apply([[file({ path = "~/.one", content = ("4"):rep(200000) })]])
      assert.equal("snapshots/4", here.read_link("small/root/store/metadata/current"))
    end)
  end)
end)
