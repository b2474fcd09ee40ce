--- One hash of a recipe stands for one result: random recipes, built in random surroundings and in
-- random order, by processes that share nothing, and some recipes by all Luas that are installed.

local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")

-- Numbers of our own, so that a failure can be repeated on any Lua.
local function new_random(seed)
  local state = seed
  local function random(limit)
    state = (state * 16807) % 2147483647
    return state % limit + 1
  end
  return random
end

local function shuffle(random, list)
  for index = #list, 2, -1 do
    local other = random(index)
    list[index], list[other] = list[other], list[index]
  end
  return list
end

-- What is put together at random: as texts, few of each, so that many recipes differ in one thing
-- only.
local captured_keys = { "2.5", "-1", '"a"', '"b"', '"1"', '"\\0z"', '"\\200"', "true", "false" }
local option_keys = { '"a"', '"b"', '"ab"', '"1"', '"\\200"', '"a b"' }
local scalars =
  { "0", "-1", "0.5", "1e100", '"x"', '"y"', '"\\0"', '"\\255\\n"', '""', "true", "false" }
local operators =
  { "a .. n", "n .. a", "a .. #a", "tostring({}) .. a", "a:upper() .. n", "a:rep(n)" }
local chunk_names =
  { "@part.lua", "@init.lua", "@other/part.lua", "@", "@@", "@" .. ("n"):rep(300) }

local function make_table(random, keys, depth, step)
  local entries, taken = {}, {}
  for _ = 1, random(6) do
    local key = keys[random(#keys)]
    if not taken[key] then
      taken[key] = true
      local is_nested = depth > 0 and random(3) == 1
      local value = is_nested and make_table(random, keys, depth - 1, step)
        or scalars[random(#scalars)]
      entries[#entries + 1] = { key, value }
    end
  end
  -- A list, which has holes when `step` is 2: what `#` answers then depends on how it was made.
  for index = 1, step and random(4) - 1 or 0 do
    entries[#entries + 1] = { tostring(1 + (index - 1) * step), scalars[random(#scalars)] }
  end
  return entries
end

local function make_recipe(random, has_holes)
  return {
    has_holes = has_holes,
    name = ("r%d"):format(random(3)),
    captured = make_table(random, captured_keys, 2, has_holes and 2 or 1),
    opts = make_table(random, option_keys, 1),
    operator = operators[random(#operators)],
    number = random(3),
    runs = random(4) == 1,
  }
end

-- Writes a table with its entries in a random order, by a constructor or by assignments.
local function write_table(random, entries)
  local parts, is_constructor = {}, random(2) == 1
  for index, entry in ipairs(entries) do
    local value = type(entry[2]) == "table" and write_table(random, entry[2]) or entry[2]
    parts[index] = (is_constructor and "[%s] = %s" or "t[%s] = %s"):format(entry[1], value)
  end
  shuffle(random, parts)
  return is_constructor and "{ " .. table.concat(parts, ", ") .. " }"
    or "(function() local t = {} " .. table.concat(parts, " ") .. " return t end)()"
end

-- The functions of all recipes are on the same lines: only their texts and captures tell them
-- apart.
local recipe_text = [[
local derive = ... local x = %s local n = %d local opts = %s
local function f(a) return %s end
local function g()
  return function() return f("g") end
end
return derive({ name = %q, opts = opts, config = function(opts, ctx)
  local parts = {}
  local function show(value)
    if type(value) == "table" then
      for key, inner in pairs(value) do
        parts[#parts + 1] = type(key) .. tostring(key)
        show(inner)
      end
      parts[#parts + 1] = "end " .. #value
    else
      parts[#parts + 1] = type(value) .. tostring(value)
    end
  end
  show(x) show(opts) show(f("f")) show(g()()) show(tostring(print)) show(("%%s"):format({}))
  show(select(2, pcall(error, "problem"))) show(tostring(tonumber("1,5"))) show(tostring("B" < "a"))
  %s
  ctx.write(ctx.out, table.concat(parts, "|"))
end })
]]

local run_line =
  'show(ctx.run([[umask; date +%Z; env | grep -v /store/ | sort; printf "a\\nB\\n" | sort]]))'

local function write_recipe(random, recipe)
  return recipe_text:format(
    write_table(random, recipe.captured),
    recipe.number,
    write_table(random, recipe.opts),
    recipe.operator,
    recipe.name,
    recipe.runs and run_line or ""
  )
end

local surroundings = {
  { "umask 000;", "umask 022;", "umask 077;", "umask 027;" },
  { "cd ..;", "cd /;", "mkdir -p 'a b'; cd 'a b';", "" },
  { "TZ=UTC", "TZ=Asia/Tokyo", "TZ=:America/New_York", "TZ=nonsense", "" },
  { "LC_ALL=C", "LC_ALL=C.UTF-8", "LC_ALL=de_DE.UTF-8", "LC_ALL=tr_TR.utf8", "" },
  { "LANG=ja_JP", "LC_COLLATE=C", "LC_NUMERIC=de_DE.UTF-8", "" },
  { "FOO=bar", "out=/tmp CC=clang", "SOURCE_DATE_EPOCH=1", "PATH=/nowhere:$PATH", "" },
}

describe("random recipes", function()
  local here = machine.for_each_test()

  -- Builds recipes by a process with its own root; returns the hash and the content of each.
  local function build(directory, texts, prefix, jobs, lua)
    local lines = {}
    for index, text in ipairs(texts) do
      here.write(("%s/%d.txt"):format(directory, index), text.text)
      -- Not `%q`, which breaks lines.
      lines[index] = ("made[%d] = load_text(read(%d), '%s')(derive).hash"):format(
        index,
        index,
        text.chunk_name
      )
    end
    here.write_config(
      ([[
      local made, load_text = {}, loadstring or load
      local function read(index)
        local file = assert(io.open(%q .. index .. ".txt", "rb"))
        local text = file:read("*a")
        file:close()
        return text
      end
      %s
      derive({ name = "hashes", opts = { hashes = table.concat(made, " ") },
        config = function(opts, ctx)
        ctx.write(ctx.out, opts.hashes)
      end })
    ]]):format(here.directory .. "/" .. directory .. "/", table.concat(lines, "\n")),
      directory .. "/init.lua"
    )
    local line = ("%s SYSLUA_ROOT=%s %s -l syslua build %s --json --jobs %d"):format(
      prefix,
      here.directory .. "/" .. directory .. "/root",
      lua and lua.name or "$LUA",
      here.directory .. "/" .. directory .. "/init.lua",
      jobs
    )
    local result = here.shell(line, lua and interpreter.get_environment(lua.version))
    assert.equal(0, result.code, line .. "\n" .. result.stderr)
    local contents, hashes = {}, nil
    local pattern = '"hash":"(%x+)","name":"([^"]+)","outputs":{"out":"([^"]+)"}'
    for hash, name, path in result.stdout:gmatch(pattern) do
      contents[hash] = here.read(path)
      if name == "hashes" then
        hashes = here.read(path)
      end
    end
    local found = {}
    for hash in hashes:gmatch("%x+") do
      found[#found + 1] = { hash = hash, content = contents[hash] }
      assert.is_string(contents[hash])
    end
    assert.equal(#texts, #found)
    return found
  end

  it("have one hash each, which stands for one content, in all surroundings", function()
    local seed = tonumber(os.getenv("SYSLUA_SEED")) or os.time() % 1000000 + 1
    local random = new_random(seed)
    local recipes = {}
    for index = 1, 24 do
      recipes[index] = make_recipe(random, index > 20)
      if index % 2 == 0 then
        -- All but one thing as the one before.
        local before = recipes[index - 1]
        local changed = ({ "captured", "opts", "operator", "number", "runs", "name" })[random(6)]
        for field, value in pairs(before) do
          recipes[index][field] = field == changed and recipes[index][field] or value
        end
      end
    end
    local hash_of, content_of, built = {}, {}, 0
    for process = 1, 5 do
      local order, texts, prefix = {}, {}, {}
      for index = 1, #recipes do
        order[index] = index
      end
      shuffle(random, order)
      for place = 1, 14 do
        texts[place] = {
          text = write_recipe(random, recipes[order[place]]),
          chunk_name = chunk_names[random(#chunk_names)],
        }
      end
      for index, choices in ipairs(surroundings) do
        prefix[index] = choices[random(#choices)]
      end
      local found = build("p" .. process, texts, table.concat(prefix, " "), random(4))
      for place, one in ipairs(found) do
        local message = ("seed %d, process %d, text %d:\n%s"):format(
          seed,
          process,
          place,
          texts[place].text
        )
        local recipe = order[place]
        if not recipes[recipe].has_holes then
          hash_of[recipe] = hash_of[recipe] or one.hash
          assert.equal(hash_of[recipe], one.hash, message)
        end
        content_of[one.hash] = content_of[one.hash] or one.content
        assert.equal(content_of[one.hash], one.content, message)
        built = built + 1
      end
    end
    local distinct = 0
    for _ in pairs(content_of) do
      distinct = distinct + 1
    end
    assert.is_true(distinct > 10 and built > 2 * distinct)
  end)

  it("have the same hashes and contents on all Luas", function()
    local others = interpreter.list_others()
    if #others == 0 then
      pending("no other Lua is installed")
      return
    end
    local random = new_random(20261129)
    local texts = {}
    for index = 1, 10 do
      local recipe = make_recipe(random)
      -- Numbers are written differently, as the page on builds says.
      texts[index] = {
        text = write_recipe(random, recipe):gsub("1e100", "7"),
        chunk_name = chunk_names[random(#chunk_names)],
      }
    end
    local first = build("own", texts, "", 2)
    for _, other in ipairs(others) do
      local found = build(other.name, texts, "", 2, other)
      for index, one in ipairs(found) do
        local message = other.name .. ":\n" .. texts[index].text
        assert.equal(first[index].content, one.content, message)
        assert.equal(first[index].hash, one.hash, message)
      end
    end
  end)
end)
