--- Builds that fail: the message names the user's line and the cause; nothing is left behind.

local machine = require("spec.support.machine")
local ordered_pairs = require("syslua.util.ordered_pairs")
local server = require("spec.support.server")
local text_checks = require("spec.support.text_checks")

local contains, contains_none = text_checks.contains, text_checks.contains_none

local zero = ("0"):rep(64)

-- The body of `config`, whose first line is line 10 of init.lua, and what the message must hold.
-- `URL` stands for the server.
local failing = {
  ["a program that fails"] = {
    'ctx.run("echo last words >&2; exit 3")',
    "exit code 3",
    "last words",
    "exit 3",
  },
  ["a program that is killed"] = { 'ctx.run("kill -9 $$")', "signal" },
  ["a program that is not there"] = { 'ctx.run({ "no-such-program" })', "no-such-program" },
  ["a copy of what is not declared"] = {
    'ctx.copy("/etc/passwd", ctx.out)',
    "/etc/passwd",
    "not declared",
    "source(",
  },
  ["a copy of what is not there"] = { 'ctx.copy("nowhere", ctx.out)', "nowhere" },
  ["a file written elsewhere"] = {
    'ctx.write("/tmp/syslua-elsewhere", "x")',
    "/tmp/syslua-elsewhere",
    "outside",
  },
  ["a file written above the build"] = {
    'ctx.write("../../elsewhere", "x")',
    "elsewhere",
    "outside",
  },
  ["a directory made elsewhere"] = {
    'ctx.mkdir("/tmp/syslua-elsewhere")',
    "/tmp/syslua-elsewhere",
    "outside",
  },
  ["a mode that is none"] = { 'ctx.chmod(ctx.out, "rwx")', "rwx", "755" },
  ["a mode of what is not there"] = { 'ctx.chmod(ctx.out, "755")', "No such file" },
  ["a write without text"] = { "ctx.write(ctx.out)", "`text` in ctx.write" },
  ["an unknown option"] = { 'ctx.run("true", { cdw = "/" })', "`cdw`", "`cwd`" },
  ["a download with another hash"] = {
    ('ctx.fetch_url("URL/file", "%s")'):format(zero),
    "/file",
    zero,
    -- sha256 of "content\n".
    "434728a410a78f56fc1b5899c3593436e61ab0c731e9072d95e96db290205e53",
  },
  ["a download that is not there"] = {
    ('ctx.fetch_url("URL/absent", "%s")'):format(zero),
    "/absent",
    "404",
  },
  ["a download from nobody"] = {
    ('ctx.fetch_url("http://127.0.0.1:1/file", "%s")'):format(zero),
    "http://127.0.0.1:1/file",
    "refused",
  },
  ["a download of a file that is not there"] = {
    ('ctx.fetch_url("file:///no/such", "%s")'):format(zero),
    "/no/such",
  },
  ["a download with half a hash"] = { 'ctx.fetch_url("URL/file", "abc")', "abc" },
  ["an archive that is none"] = {
    'ctx.write("x", "garbage")\nctx.unpack("x")',
    "x",
    'a text that begins with "garbage"',
    line = 11,
  },
  ["an archive that is cut off"] = {
    [[ctx.run("mkdir d; head -c 100000 /dev/urandom > d/f; tar czf x.tar.gz d; ]]
      .. [[head -c 5000 x.tar.gz > cut")
    ctx.unpack("cut")]],
    "cut",
    line = 11,
  },
  ["an error of the config itself"] = { 'error("my own")', "my own" },
  ["a nil value"] = { "local x; x.y = 1", "attempt to index" },
  ["what a build may not use"] = { 'io.open("x")', "`io`", "ctx.read" },
  ["the clock"] = { "return os.time()", "`os`" },
  ["the arguments of the program"] = { "return arg[1]", "`arg`", "opts" },
  ["an error object that cannot be shown"] = {
    "error(setmetatable({}, { __tostring = function() error({}) end }))",
    "__tostring fails",
    line = 7,
  },
  ["the hash of a dependency"] = { "return dependency.hash", "`hash`", "dependency", "opts" },
  ["the hash of a dependency in opts"] = { "return opts.d.hash", "`hash`", "dependency", "opts" },
  ["the path of a source"] = { "return text.path", "`path`", "source" },
  ["a field that is added to a handle"] = { "dependency.flags = 1", "`flags`", "read-only" },
  ["a verb of the module"] = { "return module.build(dependency)", "while a build runs" },
  ["a fact of this machine that is not captured"] = {
    "return syslua.hostname",
    "`syslua.hostname`",
    "opts",
  },
  ["a module loaded late"] = { 'require("x")', "`require`" },
  ["the name of the machine"] = { "return ctx.sys.hostname", "hostname", "opts" },
}

describe("a build that fails because of", function()
  local here, web

  setup(function()
    here = machine.new()
    here.write("web/file", "content\n")
    here.write("text", "a text\n")
    web = server.start(here.directory .. "/web")
    here.write_config([[file({ path = "~/.one", content = "one\n" })]], "good.lua")
    assert.equal(0, here.run("apply", "good.lua").code)
  end)

  teardown(function()
    web.stop()
    here.remove()
  end)

  -- What the root holds, apart from logs and locks.
  local function list_root()
    local kept = {}
    for line in here.list("root"):gmatch("[^\n]+") do
      if not line:find(" ./store/log/", 1, true) and not line:find("%.lock ") then
        kept[#kept + 1] = line
      end
    end
    return table.concat(kept, "\n")
  end

  for name, case in ordered_pairs(failing) do
    it(name, function()
      here.write_config(([[
          local dependency, text, module = derive({
            name = "dependency",
            config = function(_, ctx) ctx.write(ctx.out, "") end,
          }), source("text"), require("syslua")
          file({ path = "~/.two", content = "two\n" })
          derive({
            name = "bad", opts = { d = dependency },
            config = function(opts, ctx)
              %s
            end,
          })
        ]]):format((case[1]:gsub("URL", web.url))))
      local home, root = here.list("home"), list_root()
      local result = here.run("apply", "init.lua")
      assert.equal(1, result.code, result.stdout)
      assert.equal("", result.stdout)
      local position = ("at init.lua:%d\n"):format(case.line or 10)
      contains(result.stderr, position)
      contains_none(result.stderr, "traceback")
      contains(result.stderr, "bad")
      for index = 2, #case do
        contains(result.stderr, case[index])
      end
      local _, lines = result.stderr:gsub("\n", "")
      assert.is_true(lines <= 15, result.stderr)
      assert.equal(home, here.list("home"))
      assert.equal(
        "",
        here.shell("ls -A root/store/staging; ls -d root/store/b?? 2>/dev/null").stdout
      )
      -- The other file of the config may have been built meanwhile: only its object is more.
      local allowed = {
        "obj/two",
        "obj/dependency",
        "info/two",
        "info/dependency",
        "drv/",
        "drv-out/",
        "locks/",
        "store/files/",
      }
      local after = list_root()
      for line in after:gmatch("[^\n]+") do
        local is_new = not root:find(line, 1, true)
        local is_allowed = line:find("^d ") ~= nil
        for _, text in ipairs(allowed) do
          is_allowed = is_allowed or line:find(text, 1, true) ~= nil
        end
        assert.is_true(not is_new or is_allowed, "new: " .. line)
      end
      assert.equal("", here.shell("ls -A root/cache/downloads").stdout)
      assert.is_false(here.exists("/tmp/syslua-elsewhere"))
    end)
  end
end)

-- Declarations that `derive` and `activate` refuse at once.
local refused = {
  ["an unknown field of derive{}"] = {
    'derive({ nmae = "x", config = function() end })',
    "`nmae`",
    "`name`",
  },
  ["a derivation without a name"] = { "derive({ config = function() end })", "`name` is missing" },
  ["a derivation without config"] = { 'derive({ name = "x" })', "`config` is missing" },
  ["a name that no path can have"] = { 'derive({ name = "a/b", config = function() end })', "a/b" },
  ["an empty name"] = { 'derive({ name = "", config = function() end })', "empty" },
  ["a version that no path can have"] = {
    'derive({ name = "x", version = "1 0", config = function() end })',
    "1 0",
  },
  ["an output named twice"] = {
    'derive({ name = "x", outputs = { "a", "a" }, config = function() end })',
    "`a`",
    "twice",
  },
  ["opts that hold a function"] = {
    'derive({ name = "x", opts = { inner = { f = print } }, config = function() end })',
    "opts.inner.f",
  },
  ["opts that hold no number"] = {
    'derive({ name = "x", opts = { 0 / 0 }, config = function() end })',
    "opts[1]",
  },
  ["opts that hold themselves"] = {
    'local o = {}; o.o = o; derive({ name = "x", opts = o, config = function() end })',
    "opts.o",
  },
  ["opts that are a list and a map"] = {
    'derive({ name = "x", opts = { 1, a = 2 }, config = function() end })',
    "opts",
  },
  ["a captured coroutine"] = {
    'local c = coroutine.create(function() end)\nderive({ name = "x", '
      .. "config = function() return c end })",
    "`c`",
    line = 3,
  },
  ["a captured file"] = {
    'local f = io.stdout\nderive({ name = "x", config = function() return f end })',
    "`f`",
    line = 3,
  },
  ["a field that is added to a handle"] = {
    'local d = derive({ name = "x", config = function() end })\nd.flags = 1',
    "`flags`",
    "read-only",
    "hint: ",
    line = 3,
  },
  ["a field of a handle that is overwritten"] = {
    'local d = derive({ name = "x", config = function() end })\nd.out = "/x"',
    "`out`",
    "read-only",
    line = 3,
  },
  ["a field that is added to a source"] = {
    'local s = source("init.lua")\ns.flags = 1',
    "`flags`",
    "read-only",
    line = 3,
  },
  ["a handle that was added to behind its back"] = {
    'local d = derive({ name = "x", config = function() end })\nrawset(d, "a", 1)\n'
      .. 'derive({ name = "y", opts = { deep = { d } }, config = function() end })',
    "`opts.deep[1]`",
    "handle",
    line = 4,
  },
  ["a path below its own directory in opts"] = {
    'local here = io.popen("pwd"):read("*l")\n'
      .. 'derive({ name = "x", opts = { a = { here .. "/x" } }, config = function() end })',
    "`opts.a[1]`",
    "source()",
    line = 3,
  },
  ["an unknown field of activate{}"] = {
    "activate({ cofnig = function() end })",
    "`cofnig`",
    "`config`",
  },
  ["an activation without config"] = { "activate({})", "`config` is missing" },
  ["a link with a relative target"] = {
    'activate({ config = function(_, ctx) ctx.symlink("/x", "y") end })',
    '"y"',
  },
  ["a link without a target"] = {
    'activate({ config = function(_, ctx) ctx.symlink("/x") end })',
    "target",
  },
  ["a shell that is none"] = {
    'activate({ config = function(_, ctx) ctx.source_in_shell("/x", { shells = { '
      .. '"tcsh" } }) end })',
    "`tcsh`",
    "bash",
  },
  ["an entry of PATH that is two"] = {
    'activate({ config = function(_, ctx) ctx.add_to_path("/a:/b") end })',
    "/a:/b",
  },
  ["a missing source()"] = { 'source("no/such")', "no/such" },
  ["source() without a path"] = { "source()", "source()" },
}

describe("a config is refused because of", function()
  local here = machine.for_each_test()

  for name, case in ordered_pairs(refused) do
    it(name, function()
      here.write_config(case[1])
      local before = here.list(".")
      local result = here.run("apply", "init.lua")
      assert.equal(1, result.code, result.stdout)
      assert.equal("", result.stdout)
      local position = ("at init.lua:%d\n"):format(case.line or 2)
      contains(result.stderr, position)
      for index = 2, #case do
        contains(result.stderr, case[index])
      end
      assert.equal(before, here.list("."))
    end)
  end

  it("an output that was not created, naming it", function()
    here.write_config([[
      derive({
        name = "empty",
        outputs = { "out", "doc" },
        config = function(_, ctx) ctx.write(ctx.out, "") end,
      })
    ]])
    local result = here.run("apply", "init.lua")
    assert.equal(1, result.code)
    contains(result.stderr, "empty", "doc", "init.lua:2")
    assert.equal("", here.shell("ls -A root/store/obj").stdout)
  end)
end)
