--- Many at once: applies, rollbacks, gc, builds and readers on one root, while holders of locks are
-- killed. What comes of it is what some order of them one after the other would have made.
-- `SYSLUA_SWEEP=all` goes 200 rounds. Once, not for each Lua.

local interpreter = require("spec.support.interpreter")
local json = require("dkjson")
local machine = require("spec.support.machine")

if interpreter.name ~= "lua5.4" then
  return
end

local whole = os.getenv("SYSLUA_SWEEP") == "all"

-- Functions for the shell. Whoever holds a lock of the store is looked for where the kernel lists
-- them.
local functions = [[
  sys() { "$LUA" -l syslua "$@"; }
  now() { echo $(($(date +%s%N) / 1000000)); }
  kill_holder() {
    inode=$(stat -c %i "$SYSLUA_ROOT/store/$1") || return
    pid=$(awk -v inode=":$inode" '$2 == "FLOCK" && $6 ~ inode "$" { print $5; exit }' /proc/locks)
    [ -z "$pid" ] || { kill -9 "$pid" 2>/dev/null && echo "$1" >>killed; }
  }
  show_home() {
    cd "$HOME" && find . \( -type l -printf '%p %l\n' -o -printf '%p\n' \) | LC_ALL=C sort &&
      cat .both; cd "$OLDPWD"
    sh -c '. "$SYSLUA_ROOT/env.sh"; echo "$WHICH"'
  }
  # Runs a command, and notes what it said when it failed otherwise than by a kill.
  note() {
    said=$(sys "$@" 2>&1); code=$?
    case $code in 0|137) ;; *) printf '%s: %s\n%s\n\n' "$*" $code "$said" >>problems ;; esac
  }
]]

-- Two configs that share a target, with commands and originals.
local function write_configs(here)
  here.write("home/.both", "mine\n")
  for name in ("ab"):gmatch(".") do
    here.write_config(
      ([[
        for number = 1, 20 do
          file({ path = "~/%s/file" .. number, content = "%s" .. number })
        end
        file({ path = "~/%s/real", content = "%s", mode = "640" })
        file({ path = "~/.both", content = "%s" })
        env({ WHICH = "%s" })
      ]]):format(name, name, name, name, name, name),
      name .. ".lua"
    )
  end
end

-- Fails with what commands said that should not have failed.
local function assert_no_problems(here, allowed)
  for problem in (here.read("problems") or ""):gmatch("(.-)\n\n") do
    local is_allowed = false
    for _, text in ipairs(allowed) do
      is_allowed = is_allowed or problem:find(text, 1, true) ~= nil
    end
    assert.is_true(is_allowed, problem)
  end
end

local function get_maximum(text)
  local greatest, count = 0, 0
  for number in text:gmatch("%d+") do
    greatest, count = math.max(greatest, tonumber(number)), count + 1
  end
  return greatest, count
end

local function tell(...)
  if whole then
    io.stderr:write(string.format(...), "\n")
  end
end

describe("many at once #once", function()
  local here = machine.for_each_test(function(here)
    write_configs(here)
  end)

  it("applies and a rollback end as one after the other would, and no reader waits", function()
    local states = {}
    for name in ("ab"):gmatch(".") do
      here.must("apply", name .. ".lua")
      states[here.shell(functions .. "show_home").stdout] = name
    end
    here.must("rollback", "0", "--yes")
    states[here.shell(functions .. "show_home").stdout] = ""
    here.must("apply", "a.lua")

    local result = here.shell(functions .. ([[
      look() {
        i=0
        while [ ! -e stop ]; do
          begin=$(now); timeout 10 "$LUA" -l syslua status --json >answer 2>talk; code=$?
          echo $(($(now) - begin)) >>times
          [ $code = 0 ] || { echo "status: $code"; cat talk answer; }
          tr -d '\n' <answer >>answers; echo >>answers
          sleep 0.01
        done
      }
      look & looker=$!
      round=0
      while [ $round -lt %d ]; do
        ids=
        for number in 1 2 3 4; do
          note apply a.lua & ids="$ids $!"
          note apply b.lua & ids="$ids $!"
        done
        note rollback --yes & ids="$ids $!"
        sleep 0.$((round %% 5))$((round %% 10))
        kill_holder metadata/switch.lock
        wait $ids
        # Whatever was cut off is brought to its end by the next one.
        sys rollback 999999 --yes 2>&1 | grep -q 'there is no snapshot 999999' ||
          echo "round $round: no recovery"
        [ ! -e "$SYSLUA_ROOT/store/metadata/journal" ] || echo "round $round: a journal is left"
        show_home >state.$round
        round=$((round + 1))
      done
      touch stop; wait $looker
    ]]):format(whole and 200 or 3))
    assert.equal("", result.stdout)
    assert_no_problems(here, { "nothing was applied yet" })

    local ends = { a = 0, b = 0, [""] = 0 }
    for round = 0, (whole and 200 or 3) - 1 do
      local state = here.read("state." .. round)
      local name = states[state]
      assert.is_truthy(name, "round " .. round .. ":\n" .. state)
      ends[name] = ends[name] + 1
    end
    for answer in here.read("answers"):gmatch("[^\n]+") do
      local status = json.decode(answer)
      local which = (status.snapshot.config_path or ""):match("/(%a)%.lua$") or ""
      assert.equal(which == "" and 0 or 22, #status.targets, answer)
      for _, target in ipairs(status.targets) do
        assert.truthy(
          target.target == "~/.both" or target.target:find("~/" .. which .. "/", 1, true) == 1,
          answer
        )
        local is_calm = target.state == "ok" or (target.state == "switching" and status.pending)
        assert.truthy(is_calm, answer)
      end
    end
    local longest, count = get_maximum(here.read("times"))
    local _, killed = (here.read("killed") or ""):gsub("\n", "")
    tell("ended as a, b, nothing: %d, %d, %d; %d killed", ends.a, ends.b, ends[""], killed)
    tell("%d answers of status, the slowest after %d ms", count, longest)
    -- Ten processes share two processors; none waits for a lock, which others hold for longer than
    -- that.
    assert.is_true(longest < 5000, "the slowest status took " .. longest .. " ms")

    here.must("apply", "a.lua")
    assert.equal("a", states[here.shell(functions .. "show_home").stdout])
    assert.equal(0, here.run("status").code)
    assert.equal(0, here.run("verify").code)
    here.must("rollback", "0", "--yes")
    assert.equal("mine\n", here.read("home/.both"))
    assert.is_false(here.exists("home/a"))
  end)

  it("gc takes nothing that is alive, whoever builds, switches, looks or is killed", function()
    -- What is built by others, and dead right after.
    here.write_config(
      [[
      local words = {}
      for number = 1, 4 do
        words[number] = derive({ name = "word" .. number, config = function(_, ctx)
          ctx.run("sleep 0.02; echo word" .. number .. " >$out")
        end })
      end
      local text = derive({ name = "text", opts = { words = words }, config = function(opts, ctx)
        local all = {}
        for _, word in ipairs(opts.words) do all[#all + 1] = ctx.read(word.out) .. word.out end
        ctx.write(ctx.out, table.concat(all))
      end })
      file({ path = "~/c/text", source = text.out })
      file({ path = "~/.both", content = "c" })
    ]],
      "c.lua"
    )
    here.must("apply", "a.lua")
    local result = here.shell(functions .. ([[
      round=0
      while [ $round -lt %d ]; do
        ids=
        for line in "apply a.lua" "apply b.lua" "apply c.lua" "apply c.lua" "build c.lua" \
          "rollback --yes" "gc --keep 3" "gc" "gc --dry-run" "history" "list" "plan b.lua" \
          "status" "info" "verify"; do
          note $line & ids="$ids $!"
        done
        sleep 0.$((round %% 7))$((round %% 10))
        case $((round %% 3)) in
          0) kill_holder store.lock ;;
          1) kill_holder metadata/switch.lock ;;
        esac
        wait $ids
        # All that any snapshot needs is there.
        sys rollback 999999 --yes 2>&1 | grep -q 'there is no snapshot 999999' ||
          echo "round $round: no recovery"
        for line in status verify "gc --dry-run"; do
          said=$(sys $line 2>&1) || echo "round $round: $line: $said"
        done
        broken=$(find "$HOME" -type l ! -exec test -e {} \; -print)
        [ -z "$broken" ] || echo "round $round: $broken"
        round=$((round + 1))
      done
    ]]):format(whole and 100 or 3))
    assert.equal("", result.stdout)
    assert_no_problems(here, {
      -- One that was killed left its journal, or the parent was among what `--keep` let go.
      "nothing was removed",
      "nothing was applied yet",
      "there is no snapshot",
    })
    for _, snapshot in ipairs(json.decode(here.must("history", "--json").stdout).snapshots) do
      here.must("rollback", tostring(snapshot.id), "--yes")
      assert.equal(0, here.run("status").code)
      assert.equal("", here.shell("find ~ -type l ! -exec test -e {} \\; -print").stdout)
    end
    for name in ("cba"):gmatch(".") do
      here.must("apply", name .. ".lua")
      assert.equal(name, here.read("home/.both"))
    end
    here.must("gc", "--keep", "1")
    assert.equal(0, here.run("verify").code)
    local left = "find root/store/staging root/store/b?? root/store/tmp -mindepth 1; "
      .. "ls root/store/obj | grep word"
    assert.equal("", here.shell(left).stdout)
    local _, killed = (here.read("killed") or ""):gsub("\n", "")
    tell("%d killed", killed)
  end)
end)
