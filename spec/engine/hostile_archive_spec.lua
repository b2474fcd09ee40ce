--- Hostile archives end to end: each is refused in words of its own, what is outside stays as it
-- was, and nothing is registered in the store. The engine's tests have more of them.

local contains = require("spec.support.text_checks").contains
local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local tree = require("spec.support.tree")

-- What the message must hold, by the trick that the name of the archive begins with.
local reasons = {
  dotdot = "leads out of its directory with ..",
  absolute = "has an absolute name",
  through = "is a symbolic link of the archive",
  duplicate = "two entries have this name",
  case = "differs from another one in case only",
  setuid = "is setuid",
  device = "is a character device",
  fifo = "is a named pipe",
  bomb = "the limit `ratio` of 200",
  backslash = "a backslash",
  drive = "a backslash",
  overlap = "share their bytes",
  encrypted = "is encrypted",
  method = "deflate64",
  checksum = "another checksum",
}
local reasons_of_tar = {
  hardlink = "leads out of the archive",
  desync = "has two sizes",
  lying = "it is cut off",
}
local reasons_of_zip = {
  hardlink = "two entries have this name",
  desync = "contradicts the central directory",
  lying = "claims to have 70 bytes",
  trailing = "it has trailing data",
}

local script = [[
for name in io.lines(arg[1]) do
  local built, problem = pcall(function()
    return syslua.build(syslua.derive({
      name = "hostile",
      opts = { archive = syslua.source(name) },
      config = function(opts, ctx)
        ctx.unpack(opts.archive)
      end,
    }))
  end)
  print(name .. "\t" .. (built and "UNPACKED" or tostring(problem):gsub("\n", " ")))
end
]]

-- Once is enough: nothing of it depends on the Lua.
if interpreter.version == "5.4" then
  describe("a hostile archive #once", function()
    local here

    setup(function()
      here = machine.new()
    end)

    teardown(function()
      here.remove()
    end)

    it("is refused, whatever the trick and the format", function()
      here.write("outside/canary", "untouched\n")
      here.shell("mkdir archives")
      local made = here.shell(
        ("python3 %sspec/support/hostile.py archives %s/outside"):format(tree.root, here.directory)
      )
      assert.equal(0, made.code, made.stderr)
      here.write("names", here.shell("ls archives/* | LC_ALL=C sort").stdout)
      local result = here.script(script, "names")
      assert.equal(0, result.code, result.stderr)
      local count = 0
      for name, message in result.stdout:gmatch("archives/([^\t]*)\t([^\n]*)\n") do
        count = count + 1
        local trick, ending = name:match("^(%a+)[%w-]*%.(.*)$")
        local own = ending == "zip" and reasons_of_zip or reasons_of_tar
        local expected = own[trick] or reasons[trick] or "cannot unpack"
        contains(message, expected, "cannot unpack", "/archives/" .. name, "script.lua:8")
      end
      -- 12 tricks, trailing data of two kinds and 7 cuts in four kinds of tar; 20 tricks and 7 cuts
      -- in zip.
      assert.equal(4 * (12 + 2 + 7) + 20 + 7, count)
      assert.equal("untouched\n", here.read("outside/canary"))
      assert.equal("canary\n", here.shell("ls -A outside").stdout)
      assert.equal(
        "",
        here.shell("ls -A root/store/obj root/store/info | grep -v ':$' | grep .").stdout
      )
      assert.equal("", here.shell("ls -A root/store/staging | grep -v 'lock$'").stdout)
    end)
  end)
end
