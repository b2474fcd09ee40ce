--- Services with a real systemd, many at once: hostile texts reach programs as they are, one change
-- among fifty services starts one anew, and an apply that is killed leaves the old or the new.

local container = require("spec.support.container")
local random = require("spec.support.random")

-- The same again with SYSLUA_SEED; `SYSLUA_SWEEP=all` tries more.
local seed = tonumber(os.getenv("SYSLUA_SEED")) or 22
local kills = os.getenv("SYSLUA_SWEEP") and 60 or 6

describe("many services with systemd #root #once", function()
  local obstacle = container.get_obstacle()
  if obstacle then
    it("are tried in a container", function()
      pending("no container: " .. obstacle)
    end)
    return
  end

  local here

  setup(function()
    here = container.start("syslua-sweep")
  end)

  teardown(function()
    if here then
      here.stop()
    end
  end)

  local function write(lines, name)
    local path = "/etc/syslua/" .. (name or "init") .. ".lua"
    here.write(path, "return { setup = function()\n" .. lines .. "\nend }\n")
    return path
  end

  local function must_apply(lines)
    return here.must_apply(lines)
  end

  it("get hostile texts as they are", function()
    local next_number = random.new(seed)
    local pieces = {
      "%",
      "%%",
      "%n",
      "%h",
      "$",
      "$$",
      "$HOME",
      "${HOME}",
      '"',
      "'",
      "\\",
      "\\n",
      "\\x41",
      ";",
      " ; ",
      " ",
      "  ",
      "#",
      "=",
      "a",
      "ä€",
      "-",
      "+",
      "@",
      "!",
      "|",
      "&",
      "<",
      ">",
      "*",
      "?",
      "[",
      "]",
      "~",
      "{",
      "}",
      "`",
      "\\\\",
      "/",
      ":",
      ",",
      "",
      "%%%",
      "\\'",
      '\\"',
      "\226\128\168",
    }
    local function get_text()
      local text = {}
      for index = 1, next_number(6) do
        text[index] = pieces[next_number(#pieces)]
      end
      return table.concat(text)
    end
    local lines, expected = {}, {}
    for number = 1, 60 do
      local words, value = {}, get_text()
      for index = 1, next_number(4) do
        words[index] = get_text()
      end
      local quoted = {}
      for index, word in ipairs(words) do
        quoted[index] = ("%q"):format(word)
      end
      lines[number] = ([[
        service {
          name = "hostile%d",
          description = "x" .. %q .. "x",
          command = {
            "/bin/sh", "-c",
            'for word; do printf "<%%s>\\n" "$word"; done >/srv/%d; '
              .. 'printf "%%s" "$HOSTILE" >>/srv/%d',
            "sh", %s
          },
          environment = { HOSTILE = %q },
          ready = "oneshot",
        }
      ]]):format(number, get_text(), number, number, table.concat(quoted, ", "), value)
      expected[number] = (#words > 0 and "<" .. table.concat(words, ">\n<") .. ">\n" or "") .. value
    end
    must_apply(table.concat(lines, "\n"))
    for number = 1, 60 do
      local got = here.shell("cat /srv/" .. number .. "; echo .")
      assert.are.equal(expected[number] .. ".", got, lines[number])
    end
    local told = here.run("systemd-analyze verify /etc/systemd/system/hostile*.service")
    assert.are.equal("", told.stdout .. told.stderr)
    must_apply("")
  end)

  it("of which one changes are not all started anew", function()
    local function get_config(changed)
      return ([[
        for number = 1, 50 do
          service {
            name = "many" .. number,
            command = { "/bin/sleep", number == 25 and %q or "1d" },
          }
        end
      ]]):format(changed)
    end
    must_apply(get_config("1d"))
    local count = "systemctl show -p InvocationID --value 'many*.service' | grep . | sort"
    local before = here.shell(count)
    assert.are.equal("50", here.shell(count .. " | wc -l"))
    local told = must_apply(get_config("2d"))
    assert.is_truthy(told:find("restart many25.service", 1, true), told)
    here.write("/srv/before", before .. "\n")
    assert.are.equal("1", here.shell(count .. " | comm -13 /srv/before - | wc -l"))
    must_apply("")
  end)

  it("are old or new after a kill", function()
    local next_number = random.new(seed)
    local function get_config(version)
      return ([[
        local tool = derive {
          name = "tool", version = %q, opts = { program = source("/bin/sleep") },
          config = function(opts, ctx) ctx.copy(opts.program, ctx.out .. "/bin/tool") end,
        }
        file { path = "/srv/version", content = %q }
        service { name = "first", command = { tool.out .. "/bin/tool", "1d" } }
        service { name = "second", command = { "/bin/sleep", "1d" }, depends = { "/srv/version" } }
        service { name = "only%s", command = { tool.out .. "/bin/tool", "2d" } }
      ]]):format(version, version, version)
    end
    write(get_config("1"), "old")
    write(get_config("2"), "new")
    here.shell("lua5.4 -l syslua apply /etc/syslua/old.lua")
    here.shell("lua5.4 -l syslua build /etc/syslua/new.lua")

    -- Which version each part is of.
    local function get_versions()
      return here.shell([[
        cat /srv/version; echo
        readlink /proc/$(systemctl show --value -p MainPID first.service)/exe | grep -o 'tool-[12]'
        for n in 1 2; do
          systemctl show --value -p ActiveState only$n.service
          test -e /etc/systemd/system/only$n.service && echo there
        done
        systemctl show --value -p ActiveState second.service
      ]])
    end
    local old = get_versions()
    local taken_back = 0
    for _ = 1, kills do
      local delay = next_number(180) / 100
      here.run(("timeout -s KILL %.2f lua5.4 -l syslua apply /etc/syslua/new.lua"):format(delay))
      local result = here.sys("apply /etc/syslua/old.lua")
      assert.are.equal(0, result.code, result.stdout .. result.stderr)
      if result.stderr:find("took back", 1, true) then
        taken_back = taken_back + 1
        assert.is_truthy(result.stdout:find("Nothing changed", 1, true), result.stdout)
      end
      assert.are.equal(old, get_versions(), ("after %.2f s"):format(delay))
      assert.are.equal(0, here.sys("status").code)
    end
    assert.is_true(taken_back > 0, "no kill came before a commit")
  end)
end)
