--- `file { merge }` with many documents as programs and people write them: comments, commas at the
-- end, tabs, CRLF, byte order marks, keys that are there twice, anchors, deep nesting, big numbers.
-- Declared keys are set, another program edits, everything is applied, rolled back and destroyed:
-- what is not declared has the same bytes each time. `SYSLUA_MERGE_DOCUMENTS=300` is the whole
-- form: as many documents for each format.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local random_numbers = require("spec.support.random")

local count = tonumber(os.getenv("SYSLUA_MERGE_DOCUMENTS") or "12")
local first_seed = tonumber(os.getenv("SYSLUA_SEED") or "1")

-- Stands for the value of the declared key in a document.
local slot = "@SLOT@"

-- Replaces one text by another one, both as they are.
local function replace(whole, old, new)
  local first, last = whole:find(old, 1, true)
  assert(first, ("%q is not in %q"):format(old, whole))
  return whole:sub(1, first - 1) .. new .. whole:sub(last + 1)
end

-- Whether a text has all bytes of another one, in their order.
local function contains_all(whole, part)
  local at = 1
  for index = 1, #part do
    at = whole:find(part:sub(index, index), at, true)
    if not at then
      return false
    end
    at = at + 1
  end
  return true
end

local function new_helpers(random)
  local helpers = {}
  function helpers.one_in(number)
    return random(number) == 1
  end
  function helpers.of(list)
    return list[random(#list)]
  end
  -- Puts something at any place of a list.
  function helpers.put(list, item, first, last)
    first, last = first or 1, last or #list + 1
    table.insert(list, first + random(last - first + 1) - 1, item)
  end
  return helpers
end

local json_values = {
  "1",
  "-0.0",
  "1E400",
  "123456789012345678901234567890.5",
  "true",
  "null",
  '""',
  '"caf\\u00e9 \\ud83d\\ude00 ünïcode \\"quoted\\" C:\\\\x"',
  "[]",
  "{}",
  "[1,2 ,  3]",
  '[{"a": [[["x"]]]}, "// no comment"]',
  '{"a":{"b":{"c":{"d":{"e":{"f":{}}}}}}}',
}

-- An object with entries, each with its comma, as lists of lines.
local function write_json(random, is_lenient)
  local is = new_helpers(random)
  local unit = is.of({ "  ", "    ", "\t", "" })
  local colon = is.of({ ": ", ":", " : " })
  local entries = {}
  for number = 1, random(12) do
    local key = is.of({ "theme", "editor.fontSize", "größe", "a b", "[python]" }) .. number
    entries[number] = ('"%s"%s%s'):format(key, colon, is.of(json_values))
  end
  if is.one_in(4) then
    -- The last one counts, for readers; here neither is ours.
    is.put(entries, '"twice": 1')
    is.put(entries, '"twice": [2]')
  end
  if is.one_in(5) then
    local depth = 40 + random(60)
    is.put(entries, '"deep": ' .. ('{"x":['):rep(depth) .. "1e5" .. ("]}"):rep(depth))
  end
  is.put(entries, '"hole": true')
  local declared = { path = { "mine" }, hole = '"hole": true', foreign = ',"foreign": {"x":1e999}' }
  if is.one_in(2) then
    is.put(entries, ('"mine"%s%s'):format(colon, slot))
  else
    declared.path = { "outer", "in.ner" }
    local inner = is.of({
      '"outer"%s{"in.ner":%s}',
      '"outer"%s{ "x": 1, "in.ner": %s, "z": [] }',
      '"outer"%s{\n' .. unit:rep(2) .. '"in.ner": %s\n' .. unit .. "}",
    })
    is.put(entries, inner:format(colon, slot))
  end
  local lines = { "{" }
  for index, entry in ipairs(entries) do
    if is_lenient and is.one_in(4) then
      lines[#lines + 1] = unit .. is.of({ "// about it", "/* several\n words */", "//" })
    end
    local comma = (index < #entries or (is_lenient and is.one_in(2))) and "," or ""
    local comment = is_lenient and is.one_in(4) and is.of({ " // why", "\t/* { */" }) or ""
    lines[#lines + 1] = unit .. entry .. comma .. comment
    if is.one_in(8) then
      lines[#lines + 1] = is.of({ "", "  ", "\t" })
    end
  end
  lines[#lines + 1] = "}"
  local text = table.concat(lines, "\n")
  if is_lenient and is.one_in(4) then
    text = "// settings\n" .. text .. " // the end"
  elseif not is_lenient and is.one_in(6) then
    -- As programs write it that nobody reads.
    text = text:gsub("\n[ \t]*", "")
  end
  declared.text = text
  declared.before = is.of({ "1", '"old"', "null", "[1, 2]", '{"old": {}}', "1.50e3" })
  return declared
end

local formats = {}

function formats.json(random)
  return write_json(random, false)
end

function formats.jsonc(random)
  return write_json(random, true)
end

function formats.toml(random)
  local is = new_helpers(random)
  local values = {
    "1",
    "0xDEAD_BEEF",
    "-9_223_372_036_854_775_807",
    "6.626e-34",
    "nan",
    "'C:\\literal'",
    '"tab\\t \\u00e9"',
    '"""\nseveral\nlines # no comment\n"""',
    "[ 1, 2, # two\n  3, ]",
    "{ a = 1, b.c = 'x' }",
    "1979-05-27T07:32:00Z",
    "07:32:00",
    "[[['deep']]]",
  }
  local lines = {}
  local function add_keys(name)
    for number = 1, random(4) do
      local key = is.of({ "key", "a-b", '"quoted key"', "dotted.key" })
      key = key:gsub('("?)$', number .. "%1")
      local comment = is.one_in(3) and is.of({ " # why", "   #", "# = [x]" }) or ""
      lines[#lines + 1] = is.of({ "", "", "\t" })
        .. key
        .. is.of({ " = ", "=", "  =  " })
        .. is.of(values)
        .. comment
    end
    if is.one_in(3) then
      lines[#lines + 1] = is.of({ "", "# about " .. name, "  " })
    end
  end
  add_keys("the top")
  local declared = { path = { "mine" }, hole = "kept = 1 # hole", foreign = "\nforeign = 'x' # by" }
  local sections = {
    "[hole]\nkept = 1 # hole",
    is.of({ "[tool.black]", "[ tool . isort ]", "[a.b.c.d.e.f.g]" }),
    "[[bin]]\nname = 'one'\n[[bin]]\nname = 'two'\n[bin.sub]",
  }
  if is.one_in(2) then
    lines[#lines + 1] = "mine = " .. slot .. is.of({ "", " # ours" })
  else
    declared.path = { "outer", "in.ner" }
    is.put(sections, '[outer]\nx = 1\n"in.ner"=' .. slot .. "\nz = []")
  end
  for _, section in ipairs(sections) do
    lines[#lines + 1] = section
    add_keys("it")
  end
  declared.text = table.concat(lines, "\n")
  declared.before = is.of({ "1", "'old'", "[1, 2]", "1_000", "true" })
  return declared
end

function formats.yaml(random)
  local is = new_helpers(random)
  local values = {
    "1",
    "12345678901234567890123",
    "~",
    "'it''s'",
    '"\\u00e9 \\"x\\""',
    "plain text",
    "[a, {b: c}, 'd']",
    "{a: [1, 2], b: }",
    "|\n  several\n    lines # no comment\n\n  end",
    ">-\n  folded\n  text",
    "\n- a\n-   b: 1\n    c: 2\n- - nested\n  - list",
    "\n  deep:\n    er:\n      and:\n        deeper: [x]",
    "!custom tagged",
    "2001-12-14t21:59:43.10-05:00",
    "on",
    "0o17",
  }
  local entries = {}
  for number = 1, random(10) do
    local key = is.of({ "key", "größe", '"quoted key', "with space", "x.y" })
    key = key:find('^"') and key .. number .. '"' or key .. number
    local value = is.of(values)
    local gap = value:find("^\n") and ":" or is.of({ ": ", ":   " })
    local comment = not value:find("\n") and is.one_in(3) and " # why" or ""
    entries[number] = key .. gap .. value .. comment
  end
  if is.one_in(2) then
    is.put(entries, "base: &base\n  x: 1\n  y: [*list, 2]\nuses:\n  <<: *base\n  z: 3")
    table.insert(entries, 1, "list: &list [1]")
  end
  is.put(entries, "hole: 1 # hole", 2)
  local declared =
    { path = { "mine" }, hole = "hole: 1 # hole", foreign = "\nforeign:\n- 'x'  # by\n-   y: {}" }
  if is.one_in(2) then
    is.put(entries, "mine: " .. slot .. is.of({ "", "  # ours" }), 2)
  else
    declared.path = { "outer", "in.ner" }
    is.put(
      entries,
      is.of({
        "outer:\n  x: 1\n  in.ner: " .. slot .. "\n\n  z: []",
        "outer:\n    # inside\n    in.ner:   " .. slot,
        "outer: {x: 1, in.ner: " .. slot .. "}",
      }),
      2
    )
  end
  local lines = {}
  if is.one_in(3) then
    lines[1] = is.of({ "---", "# settings\n---", "%YAML 1.2\n---" })
  end
  for _, entry in ipairs(entries) do
    if is.one_in(4) then
      lines[#lines + 1] = is.of({ "", "# about it", "   # indented" })
    end
    lines[#lines + 1] = entry
  end
  declared.text = table.concat(lines, "\n")
  declared.before = is.of({ "1", "'old'", "[1, 2]", "old text", "1.50", "true" })
  return declared
end

function formats.ini(random)
  local is = new_helpers(random)
  local values = {
    "x",
    "",
    '"quoted; text"',
    "a = b",
    "%(home)s/x",
    "\\\\server\\share",
    "größe 1e999",
    "!f() { git log; }; f",
    "[x]",
  }
  local lines = {}
  local function add_keys()
    for number = 1, random(5) do
      local key = is.of({ "key", "Key With Space", "a.b", "url" }) .. number
      lines[#lines + 1] = is.of({ "", "\t", "  " })
        .. key
        .. is.of({ " = ", "=", " =" })
        .. is.of(values)
      if is.one_in(4) then
        lines[#lines + 1] = is.of({ "; a comment", "# another", "", "\t" })
      end
    end
  end
  local declared = {
    path = { "outer", "mine" },
    hole = "kept = 1",
    foreign = "\n\tforeign=x ; by",
    is_text = true,
  }
  local sections = {
    "[hole]\nkept = 1",
    is.of({ '[remote "origin"]\n\turl = a\n\turl = b', "[a]\nx=1\n[a]\ny=2", "[Desktop Entry]" }),
  }
  is.put(sections, "[outer]\n" .. is.of({ "", "x=1\n" }) .. is.of({ "mine = ", "\tmine=" }) .. slot)
  for _, section in ipairs(sections) do
    lines[#lines + 1] = section
    add_keys()
  end
  declared.text = table.concat(lines, "\n")
  declared.before = is.of({ "1", "old", '"old"', "a b" })
  return declared
end

local function write_lines(random)
  local is = new_helpers(random)
  local lines = { "# the file of a distribution" }
  for _ = 1, random(15) do
    lines[#lines + 1] = is.of({
      "127.0.0.1\tlocalhost",
      "",
      "  ",
      "export PATH=$PATH:~/bin # why",
      '[ -z "$PS1" ] && return',
      "\027[0m raw",
      "caf\233",
      "twice",
      "twice",
    })
  end
  is.put(lines, "# hole", 2)
  return {
    hole = "# hole",
    foreign = "\nforeign line\t",
    text = table.concat(lines, "\n"),
    is_list = true,
  }
end

formats.lines, formats.block = write_lines, write_lines

-- A document of a number, with what is declared of it.
local function new_document(format, number)
  local random = random_numbers.new(first_seed * 100003 + number * 31 + #format)
  for _ = 1, 5 do
    random(2)
  end
  local document = formats[format](random)
  document.format = format
  -- Whether only a value of the document is declared, so that all bytes after it are known.
  document.is_exact = not document.is_list and number % 2 == 0
  local ends = { "\n", "\n", "\n\n", "" }
  local finish = ends[random(#ends)]
  local is_wide = random(4) == 1
  local mark = random(8) == 1 and format ~= "lines" and format ~= "block" and "\239\187\191" or ""
  document.render = function(value, has_foreign)
    local text = document.text .. finish
    if has_foreign then
      text = replace(text, document.hole, document.hole .. document.foreign)
    end
    if document.path then
      text = replace(text, slot, value or document.before)
    end
    return mark .. (is_wide and text:gsub("\n", "\r\n") or text)
  end
  -- What another program makes of what stands there.
  document.edit = function(text)
    local foreign = is_wide and document.foreign:gsub("\n", "\r\n") or document.foreign
    return replace(text, document.hole, document.hole .. foreign)
  end
  return document
end

local function quote(value)
  return type(value) == "number" and tostring(value) or ("%q"):format(value)
end

local function declare(document, name, value)
  local values
  if document.is_list then
    values = ("{ %q, %q }"):format("declared " .. value, "# also declared")
  else
    local path = document.path
    local shown = quote(document.is_text and tostring(value) or value)
    local added = document.is_exact and ""
      or document.is_text and 'added = { ["a key"] = "new" }, '
      or 'added = { deep = { er = true } }, another = { 1, "two" }, '
    values = path[2] and ("{ %s[%q] = { [%q] = %s } }"):format(added, path[1], path[2], shown)
      or ("{ %s[%q] = %s }"):format(added, path[1], shown)
  end
  return ("file { path = %q, merge = %q, values = %s }"):format(
    "~/" .. name,
    document.format,
    values
  )
end

describe("many documents with declared keys #once", function()
  local here = machine.for_each_test()

  for _, format in ipairs({ "json", "jsonc", "toml", "yaml", "ini", "lines", "block" }) do
    it(("keep every other byte: %s"):format(format), function()
      local documents = {}
      for number = 1, count do
        local document = new_document(format, number)
        document.name = ("%s/%03d"):format(format, number)
        documents[number] = document
        here.write("home/" .. document.name, document.render())
      end

      local function config(value)
        local lines = {}
        for number, document in ipairs(documents) do
          lines[number] = declare(document, document.name, value)
        end
        return table.concat(lines, "\n")
      end

      -- Compares each document with what it has to be.
      local function check(step, value, has_foreign)
        for _, document in ipairs(documents) do
          local expected = document.render(value, has_foreign)
          local found = here.read("home/" .. document.name)
          local what = document.name .. " after " .. step
          if document.is_exact or not value then
            assert.equal(expected, found, what)
          else
            local kept = document.path and document.render("", has_foreign) or expected
            assert.is_true(contains_all(found, kept), what .. ":\n" .. found .. "\nof\n" .. kept)
          end
        end
      end

      here.apply(config(42))
      check("apply", "42", false)
      for _, document in ipairs(documents) do
        local name = "home/" .. document.name
        here.write(name, document.edit(here.read(name)))
      end
      check("an edit", "42", true)
      assert.equal(0, here.run("status").code)
      contains(here.must("apply", "init.lua").stdout, "Nothing changed")
      check("an apply that changes nothing", "42", true)
      here.apply(config(43))
      check("an apply of other values", "43", true)
      -- The program changes what is ours: that is drift.
      for number, document in ipairs(documents) do
        if document.is_exact and number % 3 == 0 then
          here.write("home/" .. document.name, document.render(document.before, true))
        end
      end
      here.must("apply", "init.lua")
      check("drift", "43", true)
      here.must("rollback", "1", "--yes")
      check("rollback", "42", true)
      here.must("destroy", "--yes")
      check("destroy", nil, true)
    end)
  end
end)
