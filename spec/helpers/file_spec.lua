--- `file{}`: what it declares, and what it refuses.

local machine = require("spec.support.machine")
local ordered_pairs = require("syslua.util.ordered_pairs")
local syslua = require("syslua")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

describe("file{}", function()
  local here = machine.for_each_test()

  local function apply(lines)
    here.write_config(lines)
    local result = here.run("apply", "init.lua")
    assert.equal(0, result.code, result.stderr)
    return result
  end

  it("names the fields in which two declarations of one content differ", function()
    local values = { mode = { '"644"', '"755"' }, executable = { "true" }, copy = { "true" } }
    for field, given in pairs(values) do
      given[#given + 1] = "nil"
      for first, one in ipairs(given) do
        for second, other in ipairs(given) do
          local lines = ('file { path = "~/x", content = "a", %s = %s }\n'):format(field, one)
            .. ('file { path = "~/x", content = "a", %s = %s }'):format(field, other)
          if first == second then
            here.evaluate(lines)
          else
            local message = here.fail(lines).message
            local what = ("is declared twice, with different `%s`:"):format(field)
            contains(message, what, (", %s "):format(field))
          end
        end
      end
    end
  end)

  it("writes content byte for byte", function()
    local bytes = {}
    for byte = 0, 255 do
      bytes[#bytes + 1] = string.char(byte)
    end
    here.write("bytes", table.concat(bytes))
    apply([[
      local text = ""
      for byte = 0, 255 do text = text .. string.char(byte) end
      file({ path = "~/.bytes", content = text })
      file({ path = "~/.copy", source = "bytes" })
      file({ path = "~/.empty", content = "" })
    ]])
    assert.equal(table.concat(bytes), here.read("home/.bytes"))
    assert.equal(table.concat(bytes), here.read("home/.copy"))
    assert.equal("", here.read("home/.empty"))
  end)

  it("knows the same lines whether it is declared at once or looked at closely", function()
    here.write(
      "modules/inner.lua",
      [[
        return function(name, more)
          local given = { path = "~/" .. name, content = name }
          given.executable = more
          file(given)
        end
      ]]
    )
    here.write_config([[
      local declare = require("modules.inner")
      local function both(name)
        declare(name, nil)
        declare(name .. "x", true)
      end
      both("plain")
      coroutine.wrap(function() both("coroutine") end)()
      user({ name = syslua.username, setup = function() both("user") end })
    ]])
    local result = here.run("plan", "init.lua", "--json")
    assert.equal(0, result.code, result.stderr)
    local positions = {}
    for _, action in ipairs(syslua.lib.fromJSON(result.stdout).actions) do
      positions[action.target:match("[^/]+$")] = action.positions
    end
    for _, name in ipairs({ "plain", "coroutine", "user" }) do
      local at_once, closely = positions[name], positions[name .. "x"]
      assert.equal("modules/inner.lua:4", at_once[1])
      -- The second call in `both` stands on the next line.
      assert.equal("init.lua:4", at_once[2])
      assert.equal("init.lua:5", closely[2])
      closely[2] = at_once[2]
      assert.same(closely, at_once)
    end
  end)

  it("lets the same declaration win whichever ways they are written", function()
    here.write("source", "source\n")
    here.write("tree/b", "tree\n")
    -- Each way to declare one of the places; the numbers are those by which they win.
    local ways = {
      { 900, [[file({ path = "~/.x/b", content = "plain" })]] },
      { 900, [[file({ path = syslua_home .. "/.x/b", content = "plain" })]] },
      { 900, [[file({ path = "~/.x/./b", content = "plain" })]] },
      { 50, [[file({ path = "~/.x/b", content = syslua.lib.mkForce("force") })]] },
      { 1000, [[file({ path = "~/.x/b", content = syslua.lib.mkDefault("default") })]] },
      { 900, [[file({ path = "~/.x", source = "tree", recursive = true })]] },
      {
        899,
        [[user({ name = syslua.username, setup = function()
          file({ path = "~/.x/b", content = "own" })
        end })]],
      },
      { 900, [[file({ path = "~/.x/b", source = "source" })]] },
    }
    local texts = { "plain", "plain", "plain", "force", "default", "tree\n", "own", "source\n" }
    for first, one in ipairs(ways) do
      for second, other in ipairs(ways) do
        local lines = ([[
          local syslua_home = os.getenv("HOME")
          file({ path = "~/.first", content = "first" })
          %s
          file({ path = "~/.between", content = "between" })
          %s
          file({ path = "~/.last", source = "source" })
        ]]):format(one[2], other[2])
        if one[1] == other[1] and texts[first] ~= texts[second] then
          contains(here.fail(lines).message, "is declared twice")
        else
          local winner = one[1] <= other[1] and first or second
          local declared = here.evaluate(lines)
          local contents = {}
          for path, found in ordered_pairs(declared.files) do
            if path:match("[^/]+$") == "b" then
              contents[#contents + 1] = found.content or "tree\n"
            end
          end
          assert.same({ texts[winner] }, contents)
          assert.equal("between", declared.files["~/.between"].content)
        end
      end
    end
  end)

  it("says which two things of one path differ, whatever they are", function()
    here.write("source", "source\n")
    here.write("template", "template\n")
    here.write("tree/b", "tree\n")
    local kinds = {
      absent = "absent = true",
      content = 'content = "x"',
      source = 'source = "source"',
      declared = 'source = source("template")',
      directory = 'source = "tree"',
      template = 'template = "template"',
      lines = 'merge = "lines", values = { "x" }',
      json = 'merge = "json", values = { a = 1 }',
      once = 'content = "x", mutable = true',
      own = 'source = "source", mutable = true',
      mode = 'content = "x", mode = "755"',
      force = 'content = syslua.lib.mkForce("z")',
    }
    local function declare(kind)
      if kind == "tree" then
        return 'file { path = "~/.x", source = "tree", recursive = true }'
      end
      return ('file { path = "~/.x/b", %s }'):format(kinds[kind])
    end
    local names = { "tree" }
    for name in pairs(kinds) do
      names[#names + 1] = name
    end
    for _, first in ipairs(names) do
      for _, second in ipairs(names) do
        local lines = declare(first) .. "\n" .. declare(second)
        if first == second or first == "force" or second == "force" then
          here.evaluate(lines)
        else
          local failed = here.fail(lines)
          local about = first .. ", " .. second .. ": " .. failed.message
          assert.equal("conflict", failed.kind, about)
          contains(failed.message, "init.lua:2")
          assert.equal("init.lua:3", failed.position, about)
        end
      end
    end
  end)

  it("names the first source that is missing, in the order of declaration", function()
    here.write("source", "source\n")
    local plain = [[file({ path = "~/.plain", source = "no-plain" })]]
    local closely = [[file({ path = "~/.closely", source = "no-closely", executable = true })]]
    for _, lines in ipairs({ { plain, closely, "no-plain" }, { closely, plain, "no-closely" } }) do
      here.write_config(([[
        file({ path = "~/.there", source = "source" })
        %s
        %s
      ]]):format(lines[1], lines[2]))
      local result = here.run("plan", "init.lua")
      assert.equal(1, result.code)
      contains(result.stderr, ("the source %s does not exist"):format(lines[3]), "init.lua:3")
    end
  end)

  it("declares more than one thread looks at as it declares a few", function()
    for number = 1, 300 do
      here.write("many/" .. number, "text " .. number .. "\n")
    end
    here.write("link-target", "linked\n")
    here.shell("ln -s ../link-target many/301")
    local config = [[
      for number = 1, %d do
        file({ path = "~/.many/" .. number, source = "many/" .. number })
      end
      file({ path = "~/.text", content = "text\n" })
    ]]
    apply(config:format(301))
    assert.equal("text 300\n", here.read("home/.many/300"))
    assert.equal("linked\n", here.read("home/.many/301"))
    local again = here.run("apply", "init.lua")
    contains(again.stdout, "Nothing changed")
    here.write("many/7", "changed\n")
    local changed = here.run("apply", "init.lua")
    contains(changed.stdout, "0 added, 1 changed, 0 removed")
    assert.equal("changed\n", here.read("home/.many/7"))
    assert.equal("text 8\n", here.read("home/.many/8"))
  end)

  it("looks at the fields that a table has itself", function()
    here.write_config('file(setmetatable({}, { __index = { path = "~/x", content = "y" } }))')
    local result = here.run("plan", "init.lua")
    assert.equal(1, result.code, result.stdout)
    local message = "error: `path` is missing in file{}: expected string\n"
    assert.equal(message, result.stderr:sub(1, #message))
  end)

  it("takes a directory as source, and links it as one", function()
    here.write("tree/inner/file", "inner\n")
    apply([[file({ path = "~/.tree", source = "tree" })]])
    assert.equal("inner\n", here.read("home/.tree/inner/file"))
    assert.truthy(here.read_link("home/.tree"))
  end)

  it("finds sources beside the config, in the home, and anywhere", function()
    here.write("config/text", "beside\n")
    here.write("home/text", "home\n")
    here.write("anywhere", "anywhere\n")
    here.write_config(
      ([[
        file({ path = "~/.one", source = "./text" })
        file({ path = "~/.two", source = "~/text" })
        file({ path = "~/.three", source = %q })
      ]]):format(here.directory .. "/anywhere"),
      "config/init.lua"
    )
    local result = here.run("apply", "config")
    assert.equal(0, result.code, result.stderr)
    assert.equal("beside\n", here.read("home/.one"))
    assert.equal("home\n", here.read("home/.two"))
    assert.equal("anywhere\n", here.read("home/.three"))
  end)

  it("takes what a derivation built as source", function()
    apply([[
      local one = derive({ name = "one", config = function(_, ctx)
        ctx.write(ctx.out .. "/deep/file", "built\n")
      end })
      file({ path = "~/.one", source = one.out .. "/deep/file" })
    ]])
    assert.equal("built\n", here.read("home/.one"))
  end)

  it("links names with spaces, quotes and bytes that are no UTF-8", function()
    apply([[
      for _, name in ipairs({ "a b", "it's", "\233t\233", "-dash", "$HOME" }) do
        file({ path = "~/" .. name, content = name })
      end
    ]])
    for _, name in ipairs({ "a b", "it's", "\233t\233", "-dash", "$HOME" }) do
      assert.equal(name, here.read("home/" .. name))
    end
    matches(here.run("apply", "init.lua").stdout, "^Nothing changed")
  end)

  it("installs a real file with `copy`, `mode` or `owner`", function()
    local own = here.shell("id -un").stdout:gsub("\n", "")
    apply(([[
      file { path = "~/.copy", content = "copy", copy = true }
      file { path = "~/.mode", content = "mode", mode = "600" }
      file { path = "~/.run", content = "#!/bin/sh\necho ran\n", copy = true, executable = true }
      file { path = "~/.owner", source = "init.lua", owner = %q }
    ]]):format(own))
    for name, mode in pairs({
      copy = "644",
      mode = "600",
      run = "755",
      owner = "644",
    }) do
      assert.is_nil(here.read_link("home/." .. name))
      assert.equal(mode .. "\n", here.shell("stat -c %a ~/." .. name).stdout, name)
    end
    assert.equal("copy", here.read("home/.copy"))
    assert.equal(here.read("init.lua"), here.read("home/.owner"))
    assert.equal("ran\n", here.shell("~/.run").stdout)
    matches(here.run("apply", "init.lua").stdout, "^Nothing changed")
    -- What somebody changes is drift, and is restored.
    here.write("home/.copy", "edited")
    assert.equal(3, here.run("status").code)
    assert.equal(0, here.run("apply", "init.lua").code)
    assert.equal("copy", here.read("home/.copy"))
  end)

  it("refuses a mode that is a number", function()
    for _, call in ipairs({
      "file { path = '~/.key', content = 'k', mode = 400 }",
      "directory { path = '~/.keys', mode = 700 }",
      "activate { config = function(_, ctx) ctx.install('/etc/passwd', '~/.key', { "
        .. "mode = 400 }) end }",
      "activate { config = function(_, ctx) ctx.directory('~/.keys', { mode = 700 }) end }",
    }) do
      here.write_config(call)
      local result = here.run("plan", "init.lua")
      assert.equal(1, result.code)
      contains(result.stderr, "a number is ambiguous")
    end
  end)

  it("keeps a place empty with `absent`, and brings back what stood there", function()
    here.write("home/.file", "mine\n")
    here.shell(
      "mkdir -p ~/.directory/deep; echo text >~/.directory/deep/file; ln -s nowhere ~/.link"
    )
    local before = here.list("home")
    apply([[
      for _, name in ipairs({ "file", "directory", "link", "nothing" }) do
        file { path = "~/." .. name, absent = true }
      end
    ]])
    assert.equal("", here.shell("ls -A ~").stdout)
    assert.equal(0, here.run("status").code)
    matches(here.run("apply", "init.lua").stdout, "^Nothing changed")
    here.write("home/.file", "again\n")
    assert.equal(3, here.run("status").code)
    here.must("apply", "init.lua")
    assert.is_false(here.exists("home/.file"))
    here.must("rollback", "--yes", "0")
    assert.equal(before, here.list("home"))
    here.must("apply", "init.lua")
    here.must("destroy", "--yes")
    assert.equal(before, here.list("home"))
  end)

  it("copies a directory and a tree as real files", function()
    here.shell(
      "mkdir -p tree/deep tree/empty; echo text >tree/deep/file; echo '#!/bin/sh' >tree/run"
    )
    here.shell("chmod +x tree/run; ln -s deep/file tree/link")
    apply([[
      file { path = "~/.whole", source = "tree", copy = true }
      file { path = "~/.tree", source = "tree", recursive = true, copy = true }
    ]])
    for _, name in ipairs({ "whole", "tree" }) do
      local top = "home/." .. name
      assert.is_nil(here.read_link(top))
      assert.is_nil(here.read_link(top .. "/deep/file"))
      assert.equal("text\n", here.read(top .. "/deep/file"))
      assert.equal("text\n", here.read(top .. "/link"))
      assert.equal("755\n", here.shell("stat -c %a ~/." .. name .. "/run").stdout)
    end
    assert.equal("deep/file", here.read_link("home/.whole/link"))
    assert.truthy(here.exists("home/.whole/empty"))
    matches(here.run("apply", "init.lua").stdout, "^Nothing changed")
    here.must("destroy", "--yes")
    assert.equal("", here.shell("ls -A ~").stdout)
  end)

  it("links the files of a built tree one by one", function()
    here.write("home/.tree/mine", "mine\n")
    local config = [[
      local built = derive { name = "built", config = function(_, ctx)
        ctx.write(ctx.out .. "/deep/file", "%s")
        ctx.write(ctx.out .. "/%s", "")
      end }
      file { path = "~/.tree", source = built, recursive = true }
    ]]
    here.write_config(config:format("one", "gone"))
    assert.equal(0, here.run("plan", "init.lua").code)
    apply(config:format("one", "gone"))
    assert.equal("one", here.read("home/.tree/deep/file"))
    matches(here.read_link("home/.tree/deep/file"), "/deep/file$")
    assert.equal("mine\n", here.read("home/.tree/mine"))
    matches(here.run("apply", "init.lua").stdout, "^Nothing changed")
    apply(config:format("two", "come"))
    assert.equal("two", here.read("home/.tree/deep/file"))
    assert.equal("come\ndeep\nmine\n", here.shell("ls ~/.tree").stdout)
    here.must("destroy", "--yes")
    assert.equal("mine\n", here.shell("ls -A ~/.tree").stdout)
  end)

  it(
    "follows links that are named as sources, and those of trees that lead elsewhere "
      .. "beside the config",
    function()
      here.shell(
        "mkdir -p shared tree; echo text >shared/env; ln -s shared/env env; ln -s shared whole"
      )
      here.shell("echo here >tree/file; ln -s file tree/inside; ln -s ../shared/env tree/outside")
      apply([[
      file { path = "~/.env", source = "env" }
      file { path = "~/.source", source = source("env") }
      file { path = "~/.whole", source = "whole" }
      file { path = "~/.tree", source = "tree", recursive = true }
    ]])
      for _, name in ipairs({ ".env", ".source", ".whole/env", ".tree/outside" }) do
        assert.equal("text\n", here.read("home/" .. name), name)
      end
      assert.equal("here\n", here.read("home/.tree/inside"))
      here.shell("ln -s /etc/hostname tree/away")
      here.write_config('file { path = "~/.tree", source = "tree", recursive = true }')
      local result = here.run("plan", "init.lua")
      assert.equal(1, result.code)
      contains(result.stderr, "tree/away leads to /etc/hostname")
    end
  )

  it("writes once with `mutable` and `content`, and never again", function()
    apply([[file { path = "~/.once", content = "first", mutable = true, mode = "600" }]])
    assert.equal("first", here.read("home/.once"))
    assert.equal("600\n", here.shell("stat -c %a ~/.once").stdout)
    here.write("home/.once", "edited")
    assert.equal(0, here.run("status").code)
    apply([[file { path = "~/.once", content = "second", mutable = true, mode = "600" }]])
    assert.equal("edited", here.read("home/.once"))
  end)

  it("links each file of a tree with `recursive`", function()
    here.write("tree/a", "a\n")
    here.write("tree/deep/b", "b\n")
    here.write("home/.tree/own", "own\n")
    here.shell("ln -s a tree/link")
    apply([[
      file { path = "~/.tree", source = "tree", recursive = true }
      file { path = "~/.live", source = "tree", recursive = true, mutable = true }
    ]])
    assert.equal("a\n", here.read("home/.tree/a"))
    assert.equal("b\n", here.read("home/.tree/deep/b"))
    assert.equal("a\n", here.read("home/.tree/link"))
    assert.equal("own\n", here.read("home/.tree/own"))
    assert.is_nil(here.read_link("home/.tree"))
    assert.equal(here.directory .. "/tree/deep/b", here.read_link("home/.live/deep/b"))
    apply("")
    assert.is_false(here.exists("home/.live"))
    assert.equal("own\n", here.read("home/.tree/own"))
  end)

  it("takes handles as source, and makes what they built executable", function()
    here.write("text", "text\n")
    apply([[
      local one = derive { name = "one", config = function(_, ctx)
        ctx.write(ctx.out, "#!/bin/sh\necho one\n")
      end }
      file { path = "~/.handle", source = one }
      file { path = "~/.run", source = one, executable = true }
      file { path = "~/.source", source = source("text") }
    ]])
    assert.equal("#!/bin/sh\necho one\n", here.read("home/.handle"))
    assert.equal("one\n", here.shell("~/.run").stdout)
    assert.equal("text\n", here.read("home/.source"))
  end)

  local refused = {
    ["neither source nor content"] = { [[{ path = "~/.x" }]], "neither `source` nor `content`" },
    ["both source and content"] = {
      [[{ path = "~/.x", source = "init.lua", content = "" }]],
      "both",
    },
    ["a missing source"] = { [[{ path = "~/.x", source = "no/such" }]], "no/such" },
    ["a missing mutable source"] = {
      [[{ path = "~/.x", source = "no/such", mutable = true }]],
      "no/such",
    },
    ["a relative target"] = { [[{ path = "x", content = "" }]], "relative", "~/ or /" },
    ["no target"] = { [[{ content = "" }]], "`path` is missing" },
    ["an unknown field"] = {
      [[{ path = "~/.x", contnet = "" }]],
      "`contnet`",
      "did you mean `content`",
    },
    ["a field of the wrong type"] = {
      [[{ path = "~/.x", content = 1 }]],
      "`content`",
      "expected string, got number 1",
    },
    ["no table"] = { [["~/.x"]], "expected a table of options" },
  }
  for name, case in ordered_pairs(refused) do
    it("refuses " .. name, function()
      here.write_config("file(" .. case[1] .. ")")
      local before = here.list(".")
      local result = here.run("apply", "init.lua")
      assert.equal(1, result.code, result.stdout)
      contains(result.stderr, "at init.lua:2\n")
      for index = 2, #case do
        contains(result.stderr, case[index])
      end
      assert.equal(before, here.list("."))
    end)
  end
end)
