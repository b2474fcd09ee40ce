-- Builds that would write in the same directory: they take turns, in one process and in several.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")

describe("two builds with one directory #once", function()
  local here = machine.for_each_test()

  local function run(text)
    local result = here.script(text)
    assert.equal("", result.stderr)
    assert.equal(0, result.code)
    return result.stdout
  end

  -- Declares two derivations, `one` and `two`, that make their outputs in the same directory of
  -- builds.
  local rivals = [[
    local syslua = require("syslua")
    local known, one, two = {}, nil, nil
    for number = 1, math.huge do
      two = syslua.derive({ name = "rival", opts = { number = number }, config = function(_, ctx)
        ctx.run([=[
          cd $(dirname $out)
          [ -z "$(ls -A)" ] || { ls -A >&2; exit 1; }
          echo begin >&2; touch trace $out; sleep 0.3; date +%s%N > $out; echo end >&2
        ]=])
      end })
      one = known[two.hash:sub(1, 2)]
      if one then
        break
      end
      known[two.hash:sub(1, 2)] = two
    end
  ]]

  it("take turns", function()
    local hashes =
      run(rivals .. "print(one.hash:sub(1, 2) == two.hash:sub(1, 2), one.hash ~= two.hash)")
    assert.equal("true\ttrue\n", hashes)
    -- In one process, as dependencies of a third.
    run(rivals .. [[
      local both = syslua.derive({ name = "both", opts = { one, two }, config = function(opts, ctx)
        ctx.write(ctx.out, opts[1].out .. opts[2].out)
      end })
      syslua.build(both, { jobs = 4 })
    ]])
    assert.equal(
      "",
      here.shell(
        "ls -d root/store/b?? 2>/dev/null; ls root/store/staging root/store/tmp | "
          .. "grep -v : | grep ."
      ).stdout
    )
  end)

  it("take turns in several processes", function()
    for index, order in ipairs({ "one, two", "two, one", "one, two" }) do
      here.write("rivals" .. index .. ".lua", rivals .. ([[
        local waited = 0
        for _, wanted in ipairs({ %s }) do
          syslua.build(wanted, { on_event = function(event)
            waited = waited + (event.kind == "waiting" and 1 or 0)
          end })
        end
        print(waited > 0)
      ]]):format(order))
    end
    local result =
      here.shell("for n in 1 2 3; do timeout 60 $LUA rivals$n.lua >$n & done; wait; cat 1 2 3")
    assert.equal("", result.stderr)
    local _, ended = result.stdout:gsub("\n", "")
    assert.equal(3, ended, result.stdout)
    contains(result.stdout, "true")
    -- Each was built once, and alone.
    assert.equal("2\n", here.shell("cat root/store/log/* | grep -c '^end$'").stdout)
  end)
end)
