--- What sys.lua does at the border of the system, seen and disturbed there: locks that a file
--- system does not have, files that others could read for a moment, a kill between two calls.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local process = require("spec.support.process")

local can_trace = process.has("strace")
  and process.run_line("strace -f -o /dev/null true").code == 0
local it_with_strace = can_trace and it or pending

-- Whether `given` lets others than the owner do what `allowed` does not; both are octal texts.
local function has_more(given, allowed)
  local a, b = tonumber(given, 8), tonumber(allowed, 8)
  for bit = 0, 5 do
    local value = 2 ^ bit
    if a % (2 * value) >= value and b % (2 * value) < value then
      return true
    end
  end
  return false
end

describe("a file system without locks #once", function()
  it_with_strace("is named with the remedy", function()
    local here = machine.new()
    here.write_config('file({ path = "~/file", content = "text" })')
    for _, number in ipairs({ "ENOLCK", "EOPNOTSUPP" }) do
      for _, words in ipairs({ "apply init.lua", "build init.lua", "gc", "destroy --yes" }) do
        here.shell(
          "rm -rf root && mkdir -p root/store/metadata && : >root/store/metadata/origin.json"
        )
        local result = here.shell(
          (
            "strace -f -qq -o log -e trace=flock -e inject=flock:error=%s $LUA -l syslua "
            .. "%s </dev/null"
          ):format(number, words)
        )
        local said = result.stderr
        assert.not_equal(0, result.code, words .. result.stdout)
        contains(said, "its file system has no locks: put the root on a local disk", "SYSLUA_ROOT")
        assert.equal("", here.shell("ls home").stdout)
      end
    end
    here.remove()
  end)
end)

describe("what others may not read #once", function()
  it_with_strace("is closed to them from its first moment, whatever the umask is", function()
    local here = machine.new()
    here.write("token", "secret")
    here.write_config([[
      file({ path = "~/.ssh/config", content = "Host *" })
      file({ path = "~/.netrc", content = "machine x", mode = "600", mutable = true })
      file({ path = "~/closed", content = "closed", mode = "0600" })
      file({ path = "~/.gnupg/gpg.conf", source = source("./token"), mode = "0400" })
      derive({ name = "tool", config = function(_, ctx)
        ctx.write(ctx.out .. "/file", "built")
      end })
    ]])
    local seen = 0
    local calls = "openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2"
    for _, words in ipairs({ "apply init.lua", "apply init.lua", "gc" }) do
      local traced = "umask 000; strace -f -y -qq -s 4096 -o log -e trace=%s $LUA -l syslua %s"
      local result = here.shell((traced .. " </dev/null"):format(calls, words))
      assert.equal(0, result.code, result.stderr)
      -- Where what was created is now, and with which mode it began.
      local created = {}
      local log = here.read("log")
      for line in log:gmatch("[^\n]+") do
        local flags, mode, path = line:match("open%w*%(.-, ([%u_|]+), (0%d+)%) = %d+<([^>]+)>")
        if path and flags:find("O_CREAT", 1, true) and not flags:find("O_TMPFILE", 1, true) then
          created[path] = created[path] or mode
        end
        local above, name, bits = line:match('mkdirat%([%w_]+<([^>]+)>, "([^"]+)", (0%d+)%) = 0')
        if above then
          created[name:sub(1, 1) == "/" and name or above .. "/" .. name] = bits
        end
        local from, old, to, new =
          line:match('renameat2?%([%w_]+<([^>]+)>, "([^"]+)", [%w_]+<([^>]+)>, "([^"]+)"')
        if not from then
          old, new = line:match('rename%("([^"]+)", "([^"]+)"')
        end
        if old and line:find("= 0", 1, true) then
          local function whole(above_it, it)
            return it:sub(1, 1) == "/" and it or above_it .. "/" .. it
          end
          local was, is = whole(from, old), whole(to, new)
          local moved = {}
          for place, first in pairs(created) do
            if place == was then
              moved[is] = first
            elseif place:sub(1, #was + 1) == was .. "/" then
              moved[is .. place:sub(#was + 1)] = first
            end
          end
          for place, first in pairs(moved) do
            created[place] = first
          end
        end
      end
      for path, first in pairs(created) do
        if path:sub(1, #here.directory) == here.directory then
          local now = here.shell(("stat -c %%a '%s' 2>/dev/null"):format(path)).stdout:match("%d+")
          if now then
            seen = seen + 1
            assert.is_false(
              has_more(first, now),
              path .. " began with " .. first .. " and has " .. now
            )
          end
        end
      end
    end
    assert.is_true(seen > 10, seen .. " files were seen")
    here.remove()
  end)
end)

describe("a gc of root that is killed #root #once", function()
  it_with_strace("leaves no file of an object mutable after the next command", function()
    local here = machine.new()
    local function mutable()
      local list = "find root/store/obj -type f -exec lsattr {} + | grep -v -- '-i-' || true"
      return here.shell(list).stdout
    end
    local function config(count)
      local lines = {}
      for number = 1, count do
        here.write(("tree%d/same"):format(number), "the same in all of them")
        here.write(("tree%d/own"):format(number), "of " .. number)
        lines[number] = ('file({ path = "~/tree%d", source = source("./tree%d") })'):format(
          number,
          number
        )
      end
      here.write_config(table.concat(lines, "\n"))
    end
    local is_possible = true
    for kill = 1, 8 do
      config(4)
      assert.equal(0, here.run("apply", "init.lua").code)
      is_possible = is_possible and mutable() == ""
      config(2)
      assert.equal(0, here.run("apply", "init.lua").code)
      local line = "strace -f -qq -o log -e inject=unlinkat:signal=KILL:when=%d"
      here.shell((line .. " $LUA -l syslua gc --keep 1"):format(kill))
      assert.equal(0, here.run("status").code)
      assert.equal(0, here.run("apply", "init.lua").code)
      if is_possible then
        assert.equal("", mutable(), "killed at call " .. kill)
      end
      assert.equal(0, here.run("gc", "--keep", "1").code)
      assert.equal(0, here.run("verify").code)
    end
    here.run("destroy", "--yes")
    here.remove()
  end)
end)

describe("a build of root that is checked #root #once", function()
  it("is built again at level namespaces, as the build's user, with the same result", function()
    local here = machine.new()
    here.shell("chmod 755 .")
    here.write("source/file", "source")
    here.write_config([[
      local low = derive({ name = "low", config = function(_, ctx)
        ctx.run("echo low >" .. ctx.out)
      end })
      derive({ name = "same", opts = { low = low, tree = source("./source") },
        config = function(opts, ctx)
        ctx.run("mkdir " .. ctx.out .. "; cat " .. opts.low.out .. " " .. opts.tree .. "/file >"
          .. ctx.out .. "/text")
        ctx.run('test "$(id -u)" != 0 && test "$(stat -c %u .)" = "$(id -u)"')
      end })
      derive({ name = "clock", config = function(_, ctx) ctx.run("date +%N >" .. ctx.out) end })
    ]])
    for _, sandbox in ipairs({ "require", "landlock" }) do
      local result
      for _, name in ipairs({ "low", "same" }) do
        result = here.run("build", "init.lua", name, "--check", "--sandbox", sandbox)
        assert.equal(0, result.code, sandbox .. ": " .. result.stderr)
      end
      result = here.run("build", "init.lua", "clock", "--check", "--sandbox", sandbox)
      assert.equal(3, result.code, sandbox .. ": " .. result.stderr)
      contains(result.stderr, "clock is not reproducible")
      -- Nothing is left of the second build, and everything belongs to root.
      local left = here.shell(
        "ls -A root/store/staging root/store/tmp 2>/dev/null | grep -v : | grep . || true; "
          .. "find root ! -user root; ls -d root/store/b?? 2>/dev/null || true"
      ).stdout
      assert.equal("", left)
    end
    here.run("destroy", "--yes")
    here.remove()
  end)
end)
