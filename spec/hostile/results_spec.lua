--- What a build gives is content only: its links reach nothing with the rights of `apply`, and it
-- does not depend on the process that starts the build.

local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

if interpreter.name ~= "lua5.4" then
  return
end

describe("the result of a build #once", function()
  local here = machine.for_each_test()

  -- How a result leads to a file outside: what the build makes, and what is installed of it.
  local ways = {
    { 'mkdir $out && ln -s "%s" $out/file', "/file" },
    { 'ln -s "%s" $out', "" },
    { 'mkdir -p $out/a/b && ln -s ../../c $out/a/b/file && ln -s "%s" $out/c', "/a/b/file" },
    { 'mkdir $out && ln -s "$(dirname %s)" $out/way', "/way/private" },
  }
  local fields = { "copy = true", 'mode = "644"', 'mode = "755"' }

  for number, way in ipairs(ways) do
    it("leads out of the store by no link that is installed: way " .. number, function()
      here.write("private", "private-bytes\n")
      here.shell("chmod 600 private")
      for _, field in ipairs(fields) do
        here.write_config(([[
          local theirs = derive({ name = "theirs", config = function(_, ctx)
            ctx.run(%q)
          end })
          file({ path = "~/taken", source = theirs.out .. %q, %s })
        ]]):format(way[1]:format(here.directory .. "/private"), way[2], field))
        local result = here.run("apply", "--sandbox", "off", "init.lua")
        assert.equal(1, result.code, result.stdout)
        contains(result.stderr, "outside of the store")
        matches(result.stderr, "init.lua:%d+")
        assert.is_false(here.exists("home/taken"))
      end
    end)
  end

  it("may be a link to other objects", function()
    here.write_config([[
      local one = derive({ name = "one", config = function(_, ctx)
        ctx.run("mkdir $out && echo text >$out/real && ln -s real $out/file")
      end })
      local two = derive({ name = "two", opts = { one = one }, config = function(opts, ctx)
        ctx.run("ln -s " .. opts.one.out .. "/file $out")
      end })
      file({ path = "~/taken", source = two.out, copy = true })
    ]])
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
    assert.equal("text\n", here.read("home/taken"))
  end)

  it("does not depend on the personality and the limits of the caller", function()
    local seen = {}
    local callers = {
      "",
      "setarch i686",
      "setarch -R --uname-2.6",
      "prlimit --stack=65536000: --nofile=333:",
      "prlimit --core=unlimited: --stack=1000000:",
    }
    for number, caller in ipairs(callers) do
      here.write_config([[
        local built = derive({ name = "built", config = function(_, ctx)
          ctx.run("uname -mr >$out; getconf ARG_MAX >>$out; ulimit -n >>$out; ulimit -c >>$out")
        end })
        file({ path = "~/seen", source = built.out })
      ]])
      local command = "SYSLUA_ROOT=$PWD/root%d %s $LUA -l syslua apply init.lua"
      local result = here.shell(command:format(number, caller))
      assert.equal(0, result.code, result.stderr)
      seen[number] = here.read("home/seen")
      assert.equal(seen[1], seen[number], caller)
      here.shell(("SYSLUA_ROOT=$PWD/root%d $LUA -l syslua destroy --yes"):format(number))
    end
  end)

  it("is refused when the library that it uses was changed", function()
    for _, change in ipairs({
      'syslua.lib.toJSON = function() return "1" end',
      "syslua.lib.toJSON = nil",
      'syslua.lib.more = function() return "1" end',
    }) do
      here.write(
        "init.lua",
        ([[
        local syslua = require("syslua")
        %s
        return { setup = function()
          derive({ name = "built", config = function(_, ctx)
            ctx.write(ctx.out, tostring(syslua.lib.toJSON))
          end })
        end }
      ]]):format(change)
      )
      local result = here.run("build", "init.lua")
      assert.equal(1, result.code, change .. result.stdout)
      matches(result.stderr, "lib%.%a")
    end
  end)
end)
