--- Services with a real systemd, many at once: hostile texts reach programs as they are, one change
-- among fifty services starts one anew, and an apply that is killed leaves the old or the new.

local container = require("spec.support.container")
local contains = require("spec.support.text_checks").contains
local json = require("dkjson")
local process = require("spec.support.process")
local random = require("spec.support.random")

-- The same again with SYSLUA_SEED; `SYSLUA_SWEEP=all` kills at every place.
local seed = tonumber(os.getenv("SYSLUA_SEED")) or 22
local kills = 6

describe("many services with systemd #root #once", function()
  local here = container.use("syslua-sweep")
  if not here then
    return
  end

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
    -- A path as systemd shows it.
    local function simplify(path)
      return (path:gsub("/+", "/"):gsub("/$", ""))
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
      local one = {
        name = "hostile" .. number,
        description = "x" .. get_text() .. "x",
        words = words,
        value = value,
        directory = "/srv/" .. get_text(),
        file = "/srv/" .. get_text(),
      }
      -- Some names are hostile too. They say which one it is, for what becomes of it.
      if number % 4 == 0 then
        one.name = get_text() .. number .. get_text()
      end
      lines[number] = ([[
        local accepted = pcall(service, {
          name = %q,
          description = %q,
          command = {
            "/bin/sh", "-c",
            'for word; do printf "<%%s>\\n" "$word"; done >/srv/%d; '
              .. 'printf "%%s" "$HOSTILE" >>/srv/%d',
            "sh", %s
          },
          environment = { HOSTILE = %q },
          %s
          ready = "oneshot",
        })
        accept(%d, accepted)
      ]]):format(
        one.name,
        one.description,
        number,
        number,
        table.concat(quoted, ", "),
        value,
        -- What the clock starts does not run now: its paths need not be there.
        number % 2 == 0
            and ("schedule = { calendar = %q }, directory = %q, environment_files = %q,"):format(
              "yearly",
              one.directory,
              "-" .. one.file
            )
          or "",
        number
      )
      one.output = (#words > 0 and "<" .. table.concat(words, ">\n<") .. ">\n" or "") .. value
      expected[number] = one
    end
    must_apply(([[
      local accepted = {}
      local function accept(number, is_accepted)
        accepted[#accepted + 1] = is_accepted and tostring(number) or nil
      end
      do %s end
      file { path = "/srv/accepted", content = table.concat(accepted, " ") }
    ]]):format(table.concat(lines, "\nend do\n")))
    local accepted, tried = {}, 0
    for number in here.shell("cat /srv/accepted"):gmatch("%d+") do
      accepted[tonumber(number)] = true
    end
    for number, one in ipairs(expected) do
      local is_plain = one.name:find("^%w[%w_.:-]*$")
      if not accepted[number] then
        -- Whatever is refused has something that a unit cannot hold.
        local has_reason = not is_plain
          or number % 2 == 0 and (one.directory .. one.file):find("[%s*?%[\\]")
          or (number % 2 == 0 and (one.directory .. "/" .. one.file .. "/"):find("//"))
          or one.name:find("%.%a+$")
        assert.is_truthy(has_reason, lines[number])
      else
        tried = tried + 1
        assert.is_truthy(is_plain, one.name)
        -- As systemd reads it.
        local path = one.name:gsub("[^%w]", function(byte)
          return ("_%02x"):format(byte:byte())
        end)
        path = path:gsub("^%d", function(digit)
          return ("_%02x"):format(digit:byte())
        end)
        local told = json.decode(
          here.shell(
            (
              "busctl --json=short call org.freedesktop.systemd1 "
              .. "/org/freedesktop/systemd1/unit/%s_2eservice "
              .. "org.freedesktop.DBus.Properties GetAll s ''"
            ):format(path)
          )
        )
        local read = told.data[1]
        assert.are.equal(one.description, read.Description.data, lines[number])
        assert.are.same({ "HOSTILE=" .. one.value }, read.Environment.data, lines[number])
        local arguments = { "sh" }
        for index, word in ipairs(one.words) do
          -- It is taken for a dollar when the program starts.
          arguments[index + 1] = word:gsub("%$", "$$")
        end
        local argv = {}
        for index, word in ipairs(read.ExecStart.data[1][2]) do
          argv[index - 3] = index > 3 and word or nil
        end
        assert.are.same(arguments, argv, lines[number])
        if number % 2 == 0 then
          assert.are.equal(simplify(one.directory), read.WorkingDirectory.data, lines[number])
          assert.are.equal(simplify(one.file), read.EnvironmentFiles.data[1][1], lines[number])
        else
          -- As its program gets it.
          local got = here.shell("cat /srv/" .. number .. "; echo .")
          assert.are.equal(one.output .. ".", got, lines[number])
        end
      end
    end
    assert.is_true(tried > 30, tried)
    local told = here.run(
      "cd /etc/systemd/system; find . -maxdepth 1 -lname '/syslua/*' "
        .. "-exec systemd-analyze verify {} + 2>&1"
    )
    assert.are.equal("", told.stdout)
    assert.are.equal(0, told.code)
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
    contains(told, "restart many25.service")
    here.write("/srv/before", before .. "\n")
    assert.are.equal("1", here.shell(count .. " | comm -13 /srv/before - | wc -l"))
    must_apply("")
  end)

  local it_with_strace = process.has("strace")
      and process.run_line("strace -f -o /dev/null true").code == 0
      and it
    or pending

  it_with_strace("are old or new after a kill", function()
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
    here.shell("lua5.4 -l syslua apply /etc/syslua/new.lua")
    local new = get_versions()
    here.shell("lua5.4 -l syslua apply /etc/syslua/old.lua")
    -- Each change of a file, and each message to systemd, is a place to be killed at.
    local calls = "rename,renameat,renameat2,symlink,symlinkat,unlink,unlinkat,rmdir,mkdir,mkdirat,"
      .. "link,linkat,fsync,fdatasync,sendmsg"
    local count = os.tmpname()
    here.run("lua5.4 -l syslua apply /etc/syslua/new.lua", nil, {
      "strace",
      "-f",
      "-c",
      "-o",
      count,
      "-U",
      "calls,name",
      "-e",
      "trace=" .. calls,
    })
    here.shell("lua5.4 -l syslua apply /etc/syslua/old.lua")
    local places = {}
    for line in io.lines(count) do
      local number, name = line:match("^%s*(%d+)%s+(%l+%d?)%s*$")
      for index = 1, name ~= "total" and tonumber(number) or 0 do
        places[#places + 1] = ("inject=%s:signal=KILL:when=%d"):format(name, index)
      end
    end
    os.remove(count)
    assert.is_true(#places > 30, #places)
    local is_whole = os.getenv("SYSLUA_SWEEP") ~= nil
    while not is_whole and #places > kills do
      table.remove(places, next_number(#places))
    end
    local taken_back = 0
    for _, place in ipairs(places) do
      local before = { "strace", "-f", "-qq", "-o", "/dev/null", "-e", place }
      here.run("lua5.4 -l syslua apply /etc/syslua/new.lua", nil, before)
      -- What it left: all of the one or the other, unless a journal says how it goes back.
      local status = json.decode(here.sys("status --json").stdout)
      if not status.pending then
        local versions = get_versions()
        assert.is_true(versions == old or versions == new, place .. versions)
      end
      local result = here.sys("apply /etc/syslua/old.lua")
      assert.are.equal(0, result.code, place .. result.stdout .. result.stderr)
      if result.stderr:find("took back", 1, true) then
        taken_back = taken_back + 1
        contains(result.stdout, "Nothing changed")
      end
      assert.are.equal(old, get_versions(), place)
      assert.are.equal(0, here.sys("status").code, place)
    end
    assert.is_true(taken_back > 0, "no kill came before a commit")
  end)
end)
