--- Every change that a build could see gives its derivation another hash; no other change does.
-- Each row is evaluated twice, in this process: as the first text says, and as the second does. The
-- table is over 600 lines since it is one table: what is not in it, is not looked at.

local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local ordered_pairs = require("syslua.util.ordered_pairs")
local process = require("spec.support.process")
local syslua = require("syslua")

local has_constants = interpreter.version == "5.4"
local has_integers = interpreter.version == "5.3" or interpreter.version == "5.4"

-- The lines of a config whose derivation captures `x`.
local function capture(declaration, body)
  return declaration
    .. '\nderive({ name = "one", config = function(opts, ctx) '
    .. (body or "return x")
    .. " end })"
end

-- The lines of a config whose derivation has these fields.
local function fields(text)
  return "derive({ config = function() end,\n" .. text .. " })"
end

local function opts(text)
  return fields('name = "one", opts = ' .. text)
end

-- A derivation `d` with two outputs, and another one that uses it.
local function dependent(value, use)
  return ([[
    local d = derive({ name = "d", outputs = { "out", "dev" }, opts = { %s },
      config = function() end })
    %s
  ]]):format(value, use)
end

local with_tree = opts('source("tree")')

-- A pair of sides: each the lines of `setup`, or a table of them (`[1]`), `files`, what a line of
-- the shell makes of them (`prepare`), and options of the evaluation.
local changes = {
  ["a captured string"] = { capture('local x = "a"'), capture('local x = "b"') },
  ["a byte after a zero in a captured string"] = {
    capture([[local x = "a\0b"]]),
    capture([[local x = "a\0c"]]),
  },
  ["a captured number"] = { capture("local x = 1"), capture("local x = 2") },
  ["the fraction of a captured number"] = { capture("local x = 1.5"), capture("local x = 1.25") },
  ["the sign of a captured infinity"] = {
    capture("local x = math.huge"),
    capture("local x = -math.huge"),
  },
  ["the sign of a captured zero"] = {
    capture("local x = 1 / math.huge"),
    capture("local x = -1 / math.huge"),
  },
  ["a captured number that becomes a string"] = {
    capture("local x = 1"),
    capture('local x = "1"'),
  },
  ["a captured boolean"] = { capture("local x = true"), capture("local x = false") },
  ["a captured nil that becomes false"] = { capture("local x = nil"), capture("local x = false") },
  ["a captured nil that becomes a table"] = { capture("local x = nil"), capture("local x = {}") },
  ["a value in a captured table"] = {
    capture("local x = { a = { b = { 1 } } }"),
    capture("local x = { a = { b = { 2 } } }"),
  },
  ["a key of a captured table"] = {
    capture("local x = { a = 1 }"),
    capture("local x = { b = 1 }"),
  },
  ["the kind of a key of a captured table"] = {
    capture("local x = { [1] = 1 }"),
    capture('local x = { ["1"] = 1 }'),
  },
  ["a table as key of a captured table"] = {
    capture("local x = { [{ 1 }] = 1 }"),
    capture("local x = { [{ 2 }] = 1 }"),
  },
  ["a key more in a captured table"] = {
    capture("local x = { a = 1 }"),
    capture("local x = { a = 1, b = false }"),
  },
  ["the order of a captured list"] = {
    capture("local x = { 1, 2 }"),
    capture("local x = { 2, 1 }"),
  },
  ["two keys that swap their values"] = {
    capture("local x = { a = 1, b = 2 }"),
    capture("local x = { a = 2, b = 1 }"),
  },
  ["a metatable that is added"] = {
    capture("local x = {}"),
    capture("local x = setmetatable({}, {})"),
  },
  ["what a metatable holds"] = {
    capture("local x = setmetatable({}, { __index = { a = 1 } })"),
    capture("local x = setmetatable({}, { __index = { a = 2 } })"),
  },
  ["a function in a metatable"] = {
    capture("local x = setmetatable({}, { __index = function() return 1 end })"),
    capture("local x = setmetatable({}, { __index = function() return 2 end })"),
  },
  ["the metatable of a metatable"] = {
    capture("local x = setmetatable({}, setmetatable({}, { a = 1 }))"),
    capture("local x = setmetatable({}, setmetatable({}, { a = 2 }))"),
  },
  ["what a table holds that contains itself"] = {
    capture("local x = { a = 1 }; x.x = { x }"),
    capture("local x = { a = 2 }; x.x = { x }"),
  },
  ["where a circle of tables closes"] = {
    capture("local x = { a = {} }; x.a.a = x"),
    capture("local x = { a = {} }; x.a.a = x.a"),
  },
  ["one table in two places that becomes two tables"] = {
    capture("local t = {}; local x = { t, t }"),
    capture("local x = { {}, {} }"),
  },
  ["the text of a captured function"] = {
    capture("local function x() return 1 end"),
    capture("local function x() return 2 end"),
  },
  ["a variable of a captured function"] = {
    capture("local y = 1; local function x() return y end"),
    capture("local y = 2; local function x() return y end"),
  },
  ["a variable of a variable's function"] = {
    capture("local z = 1; local function y() return z end\nlocal function x() return y() end"),
    capture("local z = 2; local function y() return z end\nlocal function x() return y() end"),
  },
  ["a variable of a function that calls itself"] = {
    capture("local y = 1; local function x(n) return n == 0 and y or x(n - 1) end"),
    capture("local y = 2; local function x(n) return n == 0 and y or x(n - 1) end"),
  },
  ["which of two functions is captured"] = {
    capture("local function a() return 1 end\nlocal function b() return 2 end\nlocal x = a"),
    capture("local function a() return 1 end\nlocal function b() return 2 end\nlocal x = b"),
  },
  ["a function deep in a captured table"] = {
    capture("local x = { f = { function() return 1 end } }"),
    capture("local x = { f = { function() return 2 end } }"),
  },
  ["what a maker of functions was given"] = {
    capture("local function make(y) return function() return y end end\nlocal x = make(1)"),
    capture("local function make(y) return function() return y end end\nlocal x = make(2)"),
  },
  ["a function of the interpreter"] = {
    capture("local x = string.upper"),
    capture("local x = string.lower"),
  },
  ["a library of the interpreter"] = { capture("local x = string"), capture("local x = table") },
  ["a function of a required module"] = {
    {
      capture('local x = require("m")'),
      files = { ["m.lua"] = "return {\nf = function() return 1 end }" },
    },
    {
      capture('local x = require("m")'),
      files = { ["m.lua"] = "return {\nf = function() return 2 end }" },
    },
  },
  ["a value of a required module"] = {
    { capture('local x = require("m")'), files = { ["m.lua"] = "return { version = 1 }" } },
    { capture('local x = require("m")'), files = { ["m.lua"] = "return { version = 2 }" } },
  },
  ["a local variable of a required module"] = {
    {
      capture('local x = require("m").f'),
      files = { ["m.lua"] = "local y = 1\nreturn { f = function() return y end }" },
    },
    {
      capture('local x = require("m").f'),
      files = { ["m.lua"] = "local y = 2\nreturn { f = function() return y end }" },
    },
  },
  ["a module of a module"] = {
    {
      capture('local x = require("m")'),
      files = {
        ["m.lua"] = 'local n = require("deep.n")\nreturn function() return n end',
        ["deep/n.lua"] = "return { 1 }",
      },
    },
    {
      capture('local x = require("m")'),
      files = {
        ["m.lua"] = 'local n = require("deep.n")\nreturn function() return n end',
        ["deep/n.lua"] = "return { 2 }",
      },
    },
  },
  ["which derivation is captured"] = {
    dependent("1", capture("local x = d", "return x.name")),
    dependent("2", capture("local x = d", "return x.name")),
  },
  ["which derivation is captured in a table"] = {
    dependent("1", capture("local x = { { d } }")),
    dependent("2", capture("local x = { { d } }")),
  },
  ["which path is captured in a string"] = {
    dependent("1", capture('local x = "-I" .. d.out .. "/include"')),
    dependent("2", capture('local x = "-I" .. d.out .. "/include"')),
  },
  ["which output's path is captured"] = {
    dependent("1", capture("local x = d.outputs.out")),
    dependent("1", capture("local x = d.outputs.dev")),
  },
  ["a captured derivation that becomes its path"] = {
    dependent("1", capture("local x = d")),
    dependent("1", capture("local x = d.out")),
  },
  ["the content of a captured source"] = {
    { capture('local x = source("text")'), files = { text = "a" } },
    { capture('local x = source("text")'), files = { text = "b" } },
  },
  ["the platform, captured as a string"] = {
    { capture("local x = syslua.os"), options = { sys = { os = "linux", arch = "x86_64" } } },
    { capture("local x = syslua.os"), options = { sys = { os = "darwin", arch = "x86_64" } } },
  },
  ["the text of config"] = { capture("", "return 1"), capture("", "return 2") },
  ["a string in the text of config"] = { capture("", 'return " "'), capture("", 'return "  "') },
  ["the names of config's parameters"] = {
    'derive({ name = "one", config = function(_, ctx) return ctx end })',
    'derive({ name = "one", config = function(ctx, _) return ctx end })',
  },
  ["the number of config's parameters"] = {
    'derive({ name = "one", config = function(_, ctx) return ctx end })',
    'derive({ name = "one", config = function(_, ctx, ...) return ctx end })',
  },
  ["a global that becomes a variable"] = {
    capture("", "return string"),
    capture('local string = "a"', "return string"),
  },
  ["a value of opts"] = { opts("{ a = 1 }"), opts("{ a = 2 }") },
  ["a number of opts that becomes a string"] = { opts("{ a = 1 }"), opts('{ a = "1" }') },
  ["the fraction of a number of opts"] = { opts("{ a = 1 }"), opts("{ a = 1.5 }") },
  ["a large integer of opts"] = {
    opts("{ a = 9007199254740990 }"),
    opts("{ a = 9007199254740991 }"),
  },
  ["a string of opts"] = { opts('{ a = "x" }'), opts('{ a = "y" }') },
  ["a string of opts that is no UTF-8"] = { opts([[{ a = "\255" }]]), opts([[{ a = "\254" }]]) },
  ["where two strings of opts are divided"] = {
    opts('{ "ab", "c" }'),
    opts('{ "a", "bc" }'),
  },
  ["a boolean of opts"] = { opts("{ a = true }"), opts("{ a = false }") },
  ["a boolean of opts that becomes a string"] = { opts("{ a = true }"), opts('{ a = "true" }') },
  ["a nested value of opts"] = { opts("{ a = { b = { 1 } } }"), opts("{ a = { b = { 2 } } }") },
  ["how deep a value of opts is"] = { opts("{ a = { 1 } }"), opts("{ a = { { 1 } } }") },
  ["the order of a list of opts"] = { opts('{ "a", "b" }'), opts('{ "b", "a" }') },
  ["a key more in opts"] = { opts("{ a = 1 }"), opts("{ a = 1, b = 1 }") },
  ["a key of opts that has another name"] = { opts("{ a = 1 }"), opts("{ b = 1 }") },
  ["opts that are given"] = { fields('name = "one"'), opts("{}") },
  ["what the function opts returns"] = {
    opts("function() return { a = 1 } end"),
    opts("function() return { a = 2 } end"),
  },
  ["the content of a source"] = {
    { opts('source("text")'), files = { text = "a" } },
    { opts('source("text")'), files = { text = "b" } },
  },
  ["a file that is added to a source"] = {
    { with_tree, files = { ["tree/a"] = "a" } },
    { with_tree, files = { ["tree/a"] = "a", ["tree/b"] = "" } },
  },
  ["a file that is removed from a source"] = {
    { with_tree, files = { ["tree/a"] = "a", ["tree/deep/b"] = "b" } },
    { with_tree, files = { ["tree/a"] = "a" } },
  },
  ["a file of a source that has another name"] = {
    { with_tree, files = { ["tree/a"] = "a" } },
    { with_tree, files = { ["tree/b"] = "a" } },
  },
  ["a file of a source that becomes executable"] = {
    { with_tree, files = { ["tree/a"] = "a" } },
    { with_tree, files = { ["tree/a"] = "a" }, prepare = "chmod +x tree/a" },
  },
  ["two files of a source that swap their contents"] = {
    { with_tree, files = { ["tree/a"] = "a", ["tree/b"] = "b" } },
    { with_tree, files = { ["tree/a"] = "b", ["tree/b"] = "a" } },
  },
  ["where a link of a source leads"] = {
    { with_tree, prepare = "mkdir tree && ln -s a tree/link" },
    { with_tree, prepare = "mkdir tree && ln -s b tree/link" },
  },
  ["a link of a source that becomes a file"] = {
    { with_tree, files = { ["tree/a"] = "a" }, prepare = "ln -s a tree/b" },
    { with_tree, files = { ["tree/a"] = "a", ["tree/b"] = "a" } },
  },
  ["an empty directory in a source"] = {
    { with_tree, files = { ["tree/a"] = "a" } },
    { with_tree, files = { ["tree/a"] = "a" }, prepare = "mkdir tree/b" },
  },
  ["a source that becomes its path"] = {
    { opts('{ source("text") }'), files = { text = "a" } },
    { opts('{ "text" }'), files = { text = "a" } },
  },
  ["a dependency in opts"] = {
    dependent("1", opts("{ d }")),
    dependent("2", opts("{ d }")),
  },
  ["a dependency in a string of opts"] = {
    dependent("1", opts('{ "cat " .. d.out .. "/text" }')),
    dependent("2", opts('{ "cat " .. d.out .. "/text" }')),
  },
  ["a dependency in a key of opts"] = {
    dependent("1", opts("{ [d.out] = 1 }")),
    dependent("2", opts("{ [d.out] = 1 }")),
  },
  ["which output a string of opts names"] = {
    dependent("1", opts("{ d.outputs.out }")),
    dependent("1", opts("{ d.outputs.dev }")),
  },
  ["a dependency of a dependency"] = {
    dependent("1", 'local e = derive({ name = "e", opts = { d }, config = function() end })\n')
      .. opts("{ e }"),
    dependent("2", 'local e = derive({ name = "e", opts = { d }, config = function() end })\n')
      .. opts("{ e }"),
  },
  ["the source of a dependency"] = {
    { dependent('source("text")', opts("{ d }")), files = { text = "a" } },
    { dependent('source("text")', opts("{ d }")), files = { text = "b" } },
  },
  ["the name"] = { fields('name = "one"'), fields('name = "two"') },
  ["the version"] = {
    fields('name = "one", version = "1"'),
    fields('name = "one", version = "2"'),
  },
  ["a version that is given"] = { fields('name = "one"'), fields('name = "one", version = "1"') },
  ["where name and version are divided"] = {
    fields('name = "one-1", version = "2"'),
    fields('name = "one", version = "1-2"'),
  },
  ["an output more"] = {
    fields('name = "one", outputs = { "out" }'),
    fields('name = "one", outputs = { "out", "doc" }'),
  },
  ["the order of outputs"] = {
    fields('name = "one", outputs = { "out", "doc" }'),
    fields('name = "one", outputs = { "doc", "out" }'),
  },
  ["the name of an output"] = {
    fields('name = "one", outputs = { "out", "doc" }'),
    fields('name = "one", outputs = { "out", "dev" }'),
  },
  ["the operating system"] = {
    { fields('name = "one"'), options = { sys = { os = "linux", arch = "x86_64" } } },
    { fields('name = "one"'), options = { sys = { os = "darwin", arch = "x86_64" } } },
  },
  ["the kind of processor"] = {
    { fields('name = "one"'), options = { sys = { os = "linux", arch = "x86_64" } } },
    { fields('name = "one"'), options = { sys = { os = "linux", arch = "aarch64" } } },
  },
}

-- What a derivation captures by way of variables that are shared or not.
local function counter(declarations)
  return declarations
    .. "\nlocal function inc()\nn = n + 1 end\n%s\nlocal function get()\nreturn n end\n"
    .. 'derive({ name = "one", config = function() inc() return get() end })'
end

changes["whether two functions share a variable"] = {
  counter("local n = 0"):format(""),
  counter("local n = 0"):format("local n = 0"),
}
changes["whether config shares a variable with a function"] = {
  "local n = 0\nlocal function inc()\nn = n + 1 end\n" .. capture("", "inc() return n"),
  "local n = 0\nlocal function inc()\nn = n + 1 end\n" .. capture("local n = 0", "inc() return n"),
}
changes["the value of a shared variable"] = {
  counter("local n = 0"):format(""),
  counter("local n = 1"):format(""),
}
changes["a table as key of a table that is a key"] = {
  capture("local x = { [{ [{ 1 }] = 1 }] = 1 }"),
  capture("local x = { [{ [{ 2 }] = 1 }] = 1 }"),
}
changes["which key of a table is also a value"] = {
  capture("local k, l = { 1 }, { 2 }; local x = { [k] = 1, [l] = 1, ref = k }"),
  capture("local k, l = { 1 }, { 2 }; local x = { [k] = 1, [l] = 1, ref = l }"),
}
changes["the end of a long list of tables"] = {
  capture("local x = 1; for i = 1, 1000 do x = { next = x } end"),
  capture("local x = 2; for i = 1, 1000 do x = { next = x } end"),
}
changes["the length of a long list of tables"] = {
  capture("local x = 1; for i = 1, 1000 do x = { next = x } end"),
  capture("local x = 1; for i = 1, 1001 do x = { next = x } end"),
}
changes["where a long circle of tables closes"] = {
  capture("local x = {}; local y = x; for i = 1, 100 do x = { next = x } end; y.next = x"),
  capture("local x = {}; local y = x; for i = 1, 100 do x = { next = x } end; y.next = x.next"),
}
changes["a captured number that becomes NaN"] = {
  capture("local x = 0"),
  capture("local x = 0 / 0"),
}
changes["the hash of a dependency as a string"] = {
  dependent("1", opts("{ d.hash }")),
  dependent("2", opts("{ d.hash }")),
}
changes["a function of our library"] = {
  capture("local x = syslua.lib.toJSON"),
  capture("local x = syslua.lib.array"),
}

if has_integers then
  changes["a captured integer that becomes a float"] = {
    capture("local x = 1"),
    capture("local x = 1.0"),
  }
  changes["an integer in a captured table that becomes a float"] = {
    capture("local x = { { 1 } }"),
    capture("local x = { { 1.0 } }"),
  }
  changes["an integer that no float can hold"] = {
    capture("local x = 9007199254740993"),
    capture("local x = 9007199254740992"),
  }
end

if has_constants then
  local function constant(declaration, body)
    return capture(declaration, body or "return x")
  end
  changes["a constant"] = {
    constant("local x <const> = 1"),
    constant("local x <const> = 2"),
  }
  changes["a constant string"] = {
    constant('local x <const> = "a"'),
    constant('local x <const> = "b"'),
  }
  changes["a constant that is a table"] = {
    constant("local x <const> = { 1 }"),
    constant("local x <const> = { 2 }"),
  }
  changes["a constant in a captured function"] = {
    constant("local y <const> = 1\nlocal function x() return y end"),
    constant("local y <const> = 2\nlocal function x() return y end"),
  }
  changes["a constant that is made of another one"] = {
    constant("local y <const> = 1\nlocal x <const> = y"),
    constant("local y <const> = 2\nlocal x <const> = y"),
  }
  changes["a constant that is made of others by way of others"] = {
    constant("local z <const> = 1\nlocal y <const> = -z\nlocal x <const> = y + 1"),
    constant("local z <const> = 2\nlocal y <const> = -z\nlocal x <const> = y + 1"),
  }
  changes["which of two constants of one name is seen"] = {
    constant("local x <const> = 1\ndo local x <const> = 2 end"),
    constant("local x <const> = 1\nlocal x <const> = 2"),
  }
  changes["a constant of a required module"] = {
    {
      constant('local x = require("m")'),
      files = { ["m.lua"] = "local y <const> = 1\nreturn { f = function() return y end }" },
    },
    {
      constant('local x = require("m")'),
      files = { ["m.lua"] = "local y <const> = 2\nreturn { f = function() return y end }" },
    },
  }
end

local plain = capture("local x = { 1 }")
-- Two sides as Lua 5.1, which has an alias, and as others write it.
local unpack_it = "local x = table.unpack or unpack"

local equals = {
  ["a comment above"] = { plain, "-- a comment\n--[[ and\nanother ]]\n" .. plain },
  ["blank lines above"] = { plain, "\n\n\n" .. plain },
  ["a comment beside a captured value"] = { plain, capture("local x = { 1 --[[ one ]] }") },
  ["its place in the file"] = {
    plain .. '\nfile({ path = "~/.x", content = "" })',
    'file({ path = "~/.x", content = "" })\n' .. plain,
    name = "one",
  },
  ["its place in the line"] = { plain, "do local _ = 1; " .. plain .. " end" },
  ["the order of keys in a captured table"] = {
    capture("local x = { a = 1, b = 2, [3] = 3, [true] = 4 }"),
    capture("local x = { [true] = 4, [3] = 3, b = 2, a = 1 }"),
  },
  ["the order of keys in opts"] = { opts("{ a = 1, b = 2 }"), opts("{ b = 2, a = 1 }") },
  ["the order of keys in derive"] = {
    'derive({ name = "one", version = "1", config = function() end })',
    'derive({ config = function() end, version = "1", name = "one" })',
  },
  ["how a captured value was computed"] = {
    capture('local x = { "ab", 4, {} }'),
    capture('local x = {}; for i = 1, 3 do x[i] = ({ "a" .. "b", 2 + 2, {} })[i] end'),
  },
  ["how a captured table grew"] = {
    capture("local x = {}; for i = 1, 100 do x[i] = i end; for i = 100, 2, -1 do x[i] = nil end"),
    capture("local x = { 1 }"),
  },
  ["the order of captured variables"] = {
    capture("local x = 1; local y = 2", "return x + y"),
    capture("local y = 2; local x = 1", "return x + y"),
  },
  ["a variable that is not captured"] = { plain, "local y = 1\n" .. plain },
  ["a function that is not captured"] = { plain, "local function y() return 1 end\n" .. plain },
  ["a variable's name in a function that is not captured"] = {
    "local function f(a) return a end\nf()\n" .. plain,
    "local function f(b) return b end\nf()\n" .. plain,
  },
  ["the order of other declarations"] = {
    'file({ path = "~/.x", content = "x" })\nfile({ path = "~/.y", content = "y" })\n' .. plain,
    'file({ path = "~/.y", content = "y" })\nfile({ path = "~/.x", content = "x" })\n' .. plain,
  },
  ["another derivation that changes"] = { dependent("1", plain), dependent("2", plain) },
  ["an action that is added"] = { plain, plain .. '\nenv({ EDITOR = "vi" })', name = "one" },
  ["a global that config does not use"] = { plain, "mine = 1\n" .. plain },
  ["the time"] = {
    "local now = 1; assert(now)\n" .. plain,
    "local now = os.time() + os.clock(); assert(now)\n" .. plain,
  },
  ["nothing at all"] = { plain, { plain } },
  ["an integral number that is written as a float in opts"] = {
    opts("{ 1, a = nil }"),
    opts("{ 1.0 }"),
  },
  ["opts that a function returns"] = {
    opts("{ 1 }"),
    opts("function() return { 1 } end"),
  },
  ["outputs that are the usual ones"] = {
    fields('name = "one"'),
    fields('name = "one", outputs = { "out" }'),
  },
  ["an unrelated module"] = {
    { 'require("m")\n' .. plain, files = { ["m.lua"] = "return 1" } },
    { 'require("m")\n' .. plain, files = { ["m.lua"] = "return 2" } },
  },
  ["a part of a module that is not captured"] = {
    {
      capture('local x = require("m").f'),
      files = { ["m.lua"] = "local m = {}\nfunction m.f() return 1 end\nreturn m" },
    },
    {
      capture('local x = require("m").f'),
      files = {
        ["m.lua"] = "-- more\nlocal y = 1\nlocal m = { 1 }\nfunction m.g() return y end\n\n"
          .. "function m.f() return 1 end\nreturn m",
      },
    },
  },
  ["the module that a function is in"] = {
    {
      capture('local x = require("m")'),
      files = { ["m.lua"] = "return function() return 1 end" },
    },
    {
      capture('local x = require("deep.n")'),
      files = { ["deep/n.lua"] = "return function() return 1 end" },
    },
  },
  ["the time of a source"] = {
    { with_tree, files = { ["tree/a"] = "a" }, prepare = "touch -d 2001-01-01 tree/a tree" },
    { with_tree, files = { ["tree/a"] = "a" }, prepare = "touch -d 2002-02-02 tree/a tree" },
  },
  ["who may read and write a source"] = {
    { with_tree, files = { ["tree/a"] = "a" }, prepare = "chmod 600 tree/a; chmod 700 tree" },
    { with_tree, files = { ["tree/a"] = "a" }, prepare = "chmod 664 tree/a; chmod 777 tree" },
  },
  ["who may run a source"] = {
    { with_tree, files = { ["tree/a"] = "a" }, prepare = "chmod 744 tree/a" },
    { with_tree, files = { ["tree/a"] = "a" }, prepare = "chmod 755 tree/a" },
  },
  ["the name of a source"] = {
    { opts('source("text")'), files = { text = "a" } },
    { opts('source("deep/other")'), files = { ["deep/other"] = "a" } },
  },
  ["two ways to write the path of a source"] = {
    { opts('source("deep/text")'), files = { ["deep/text"] = "a" } },
    { opts('source("./deep/../deep//text")'), files = { ["deep/text"] = "a" } },
  },
  ["two names of one file in a source"] = {
    { with_tree, files = { ["tree/a"] = "a", ["tree/b"] = "a" } },
    { with_tree, files = { ["tree/a"] = "a" }, prepare = "ln tree/a tree/b" },
  },
  ["which NaN is captured"] = {
    capture("local x = 0 / 0"),
    capture("local x = -(0 / 0)"),
  },
  ["an alias of a function of Lua"] = {
    capture(unpack_it),
    capture("local x = unpack or table.unpack"),
  },
  ["an alias that is added for other versions of Lua"] = {
    plain,
    "table.unpack = table.unpack or unpack\n" .. plain,
  },
  ["the order in which tables became keys"] = {
    capture("local x = {}; for i = 1, 9 do x[{ i }] = i end"),
    capture("local x = {}; for i = 9, 1, -1 do x[{ i }] = i end"),
  },
  ["how often a function was made"] = {
    capture("local x = {}; for i = 1, 2 do x[i] = function() return 1 end end"),
    capture("local f = function() return 1 end; local x = { f, f }"),
  },
  ["a method of strings that nobody calls"] = {
    plain,
    { "string.mutated = function() end\n" .. plain .. "\nstring.mutated = nil" },
  },
  ["the name of the config"] = { plain, { plain, entry = "other.lua" } },
  ["the directory of the config"] = {
    { opts('source("text")'), files = { text = "a" } },
    { opts('source("text")'), entry = "deep/er/init.lua", files = { ["deep/er/text"] = "a" } },
  },
  ["the time of the config"] = { plain, { plain, prepare = "touch -d 2001-01-01 init.lua" } },
  ["the name of the machine and of the user"] = {
    {
      plain,
      options = { sys = { os = "linux", arch = "x86_64", hostname = "a", username = "b" } },
    },
    {
      plain,
      options = { sys = { os = "linux", arch = "x86_64", hostname = "c", username = "d" } },
    },
  },
}

if has_constants then
  equals["a constant that is not used"] = { plain, "local y <const> = 1\n" .. plain }
end

describe("the hash of a derivation", function()
  local here

  -- Where the config of each side is.
  local entries, options = {}, {}

  -- Gives a side its own directory; notes the files that it needs, and what to run there.
  local function lay_out(side, files, lines)
    local given = type(side) == "table" and side or { side }
    local directory = ("%s/%d"):format(here.directory, #lines + 1)
    entries[side] = directory .. "/" .. (given.entry or "init.lua")
    options[side] = given.options
    files[entries[side]] = "return { setup = function()\n" .. given[1] .. "\nend }\n"
    for path, text in pairs(given.files or {}) do
      files[directory .. "/" .. path] = text
    end
    lines[#lines + 1] = ("(cd %s && %s)"):format(directory, given.prepare or "true")
  end

  -- One process makes the directories and one runs the lines: hundreds would take their time.
  setup(function()
    here = machine.new()
    local files, lines, directories = {}, {}, {}
    for _, rows in ipairs({ changes, equals }) do
      for _, row in ordered_pairs(rows) do
        for _, side in ipairs({ row[1], row[2] }) do
          if not entries[side] then
            lay_out(side, files, lines)
          end
        end
      end
    end
    for path in pairs(files) do
      directories[#directories + 1] = path:match("^(.*)/")
    end
    assert.equal(0, here.shell("mkdir -p " .. table.concat(directories, " ")).code)
    for path, text in pairs(files) do
      here.write(path, text)
    end
    local result = here.shell(table.concat(lines, " &&\n"))
    assert.equal(0, result.code, result.stderr)
  end)

  teardown(function()
    here.remove()
  end)

  -- The hash of the derivation `name` of a side, of its last one unless given.
  local function get_hash(side, name)
    local derivations = syslua.evaluate(entries[side], options[side] or {}).derivations
    local found = derivations[#derivations]
    for _, derivation in ipairs(derivations) do
      if derivation.name == name then
        found = derivation
      end
    end
    assert.equal(64, #found.hash)
    return found.hash
  end

  describe("changes with", function()
    for name, row in ordered_pairs(changes) do
      it(name, function()
        assert.not_equal(get_hash(row[1]), get_hash(row[2]))
      end)
    end
  end)

  describe("does not change with", function()
    for name, row in ordered_pairs(equals) do
      it(name, function()
        assert.equal(get_hash(row[1], row.name), get_hash(row[2], row.name))
      end)
    end
  end)
end)

-- Of each kind of value one; nothing in it exists on some versions of Lua only.
local everything = [[
  local module = require("module")
  local d = derive({ name = "d", outputs = { "out", "dev" }, config = function(_, ctx)
    ctx.write(ctx.out, "")
  end })
  local list = { 1, "two", { 3 }, true, [10] = false, key = "value", ["\255\0"] = "\1",
    [0.5] = "half" }
  list.self = list
  local object = setmetatable({ n = 0 }, { __index = module, __call = function(self)
    return self.n
  end })
  local function count(n)
    return n == 0 and list or count(n - 1)
  end
  local n, nan, keys = 0, 0 / 0, { [{ 1 }] = "a", [{ 2 }] = "b", [print] = "c" }
  local function inc()
    n = n + 1
  end
  local function get()
    return n, nan, keys
  end
  local fresh = {}
  for index = 1, 3 do
    fresh[index] = function() return inc end
  end
  local long = {}
  for _ = 1, 500 do
    long = { next = long }
  end
  local matches, remainder = string.gfind or string.gmatch, math.mod or math.fmod
  local aliases = { table.unpack or unpack, matches, string.gmatch, math.fmod, remainder }
  local first, second = 1, 2
  local function swap()
    first, second = second, first
    return module.get, string.format, aliases, math.floor, inc, get, fresh, long
  end
  derive({
    name = "all",
    version = "1.0",
    outputs = { "lib", "out" },
    opts = {
      list = { 1, 2.0, -3, 2.5, "text", "\0\255", { }, { a = true, b = { false } } },
      path = "-L" .. d.outputs.dev .. "/lib",
      d = d,
      tree = source("tree"),
    },
    config = function(opts, ctx)
      local found = count(3)
      if swap() and object() and opts then
        ctx.write(ctx.out, found[2] .. d.out)
      end
    end,
  })
  file({ path = "~/.x", content = d.out .. "\n" })
  env({ PATH = { "~/bin" } })
]]

describe("the hashes of a config", function()
  local here

  setup(function()
    here = machine.new()
    here.write_config(everything)
    here.write(
      "module.lua",
      "local m = { 1 }\nlocal hidden = { m }\nfunction m.get()\n  return hidden\nend\nreturn m\n"
    )
    here.write("tree/file", "text\n")
    here.write("tree/deep/program", "#!/bin/sh\n")
    here.shell("chmod 755 tree/deep/program; ln -s ../file tree/deep/link")
    here.write(
      "script.lua",
      [[
        local directory = ...
        local manifest = require("syslua").evaluate(directory .. "/init.lua")
        for _, derivation in ipairs(manifest.derivations) do
          print(derivation.name, derivation.hash)
        end
      ]]
    )
  end)

  teardown(function()
    here.remove()
  end)

  -- Runs an interpreter; all that is given of the machine is what the case says.
  local function get_hashes(name, version, case)
    local environment = interpreter.get_environment(version)
    environment.HOME = case.home or here.home
    environment.SYSLUA_ROOT = here.directory .. "/root"
    for variable, value in pairs(case.environment or {}) do
      environment[variable] = value
    end
    local result = process.run(
      { name, here.directory .. "/script.lua", case.config or here.directory },
      { directory = case.directory or here.directory, environment = environment }
    )
    assert.equal("", result.stderr)
    local _, lines = result.stdout:gsub("%w+\t%x+\n", "")
    assert.equal(3, lines, result.stdout)
    return result.stdout
  end

  local function get_own_hashes(case)
    return get_hashes(interpreter.name, interpreter.version, case or {})
  end

  it("are the same in every process", function()
    assert.equal(get_own_hashes(), get_own_hashes())
  end)

  it("are the same on every Lua", function()
    local own = get_own_hashes()
    for _, other in ipairs(interpreter.list_others()) do
      assert.equal(own, get_hashes(other.name, other.version, {}), other.name)
    end
  end)

  it("are the same for tables that are keys", function()
    local lines = [[
      local t = {}
      local x = { [{ t }] = 1, [{ t, 1 }] = 2, [{ t, 2 }] = 3, [{}] = 4, [function() end] = 5 }
      derive({ name = "one", config = function() return x end })
    ]]
    here.write_config(lines, "keys/init.lua")
    local first
    for _ = 1, 5 do
      local result = here.lua("script.lua", here.directory .. "/keys")
      -- They have a hash, or are refused.
      assert.truthy(result.stdout:find("one\t%x+\n") or result.stderr:find("`x", 1, true))
      first = first or result.stdout
      assert.equal(first, result.stdout)
    end
  end)

  it("are the same for every user", function()
    here.shell("mkdir -p other")
    local case = {
      home = here.directory .. "/other",
      environment = { USER = "somebody", LOGNAME = "somebody", LC_ALL = "C", TZ = "Asia/Tokyo" },
    }
    assert.equal(get_own_hashes(), get_own_hashes(case))
  end)

  it("are the same from every directory", function()
    assert.equal(get_own_hashes(), get_own_hashes({ directory = "/" }))
    assert.equal(get_own_hashes(), get_own_hashes({ config = "." }))
  end)

  it("are the same wherever the config is", function()
    here.shell("mkdir -p some/where && cp -R init.lua module.lua tree some/where")
    assert.equal(get_own_hashes(), get_own_hashes({ config = here.directory .. "/some/where" }))
  end)
end)
