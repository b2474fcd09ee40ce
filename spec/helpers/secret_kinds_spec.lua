--- What secrets are made of and stand for: templates over values of all kinds, lists and their
-- ends, names of variables, originals with their modes.

local random = require("spec.support.random")
local secret_place = require("spec.support.secret_place")
local text_checks = require("spec.support.text_checks")

local contains, matches_none = text_checks.contains, text_checks.matches_none

local canary = secret_place.canary

describe("secrets of all kinds #once", function()
  local here

  before_each(function()
    here = secret_place.new()
  end)

  after_each(function()
    here.remove()
  end)

  local function apply()
    local applied = here.run("apply", "init.lua")
    assert.equal(0, applied.code, applied.stderr)
    return applied
  end

  local function refuse(...)
    local refused = here.run("plan", "init.lua")
    assert.equal(1, refused.code, refused.stdout)
    contains(refused.stderr, ...)
  end

  it("make of a template what plain values make of it", function()
    here.set("a", "text")
    here.set("n", "9", "--type", "int")
    here.set("yes", "true", "--type", "bool")
    here.set("no", "false", "--type", "bool")
    here.set("list[0]", "alice")
    here.set("list[1]", "bob")
    here.set("db.host", "h")
    here.set("db.port", "5432", "--type", "int")
    here.write("inner.j2", "{{ a }}/{{ db.port }}")
    local values = [[{
      a = "text", n = 9, yes = true, no = false, list = { "alice", "bob" },
      db = { host = "h", port = 5432 },
    }]]
    local given = [[ false_ = false, ten = 10, half = 0.5, empty = {}, word = "w" ]]
    local pieces = {
      "{{ a }}",
      "{{ n + 1 }}",
      "{% if yes %}Y{% else %}N{% endif %}",
      "{% if no %}Y{% else %}N{% endif %}",
      "{% if false_ %}Y{% else %}N{% endif %}",
      "{% if ten > 9 %}Y{% else %}N{% endif %}",
      "{% if n > 10 %}Y{% else %}N{% endif %}",
      "{{ half * 2 }}",
      "{% for x in empty %}x{% else %}none{% endfor %}",
      "{{ empty | length }}",
      '{{ list | join(",") }}',
      "{{ list[0] }}{{ list | last }}",
      "{{ list | length }}",
      "{% for x in list %}<{{ x | upper }}>{% endfor %}",
      "{{ db | length }}",
      '{{ db["po" ~ "rt"] }}',
      "{% for key, value in db | items %}{{ key }}={{ value }};{% endfor %}",
      '{% include "inner.j2" %}',
      "{{ word }}",
      " text ",
    }
    local seed = tonumber(os.getenv("SYSLUA_SEED")) or os.time()
    local get = random.new(seed)
    local lines, expected = {}, {}
    for number = 1, 20 do
      local parts = {}
      for index = 1, get(5) do
        parts[index] = pieces[get(#pieces)]
      end
      local template = table.concat(parts, "|")
      lines[number] = ([==[
        file { path = "~/s%d", secret = syslua.lib.secret.template([=[%s]=], joined(s)) }
        file { path = "~/p%d", content = syslua.lib.template([=[%s]=], joined(%s)) }
      ]==]):format(number, template, number, template, values)
      expected[number] = template
    end
    here.declare(
      "local function joined(values) local all = {"
        .. given
        .. "} for key, value in pairs(values) do all[key] = value end return all end\n"
        .. table.concat(lines, "\n")
    )
    apply()
    for number = 1, 20 do
      assert.equal(
        here.read("home/p" .. number),
        here.read("home/s" .. number),
        ("seed %s: %s"):format(tostring(seed), expected[number])
      )
    end
  end)

  it("name an index that a list lacks", function()
    here.set("users[0]", "x")
    here.set("users[1]", "y")
    for _, wrong in ipairs({ "s.users[3]", "s.users[0]", "s.users[9]", "s.users.name" }) do
      here.declare(('file { path = "~/t", secret = %s }'):format(wrong))
      refuse("there is no `users", "secrets.yaml", "the list has the indices 1 to 2")
    end
    here.declare([[
      local all = ""
      for _, user in ipairs(s.users) do all = all .. user end
      for index = 1, #s.users do all = all .. s.users[index] end
      file { path = "~/t", secret = all }
    ]])
    apply()
    assert.equal("xyxy", here.read("home/t"))
  end)

  it("are variables with the names that env{} takes, declared once", function()
    here.set("a", canary)
    for _, name in ipairs({ "UID", "_", "IFS", "PWD", "SHLVL", "PATH", "MANPATH" }) do
      here.declare(("syslua.lib.secret.env { %s = s.a }"):format(name))
      refuse("the variable " .. name, "init.lua:3")
    end
    here.declare('syslua.lib.secret.env { A = s.a }\nenv { A = "plain" }')
    refuse("the variable A is declared twice", "init.lua:3", "init.lua:4")
  end)

  it("leave originals their modes, whatever brings them back", function()
    here.set("a", canary)
    for _, mode in ipairs({ "644", "600", "755", "444" }) do
      for _, copy in ipairs({ "", ", copy = true" }) do
        here.shell("rm -f home/t; echo mine >home/t; chmod " .. mode .. " home/t")
        here.declare('file { path = "~/t", secret = s.a' .. copy .. " }")
        apply()
        local back = copy == "" and "rollback 0 --yes" or "destroy --yes"
        assert.equal(0, here.shell("$LUA -l syslua " .. back).code)
        assert.equal(mode .. "\n", here.shell("stat -c %a home/t").stdout)
        here.shell("$LUA -l syslua destroy --yes")
      end
    end
  end)

  it("change nothing when only their encryption is new", function()
    here.set("a", canary)
    here.declare('syslua.lib.secret.env { A = s.a }\nfile { path = "~/t", secret = s.a }')
    apply()
    here.must("secrets", "rotate", "--file", "secrets.yaml")
    local again = apply().stdout
    matches_none(again, "[1-9]%d* changed")
  end)

  it("may change when their commands run again", function()
    here.set("b", "x")
    here.write("value", "one")
    here.declare(([[
      file { path = "~/t", secret = syslua.lib.secret.command { "cat", "%s/value" } }
    ]]):format(here.directory))
    apply()
    contains(here.run("apply", "init.lua", "--dry-run").stdout, "Nothing would")
    local plan = here.run("apply", "init.lua", "--dry-run", "--refresh-secrets")
    contains(plan.stdout, "~/t", "may change")
  end)

  it("refuse a value that no variable can have, before anything is touched", function()
    here.set("b", "x")
    here.write("edit", '#!/bin/sh\nprintf \'b: x\\na: "one\\\\0two"\\n\' >"$1"\n')
    here.shell("chmod +x edit")
    here.environment.EDITOR = here.directory .. "/edit"
    here.must("secrets", "edit", "--file", "secrets.yaml")
    here.declare('syslua.lib.secret.env { A = s.a }\nfile { path = "~/t", content = "1" }')
    local refused = here.run("apply", "init.lua")
    assert.equal(1, refused.code)
    contains(refused.stderr, "NUL")
    assert.equal(1, here.shell("test -e home/t").code)
  end)
end)
