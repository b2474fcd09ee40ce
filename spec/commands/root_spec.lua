--- Root in the homes of others: with their rights, and led nowhere else.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")

describe("#root in a user's home #once", function()
  local here = machine.for_each_test(function(here)
    -- The user whom the suite runs as when it is not root.
    here.shell(
      "chmod 755 . ; mkdir -p users/ada outside; chown syslua-test: users/ada; chmod 700 users/ada"
    )
  end)

  local function apply(lines)
    here.write_config(lines)
    return here.run("apply", "init.lua")
  end

  it("makes files that belong to the user", function()
    local result = apply(([[
      file({ path = %q, content = "link\n" })
      file({ path = %q, content = "real\n", mode = "644" })
    ]]):format(here.directory .. "/users/ada/deep/link", here.directory .. "/users/ada/real"))
    assert.equal(0, result.code, result.stderr)
    local owners =
      here.shell("stat -c '%U %n' users/ada/deep users/ada/deep/link users/ada/real").stdout
    assert.equal(
      "syslua-test users/ada/deep\nsyslua-test users/ada/deep/link\nsyslua-test users/ada/real\n",
      owners
    )
    assert.equal("real\n", here.read("users/ada/real"))
    assert.equal(0, apply("").code)
    assert.equal("", here.shell("ls -A users/ada").stdout)
  end)

  it("follows links of the user, but gets no further than the user", function()
    here.shell("cd users/ada && mkdir real && ln -s real near && ln -s ../../outside far")
    here.shell("chown -h syslua-test users/ada/*; chmod 755 users users/ada")
    local result =
      apply(('file({ path = %q, content = "x" })'):format(here.directory .. "/users/ada/near/file"))
    assert.equal(0, result.code, result.stderr)
    assert.equal("syslua-test\n", here.shell("stat -c %U users/ada/real/file").stdout)
    result =
      apply(('file({ path = %q, content = "x" })'):format(here.directory .. "/users/ada/far/file"))
    assert.equal(1, result.code)
    contains(result.stderr, "leads out of")
    assert.equal("", here.shell("ls -A outside").stdout)
    here.shell("ln -s ../../outside users/ada/other; chown -h nobody users/ada/other")
    result = apply(
      ('file({ path = %q, content = "x" })'):format(here.directory .. "/users/ada/other/file")
    )
    assert.equal(1, result.code)
    contains(result.stderr, "belongs to another user")
  end)

  it("notices another owner and group of what it installed, and puts them right", function()
    local lines = ([[
      local real = derive({ name = "real", config = function(_, ctx)
        ctx.write(ctx.out, "real")
      end })
      activate({ config = function(_, ctx)
        ctx.install(real.out, %q, { owner = "syslua-test", group = "syslua-test" })
      end })
      file({ path = %q, content = "other", mode = "644" })
    ]]):format(here.directory .. "/users/ada/real", here.directory .. "/users/ada/other")
    local result = apply(lines)
    assert.equal(0, result.code, result.stderr)
    local function get_owners()
      return here.shell("stat -c '%U %G %a' users/ada/real users/ada/other").stdout
    end
    local owners = get_owners()
    assert.equal("syslua-test syslua-test 644\nsyslua-test syslua-test 644\n", owners)
    assert.equal(0, here.run("status").code)
    local function get_drift()
      local status = here.run("status", "--json")
      local decoded = require("dkjson").decode(status.stdout)
      assert.equal(decoded.drift > 0 and 3 or 0, status.code)
      return decoded.targets[1]
    end
    for command, expected in pairs({
      ["chown root users/ada/real"] = { "owner" },
      ["chgrp root users/ada/real"] = { "group" },
      ["chown root:root users/ada/real && chmod 600 users/ada/real"] = { "owner", "group" },
    }) do
      here.shell(command)
      local target = get_drift()
      -- With the user's rights, root's own file cannot be read.
      assert.equal(#expected > 1 and "unreadable" or "changed", target.state)
      assert.same(expected, target.differs)
      local text = here.run("status").stdout
      contains(text, #expected > 1 and "cannot read" or expected[1])
      assert.equal(0, here.run("apply", "init.lua").code)
      assert.equal(owners, get_owners())
      assert.equal("real", here.read("users/ada/real"))
      assert.equal(0, here.run("status").code)
    end
    -- What was not declared is not looked at.
    here.shell("chown root:root users/ada/other")
    assert.equal(0, here.run("status").code)
  end)

  it("keeps originals of the user, with their owner", function()
    here.write("users/ada/file", "mine\n")
    here.shell("chown syslua-test: users/ada/file; chmod 640 users/ada/file")
    local lines = ('file({ path = %q, content = "ours" })'):format(
      here.directory .. "/users/ada/file"
    )
    assert.equal(0, apply(lines).code)
    assert.equal(0, apply("").code)
    assert.equal("mine\n", here.read("users/ada/file"))
    assert.equal("syslua-test 640\n", here.shell("stat -c '%U %a' users/ada/file").stdout)
  end)
end)
