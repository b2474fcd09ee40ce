--- The same recipe gives the same result, whatever the surroundings and whatever Lua did before.

local machine = require("spec.support.machine")

describe("a build", function()
  local here = machine.for_each_test()

  local function build(surroundings, flags)
    here.shell("chmod -R u+w root 2>/dev/null; rm -rf root")
    local result =
      here.shell(surroundings .. " $LUA -l syslua build init.lua --quiet " .. (flags or ""))
    assert.equal(0, result.code, result.stderr)
    return here.shell("cat root/store/obj/*").stdout
  end

  it("has one result in all surroundings", function()
    here.write_config([[
      derive({ name = "one", opts = { b = 1, a = 2, d = 3, c = 4 }, config = function(opts, ctx)
        local parts = { tostring({}), string.format("%s", print), ("%s"):format({}) }
        for key, value in next, opts do parts[#parts + 1] = key .. value end
        for key in pairs({ z = 1, y = 2, x = 3 }) do parts[#parts + 1] = key end
        local list = {}
        for i = 1, 200 do list[i] = { i % 3, i } end
        table.sort(list, function(a, b) return a[1] < b[1] end)
        for _, pair in ipairs(list) do parts[#parts + 1] = pair[2] end
        parts[#parts + 1] = select(2, pcall(error, "oops"))
        parts[#parts + 1] = ctx.run("umask; date +%Z")
        parts[#parts + 1] = ctx.run("printf '%s\\n' b A a B | sort | tr '\\n' ' '")
        parts[#parts + 1] = ctx.run("env | sort | grep -v -e PWD -e _=")
        ctx.write(ctx.out, table.concat(parts, " "))
      end })
    ]])
    local first = build("umask 022;")
    for _, surroundings in ipairs({
      "umask 077;",
      "umask 000; TZ=Asia/Tokyo LC_ALL=C.UTF-8 LANG=de_DE.UTF-8 FOO=bar",
      "cd / && cd - >/dev/null; PATH=$PATH:/nowhere",
    }) do
      assert.equal(first, build(surroundings))
    end
    assert.equal(first, build("", "--jobs 1"))
  end)

  it("is checked in other surroundings", function()
    for _, command in ipairs({ "umask", "pwd", "date +%Z", "echo $LC_ALL" }) do
      here.write_config(
        (
          [[derive({ name = "one", config = function(_, ctx) ]]
          .. [[ctx.write(ctx.out, ctx.run(%q)) end })]]
        ):format(command)
      )
      assert.equal(3, here.run("build", "init.lua", "--check").code, command)
    end
    here.write_config(
      [[derive({ name = "one", config = function(_, ctx) ctx.run("echo x >$out") end })]]
    )
    assert.equal(0, here.run("build", "init.lua", "--check").code)
  end)
end)
