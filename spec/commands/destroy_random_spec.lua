--- `destroy` after random sequences of apply, edit, rollback, kill and gc: the home is what it was,
-- and no edit is lost. `SYSLUA_SEED=7` runs one sequence, `SYSLUA_SWEEP=all` many.

local commands = require("syslua.cli.commands")
local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local random_numbers = require("spec.support.random")

local it_once = interpreter.version == "5.4" and not interpreter.is_jit and it or pending

-- What stands in the home before: names that hurt, modes, links, times.
local furnish = [[
  umask 022; cd ~
  mkdir -p .dir/sub/deeper .config/app "sp ace" .locked
  echo a >.a; chmod 600 .a; echo b >.b; chmod 755 .b; echo ro >.ro; chmod 444 .ro; : >.empty
  chmod 0 .empty
  echo inner >.dir/inner; echo x >.dir/sub/x; ln -s ../inner .dir/sub/way
  echo conf >.config/app/conf
  echo other >.config/app/other; ln -s nowhere .link; mkfifo .fifo; chmod 640 .fifo
  echo q >"$(printf "sp ace/q'uo\"te\nnew")"; echo bytes >"$(printf '\377x')"; ln .a .second-name
  echo in >.locked/in; chmod 2750 .dir; chmod 500 .locked
  find . -mindepth 1 ! -type d -exec touch -h -d '2001-02-03 04:05:06.789012345' {} +
]]

-- Each group is one or the other: a directory, or what is in it.
local groups = {
  { { "~/.a" } },
  { { "~/.b" } },
  { { "~/.ro" } },
  { { "~/.empty" } },
  { { "~/.dir" }, { "~/.dir/inner", "~/.dir/sub/x", "~/.dir/fresh" }, { "~/.dir/sub" } },
  { { "~/.config/app/conf", "~/.config/new/one" }, { "~/.config/app" } },
  { { "~/.link" } },
  { { "~/.fifo" } },
  { { "~/sp ace/q'uo\"te\nnew" } },
  { { "~/\255x" } },
  { { "~/.locked" } },
  { { "~/.new" }, { "~/.new/er/file", "~/.new/er/other" }, { "~/.new/er" } },
  { { "~/.deep/a/b/c" }, { "~/.deep" } },
}

-- Where a directory may be wanted: the others hold files, which are in its way.
local directories = {
  ["~/.dir"] = true,
  ["~/.dir/sub"] = true,
  ["~/.config/app"] = true,
  ["~/.new"] = true,
  ["~/.new/er"] = true,
  ["~/.deep"] = true,
}

-- A file that stays where one of these was would be in the way of what is declared below it.
local above_others = { ["~/.new"] = true, ["~/.new/er"] = true, ["~/.deep"] = true }

-- How a target may be declared.
local kinds = {
  function(path, random)
    return ("file { path = %q, content = %q }"):format(path, "text " .. random(3))
  end,
  function(path, random)
    return ("file { path = %q, content = %q, mode = %q }"):format(
      path,
      "real " .. random(3),
      ({ "600", "640", "755", "444" })[random(4)]
    )
  end,
  function(path, random)
    return ("file { path = %q, content = %q, copy = true }"):format(path, "copy " .. random(3))
  end,
  function(path, random)
    return ("file { path = %q, content = %q, executable = true }"):format(path, "run " .. random(2))
  end,
  function(path, random)
    local mutable = above_others[path] and "" or ", mutable = true"
    return ("file { path = %q, content = %q%s }"):format(path, "once " .. random(2), mutable)
  end,
  function(path)
    return ("file { path = %q, source = 'source/file' }"):format(path)
  end,
  function(path)
    return ("file { path = %q, source = 'source/file', mutable = true }"):format(path)
  end,
  function(path)
    return ("file { path = %q, source = 'source/tree' }"):format(path)
  end,
  function(path)
    return ("file { path = %q, source = 'source/tree', recursive = %s }"):format(
      path,
      directories[path] or false
    )
  end,
  function(path)
    return ("activate { config = function(_, ctx) ctx.symlink('/nowhere', %q) end }"):format(path)
  end,
}

-- What somebody does at a managed target: lines of the shell, with $P, its parent $D, and a text
-- $T.
local edits = {
  'rm -rf "$P"; mkdir -p "$D"; printf %s "$T" >"$P"',
  'rm -rf "$P"; mkdir -p "$P/in"; printf %s "$T" >"$P/in/file"',
  'rm -rf "$P"; mkdir -p "$D"; ln -s "$T" "$P"',
  'rm -rf "$P"',
  'rm -rf "$P"; mkdir -p "$D"; mkfifo "$P"',
  '[ ! -f "$P" ] || [ -L "$P" ] || { chmod u+rw "$P"; printf %s "$T" >>"$P"; }',
  '[ ! -f "$P" ] || [ -L "$P" ] || chmod 666 "$P"',
  '[ -L "$P" ] || touch "$P"',
}

describe("destroy #once", function()
  local here = machine.for_each_test(function(here)
    here.root = here.home .. "/.local/share/syslua"
    here.environment.SYSLUA_ROOT = here.root
    here.write("source/file", "from a source\n")
    here.write("source/tree/one", "one\n")
    here.write("source/tree/sub/two", "two\n")
  end)

  -- Kind, mode, names, content, where links lead; times of all but directories, into which things
  -- come and go.
  local function list_home()
    local line = [[cd ~ && {
      find . -path ./.local -prune -o -type d -printf '%y %m %n %p\0' -o \
        -printf '%y %m %n %p %s %T@ %i %l\0'
      find . -path ./.local -prune -o -type f -readable -print0 | xargs -0 sha256sum -z
    } | LC_ALL=C sort -z | tr '\0' '\n']]
    -- The number of names of a directory differs between file systems.
    return (here.shell(line).stdout:gsub("\nd (%d+) %d+ ", "\nd %1 "))
  end

  local function run_sequence(seed, steps)
    local random = random_numbers.new(seed)
    local trace, expected, tokens = {}, {}, 0
    local declared, given = {}, {}
    here.shell(furnish)
    if random(2) == 1 then
      here.shell("mkdir -p ~/.local/share")
    end
    local had_share = here.exists("home/.local/share")
    local before = list_home()

    local function fail(message)
      error(("SYSLUA_SEED=%d: %s\n%s"):format(seed, message, table.concat(trace, "\n")), 0)
    end

    local function run(...)
      trace[#trace + 1] = "sys " .. table.concat({ ... }, " ")
      local result = here.run(...)
      if result.code ~= 0 then
        fail(result.stdout .. result.stderr)
      end
      return result
    end

    local function write_config()
      local lines, paths = {}, {}
      for _, group in ipairs(groups) do
        if random(3) > 1 then
          for _, path in ipairs(group[random(#group)]) do
            if random(5) > 1 then
              lines[#lines + 1] = kinds[random(#kinds)](path, random)
              -- The directory itself is the user's then.
              local is_tree = lines[#lines]:find("recursive = true", 1, true)
              -- So is what is written once: whatever happens to it is no edit of something managed.
              local is_once = lines[#lines]:find('content = "once %d", mutable = true')
              if is_once then
                given[path] = true
              else
                for _, name in ipairs(is_tree and { "/one", "/sub/two" } or { "" }) do
                  paths[#paths + 1] = path .. name
                end
              end
            end
          end
        end
      end
      here.write_config(table.concat(lines, "\n"))
      trace[#trace + 1] = table.concat(lines, "\n")
      return paths
    end

    local function read_at(path)
      return here.shell(
        'P=$HOME/"$T"; for f in "$P" "$P/in/file"; do [ ! -f "$f" ] || cat "$f"; done; '
          .. 'readlink "$P"',
        { T = path:sub(3) }
      ).stdout
    end

    local function edit()
      if not declared[1] then
        return
      end
      local path = declared[random(#declared)]
      tokens = tokens + 1
      local token = ("edit-%d-%d."):format(seed, tokens)
      local line = edits[random(#edits)]
      local held = {}
      for old in read_at(path):gmatch("edit%-%d+%-%d+%.") do
        held[old] = true
      end
      -- A link to one's own file leads the edit there, which is nobody's business.
      here.shell(
        [[P=$HOME/"$N"; D=$(dirname "$P"; echo .); D=${D%??}; ]]
          .. [[case $(readlink "$P") in */source/*) rm "$P";; esac;]]
          .. line,
        { N = path:sub(3), T = token }
      )
      trace[#trace + 1] = ("edit %q: %s"):format(path, line)
      local now = read_at(path)
      for old in pairs(held) do
        expected[old] = now:find(old, 1, true) and path or nil
      end
      if now:find(token, 1, true) then
        expected[token] = path
      end
    end

    for _ = 1, steps do
      local what = random(10)
      if what <= 4 then
        declared = write_config()
        run("apply", "init.lua")
      elseif what <= 7 then
        edit()
      elseif what == 8 then
        local newest =
          tonumber((here.read_link(here.root .. "/store/metadata/current") or "0"):match("%d+"))
        local wanted = random(newest + 1) - 1
        -- gc may have dropped it.
        if
          newest > 0
          and (wanted == 0 or here.exists(here.root .. "/store/metadata/snapshots/" .. wanted))
        then
          run("rollback", tostring(wanted), "--yes")
          declared = {}
        end
      elseif what == 9 and commands.exists("gc") then
        run("gc", "--keep", "2")
      elseif what == 10 then
        declared = write_config()
        trace[#trace + 1] = "kill"
        here.shell(("timeout -s KILL 0.0%d $LUA -l syslua apply init.lua"):format(random(9)))
        run("apply", "init.lua")
      end
    end

    run("destroy", "--dry-run")
    local result = run("destroy", "--yes")
    -- What was written once stays, where nothing stood before.
    for path in pairs(given) do
      here.shell(
        [[cd ~; [ -f "$N" ] && [ ! -L "$N" ] && grep -q '^once [12]$' "$N" && rm -f "$N" || exit 0
          find .new .deep .config/new -depth -type d -empty -delete 2>&-]],
        { N = path:sub(3) }
      )
    end
    local after = list_home()
    if after ~= before then
      here.write("before", before)
      here.write("after", after)
      fail("the home differs:\n" .. here.shell("diff before after").stdout .. result.stdout)
    end
    local rest = here.shell(
      [[cd ~; [ ! -e .local ] || find .local -path .local/share/syslua/backups -prune -o \
        ! -path .local ! -path .local/share ! -path .local/share/syslua -print]]
    ).stdout
    if rest ~= "" then
      fail("the root is not gone: " .. rest)
    end
    if not here.exists(here.root) and here.exists("home/.local/share") ~= had_share then
      fail("the directories above the root are not as before")
    end
    for token, path in pairs(expected) do
      local found = here.shell(
        (
          [[cd %s/backups/displaced && { grep -r -F -q %s . || find . -lname %s | grep -q .; ]]
          .. [[}]]
        ):format(process.quote(here.root), process.quote(token), process.quote(token))
      )
      if found.code ~= 0 then
        fail(("the edit %s of %s is lost"):format(token, path))
      end
      if not result.stdout:find("backups/displaced", 1, true) then
        fail("the copies are not named: " .. result.stdout)
      end
    end
    here.shell("chmod -R u+rwX ~; rm -rf ~; mkdir ~")
  end

  it_once("leaves the home as it was before the first apply, whatever happened since", function()
    local one = tonumber(os.getenv("SYSLUA_SEED"))
    local last = os.getenv("SYSLUA_SWEEP") == "all" and 400 or 20
    for seed = one or 1, one or last do
      run_sequence(seed, 8)
    end
  end)
end)
