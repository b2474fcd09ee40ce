--- `file { merge }`: keys in files that programs own too, from the config to the home and back.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

describe("file { merge }", function()
  local here = machine.for_each_test()

  -- One document of each format, what is declared of it, and the document with that.
  local samples = {
    {
      name = "json",
      before = '{\n  "theme": "light",\n  "big": 123456789012345678901234567890,\n'
        .. '  "window": {"x": 1}\n}\n',
      values = '{ theme = "dark", window = { y = 2 }, ["editor.size"] = 14 }',
      after = '{\n  "theme": "dark",\n  "big": 123456789012345678901234567890,\n'
        .. '  "window": {"x": 1, "y": 2},\n  "editor.size": 14\n}\n',
    },
    {
      name = "jsonc",
      before = '// mine\r\n{\r\n\t"a": [1, 2,], // list\r\n\t"b": null,\r\n}\r\n',
      values = "{ a = lib.mkAfter({ 3 }), b = lib.absent, c = lib.null }",
      after = '// mine\r\n{\r\n\t"a": [1, 2, 3,], // list\r\n\t"c": null,\r\n}\r\n',
    },
    {
      name = "toml",
      before = "# mine\n[tool.black]\nline-length = 79 # old\n\n[[bin]]\nname = 'x'\n",
      values = '{ tool = { black = { ["line-length"] = 100 }, ruff = { select = { "E" } } } }',
      after = "# mine\n[tool.black]\nline-length = 100 # old\n\n[[bin]]\nname = 'x'\n"
        .. '\n[tool.ruff]\nselect = ["E"]\n',
    },
    {
      name = "yaml",
      before = "base: &b\n  x: 1 # one\nuses:\n  <<: *b\nlist:\n- a\n",
      values = '{ base = { x = 2 }, list = lib.mkBefore({ "z" }), new = { deep = true } }',
      after = "base: &b\n  x: 2 # one\nuses:\n  <<: *b\nlist:\n- z\n- a\nnew:\n  deep: true\n",
    },
    {
      name = "ini",
      before = "; mine\n[core]\n\teditor = vi ; why\n[user]\n\tname = A\n",
      values = '{ core = { editor = "vim" }, user = { email = "a@b" } }',
      after = "; mine\n[core]\n\teditor = vim ; why\n[user]\n\tname = A\n\temail = a@b\n",
    },
    {
      name = "lines",
      before = "127.0.0.1 localhost",
      values = '{ "10.0.0.1 box", "127.0.0.1 localhost" }',
      after = "127.0.0.1 localhost\n10.0.0.1 box",
    },
    {
      name = "block",
      before = "# a distribution's file\nexport A=1\n",
      values = '{ "export B=2", "" }',
      after = "# a distribution's file\nexport A=1\n"
        .. "# >>> syslua >>>\nexport B=2\n\n# <<< syslua <<<\n",
    },
  }

  local function declare(sample)
    return ([[
      local lib = require("syslua").lib
      file({ path = "~/f", merge = "%s", values = %s })
    ]]):format(sample.name, sample.values)
  end

  for _, sample in ipairs(samples) do
    it("sets keys of " .. sample.name .. ", and leaves the file as it was", function()
      here.write("home/f", sample.before)
      local out = here.apply(declare(sample)).stdout
      assert.equal(sample.after, here.read("home/f"))
      contains(out, " -> ")
      contains(here.must("apply", "init.lua").stdout, "Nothing changed")
      assert.equal(0, here.run("status").code)
      here.apply("")
      assert.equal(sample.before, here.read("home/f"))
      here.must("rollback", "1", "--yes")
      assert.equal(sample.after, here.read("home/f"))
      here.must("destroy", "--yes")
      assert.equal(sample.before, here.read("home/f"))
    end)

    it("gives " .. sample.name .. " its time back with its bytes", function()
      local function get_time()
        return here.shell("stat -c %.9Y home/f").stdout
      end
      here.write("home/f", sample.before)
      here.shell("touch -d '1965-02-03 04:05:06.789012345' home/f")
      local time = get_time()
      for _, leave in ipairs({
        function()
          here.apply("")
        end,
        function()
          here.must("rollback", "0", "--yes")
        end,
        function()
          here.must("destroy", "--yes")
        end,
      }) do
        here.apply(declare(sample))
        assert.not_equal(time, get_time())
        leave()
        assert.equal(sample.before, here.read("home/f"))
        assert.equal(time, get_time())
      end
      -- With other bytes, it is another file, and its own time counts.
      here.apply(declare(sample))
      here.write("home/f", sample.after .. "\n")
      here.must("destroy", "--yes")
      assert.not_equal(time, get_time())
    end)

    it("makes a file of " .. sample.name .. " that is not there, which goes again", function()
      here.apply(declare(sample))
      assert.equal(0, here.run("status").code)
      assert.equal("600", here.shell("stat -c %a home/f").stdout:gsub("%s", ""))
      here.must("destroy", "--yes")
      assert.is_nil(here.read("home/f"))
    end)
  end

  local function settings(values)
    return ([[
      local lib = require("syslua").lib
      file({ path = "~/s.json", merge = "json", values = %s })
    ]]):format(values)
  end

  it("gives a file its time back after several declarations and a rollback", function()
    here.write("home/s.json", '{"a": 1}')
    here.shell("touch -d '2001-02-03 04:05:06' home/s.json")
    here.apply(settings("{ a = 10 }"))
    here.apply(settings("{ a = 11, b = 2 }"))
    here.apply(settings("{ c = 3 }"))
    here.must("rollback", "--yes")
    here.must("destroy", "--yes")
    assert.equal('{"a": 1}', here.read("home/s.json"))
    local time = here.shell("TZ= date -r home/s.json '+%F %T'").stdout
    assert.equal("2001-02-03 04:05:06\n", time)
  end)

  it("takes what the program writes for no drift, but for the declared keys", function()
    here.write("home/s.json", '{"a": 1, "b": 2}')
    here.apply(settings("{ a = 10 }"))
    here.write("home/s.json", '{"b": 3, "a": 10, "c": {}}')
    assert.equal(0, here.run("status").code)
    contains(here.must("apply", "init.lua").stdout, "Nothing changed")
    here.write("home/s.json", '{"b": 3, "a": 11, "c": {}}')
    local status = here.run("status")
    assert.equal(3, status.code)
    contains(status.stdout, "keys")
    local out = here.must("apply", "init.lua").stdout
    contains(out, "a: 11 -> 10")
    assert.equal('{"b": 3, "a": 10, "c": {}}', here.read("home/s.json"))
    local copies = here.shell("cat root/backups/displaced/*").stdout
    assert.equal('{"b": 3, "a": 11, "c": {}}', copies)
    here.must("destroy", "--yes")
    assert.equal('{"b": 3, "a": 1, "c": {}}', here.read("home/s.json"))
  end)

  it("leaves a key that is not ours any more, and a file that others use", function()
    here.apply(settings("{ a = { b = 1, c = 2 } }"))
    here.write("home/s.json", '{"a": {"b": 1, "c": 3}, "d": 4}')
    here.must("destroy", "--yes")
    assert.equal('{"a": {"c": 3}, "d": 4}', here.read("home/s.json"))
  end)

  it("gives the bytes back that stood there, whatever they are", function()
    local cases = {
      { "yaml", "{a: {x: 1}, b: {c: {y: [1]}}}\n", "{ a = { x = lib.absent }, b = lib.absent }" },
      { "yaml", "x: &x 1\na: {x: *x}\n", "{ a = { x = lib.absent }, z = { y = 1 } }" },
      { "yaml", "a: {x: 3}\nb:\n  - {}\n", "{ a = { x = lib.absent } }" },
      { "yaml", "a:\n  x: 3\n", "{ a = { x = lib.absent } }" },
      { "ini", "[a]\nx=\233\n", "{ a = { x = lib.absent } }" },
      { "ini", "[a]\nx=\233\ny=1\n", "{ a = { x = 'e', y = 'é' } }" },
      {
        "ini",
        "[mysqld]\nskip-networking\nport = 1\n",
        "{ mysqld = { ['skip-networking'] = lib.absent } }",
      },
      { "lines", "\233\n", "{ 'é' }" },
      { "block", "a\n# >>> syslua >>>\nold\n# <<< syslua <<<\nb\n", "{ 'new' }" },
      { "block", "# >>> syslua >>>\n# <<< syslua <<<", "{ 'new' }" },
    }
    for _, sample in ipairs(cases) do
      local format, before, values = sample[1], sample[2], sample[3]
      here.write("home/f", before)
      here.apply(([[
        local lib = require("syslua").lib
        file({ path = "~/f", merge = "%s", values = %s })
      ]]):format(format, values))
      assert.not_equal(before, here.read("home/f"))
      assert.equal(0, here.run("status").code)
      here.must("destroy", "--yes")
      assert.equal(before, here.read("home/f"))
    end
  end)

  it("keeps a value that is not UTF-8, when the program wrote it after us", function()
    local config = [[file({ path = "~/f", merge = "ini", values = { a = { x = "é", y = "2" } } })]]
    here.write("home/f", "[a]\nx = ä\n")
    here.apply(config)
    assert.equal("[a]\nx = é\ny = 2\n", here.read("home/f"))
    here.write("home/f", "[a]\nx = é\ny = 2\nname = \252\n")
    assert.equal(0, here.run("status").code)
    contains(here.must("apply", "init.lua").stdout, "Nothing changed")
    here.must("destroy", "--yes")
    assert.equal("[a]\nx = ä\nname = \252\n", here.read("home/f"))
  end)

  it("joins declarations of one file, and refuses those that contradict each other", function()
    here.apply(settings("{ a = 1 }") .. settings("{ b = { c = 2 } }"))
    assert.equal('{\n  "a": 1,\n  "b": {\n    "c": 2\n  }\n}\n', here.read("home/s.json"))
    for _, values in ipairs({ "{ a = 2 }", "{ a = { b = 1 } }" }) do
      here.write_config(settings("{ a = 1 }") .. settings(values))
      local refused = here.run("plan", "init.lua")
      assert.equal(1, refused.code)
      contains(refused.stderr, "in ~/s.json is declared twice")
    end
  end)

  it("joins the lists that several declarations add to", function()
    local function one_of(format, values)
      return ('file({ path = "~/f", merge = "%s", values = %s })\n'):format(format, values)
    end
    local head = 'local lib = require("syslua").lib\n'
    for _, sample in ipairs({
      { "json", '{"l": [1]}', "{ l = lib.mkAfter({ 2, 3 }) }", "{ l = lib.mkAfter({ 3, 4 }) }" },
      { "toml", "l = [1]\n", "{ l = lib.mkBefore({ 2 }) }", "{ l = lib.mkBefore({ 3 }) }" },
      { "lines", "1\n", "{ '2', '3' }", "{ '3', '4' }" },
      { "lines", "1\n", "lib.mkBefore({ '2' })", "lib.mkBefore({ '3' })" },
      { "block", "1\n", "lib.mkAfter({ '2' })", "lib.mkAfter({ '3' })" },
    }) do
      local format, before = sample[1], sample[2]
      here.write("home/f", before)
      here.apply(head .. one_of(format, sample[3]) .. one_of(format, sample[4]))
      local digits = here.read("home/f"):gsub("%D", "")
      local expected = sample[3]:find("mkBefore") and "231"
        or before:find("1") and (format == "block" and "123" or "1234")
      assert.equal(expected, digits, format)
      -- What the first one adds stays without the other.
      here.apply(head .. one_of(format, sample[3]))
      contains_none(here.read("home/f"), "4")
      assert.equal(0, here.run("status").code)
      here.must("destroy", "--yes")
      assert.equal(before, here.read("home/f"))
    end
    here.write_config(head .. one_of("json", "{ l = lib.mkAfter({ 1 }) }") .. [[
      file({ path = "~/f", merge = "json", values = { l = lib.mkBefore({ 2 }) } })
    ]])
    contains(here.run("plan", "init.lua").stderr, "l in ~/f is declared twice")
  end)

  it("joins a list in place: the other items keep their text and their comments", function()
    for _, sample in ipairs({
      {
        "jsonc",
        '{\n  "l": [\n    // one\n    "a", // A\n    "b" // B\n  ]\n}\n',
        '{\n  "l": [\n    // one\n    "a", // A\n    "b", // B\n    "x"\n  ]\n}\n',
      },
      { "toml", "l = [\n  'a', # A\n]\n", "l = [\n  'a', # A\n  \"x\",\n]\n" },
      { "yaml", "l:\n# one\n- 'a'\n# two\n- b\n", "l:\n# one\n- 'a'\n# two\n- b\n- x\n" },
    }) do
      here.write("home/f", sample[2])
      here.apply(([[
        local lib = require("syslua").lib
        file({ path = "~/f", merge = "%s", values = { l = lib.mkAfter({ "x" }) } })
      ]]):format(sample[1]))
      assert.equal(sample[3], here.read("home/f"))
      -- A program changes another item: ours goes, and its comments stay.
      here.write("home/f", (sample[3]:gsub("([\"'])a", "%1new")))
      assert.equal(0, here.run("status").code)
      here.must("destroy", "--yes")
      assert.equal((sample[2]:gsub("([\"'])a", "%1new")), here.read("home/f"))
    end
  end)

  it("tells values as people write them", function()
    for _, sample in ipairs({
      { "toml", "a = 1979-05-27\n", 'a: "1979-05-27" -> "x"' },
      { "toml", "a = inf\n", 'a: "inf" -> "x"' },
      { "yaml", "a: !t b\n", 'a: "b" -> "x"' },
      { "yaml", "a: [-.inf]\n", 'a: ["-inf"] -> "x"' },
      { "json", '{"a": {"$float": "inf"}}', 'a: {"$float":"inf"} -> "x"' },
    }) do
      here.write("home/f", sample[2])
      local line = [[file({ path = "~/f", merge = "%s", values = { a = "x" } })]]
      local out = here.apply(line:format(sample[1])).stdout
      contains(out, sample[3])
      here.must("destroy", "--yes")
      assert.equal(sample[2], here.read("home/f"))
    end
    -- A text is not the number of the same letters.
    here.write("home/f", "a = inf\n")
    here.apply([[file({ path = "~/f", merge = "toml", values = { a = "inf" } })]])
    assert.equal('a = "inf"\n', here.read("home/f"))
  end)

  it("tells which lines go, and only those", function()
    local function apply(values)
      return here.apply(([[file({ path = "~/f", merge = "lines", values = %s })]]):format(values))
    end
    here.write("home/f", "kept\n")
    apply("{ 'kept', 'one', 'two' }")
    local out = apply("{ 'two', 'three' }").stdout
    contains(out, 'one: "one" -> (absent)', 'three: (absent) -> "three"')
    contains_none(out, "kept:")
    out = here.must("destroy", "--yes").stdout
    contains(out, 'three: "three" -> (absent)')
    contains_none(out, "kept:")
    assert.equal("kept\n", here.read("home/f"))
  end)

  it("keeps earlier values for the owner alone, and the mode of the file", function()
    here.write("home/s.json", '{"token": "secret"}')
    here.shell("chmod 640 home/s.json")
    here.apply(settings('{ token = "x" }'))
    assert.equal("640", here.shell("stat -c %a home/s.json").stdout:gsub("%s", ""))
    assert.equal("600", here.shell("stat -c %a root/backups/index.json").stdout:gsub("%s", ""))
    assert.equal("", here.shell("ls -A home | grep syslua || true").stdout)
  end)

  it("writes paths of the store", function()
    here.apply([[
      local tool = derive({
        name = "tool",
        config = function(_, ctx)
          ctx.write(ctx.out .. "/bin/tool", "x")
        end,
      })
      file({ path = "~/s.json", merge = "json", values = { tool = tool.out .. "/bin/tool" } })
    ]])
    local text = here.read("home/s.json")
    matches(text, '"tool": "[^"]*/store/obj/tool%-%x+/bin/tool"')
    contains(text, '"' .. here.root .. "/store")
  end)

  describe("refuses, before anything is touched,", function()
    local function refuse(body, message)
      here.write_config(body .. 'file({ path = "~/other", content = "x" })')
      local result = here.run("apply", "init.lua")
      assert.equal(1, result.code)
      contains(result.stderr, message)
      assert.is_nil(here.read("home/other"))
    end

    it("a file that does not parse", function()
      here.write("home/s.json", '{\n  "a": 1,\n}\n')
      refuse(settings("{ a = 2 }"), "home/s.json:2:9: ")
      assert.equal('{\n  "a": 1,\n}\n', here.read("home/s.json"))
    end)

    it("a link, with both names", function()
      here.write("home/real.json", "{}")
      here.shell("ln -s real.json home/s.json")
      refuse(settings("{ a = 2 }"), "s.json is a link to " .. here.home .. "/real.json")
    end)

    it("a directory", function()
      here.shell("mkdir home/s.json")
      refuse(settings("{ a = 2 }"), "it is a directory")
    end)

    it("what the file has no place for", function()
      here.write("home/s.toml", "[[a]]\nb = 1\n")
      refuse(
        [[file({ path = "~/s.toml", merge = "toml", values = { a = { b = 2 } } })]],
        "an array of tables"
      )
    end)

    it("fields and values that make no sense", function()
      local head = 'local lib = require("syslua").lib file({ path = "~/f", '
      for body, message in pairs({
        ['merge = "xml", values = {} })'] = "there is no format",
        ['merge = "json" })'] = "needs `values`",
        ['merge = "json", values = { 1 } })'] = "expected a table of keys",
        ['merge = "lines", values = { a = 1 } })'] = "expected a list of lines",
        ['merge = "lines", values = { "a", "" } })'] = "an empty line",
        ['merge = "json", values = {}, mode = "600" })'] = "both `merge` and `mode`",
        ['merge = "json", values = {}, content = "" })'] = "both `merge` and `content`",
        ['merge = "json", values = { a = lib.mkForce(1) } })'] = "only lib.mkBefore",
        ['merge = "json", values = { a = lib.mkBefore(1) } })'] = "only lib.mkBefore",
        ['merge = "json", values = { a = print } })'] = "`values.a` is a function",
        ['merge = "json", values = { a = lib.mkAfter({ b = "\\255" }) } })'] = "only lib.mkBefore",
        ['merge = "json", values = { a = { b = "\\255" } } })'] = "`values.a.b` is not UTF-8",
        ['merge = "json", values = lib.null })'] = "expected a table of keys",
        ['merge = "json", values = lib.absent })'] = "expected a table of keys",
        ['merge = "json", values = { a = { lib.absent } } })'] = "lib.absent is for keys",
        ['merge = "json", values = { a = { { b = lib.absent } } } })'] = "lib.absent is for keys",
        ['merge = "json", values = { a = lib.mkAfter({ lib.absent }) } })'] = "is for keys",
        ['merge = "toml", values = { a = lib.null } })'] = "TOML has no null",
        ['merge = "block", values = { "a", " # <<< syslua <<<" } })'] = "the lines around it",
        ['merge = "block", comment = "//", values = { "// >>> syslua >>>" } })'] = "around it",
        ['merge = "ini", values = { a = { b = { 1 } } } })'] = "INI",
        ['comment = "#", content = "" })'] = "`comment` in file{} needs `merge`",
      }) do
        refuse(head .. body .. " ", message)
      end
    end)

    it("a file that was ours as a whole, or becomes that", function()
      here.apply([[file({ path = "~/s.json", content = "{}" })]])
      refuse(settings("{ a = 1 }"), "apply once without it")
      here.apply("")
      here.apply(settings("{ a = 1 }"))
      refuse([[file({ path = "~/s.json", content = "{}" })]], "apply once without it")
    end)
  end)

  it("shows what it would change, as text and as JSON", function()
    here.write("home/s.json", '{"a": "x"}')
    here.write_config(settings('{ a = "y", b = 1 }'))
    local plan = here.must("plan", "init.lua").stdout
    contains(plan, 'a: "x" -> "y"', "b: (absent) -> 1")
    local json = here.must("plan", "init.lua", "--json").stdout
    contains(json, '"keys":[{"key":"a","new":"\\"y\\"","old":"\\"x\\""}')
    assert.equal('{"a": "x"}', here.read("home/s.json"))
  end)
end)
