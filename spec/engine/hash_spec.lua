--- Objects are named and recorded by the hash that Nix computes for the same tree.

local machine = require("spec.support.machine")
local process = require("spec.support.process")

local it_with_nix = process.has("nix-hash") and it or pending

-- One of each kind of entry; the name that is no UTF-8 is not valid everywhere, but it is on Linux.
local make_tree = [[
mkdir -p tree/nested/deep tree/empty && cd tree &&
printf 'text\n' >file && printf '#!/bin/sh\n' >program && chmod 755 program && : >nothing &&
printf 'a' >'name with spaces' && printf 'b' >"$(printf 'latin-\351')" && printf 'c' >'-dash' &&
printf 'line\n' >nested/deep/file && yes 0123456789 | head -c 300001 >big &&
  head -c 131072 big >nested/even &&
ln -s file link && ln -s nowhere/at/all dangling && ln -s ../file nested/up &&
  ln -s empty to-directory
]]

describe("the hash of an object", function()
  local here = machine.for_each_test()

  local function get_hashes(info)
    return info:match('"nar": *"(%x+)"'), info:match('"content": *"(%x+)"')
  end

  local function get_nix_hash(object)
    local result = here.shell("nix-hash --type sha256 'root/store/obj/" .. object .. "'")
    assert.equal(0, result.code, result.stderr)
    return (result.stdout:gsub("\n", ""))
  end

  local function build(lines, ...)
    here.write_config(lines)
    local result = here.run("apply", "init.lua", ...)
    assert.equal(0, result.code, result.stderr)
  end

  it_with_nix("is what nix-hash prints, for a tree with every kind of entry", function()
    local made = here.shell(make_tree)
    assert.equal(0, made.code, made.stderr)
    build([[
      derive({
        name = "tree",
        opts = { tree = source("tree") },
        config = function(opts, ctx) ctx.copy(opts.tree, ctx.out) end,
      })
    ]])
    local object, info = machine.get_object(here, "tree")
    local nar, content = get_hashes(info)
    assert.equal(get_nix_hash(object), nar)
    assert.equal(nar, content)
    assert.equal(content:sub(1, 9), object:match("%x+$"))
    -- The source itself, modes and all, is the same tree.
    local result = here.shell("nix-hash --type sha256 tree")
    assert.equal(nar .. "\n", result.stdout)
  end)

  it_with_nix("is right for single files, run or not", function()
    build([[
      file({ path = "~/.plain", content = "" })
      file({ path = "~/.program", content = "#!/bin/sh\n", executable = true })
    ]])
    for _, name in ipairs({ "plain", "program" }) do
      local object, info = machine.get_object(here, name)
      assert.equal(get_nix_hash(object), (get_hashes(info)))
    end
  end)

  it_with_nix("is told apart from the name when an object refers to itself", function()
    build([[
      derive({
        name = "self",
        config = function(_, ctx)
          ctx.write(ctx.out .. "/bin/self", "#!/bin/sh\ncat " .. ctx.out .. "/text\n")
          ctx.chmod(ctx.out .. "/bin/self", "755")
          ctx.write(ctx.out .. "/text", "found itself\n")
          ctx.run("ln -s $out/text $out/link")
        end,
      })
    ]])
    local object, info = machine.get_object(here, "self")
    local nar, content = get_hashes(info)
    assert.equal(get_nix_hash(object), nar)
    assert.not_equal(nar, content)
    assert.equal(content:sub(1, 9), object:match("%x+$"))
    assert.equal("found itself\n", here.shell("root/store/obj/" .. object .. "/bin/self").stdout)
    assert.equal("found itself\n", here.read("root/store/obj/" .. object .. "/link"))
  end)

  it("is the same in another root", function()
    here.write_config([[
      local one = derive({ name = "one", config = function(_, ctx)
        ctx.write(ctx.out, "one\n")
      end })
      derive({ name = "two", opts = { one }, config = function(_, ctx)
        ctx.write(ctx.out, "two\n")
      end })
    ]])
    local lists = {}
    for index, root in ipairs({ "first", "second/deeper" }) do
      assert.equal(0, here.run("apply", "init.lua", "--root", root).code)
      lists[index] = here.shell(("cd %s/store && ls obj drv drv-out"):format(root)).stdout
    end
    assert.equal(lists[1], lists[2])
  end)

  it("makes equal content one object", function()
    build([[
      for index = 1, 2 do
        derive({ name = "same", opts = { index }, config = function(_, ctx)
          ctx.write(ctx.out, "same\n")
        end })
      end
    ]])
    assert.equal("1\n", here.shell("ls root/store/obj | wc -l").stdout)
    assert.equal("2\n", here.shell("ls root/store/drv/*.drv | wc -l").stdout)
  end)

  it("takes time, owner and special modes out", function()
    -- The sandbox refuses special modes.
    build(
      [[
        derive({
          name = "one",
          config = function(_, ctx)
            ctx.run("mkdir $out; echo x > $out/file; chmod 4751 $out/file")
          end,
        })
      ]],
      "--sandbox",
      "off"
    )
    local object = machine.get_object(here, "one")
    local stat = here.shell(
      "stat -c '%a %Y' root/store/obj/" .. object .. " root/store/obj/" .. object .. "/file"
    ).stdout
    assert.equal("555 1\n555 1\n", stat)
  end)
end)
