--- Templates: `file { template }` and `lib.template`, from the file to the target.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local syslua = require("syslua")

describe("file { template }", function()
  local here = machine.for_each_test()

  it("writes what the template makes of the values", function()
    here.write(
      "files/gitconfig.in",
      "[user]\n\tname = {{ name }}\n{% for k in keys %}\n# {{ k }}{% endfor %}\n\n"
    )
    here.apply([[
      file({
        path = "~/.gitconfig",
        template = "files/gitconfig.in",
        values = { name = "Ada", keys = { "a", "b" } },
      })
    ]])
    assert.equal("[user]\n\tname = Ada\n\n# a\n# b\n\n", here.read("home/.gitconfig"))
    contains(here.must("apply", "init.lua").stdout, "Nothing changed")
    -- The template is a file of the config: what changes in it is applied.
    here.write("files/gitconfig.in", "{{ name }}")
    here.must("apply", "init.lua")
    assert.equal("Ada", here.read("home/.gitconfig"))
  end)

  it("keeps the bytes of a template without tags, whatever they are", function()
    local bytes = {}
    for byte = 0, 255 do
      if byte ~= 123 then
        bytes[#bytes + 1] = string.char(byte)
      end
    end
    local whole = table.concat(bytes)
    for index, text in ipairs({ whole, "", "\n", "a\r\nb", "a\n\n\n", "\239\187\191x\n" }) do
      here.write("t" .. index, text)
      local declared =
        here.evaluate(([[file({ path = "~/.x", template = "t%d", values = {} })]]):format(index))
      assert.equal(text, declared.files["~/.x"].content)
    end
  end)

  it("includes what is beside the template, and takes all of it into the snapshot", function()
    here.write("a/t", "{% include 'part/one' %}|")
    here.write("a/part/one", "one {{ x }} {% include '../../two' %}")
    here.write("two", "two {% include 'none' ignore missing %}")
    here.apply([[file({ path = "~/.x", template = "a/t", values = { x = 1 } })]])
    assert.equal("one 1 two |", here.read("home/.x"))
    local index = here.read("root/store/metadata/snapshots/1/config/index.json")
    for _, name in ipairs({ "/a/t", "/a/part/one", "/two" }) do
      contains(index, name .. '"')
    end
    assert.equal(0, here.run("apply", "init.lua", "--pure").code)
    -- A target cannot be what the config reads.
    here.write_config(
      ([[file({ path = "%s/two", template = "a/t", values = { x = 1 } })]]):format(here.directory)
    )
    assert.equal(1, here.run("plan", "init.lua").code)
  end)

  it("draws the edge to what is built", function()
    here.write("t", "exec {{ tool }}/bin/x\n{{ handle }}\n{{ word | sh }}\n")
    here.apply([[
      local tool = derive({ name = "tool", config = function(_, ctx)
        ctx.write(ctx.out .. "/bin/x", "x")
      end })
      file({
        path = "~/.x",
        template = "t",
        values = { tool = tool.out, handle = tool, word = tool.out .. "/a b" },
      })
    ]])
    local object = machine.get_object(here, "tool")
    local place = here.root .. "/store/obj/" .. object
    assert.equal(
      ("exec %s/bin/x\n%s\n'%s/a b'\n"):format(place, place, place),
      here.read("home/.x")
    )
  end)

  it("names the line of the template that is wrong", function()
    here.write("t", "a\n{{ nmae }}\n")
    local problem = here.fail([[file({ path = "~/.x", template = "t", values = { name = 1 } })]])
    assert.equal("t:2", problem.position)
    contains(problem.message, "`nmae` is not defined")
    contains(problem.hint, "name")
    contains(problem.details, "init.lua:2")
    here.write("t", "{% include 'sub/p' %}")
    here.write("sub/p", "\n\n{% if %}")
    problem = here.fail([[file({ path = "~/.x", template = "t" })]])
    assert.equal("sub/p:3", problem.position)
    contains(problem.message, "syntax error")
    here.write("t", "{% include 'none' %}")
    assert.equal("t:1", here.fail([[file({ path = "~/.x", template = "t" })]]).position)
  end)

  it("refuses what contradicts itself", function()
    here.write("t", "x")
    for _, case in ipairs({
      { [[template = "t", content = "x"]], "both `template` and `content`" },
      { [[template = "t", source = "x"]], "both `template` and `source`" },
      { [[template = "t", absent = true]], "both `template` and `absent`" },
      { [[template = "t", recursive = true]], "both `template` and `recursive`" },
      { [[template = ""]], "is empty" },
      { [[content = "x", values = {}]], "needs a `template`" },
      { [[template = "none"]], "the template none does not exist" },
      { [[template = "t", values = { x = print }]], "`values.x` is a function" },
      { [[template = "t", values = { x = source("t") }]], "`values.x` is a source()" },
    }) do
      local problem = here.fail(([[file({ path = "~/.x", %s })]]):format(case[1]))
      contains(problem.message, case[2])
      assert.equal("init.lua:2", problem.position)
    end
  end)

  it("makes a private file of a private template", function()
    here.write("t", "{{ x }}")
    here.shell("chmod 600 t")
    local lines = [[file({ path = "~/.x", template = "t", values = { x = "mine" } })]]
    if syslua.username == "root" then
      contains(here.fail(lines).message, "only its owner can read the template")
      return
    end
    here.apply(lines)
    assert.equal("600 regular file\n", here.shell("stat -c '%a %F' home/.x").stdout)
    here.shell("chmod 644 t")
    here.must("apply", "init.lua")
    assert.truthy(here.read_link("home/.x"))
  end)

  it("is known in an input, beside its files", function()
    here.write("dots/init.lua", [[return function() file({ path = "~/.x", template = "t" }) end]])
    here.write("dots/t", "{% include 'p' %}")
    here.write("dots/p", "of the input")
    here.write(
      "init.lua",
      [[return {
        inputs = { dots = "path:./dots" },
        setup = function() require("inputs.dots")() end,
      }]]
    )
    here.must("apply", "init.lua")
    assert.equal("of the input", here.read("home/.x"))
  end)

  it("gives what a real shell reads as the very words", function()
    local random = require("spec.support.random")
    local next_number = random.new(7)
    local words = { "it's", 'a "b" $c `d`', "\\", "-n", "~", "a\nb", "", "*", "#x", "ä" }
    for _ = 1, 40 do
      local bytes = {}
      for at = 1, 12 do
        bytes[at] = string.char(next_number(255))
      end
      words[#words + 1] = table.concat(bytes)
    end
    local text = syslua.lib.template("printf '%s\\0' {{ words | sh }}", { words = words })
    local file = here.write("words.sh", text)
    local result = process.run({ "sh", file })
    assert.equal(table.concat(words, "\0") .. "\0", result.stdout)
  end)
end)

describe("lib.template", function()
  local here = machine.for_each_test()

  it("renders a text anywhere", function()
    assert.equal("a 1\n", syslua.lib.template("a {{ x }}\n", { x = 1 }))
    assert.equal("none", syslua.lib.template("none"))
    for _, value in ipairs({ "it's\n", "\255\0 \128", '"\\' }) do
      local chunk = syslua.lib.template("return {{ x | lua }}", { x = value })
      assert.equal(value, (loadstring or load)(chunk)())
    end
  end)

  it("says which line is wrong, and where it is called", function()
    local problem = here.fail('local x = syslua.lib.template("a\\n{{ b }}", {})')
    assert.equal("init.lua:2", problem.position)
    contains(problem.message, "line 2 of the template")
  end)

  it("includes what is beside the file that calls", function()
    here.write(
      "modules/m.lua",
      [[local text = syslua.lib.template("{% include 'p' %}") return text]]
    )
    here.write("modules/p", "beside")
    local declared = here.evaluate([[file({ path = "~/.x", content = require("modules.m") })]])
    assert.equal("beside", declared.files["~/.x"].content)
  end)

  it("works in builds, without includes", function()
    here.apply([[
      local built = derive({ name = "x", config = function(_, ctx)
        ctx.write(ctx.out, syslua.lib.template("{{ x }}", { x = "built" }))
      end })
      file({ path = "~/.x", source = built.out })
    ]])
    assert.equal("built", here.read("home/.x"))
  end)
end)
