--- `diff` of two derivations names the inputs that differ.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

describe("diff", function()
  local here, first, second

  local function expect(code, ...)
    local result = here.run("diff", ...)
    assert.equal(code, result.code, result.stdout .. result.stderr)
    return result.stdout, result.stderr
  end

  -- The hashes of the derivations of a config that differs in two values.
  setup(function()
    here = machine.new()
    local hashes = {}
    for index, port in ipairs({ 80, 8080 }) do
      here.write_config(
        ([[
        local greeting = %q
        local low = derive({ name = "low", version = %q, config = function(_, ctx)
          ctx.write(ctx.out, "x")
        end })
        derive({
          name = "server",
          version = %s,
          opts = { server = { port = %d, names = { "a", "b" } }, same = "same", low = low,
            long = %q },
          config = function(opts, ctx)
            ctx.mkdir(ctx.out)
            ctx.write(ctx.out .. "/greeting", greeting .. opts.server.port .. "%d")
          end,
        })
      ]]):format(
          "hello " .. index,
          tostring(index),
          index == 1 and '"1.0"' or "nil",
          port,
          ("x"):rep(100) .. index,
          index
        )
      )
      local document = here.run("build", "init.lua", "--json").stdout
      hashes[index] = document:match('"hash":"(%x+)","name":"server"')
    end
    first, second = hashes[1], hashes[2]
  end)

  teardown(function()
    here.remove()
  end)

  it("names the inputs that differ, and what both have", function()
    local shown = expect(0, first, second)
    contains(
      shown,
      "opts.server.port\n  - 80\n  + 8080\n",
      'captures.greeting\n  - "hello 1"\n  + "hello 2"\n',
      'version\n  - "1.0"\n'
    )
    matches(shown, "\nopts.low\n  %- low 1  %(%x+%)\n  %+ low 2  %(%x+%)\n")
    contains_none(shown, "dependencies", "same", "names")
    matches(shown, "\n6 inputs differ\n$")
  end)

  it("shows where long values begin to differ", function()
    local shown = here.show(("diff %s %s"):format(first, second))
    matches(shown, "\nopts.long\n  %- …x+1", "\n  %+ …x+2")
    for line in shown:gmatch("[^\n]+") do
      assert.is_true(line:find("ctx", 1, true) ~= nil or #line:gsub("[\128-\191]", "") <= 80, line)
    end
    -- Programs get it whole.
    contains(expect(0, first, second), ("x"):rep(100) .. "1")
  end)

  it("shows how code differs, line by line", function()
    local shown = expect(0, first, second)
    contains(
      shown,
      "\nconfig.text\n  @@",
      '\n  -            ctx.write(ctx.out .. "/greeting", greeting .. opts.server.port .. "1")\n'
    )
    matches(shown, "\n   +ctx%.mkdir")
  end)

  it("takes beginnings of hashes, in either case", function()
    local whole = expect(0, first, second)
    assert.equal(whole, (expect(0, first:sub(1, 6), second:sub(1, 12):upper())))
  end)

  it("has an exit code for scripts", function()
    expect(3, first, second, "--exit-code")
    local shown = expect(0, first, first, "--exit-code")
    assert.equal("Nothing differs: it is the same derivation.\n", shown)
  end)

  it("tells programs all of it", function()
    local document = expect(3, first, second, "--json", "--exit-code")
    contains(
      document,
      '{"first":"80","path":"opts.server.port","second":"8080"}',
      '"first":"' .. first .. '"'
    )
    contains(expect(0, first, first, "--json"), '"differences":[]')
  end)

  it("refuses what is no hash", function()
    for _, word in ipairs({ "abcde", "server", "xyzxyzxyz", first .. "0" }) do
      local _, talk = expect(2, word, second)
      contains(talk, "`" .. word .. "` is neither a snapshot nor the hash of a derivation")
      expect(2, second, word)
    end
    local _, talk = expect(2, first)
    contains(talk, "the second derivation is missing")
    expect(2, "0", second)
    expect(2, second, "0")
  end)

  it("refuses a hash that no derivation has", function()
    local unknown = first:sub(1, 6) == "abcdef" and "fedcba" or "abcdef"
    local result = here.run("diff", first, unknown)
    assert.not_equal(0, result.code)
    contains(result.stderr, unknown)
  end)
end)
