--- Wrong configs: a name, the lines of `setup` (the first one is line 2 of init.lua) or whole
-- files, and exactly what is printed, which is the same on every Lua.

return {
  -- file{}
  { "file: unknown field", [[file { path = "~/.x", contnet = "" }]] },
  { "file: unknown field, none near", [[file { path = "~/.x", content = "", zzz = 1 }]] },
  { "file: a list item", [[file { "~/.x", content = "" }]] },
  { "file: no table", [[file("~/.x")]] },
  { "file: nil", [[file(nil)]] },
  { "file: path missing", [[file { content = "" }]] },
  { "file: path of the wrong type", [[file { path = 1, content = "" }]] },
  { "file: relative path", [[file { path = ".bashrc", content = "" }]] },
  { "file: path is the root", [[file { path = "/", content = "" }]] },
  { "file: neither", [[file { path = "~/.x" }]] },
  { "file: both", [[file { path = "~/.x", source = "a", content = "" }]] },
  { "file: missing source", [[file { path = "~/.x", source = "nowhere" }]] },
  { "file: content of the wrong type", [[file { path = "~/.x", content = { "a" } }]] },
  { "file: content is nil through a typo", [[file { path = "~/.x", content = contnt }]] },
  { "file: mode that is none", [[file { path = "~/.x", content = "", mode = "rwx" }]] },
  { "file: mode too large", [[file { path = "~/.x", content = "", mode = "4755" }]] },
  {
    "file: executable and mode",
    [[file { path = "~/.x", content = "", mode = "755", executable = true }]],
  },
  {
    "file: mutable and executable",
    [[file { path = "~/.x", source = "init.lua", mutable = true, executable = true }]],
  },
  {
    "file: mutable and mode",
    [[file { path = "~/.x", source = "init.lua", mutable = true, mode = "600" }]],
  },
  { "file: recursive content", [[file { path = "~/.x", content = "", recursive = true }]] },
  { "file: recursive file", [[file { path = "~/.x", source = "init.lua", recursive = true }]] },
  { "file: boolean as string", [[file { path = "~/.x", content = "", executable = "yes" }]] },
  {
    "file: two contents",
    'file { path = "~/.x", content = "a" }\nfile { path = "~/.x", content = "b" }',
  },
  {
    "file: two priorities",
    [[file { path = "~/.x", content = syslua.lib.mkForce(syslua.lib.mkDefault("")) }]],
  },

  -- env{}
  { "env: no table", [[env("EDITOR")]] },
  { "env: a list item", [[env { "EDITOR" }]] },
  { "env: a bad name", [[env { ["A B"] = "x" }]] },
  { "env: a boolean", [[env { DEBUG = true }]] },
  { "env: a list for a single variable", [[env { EDITOR = { "vim", "vi" } }]] },
  { "env: an entry with a colon", [[env { PATH = "/a:/b" }]] },
  { "env: an empty list", [[env { PATH = {} }]] },
  { "env: named fields", [[env { PATH = { first = "/a" } }]] },
  { "env: a number in a list of functions", [[env { PATH = { "/a", print } }]] },
  { "env: NUL", [[env { EDITOR = "a\0b" }]] },
  { "env: two values", 'env { EDITOR = "vim" }\nenv { EDITOR = "nano" }' },
  {
    "env: two forced values",
    'local lib = syslua.lib\nenv { EDITOR = lib.mkForce("vim") }\n'
      .. 'env { EDITOR = lib.mkForce("nano") }',
  },
  {
    "env: a circle",
    'local lib = syslua.lib\nenv { A = lib.ref("B"), B = lib.ref("A") .. "/x" }',
  },
  { "env: a reference to itself", [[env { PATH = syslua.lib.ref("PATH") .. "/x" }]] },

  -- user{} and project{}
  { "user: name missing", [[user { setup = function() end }]] },
  { "user: setup missing", [[user { name = "ada" }]] },
  {
    "user: setup and config",
    [[user { name = "ada", setup = function() end, config = function() end }]],
  },
  { "user: setup called", [[user { name = "ada", setup = tostring(1) }]] },
  {
    "user: inside of a project",
    [[project { name = "web", setup = function() user { name = "ada", ]]
      .. [[setup = function() end } end }]],
  },
  { "project: a bad name", [[project { name = "a/b", setup = function() end }]] },
  {
    "project: a file",
    'project {\n  name = "web",\n  setup = function()\n    file { path = "~/.x", '
      .. 'content = "" }\n  end,\n}',
  },
  {
    "project: nested",
    [[project { name = "a", setup = function() project { name = "b", ]]
      .. [[setup = function() end } end }]],
  },
  {
    "project: two directories",
    'project { name = "a", path = "/a", setup = function() end }\n'
      .. 'project { name = "a", path = "/b", setup = function() end }',
  },

  -- source(), derive{} and activate{}
  { "source: no path", [[source()]] },
  { "source: missing", [[source("nowhere")]] },
  { "source: unknown option", [[source("init.lua", { filtre = print })]] },
  { "derive: name missing", [[derive { config = function() end }]] },
  { "derive: a bad name", [[derive { name = "a b", config = function() end }]] },
  { "derive: config missing", [[derive { name = "a" }]] },
  { "derive: misspelt config", [[derive { name = "a", confg = function() end }]] },
  {
    "derive: an output twice",
    [[derive { name = "a", outputs = { "out", "out" }, config = function() end }]],
  },
  {
    "derive: outputs of the wrong type",
    [[derive { name = "a", outputs = { "out", 1 }, config = function() end }]],
  },
  {
    "derive: a function in opts",
    [[derive { name = "a", opts = { server = { port = print } }, config = function() end }]],
  },
  {
    "derive: a mixed table in opts",
    [[derive { name = "a", opts = { list = { 1, x = 2 } }, config = function() end }]],
  },
  {
    "derive: a priority in opts",
    [[derive { name = "a", opts = { x = syslua.lib.mkForce(1) }, config = function() end }]],
  },
  {
    "derive: a reference in opts",
    [[derive { name = "a", opts = { x = syslua.lib.ref("HOME") }, config = function() end }]],
  },
  {
    "derive: NaN in opts",
    [[derive { name = "a", opts = { x = 0 / 0 }, config = function() end }]],
  },
  {
    "derive: hostname in opts",
    [[derive { name = "a", opts = function(sys) return { x = sys.hostname } end, ]]
      .. [[config = function() end }]],
  },
  { "activate: config missing", [[activate {}]] },
  {
    "activate: a call that does not exist",
    'activate { config = function(_, ctx)\n  ctx.simlink("/a", "/b")\nend }',
  },
  {
    "activate: a target missing",
    [[activate { config = function(_, ctx) ctx.symlink("/a") end }]],
  },
  {
    "activate: an error in config",
    'activate { config = function()\n  error("went wrong")\nend }',
  },

  -- syslua.lib
  { "lib: toJSON of a function", [[syslua.lib.toJSON({ a = print })]] },
  { "lib: toJSON with an unknown option", [[syslua.lib.toJSON({}, { prety = true })]] },
  { "lib: fromJSON of no JSON", [[syslua.lib.fromJSON("{")]] },
  { "lib: fromJSON of a table", [[syslua.lib.fromJSON({})]] },
  { "lib: toTOML of a list", [[syslua.lib.toTOML({ 1, 2 })]] },
  { "lib: toTOML of null", [[syslua.lib.toTOML({ a = { b = syslua.lib.null } })]] },
  { "lib: toINI of a deep table", [[syslua.lib.toINI({ a = { b = { c = 1 } } })]] },
  { "lib: mkOverride without a number", [[syslua.lib.mkOverride("high", 1)]] },
  { "lib: mkForce of nothing", [[syslua.lib.mkForce()]] },
  { "lib: ref of a path", [[syslua.lib.ref("a/b")]] },
  { "lib: ref joined with a table", [[env { A = syslua.lib.ref("HOME") .. {} }]] },
  { "lib: merge of a string", [[syslua.lib.merge({}, "x")]] },
  { "lib: a separator that is none", [[syslua.lib.env.defineMergeable("X", 1)]] },
  {
    "lib: a variable of two kinds",
    'syslua.lib.env.defineMergeable("X", ":")\nsyslua.lib.env.defineSingular("X")',
  },
  { "lib: a function that does not exist", [[syslua.lib.mkFroce(1)]] },

  -- modules and packages
  { "module: unknown option", [[require("modules.programs.git").setup { user_nam = "Ada" }]] },
  {
    "module: an option of the wrong type",
    [[require("modules.programs.git").setup { user_name = 1 }]],
  },
  { "module: no table", [[require("modules.programs.git").setup("Ada")]] },
  {
    "module: two values",
    'local git = require("modules.programs.git")\ngit.setup { user_name = "Ada" }\n'
      .. 'git.setup { user_name = "Bob" }',
  },
  { "module: misspelt name", [[require("modules.programs.gti")]] },
  { "package: unknown version", [[require("pkgs.cli.ripgrep").setup { version = "15.1" }]] },
  { "package: version of the wrong type", [[require("pkgs.cli.ripgrep").setup { version = 15 }]] },
  { "package: misspelt name", [[require("pkgs.cli.ripgerp")]] },

  -- Lua itself
  { "lua: a global that is nil is called", [[fiel { path = "~/.x", content = "" }]] },
  { "lua: a local that is nil is indexed", "local x\nx.y = 1" },
  { "lua: a field that is nil is indexed", "local x = {}\nx.y.z = 1" },
  { "lua: nil in arithmetic", "local x\nreturn 1 + x" },
  { "lua: nil in a text", 'local name\nfile { path = "~/.x", content = "a" .. name }' },
  { "lua: comparison", 'return 1 < "x"' },
  { "lua: error with a text", [[error("went wrong")]] },
  { "lua: error without a text", [[error({ code = 1 })]] },
  { "lua: error with nil", [[error()]] },
  { "lua: error at level 2", 'local function check()\n  error("bad", 2)\nend\ncheck()' },
  { "lua: assert", [[assert(false, "no")]] },
  { "lua: pairs with a key that has no order", [[for _ in pairs({ [{}] = 1 }) do end]] },
  {
    "lua: in a coroutine",
    'local co = coroutine.create(function()\n  file { path = "x", content = "" }\nend)\n'
      .. "local _, problem = coroutine.resume(co)\nerror(problem, 0)",
  },
  {
    "lua: in coroutine.wrap",
    'local co = coroutine.wrap(function()\n  file { path = "x", content = "" }\nend)\nco()',
  },
  {
    "lua: caught and raised again",
    'local ok, problem = pcall(file, { path = "x", content = "" })\nassert(not ok)\nerror(problem)',
  },
  {
    "lua: caught by xpcall with a traceback",
    "local _, problem = xpcall(function()\n  env { DEBUG = true }\nend, debug.traceback)\n"
      .. "error(problem, 0)",
  },
  { "lua: in a tail call", [[return file { path = "x", content = "" }]] },
  {
    "lua: in a nested function",
    'local function inner() file { path = "x", content = "" } end\nlocal function outer()\n'
      .. "  inner()\nend\nouter()",
  },
  { "lua: syntax", [[local = 1]] },

  -- Files
  { "file: empty", files = { ["init.lua"] = "" } },
  { "file: returns a function", files = { ["init.lua"] = "return function() end" } },
  { "file: returns no setup", files = { ["init.lua"] = "return { stup = function() end }" } },
  { "file: unfinished", files = { ["init.lua"] = "return {\n  setup = function()\n" } },
  {
    "file: a required module raises",
    files = {
      ["init.lua"] = 'return { setup = function()\n  require("web").setup()\nend }',
      ["web.lua"] = 'return { setup = function()\n  file { path = "~/.x", contents = "" }\nend }',
    },
  },
  {
    "file: a required module has a syntax error",
    files = {
      ["init.lua"] = 'return { setup = function()\n  require("web")\nend }',
      ["web.lua"] = "local x =\nreturn x +",
    },
  },
  {
    "file: a module requires itself",
    files = {
      ["init.lua"] = 'return { setup = function()\n  require("web")\nend }',
      ["web.lua"] = 'return require("web")',
    },
  },
  {
    "file: a module that is not there",
    files = { ["init.lua"] = 'return { setup = function()\n  require("web.server")\nend }' },
  },
  {
    "file: two modules disagree",
    files = {
      ["init.lua"] = 'return { setup = function()\n  require("one")\n  require("two")\nend }',
      ["one.lua"] = 'env { EDITOR = "vim" }',
      ["two.lua"] = '\nenv { EDITOR = "nano" }',
    },
  },
  {
    "file: dofile of a file that raises",
    files = {
      ["init.lua"] = 'return { setup = function()\n  dofile("web.lua")\nend }',
      ["web.lua"] = "\n\nenv { DEBUG = true }",
    },
  },
}
