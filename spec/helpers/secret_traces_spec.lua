--- What switches with secrets leave: no file that others could read at any moment, no core, and
-- after a kill at any operation nothing but what is in force.

local process = require("spec.support.process")
local secret_place = require("spec.support.secret_place")
local text_checks = require("spec.support.text_checks")

local contains_none, matches = text_checks.contains_none, text_checks.matches

local canary = secret_place.canary
local it_with_strace = process.has("strace") and it or pending
-- Only root reads what a process that is not dumpable writes.
local it_as_root = process.run_line("id -u").stdout == "0\n" and it_with_strace or pending

describe("secrets leave #once", function()
  local here

  before_each(function()
    here = secret_place.new()
    here.set("token", canary)
    here.write("value", canary .. "\n")
  end)

  after_each(function()
    here.remove()
  end)

  local function write(more)
    here.write(
      "init.lua",
      ([[
      local s = sops.load("secrets.yaml")
      return { setup = function()
        file { path = "~/linked", secret = s.token }
        file { path = "~/copied", secret = s.token, copy = true }
        file { path = "~/printed", secret = syslua.lib.secret.command { "cat", %q } }
        syslua.lib.secret.env { TOKEN = s.token }
        %s
      end }
    ]]):format(here.directory .. "/value", more or "")
    )
  end

  -- How many private files belong to what `write` declares: two links, and a script for each of six
  -- languages of shells.
  local kept = 2 + 6

  it_as_root("no file that others could read at any moment", function()
    write()
    here.write("editor", "#!/bin/sh\nsed -i 's/CANARY/CANARY-5f2a9c-other/' \"$1\"\n")
    here.shell("chmod +x editor")
    here.environment.EDITOR = here.directory .. "/editor"
    here.environment.VISUAL = here.environment.EDITOR
    local trace = "umask 000; strace -f -qq -y -s 100000 -o trace "
      .. "-e trace=openat,open,creat,write,pwrite64,writev,chmod,fchmod,fchmodat,?fchmodat2 "
    local secret = { canary, "AGE%-SECRET%-KEY", "CANARY%-5f2a9c" }
    for _, line in ipairs({
      "$LUA -l syslua apply init.lua",
      "rm -rf home/copied; $LUA -l syslua apply init.lua",
      "$LUA -l syslua secrets rotate --file secrets.yaml",
      "$LUA -l syslua secrets keygen --output new/keys.txt",
      "$LUA -l syslua secrets edit --file secrets.yaml",
      "$LUA -l syslua apply --refresh-secrets init.lua",
    }) do
      line = line:gsub("%$LUA", trace .. "%0", 1)
      local result = here.shell(line)
      assert.equal(0, result.code, line .. result.stderr)
      local text, holding, count = here.read("trace"), {}, 0
      -- Files that were written with a secret.
      for call in text:gmatch("[^\n]+") do
        local path = call:match("write[v64]*%(%d+<(/[^>]*)>")
        if path then
          for _, pattern in ipairs(secret) do
            if call:find(pattern) then
              holding[path], count = true, count + 1
            end
          end
        end
      end
      for call in text:gmatch("[^\n]+") do
        local made, mode = call:match("O_CREAT.*, (0%d+)%) = %d+<(/[^>]*)>")
        if made then
          made, mode = mode, made
          if holding[made] then
            assert.equal("0600", mode, call)
          end
        end
        local changed, to = call:match("fchmod%(%d+<(/[^>]*)>, (0%d+)%)")
        if changed and holding[changed] then
          assert.equal("0600", to, call)
        end
        local named, rights = call:match('chmodat2?%(.-"([^"]*)", (0%d+)')
        if named then
          for path in pairs(holding) do
            if path:sub(-#named) == named then
              assert.equal("0600", rights, call)
            end
          end
        end
      end
      if not line:find("rotate", 1, true) then
        assert.truthy(count > 0, "nothing with a secret was written: " .. line)
      end
    end
  end)

  it("no core while values are in memory", function()
    local pattern = process.run({ "cat", "/proc/sys/kernel/core_pattern" }).stdout
    if not pattern:find("^core") then
      return pending("cores do not go into the directory of the process")
    end
    local function abort(lines)
      here.write("init.lua", lines)
      here.shell("rm -rf root core* home/started")
      local result = here.shell([[
        ulimit -c unlimited || exit 77
        $LUA -l syslua apply init.lua >out 2>&1 &
        for i in $(seq 200); do [ -e home/started ] && break; sleep 0.05; done
        kill -ABRT $! && wait $!; sleep 0.2; ls | grep -c '^core'
      ]])
      return result.code == 77 and "none" or result.stdout
    end
    local slow = 'on_change = "touch ~/started; sleep 3" }'
    local plain =
      abort('return { setup = function() file { path = "~/a", content = "x", ' .. slow .. " end }")
    if plain ~= "1\n" then
      return pending("no process leaves a core here")
    end
    local without = abort(
      'local s = sops.load("secrets.yaml")\nreturn { setup = function() '
        .. 'file { path = "~/a", secret = s.token, '
        .. slow
        .. " end }"
    )
    assert.equal("0\n", without)
    assert.equal("", here.shell("grep -aF " .. canary .. " out").stdout)
    assert.equal(0, here.run("apply", "init.lua").code)
  end)

  it_with_strace("after a kill at any operation only what is in force", function()
    write()
    local calls = "rename,renameat,renameat2,unlink,unlinkat,symlink,symlinkat,link,linkat,"
      .. "mkdir,mkdirat,fchmod,fsync,fdatasync,ftruncate,syncfs"
    local step = os.getenv("SYSLUA_SWEEP") and 1 or 4
    local number, kills = 1, 0
    while true do
      here.shell("chattr -R -f -i root 2>/dev/null; rm -rf root home")
      here.shell("mkdir home")
      local killing = "strace -f -qq -o /dev/null -e trace=%s -e inject=%s:signal=KILL:when=%d "
      local line = killing:format(calls, calls, number)
      local result = here.shell(line .. "$LUA -l syslua apply init.lua")
      local when = "killed at operation " .. number
      contains_none(result.stdout .. result.stderr, canary)
      local done = here.run("apply", "init.lua")
      assert.equal(0, done.code, when .. ": " .. done.stderr)
      for _, name in ipairs({ "linked", "copied", "printed" }) do
        assert.equal(canary, here.read("home/" .. name), when)
      end
      local found = here.shell("find root/secrets -type f | sort").stdout
      local _, count = found:gsub("\n", "")
      -- The key, the identity, and what the command printed.
      assert.equal(kept + 3, count, when .. "\n" .. found)
      assert.equal("", here.shell("find home -name '.syslua*'").stdout, when)
      local holding = here.shell("grep -rlF " .. canary .. " root").stdout
      for path in holding:gmatch("[^\n]+") do
        matches(path, "^root/secrets/")
      end
      if result.code == 0 then
        break
      end
      kills, number = kills + 1, number + step
    end
    assert.is_true(kills > 3, tostring(kills))
  end)
end)
