--- What a program writes through a link is kept, whatever happens to the declaration before the
--- next command, and what a snapshot had comes back with it, byte for byte.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local random = require("spec.support.random")

local rounds = 14

-- Declarations, with the file that is edited. `%s` is the version of the content.
local kinds = {
  {
    file = "~/q",
    declare = function()
      return 'file { path = "~/q", content = VERSION .. "\\n" }'
    end,
  },
  {
    file = "~/q",
    declare = function()
      return 'file { path = "~/q", source = "one" }'
    end,
  },
  {
    file = "~/q/sub/a",
    declare = function()
      return 'file { path = "~/q", source = "tree" }'
    end,
  },
  {
    file = "~/q/sub/a",
    declare = function()
      return 'file { path = "~/q", source = "tree", recursive = true }'
    end,
  },
  {
    file = "~/q",
    declare = function()
      return [[file { path = "~/q", source = derive { name = "made", opts = { VERSION },
        config = function(opts, ctx) ctx.write(ctx.out, opts[1] .. "\n") end } }]]
    end,
  },
  {
    file = "~/q/sub/a",
    declare = function()
      return [[local v = VERSION
      file { path = "~/q", source = derive { name = "made", config = function(_, ctx)
        ctx.run("mkdir -p $out/sub && echo " .. v .. " >$out/sub/a")
      end } }]]
    end,
  },
  {
    file = "~/q",
    declare = function()
      return [[local other = derive { name = "other", outputs = { "out" },
        config = function(_, ctx) ctx.write(ctx.out, "other\n") end }
      file { path = "~/q", content = VERSION .. "\n" .. tostring(other) .. "\n" }]]
    end,
  },
}

-- What happens after an edit. Each may be followed by the next one.
local nexts = { "other", "removed", "moved", "rollback", "back", "same" }

describe("edits behind a link #once", function()
  local here = machine.for_each_test(function() end)
  local kind, version

  local function write_sources()
    here.write("one", version .. "\n")
    here.write("tree/sub/a", version .. "\n")
    here.write("tree/b", "b\n")
  end

  local function apply(lines)
    write_sources()
    here.write(
      "init.lua",
      ("VERSION = %q\nreturn { setup = function()\n%s\nend }\n"):format(version, lines)
    )
    here.must("apply", "init.lua", "--yes")
  end

  -- Appends to the file behind a link, as its owner can.
  local function edit(text)
    local result = here.shell(([[set -e; f=$(readlink -f %s)
      [ $(id -u) != 0 ] || chattr -R -f -i "$SYSLUA_ROOT/store/obj" || true
      chmod u+w "$f"; printf '%s' >>"$f"]]):format(kind.file, text .. "\\n"))
    assert.equal(0, result.code, result.stderr)
  end

  local function read_kept()
    return here.shell('cat $(find "$SYSLUA_ROOT/backups/displaced" -type f)').stdout
  end

  local function must_be_whole(file, what)
    local first = here.shell("head -n 1 " .. file).stdout
    local rest = here.shell("tail -n +2 " .. file).stdout
    assert.equal(version .. "\n", first, what)
    assert.is_nil(rest:find("EDIT", 1, true), what)
    assert.equal(0, here.run("status").code, what)
  end

  local happen = {
    other = function()
      version = version .. "x"
      apply(kind.declare())
    end,
    removed = function()
      apply("")
    end,
    moved = function()
      apply((kind.declare():gsub("~/q", "~/r")))
    end,
    rollback = function()
      here.must("rollback", "--yes")
      here.must("rollback", "--yes", "2")
    end,
    back = function()
      local before = version
      version = "other"
      apply(kind.declare())
      version = before
      apply(kind.declare())
    end,
    same = function()
      here.must("apply", "init.lua")
    end,
  }

  local function edit_at_random()
    local seed = tonumber(os.getenv("SYSLUA_SEED")) or os.time()
    local draw = random.new(seed)
    for round = 1, rounds do
      kind, version = kinds[draw(#kinds)], "first"
      apply(kind.declare())
      version = "second"
      apply(kind.declare())
      local name = nexts[draw(#nexts)]
      local what = ("seed %d, round %d: %s, %s"):format(seed, round, kind.declare(), name)
      local text = "EDIT " .. round
      edit(text)
      happen[name]()
      contains(read_kept(), text)
      if name == "moved" then
        must_be_whole((kind.file:gsub("~/q", "~/r")), what)
      elseif name ~= "removed" then
        must_be_whole(kind.file, what)
      end
      if name == "other" or name == "removed" or name == "moved" then
        -- The snapshot before has what it had, though it was altered when it was in force.
        here.must("rollback", "--yes", "2")
        version = "second"
        must_be_whole(kind.file, what)
      end
      if draw(2) == 1 then
        here.must("gc", "--keep", "1")
        contains(read_kept(), text)
      end
      here.must("destroy", "--yes")
      contains(read_kept(), text)
      here.shell('rm -rf "$SYSLUA_ROOT"')
    end
  end

  it("are kept, and no snapshot has them in force", edit_at_random)
  it("are kept, and no snapshot has them in force, in a root of root #root", edit_at_random)

  it("are kept where the lost file of a snapshot was built from a deleted source", function()
    kind, version = kinds[2], "first"
    apply(kind.declare())
    edit("EDIT")
    apply("")
    here.shell("rm -f one")
    here.must("rollback", "--yes")
    assert.equal("first\n", here.read("home/q"))
    contains(read_kept(), "EDIT")
    assert.equal(0, here.run("verify").code)
  end)
end)
