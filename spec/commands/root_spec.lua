--- Root in the homes of others: with their rights, and led nowhere else.

local machine = require("spec.support.machine")

describe("#root in a user's home", function()
  local here

  before_each(function()
    here = machine.new()
    -- The user whom the suite runs as when it is not root.
    here.shell(
      "chmod 755 . ; mkdir -p users/ada outside; chown syslua-test: users/ada; chmod 700 users/ada"
    )
  end)

  after_each(function()
    here.remove()
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
    assert.truthy(result.stderr:find("leads out of", 1, true), result.stderr)
    assert.equal("", here.shell("ls -A outside").stdout)
    here.shell("ln -s ../../outside users/ada/other; chown -h nobody users/ada/other")
    result = apply(
      ('file({ path = %q, content = "x" })'):format(here.directory .. "/users/ada/other/file")
    )
    assert.equal(1, result.code)
    assert.truthy(result.stderr:find("belongs to another user", 1, true), result.stderr)
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
