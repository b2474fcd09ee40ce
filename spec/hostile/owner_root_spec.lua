--- Roots of other users: no user works in one, root included.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local process = require("spec.support.process")

local user = "syslua-test"

describe("a root of another user #root #once", function()
  local here = machine.for_each_test(function(here)
    here.shell("chmod 755 . && mkdir user && chown " .. user .. ": user")
    here.apply([[
      derive({ name = "built", config = function(_, ctx) ctx.write(ctx.out, "built") end })
      file({ path = "~/file", content = "managed" })
    ]])
    here.shell("chmod a+rX init.lua")
  end)

  local function run_as_user(words, root)
    local line = "setpriv --reuid=%s --regid=%s --init-groups env HOME=%s SYSLUA_ROOT=%s "
      .. "$LUA -l syslua %s </dev/null"
    return here.shell(line:format(user, user, here.directory .. "/user", root or here.root, words))
  end

  local function assert_refused(result, path, owner)
    assert.not_equal(0, result.code, result.stdout)
    local said = result.stderr
    contains(said, path .. " belongs to " .. owner, "SYSLUA_ROOT", "run it as " .. owner)
  end

  local working = {
    "apply init.lua",
    "apply --dry-run init.lua",
    "plan init.lua",
    "build init.lua",
    "rollback --yes 0",
    "gc",
    "gc --dry-run",
    "verify --repair",
    "destroy --yes",
    "destroy --dry-run",
    "confirm",
  }
  local looking = { "status", "history", "list", "info", "verify", "why ~/file" }

  it("is refused by each of its directories, and not touched", function()
    -- What is in objects, snapshots and packages does not tell whose the root is.
    local found = here.shell([[
      mkdir -p root/trust root/secrets root/cache/git root/cache/inputs root/store/quarantine
      find root -type d | grep -v "/\(obj\|snapshots\|pkg\)/" | sed "s/^root//"]])
    local number = 0
    for directory in found.stdout:gmatch("([^\n]*)\n") do
      local path = here.root .. directory
      here.shell(("chown %s: %s"):format(user, path))
      local before = here.list("root")
      number = number + 1
      -- All commands on the root itself, and another two on each of its directories.
      local one = { working[number % #working + 1], looking[number % #looking + 1] }
      for _, words in ipairs(directory == "" and { working, looking } or { one }) do
        for _, line in ipairs(words) do
          assert_refused(here.shell("$LUA -l syslua " .. line .. " </dev/null"), path, user)
        end
      end
      assert.equal(before, here.list("root"))
      here.shell(("chown root: %s"):format(path))
    end
    assert.is_true(number > 20, found.stdout)
    assert.equal(0, here.run("status").code)
  end)

  it("is changed by nobody else when it is root's", function()
    local before = here.list("root")
    for _, line in ipairs(working) do
      assert_refused(run_as_user(line), here.root, "root")
    end
    assert.equal(before, here.list("root"))
  end)

  it("is neither read nor changed by another user", function()
    here.shell("useradd --no-create-home syslua-third 2>/dev/null")
    here.shell("cp -a root third && chattr -R -f -i third; chown -hR syslua-third: third")
    for _, words in ipairs({ working, looking }) do
      for _, line in ipairs(words) do
        assert_refused(
          run_as_user(line, here.directory .. "/third"),
          here.directory .. "/third",
          "syslua-third"
        )
      end
    end
    process.run({ "userdel", "syslua-third" })
  end)
end)
