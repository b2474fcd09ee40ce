--- `run`, and `shell -p`: programs of packages that are not installed. Nothing comes from a
--- network.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")

local unpack = table.unpack or unpack

describe("a package", function()
  local here

  -- A package whose programs print their name and arguments.
  local function package(name, programs, meta)
    local lines = {}
    for _, program in ipairs(programs) do
      lines[#lines + 1] = ([[
        ctx.write(ctx.out .. "/bin/%s",
          "#!/bin/sh\nprintf '%%s|' %s \"$@\"\necho; exit ${CODE:-0}\n")
        ctx.chmod(ctx.out .. "/bin/%s", "755")]]):format(program, program, program)
    end
    here.write(
      "home/.config/syslua/pkgs/" .. name:gsub("%.", "/") .. ".lua",
      ([[return { %s setup = function()
        local made = derive({ name = "made", config = function(_, ctx)
          ctx.mkdir(ctx.out .. "/bin")
          %s
        end })
        activate({ config = function(_, ctx) ctx.add_to_path(made.out .. "/bin") end })
      end }]]):format(meta or "", table.concat(lines, "\n"))
    )
  end

  before_each(function()
    here = machine.new()
    -- What is no package is looked for in the registry: none is asked here.
    here.environment.SYSLUA_TOOLS_GITHUB = "https://127.0.0.1:9"
    here.environment.SYSLUA_CONFIG = here.home .. "/.config/syslua/init.lua"
    package("hello", { "hello" })
    package("cli.grep9", { "g9", "g9-all" }, 'meta = { main = "g9" },')
    package("tools", { "one", "two" })
    package("none", {})
  end)

  after_each(function()
    here.remove()
  end)

  it("runs its program with all words after it", function()
    assert.equal("hello|\n", here.must("run", "hello").stdout)
    local result = here.must("run", "--quiet", "hello", "-x", "--help", "--", "a b", "--root", "x")
    assert.equal("hello|-x|--help|--|a b|--root|x|\n", result.stdout)
    assert.equal("g9|--version|\n", here.must("run", "grep9", "--version").stdout)
    assert.equal("g9|\n", here.must("run", "cli.grep9").stdout)
    assert.equal("g9-all|1|\n", here.must("run", "--program", "g9-all", "grep9", "1").stdout)
    assert.equal("two|\n", here.must("run", "--program=two", "tools").stdout)
    assert.is_false(here.exists("root/env.sh"))
  end)

  it("is beside the config, however that is named", function()
    local directory = here.home .. "/.config/syslua"
    for _, config in ipairs({ directory, directory .. "/", directory .. "/init.lua" }) do
      here.environment.SYSLUA_CONFIG = config
      assert.equal("hello|\n", here.must("run", "hello").stdout)
      local result = here.must("shell", "-p", "hello", "--", "hello", "x")
      assert.equal("hello|x|\n", result.stdout)
      local listed = here.must("completions", "--values", "packages").stdout
      contains(listed, "hello\n")
    end
  end)

  it("leaves the help of sys to sys, before its name", function()
    for _, words in ipairs({
      { "run", "--help" },
      { "run", "-h" },
      { "run", "--quiet", "--help", "hello", "-x" },
      { "shell", "--help", "--", "hello" },
      { "shell", "-h", "--", "-h" },
    }) do
      assert.equal(here.must("help", words[1]).stdout, here.must(unpack(words)).stdout)
    end
    assert.equal("hello|--help|\n", here.must("run", "hello", "--help").stdout)
  end)

  it("passes its exit code on, and its input", function()
    for _, code in ipairs({ 0, 1, 3, 255 }) do
      assert.equal(code, here.shell("$LUA -l syslua run hello", { CODE = tostring(code) }).code)
    end
  end)

  it("says what it holds when there is no main program", function()
    local result = here.run("run", "tools")
    assert.equal(2, result.code)
    contains(result.stderr, "has several programs", "one and two")
    result = here.run("run", "--program", "tow", "tools")
    assert.equal(2, result.code)
    contains(result.stderr, "has no program `tow`")
    result = here.run("run", "none")
    assert.equal(2, result.code)
    result = here.run("run", "helo")
    assert.equal(2, result.code)
    contains(result.stderr, "did you mean `hello`?")
    assert.equal(2, here.run("run").code)
  end)

  it("is in the environment of an ephemeral shell", function()
    local line = "$LUA -l syslua shell -p hello tools -- sh -c 'hello 1; two; echo $SYSLUA_PROJECT'"
    local result = here.shell(line)
    assert.equal("hello|1|\ntwo|\nhello+tools\n", result.stdout, result.stderr)
    assert.equal(2, here.shell("$LUA -l syslua shell -p nothing -- true").code)
    assert.equal(7, here.shell("$LUA -l syslua shell -p hello -- hello", { CODE = "7" }).code)
    assert.equal(2, here.shell("$LUA -l syslua shell -p hello --trust -- true").code)
    assert.is_false(here.exists("root/env.sh"))
  end)
end)
