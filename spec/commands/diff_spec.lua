--- `diff` of two derivations names the inputs that differ.

local machine = require("spec.support.machine")

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
    assert.truthy(shown:find("opts.server.port\n  - 80\n  + 8080\n", 1, true), shown)
    assert.truthy(shown:find('captures.greeting\n  - "hello 1"\n  + "hello 2"\n', 1, true), shown)
    assert.truthy(shown:find('version\n  - "1.0"\n', 1, true), shown)
    assert.truthy(shown:find("\nopts.low\n  %- low 1  %(%x+%)\n  %+ low 2  %(%x+%)\n"), shown)
    assert.is_nil(shown:find("dependencies", 1, true))
    assert.is_nil(shown:find("same", 1, true))
    assert.is_nil(shown:find("names", 1, true))
    assert.truthy(shown:find("\n6 inputs differ\n$"), shown)
  end)

  it("shows where long values begin to differ", function()
    local shown = here.show(("diff %s %s"):format(first, second))
    assert.truthy(shown:find("\nopts.long\n  %- …x+1"), shown)
    assert.truthy(shown:find("\n  %+ …x+2"), shown)
    for line in shown:gmatch("[^\n]+") do
      assert.is_true(line:find("ctx", 1, true) ~= nil or #line:gsub("[\128-\191]", "") <= 80, line)
    end
    -- Programs get it whole.
    assert.truthy(expect(0, first, second):find(("x"):rep(100) .. "1", 1, true))
  end)

  it("shows how code differs, line by line", function()
    local shown = expect(0, first, second)
    assert.truthy(shown:find("\nconfig.text\n  @@", 1, true), shown)
    assert.truthy(
      shown:find(
        '\n  -            ctx.write(ctx.out .. "/greeting", greeting .. opts.server.port .. "1")\n',
        1,
        true
      ),
      shown
    )
    assert.truthy(shown:find("\n   +ctx%.mkdir"), shown)
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
    assert.truthy(
      document:find('{"first":"80","path":"opts.server.port","second":"8080"}', 1, true),
      document
    )
    assert.truthy(document:find('"first":"' .. first .. '"', 1, true), document)
    assert.truthy(expect(0, first, first, "--json"):find('"differences":[]', 1, true))
  end)

  it("refuses what is no hash", function()
    for _, word in ipairs({ "abcde", "server", "xyzxyzxyz", first .. "0" }) do
      local _, talk = expect(2, word, second)
      assert.truthy(
        talk:find("`" .. word .. "` is neither a snapshot nor the hash of a derivation", 1, true),
        talk
      )
      expect(2, second, word)
    end
    local _, talk = expect(2, first)
    assert.truthy(talk:find("the second derivation is missing", 1, true), talk)
    expect(2, "0", second)
    expect(2, second, "0")
  end)

  it("refuses a hash that no derivation has", function()
    local unknown = first:sub(1, 6) == "abcdef" and "fedcba" or "abcdef"
    local result = here.run("diff", first, unknown)
    assert.not_equal(0, result.code)
    assert.truthy(result.stderr:find(unknown, 1, true), result.stderr)
  end)
end)
