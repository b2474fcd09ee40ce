--- Directories with modes that keep their owner out, and targets in them: a switch gets in, leaves
-- the declared modes, and gives everything back.

local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local random = require("spec.support.random")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

-- Modes that let the owner reach what is in a directory, and one that does not.
local MODES = { "100", "300", "500", "555", "511", "111", "355", "700", "2555", "1311" }

local whole = os.getenv("SYSLUA_SWEEP") == "all"
local it_traced = interpreter.version == "5.4" and process.has("strace") and it or pending

describe("a directory that is closed to its owner #once", function()
  local here = machine.for_each_test()

  -- With all directories open for the moment; their modes are in the list.
  local function list()
    return here.shell([[
      cd ~; open() { find . -type d ! -perm -700 2>/dev/null; }
      while [ -n "$(open)" ]; do
        open | while read -r name; do
          [ -n "$(find "$name" -prune ! -perm -700)" ] || continue
          echo "$(stat -c %a "$name") $name" >>../modes; chmod u+rwx "$name"
        done
      done
      find . -printf '%y %m %p %l\n' -type f -exec sh -c 'cat "$1"; echo' _ {} \; | LC_ALL=C sort
      if [ -e ../modes ]; then
        LC_ALL=C sort ../modes; LC_ALL=C sort -rk 2 ../modes |
          while read -r mode name; do chmod "$mode" "$name"; done
        rm ../modes
      fi
    ]]).stdout
  end

  local function state(pick)
    local lines = {}
    local function add(...)
      table.insert(lines, (string.format(...)))
    end
    -- What stands there before has a mode of its own.
    local names = { "d", "d/e", "mine", "mine/f" }
    for _, name in ipairs(names) do
      if pick(4) > 1 then
        add('directory { path = "~/%s", mode = "%s" }', name, MODES[pick(#MODES)])
      end
      for _, file in ipairs({ "x", "y", "sub/z" }) do
        local kind = pick(4)
        if kind == 1 then
          add('file { path = "~/%s/%s", content = "%d" }', name, file, pick(3))
        elseif kind == 2 then
          local words = 'file { path = "~/%s/%s", content = "%d", mode = "644" }'
          add(words, name, file, pick(3))
        end
      end
    end
    return table.concat(lines, "\n")
  end

  for round = 1, 5 do
    it(("is opened for changes in it, and closed again: round %d"):format(round), function()
      local pick, seed = random.new(round), round
      here.shell([[
        cd ~; mkdir -p mine/f/sub mine/own; echo o >mine/x; echo o >mine/f/sub/z
        chmod 750 mine/f
      ]])
      local before = list()
      local lists, configs = { [0] = before }, {}
      for step = 1, 3 do
        configs[step] = state(pick)
        local where = ("seed %s, step %d:\n%s\n"):format(seed, step, configs[step])
        here.write_config(configs[step])
        local applied = here.run("apply", "init.lua")
        assert.equal(0, applied.code, where .. applied.stderr)
        lists[step] = list()
        local status = here.run("status")
        assert.equal(0, status.code, where .. status.stdout .. status.stderr)
        local again = here.must("apply", "init.lua").stdout
        assert.matches("^Nothing changed", again, nil, nil, where)
        for mode, name in configs[step]:gmatch('"~/(%S+)", mode = "(%d+)" }\n') do
          mode, name = name, mode
          if configs[step]:find(('directory { path = "~/%s"'):format(name), 1, true) then
            local there = here.shell("stat -c %a ~/" .. name).stdout
            assert.equal(mode .. "\n", there, where .. name)
          end
        end
      end
      for _ = 1, 2 do
        local back = pick(4) - 1
        local result = here.run("rollback", tostring(back), "--yes")
        assert.equal(0, result.code, seed .. result.stderr)
        assert.equal(lists[back], list(), ("seed %s, rollback %d"):format(seed, back))
      end
      local destroyed = here.run("destroy", "--yes")
      assert.equal(0, destroyed.code, seed .. destroyed.stderr)
      assert.equal(before, list(), seed)
    end)
  end

  it("is refused when its owner cannot reach what is declared in it", function()
    if here.shell("id -u").stdout == "0\n" then
      return
    end
    for _, mode in ipairs({ "000", "200", "600", "644", "400" }) do
      here.write_config(([[
        directory { path = "~/d", mode = "%s" }
        file { path = "~/d/sub/x", content = "1" }
      ]]):format(mode))
      for _, command in ipairs({ "plan", "apply" }) do
        local result = here.run(command, "init.lua")
        assert.equal(1, result.code, mode)
        contains(result.stderr, "keeps its owner out", "init.lua:2", "init.lua:3")
      end
      -- An empty one may have any mode, and may be opened later.
      here.apply(('directory { path = "~/d", mode = "%s" }'):format(mode))
      matches(here.must("apply", "init.lua").stdout, "^Nothing changed")
      assert.equal(0, here.run("status").code)
      here.apply([[
        directory { path = "~/d", mode = "500" }
        file { path = "~/d/sub/x", content = "1" }
      ]])
      here.must("rollback", "--yes")
      here.must("destroy", "--yes")
      assert.equal("", here.list("home"):gsub("^d [^\n]* %. *\n", ""))
    end
  end)

  it_traced("is old or new after a kill at any call that changes something", function()
    local first = [[
      directory { path = "~/d", mode = "300" }
      directory { path = "~/d/e", mode = "555" }
      file { path = "~/d/x", content = "1", mode = "644" }
      file { path = "~/d/e/y", content = "1" }
      directory { path = "~/mine", mode = "500" }
      file { path = "~/mine/z", content = "1" }
    ]]
    local second = [[
      directory { path = "~/d", mode = "100" }
      file { path = "~/d/x", content = "2", mode = "644" }
      file { path = "~/d/e/w", content = "1" }
      directory { path = "~/mine", mode = "511" }
      directory { path = "~/new", mode = "111" }
      file { path = "~/new/sub/x", content = "1" }
    ]]
    here.shell("mkdir ~/mine; echo mine >~/mine/z; chmod 750 ~/mine")
    local before = list()
    here.apply(first)
    local old = list()
    here.write_config(second)
    here.must("build", "init.lua")
    local ends = {}
    for call, most in pairs({ fchmod = 14, chmod = 4, renameat2 = 8 }) do
      local number = 0
      repeat
        number = number + (whole and 1 or 3)
        local line = "strace -f -qq -o /dev/null -e inject=%s:signal=KILL:when=%d -e trace=%s $LUA "
          .. "-l syslua apply init.lua"
        local ended = here.shell(line:format(call, number, call)).code == 0
        here.run("rollback", "99", "--yes")
        local now = list()
        ends[now] = true
        here.must("rollback", "1", "--yes")
        assert.equal(old, list(), call .. number)
      until ended or number > most
    end
    ends[old] = nil
    assert.truthy(next(ends))
    assert.is_nil(next(ends, (next(ends))))
    here.must("destroy", "--yes")
    assert.equal(before, list())
  end)
end)
