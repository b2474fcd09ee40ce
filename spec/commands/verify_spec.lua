--- `verify` names every damage to an object, and `verify --repair` restores what can be restored.

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

local config = [[
  local tool = derive({
    name = "tool",
    version = "1.0",
    config = function(_, ctx)
      ctx.write(ctx.out .. "/bin/tool", "#!/bin/sh\necho " .. ctx.out .. "\n")
      ctx.chmod(ctx.out .. "/bin/tool", "755")
      ctx.write(ctx.out .. "/data", "0123456789")
      ctx.symlink("bin/tool", ctx.out .. "/link")
    end,
  })
  file({ path = "~/.tool", source = tool.out })
  file({ path = "~/.one", content = "one\n" })
  activate({ config = function(_, ctx) ctx.add_to_path(tool.out .. "/bin") end })
]]

describe("verify #once", function()
  local here, objects, tool

  local function shell(line)
    local result = here.shell(line, { OBJECTS = objects, TOOL = tool and objects .. "/" .. tool })
    assert.equal(0, result.code, line .. ": " .. result.stderr)
    return result.stdout
  end

  -- As root, objects are immutable: that has specs of its own, below.
  local unlock = "if [ $(id -u) = 0 ]; then chattr -R -f -i root || true; fi"

  -- Applied once: all specs begin with what that left.
  setup(function()
    here = machine.new()
    objects = here.root .. "/store/obj"
    here.write_config(config)
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
    tool = machine.get_object(here, "tool-1.0")
    shell(unlock .. "; mkdir saved; cp -a root home init.lua saved")
  end)

  teardown(function()
    here.remove()
  end)

  before_each(function()
    shell(unlock .. "; chmod -R u+rwX root home; [ ! -e copy ] || chmod -R u+rwX copy")
    shell("rm -rf root home init.lua empty copy; cp -a saved/. .")
  end)

  local function apply()
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
    shell(unlock)
    return result
  end

  local function expect(code, ...)
    local result = here.run("verify", ...)
    assert.equal(code, result.code, result.stdout .. result.stderr)
    return result.stdout, result.stderr
  end

  -- Everything about objects that must be as before, besides the immutable flag.
  local function get_store()
    return here.list("root/store/obj") .. shell("cd $OBJECTS; cat */bin/tool */data one-*")
  end

  local function count_lines(text, pattern)
    local count = 0
    for line in text:gmatch("[^\n]+") do
      count = count + (line:find(pattern) and 1 or 0)
    end
    return count
  end

  it("finds nothing wrong with what was built, and changes nothing", function()
    local before = here.list("root")
    local found = expect(0)
    assert.equal("2 objects checked: all are as they were built\n", found)
    contains(expect(0, "--repair"), "all are as they were built")
    assert.equal(before, here.list("root"))
    assert.equal("", (expect(0, "--quiet")))
  end)

  it("knows a root where nothing was built", function()
    shell("mkdir empty; chmod 755 empty")
    assert.equal(0, here.run("verify", "--repair", "--root", here.directory .. "/empty").code)
    assert.equal("d 755 . \n", here.list("empty"))
  end)

  it("names an object of which any byte was flipped", function()
    local one = machine.get_object(here, "one")
    for _, name in ipairs({ one, tool .. "/data" }) do
      local path = objects .. "/" .. name
      local content = here.read(path)
      for index = 1, #content do
        local flipped = string.char((content:byte(index) + 128) % 256)
        shell("chmod u+w " .. process.quote(path))
        here.write(path, content:sub(1, index - 1) .. flipped .. content:sub(index + 1))
        shell("chmod u-w " .. process.quote(path))
        local found = expect(3)
        contains(found, "! " .. name:match("^[^/]+") .. "\n")
        assert.equal(1, count_lines(found, "^! "), found)
      end
      shell("chmod u+w " .. process.quote(path))
      here.write(path, content)
      shell("chmod u-w " .. process.quote(path))
      expect(0)
    end
  end)

  -- `$TOOL` is the object, `$RECORD` its record.
  for what, line in pairs({
    ["a file removed"] = "chmod u+w .; rm -f data; chmod u-w .",
    ["a file added"] = "chmod u+w .; : >new; chmod 444 new; chmod u-w .",
    ["a file renamed"] = "chmod u+w .; mv data date; chmod u-w .",
    ["a file emptied"] = "chmod u+w data; : >data; chmod u-w data",
    ["a file made longer"] = "chmod u+w data; echo >>data; chmod u-w data",
    ["a directory added"] = "chmod u+w .; mkdir new; chmod 555 new .",
    ["a directory replaced by a file"] = "chmod u+w . bin; rm -rf bin; : >bin; "
      .. "chmod 444 bin; chmod u-w .",
    ["a file made writable"] = "chmod u+w data",
    ["a file made executable"] = "chmod 555 data",
    ["a program no longer executable"] = "chmod 444 bin/tool",
    ["a file with setuid"] = "chmod u+s bin/tool",
    ["a directory made writable"] = "chmod u+w bin",
    ["a file that nobody may read"] = "chmod 000 data",
    ["a link that leads elsewhere"] = "chmod u+w .; ln -sfn data link; chmod u-w .",
    ["a link replaced by what it leads to"] = "chmod u+w .; rm link; cp bin/tool link; "
      .. "chmod 555 link .",
    ["a file swapped for a link to its copy"] = "chmod u+w .; mv data $COPY; "
      .. "ln -s $COPY data; chmod u-w .",
    ["an object swapped for a link to its copy"] = "cp -R . $COPY; $REMOVE; ln -s $COPY $TOOL",
    ["an object swapped for a file"] = "$REMOVE; echo >$TOOL; chmod 444 $TOOL",
    ["an object removed"] = "$REMOVE",
    ["a record that is no JSON"] = "echo '{' >$RECORD",
    ["a record of a newer version"] = 'sed -i \'s/"version": 1,/"version": 2,/\' $RECORD',
    ["a record with another hash"] = 'sed -i \'s/"nar": "[0-9a-f]*/"nar": '
      .. "\"'$(printf %064d)/ $RECORD",
    ["a record removed"] = "rm $RECORD",
    ["object and record removed"] = "$REMOVE; rm $RECORD",
  }) do
    it("finds and repairs " .. what, function()
      local before = get_store()
      local variables = "set -e; COPY=$PWD/copy; RECORD=$PWD/root/store/info/${TOOL##*/}.json; "
      local remove = "{ chmod u+w $OBJECTS; chmod -R u+w $TOOL; rm -r $TOOL; }"
      shell(variables .. "cd $TOOL; " .. line:gsub("%$REMOVE", remove))
      local found = expect(3)
      contains(found, "! " .. tool .. "\n")
      assert.equal(1, count_lines(found, "^! "), found)
      matches(found, "targets +~/%.tool\n", "snapshots +1\n")
      contains(found, "1 is damaged; `lua -l syslua verify --repair`")

      local repaired = expect(0, "init.lua", "--repair")
      contains(repaired, "1 was damaged, 1 restored, 0 still broken")
      assert.equal(before, get_store())
      assert.equal("", here.list("root/store/quarantine"):gsub("d %d+ %. \n", ""))
      expect(0)
      matches(apply().stdout, "^Nothing changed")
    end)
  end

  it("repairs every damaged object, and touches no other", function()
    here.write_config(config .. [[file({ path = "~/.two", content = "two\n" })]])
    apply()
    local before = get_store()
    local list_others = "cd $OBJECTS; find two-* -printf '%p %i %C@\\n'"
    local others = shell(list_others)
    shell("cd $OBJECTS; chmod -R u+w $TOOL one-*; rm -r $TOOL; echo | tee one-*")
    local found = expect(3)
    assert.equal(2, count_lines(found, "^! "), found)
    local repaired = expect(0, "init.lua", "--repair")
    contains(repaired, "2 were damaged, 2 restored, 0 still broken")
    assert.equal(before, get_store())
    assert.equal(others, shell(list_others))
  end)

  local damage_tool = "chmod u+w $TOOL/data; echo damaged >$TOOL/data; chmod u-w $TOOL/data"

  it("builds again from the config that is applied, unless another is given", function()
    local before = get_store()
    shell(damage_tool)
    expect(0, "--repair")
    assert.equal(before, get_store())
  end)

  it("builds again from the copy of the config when the file is gone", function()
    shell(damage_tool .. "; rm init.lua")
    expect(0, "--repair")
  end)

  it("builds again from the copy of the config when the file no longer makes the object", function()
    here.write_config([[file({ path = "~/.one", content = "one\n" })]])
    shell(damage_tool)
    local found = expect(0, "--repair")
    contains(found, "1 was damaged, 1 restored")
    expect(0)
  end)

  it("builds again what only an older snapshot needs, from its copy of the config", function()
    here.write_config([[file({ path = "~/.one", content = "one\n" })]])
    apply()
    shell(damage_tool)
    local found = expect(0, "--repair")
    contains(found, "1 was damaged, 1 restored")
    expect(0)
  end)

  it("warns of a config that cannot be evaluated, and goes on with the next", function()
    here.write_config("error('broken')")
    shell(damage_tool)
    local _, talk = expect(0, "--repair")
    contains(talk, "warning: nothing can be built from", "broken", "init.lua:2")
  end)

  it("moves what it cannot restore to the quarantine, and names what is broken", function()
    here.write_config([[file({ path = "~/.two", content = "two\n" })]], "other.lua")
    local one = shell("cd $OBJECTS; find one-* -printf '%p %i %C@\\n'")
    shell(damage_tool)
    local found = expect(3, "other.lua", "--repair")
    contains(found, "! " .. tool .. "\n")
    matches(
      found,
      "targets +~/%.tool\n",
      "snapshots +1\n",
      "broken +no derivation of the config builds it\n"
    )
    contains(found, "1 was damaged, 0 restored, 1 still broken")
    assert.is_false(here.exists(objects .. "/" .. tool))
    -- Nothing is deleted.
    assert.equal("damaged\n", shell("cat root/store/quarantine/*/data"))
    assert.equal(one, shell("cd $OBJECTS; find one-* -printf '%p %i %C@\\n'"))

    contains(expect(3), "it is missing")
    contains(expect(3, "other.lua", "--repair"), "1 still broken")
    assert.equal("damaged\n", shell("cat root/store/quarantine/*/data"))
    expect(0, "init.lua", "--repair")
    expect(0)
    assert.equal("0123456789", here.read("home/.tool/data"))
  end)

  it("goes on without any config", function()
    shell(damage_tool .. "; rm -r init.lua root/store/metadata/current/config/*")
    local found = expect(3, "--repair")
    contains(found, "no config was evaluated")
    matches(found, "moved to +%S+/quarantine/" .. tool:gsub("%p", "%%%0"))
  end)

  it("does not take other content for the object when a build is not reproducible", function()
    here.write_config([[
      local random = derive({ name = "random", config = function(_, ctx)
        ctx.write(ctx.out, ctx.run("head -c 16 /dev/urandom | od -An -tx1"))
      end })
      file({ path = "~/.random", source = random.out })
    ]])
    apply()
    local random = machine.get_object(here, "random")
    shell("cd $OBJECTS; chmod u+w random-*; echo damaged | tee random-*; chmod u-w random-*")
    local found = expect(3, "--repair")
    contains(found, "! " .. random .. "\n")
    matches(found, "snapshots +2\n")
    contains(found, "building it again gave different content")
    assert.equal("damaged\n", shell("cat root/store/quarantine/*"))
  end)

  it("names what needs a damaged dependency", function()
    here.write_config([[
      local low = derive({ name = "low", config = function(_, ctx) ctx.write(ctx.out, "low") end })
      local high = derive({
        name = "high",
        opts = { low = low },
        config = function(opts, ctx) ctx.write(ctx.out, opts.low.out) end,
      })
      file({ path = "~/.high", source = high.out })
    ]])
    apply()
    shell("cd $OBJECTS; chmod u+w low-*; echo damaged | tee low-*; chmod u-w low-*")
    local found = expect(3)
    contains(found, "! low-")
    matches(found, "targets +~/%.high\n", "snapshots +2\n")
  end)

  it("tells programs all of it", function()
    shell(damage_tool)
    local document = expect(3, "--json")
    assert.equal(1, count_lines(document, "^{.*}$"))
    contains(
      document,
      '"command":"verify"',
      '"checked":2',
      '"broken":1',
      '"object":"' .. tool .. '"',
      '"state":"found"',
      '"targets":["~/.tool"]',
      '"snapshots":["1"]'
    )
    document = expect(0, "--repair", "--json")
    contains(document, '"state":"restored"', '"broken":0')
  end)

  it("refuses a config that is not there, also when nothing is damaged", function()
    local result = here.run("verify", "nosuch.lua", "--repair")
    assert.equal(1, result.code)
    contains(result.stderr, "nosuch.lua")
  end)
end)

describe("objects of root #root #once", function()
  local here, one

  -- File systems without the flag are left as they are.
  local has_flag = process.run_line([[
    file=$(mktemp "${TMPDIR:-/tmp}/flag.XXXXXX") && chattr +i "$file" 2>/dev/null; code=$?
    chattr -i "$file" 2>/dev/null; rm -f "$file"; exit $code
  ]]).code == 0
  local it_flagged = has_flag and it or pending

  before_each(function()
    here = machine.new()
    here.write_config(config)
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
    one = here.root .. "/store/obj/" .. machine.get_object(here, "one")
  end)

  after_each(function()
    here.remove()
  end)

  local function get_flags(path)
    return here.shell("lsattr -d " .. process.quote(path)).stdout:match("^%S+")
  end

  it_flagged("are immutable, with everything in them", function()
    local tool = here.root .. "/store/obj/" .. machine.get_object(here, "tool-1.0")
    for _, path in ipairs({ one, tool, tool .. "/bin", tool .. "/bin/tool", tool .. "/data" }) do
      contains(get_flags(path), "i")
    end
    assert.not_equal(0, here.shell("rm -f " .. process.quote(one)).code)
    assert.not_equal(0, here.shell("echo >" .. process.quote(one)).code)
    assert.not_equal(0, here.shell("rm -rf " .. process.quote(tool)).code)
    assert.not_equal(0, here.shell("mv " .. process.quote(tool) .. " elsewhere").code)
    assert.equal("0123456789", here.read(tool .. "/data"))
    assert.equal(0, here.run("verify").code)
  end)

  it_flagged("are repaired, and immutable again", function()
    here.shell(("chattr -i %s && echo damaged >%s"):format(process.quote(one), process.quote(one)))
    assert.equal(3, here.run("verify").code)
    local result = here.run("verify", "--repair")
    assert.equal(0, result.code, result.stdout .. result.stderr)
    assert.equal("one\n", here.read(one))
    contains(get_flags(one), "i")
    assert.equal(0, here.run("verify").code)
  end)

  it_flagged("are repaired while the rest of a damaged one is still immutable", function()
    local tool = here.root .. "/store/obj/" .. machine.get_object(here, "tool-1.0")
    local data = process.quote(tool .. "/data")
    here.shell(("chattr -i %s && chmod u+w %s && echo damaged >%s"):format(data, data, data))
    local result = here.run("verify", "--repair")
    assert.equal(0, result.code, result.stdout .. result.stderr)
    assert.equal("0123456789", here.read(tool .. "/data"))
    contains(get_flags(tool .. "/data"), "i")
  end)

  it_flagged("are no longer immutable in the quarantine", function()
    here.shell(("chattr -i %s && echo damaged >%s"):format(process.quote(one), process.quote(one)))
    here.write_config("", "other.lua")
    assert.equal(3, here.run("verify", "other.lua", "--repair").code)
    assert.equal(0, here.shell("rm -r root/store/quarantine").code)
  end)
end)
