--- Programs change objects through links: `status` sees it, and `apply` keeps what they wrote and
--- repairs the objects.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local random = require("spec.support.random")
local syslua = require("syslua")

local rounds = 12

local config = [[
  file { path = "~/.one", content = "same\n" }
  file { path = "~/.two", content = "same\n" }
  file { path = "~/.other", content = "other\n" }
  file { path = "~/.tree", source = "tree" }
  file { path = "~/.again", source = "tree" }
  file { path = "~/.each", source = "tree", recursive = true }
]]

-- Targets that lead to a file, below a linked directory or not. Those of a group are one inode.
local files = {
  { "~/.one", "~/.two", group = "same" },
  { "~/.two", "~/.one", group = "same" },
  { "~/.other" },
  { "~/.tree/a" },
  { "~/.tree/sub/b" },
  { "~/.again/sub/c" },
  { "~/.each/a" },
  { "~/.each/sub/b" },
}

-- Shell lines that change a file `$f` in an object, as programs do; `$n` is a number. The directory
-- can be written.
local changes = {
  write = 'chmod u+w "$f"; printf "written $n" >"$f"',
  append = 'chmod u+w "$f"; printf "more $n" >>"$f"; chmod 444 "$f"',
  restored = [[cp -p "$f" kept-$n; chmod u+w "$f"; tr a-z b-za <kept-$n >"$f"; touch -r kept-$n "$f"
    chmod 444 "$f"; rm -f kept-$n]],
  copied = [[cp -p "$f" new-$n; chmod u+w new-$n; tr a-z b-za <"$f" >new-$n; chmod 444 new-$n
    touch -r "$f" new-$n; rm -f "$f"; cp -p new-$n "$f"; rm -f new-$n]],
  renamed = 'printf "renamed $n" >"$f.tmp"; mv -f "$f.tmp" "$f"',
  linked = 'printf "linked $n" >mine-$n; ln -f mine-$n "$f"',
  symlink = 'printf "elsewhere $n" >mine-$n; ln -sfn "$PWD/mine-$n" "$f"',
  truncated = 'chmod u+w "$f"; : >"$f"',
}

-- The same of what is below a linked directory `$d`.
local changes_below = {
  added = 'printf "added $n" >"$d/added-$n"',
  added_directory = 'mkdir "$d/dir-$n"; printf "inside $n" >"$d/dir-$n/file"',
  removed = 'chmod -R u+w "$d"; rm -f "$d/sub/b"',
  emptied = 'chmod -R u+w "$d"; rm -rf "$d/sub"',
}

local function list_names(map)
  local names = {}
  for name in pairs(map) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

-- Returns the target that a file is or lies below.
local function get_managed(path)
  return path:match("^~/%.tree") or path:match("^~/%.again") or path
end

describe("objects that programs change #once", function()
  local here = machine.for_each_test(function(here)
    here.write("tree/a", "alpha\n")
    here.write("tree/sub/b", "beta\n")
    here.write("tree/sub/c", ("c"):rep(300000))
    here.shell("ln -s a tree/link")
    here.apply(config)
  end)

  -- Opens the object and all directories above a file, as its owner can.
  local function change(line, path, number)
    local result =
      here.shell(([[set -e; p=%s; cd $(dirname "$SYSLUA_ROOT"); f=$(readlink "$p" || true)
      case "$f" in
        */store/obj/*) ;;
        */store/ways/*) f=$(readlink -f "$(dirname "$f")")/$(basename "$f") ;;
        *) f=$(readlink -f "$(dirname "$p")")/$(basename "$p") ;;
      esac
      [ $(id -u) != 0 ] || chattr -R -f -i "$SYSLUA_ROOT/store/obj" || true
      d=$f; n=%d; chmod u+w "$SYSLUA_ROOT/store/obj"; [ ! -d "$f" ] || chmod u+w "$f"
      u=$(dirname "$f")
      while [ "$u" != "$SYSLUA_ROOT/store/obj" ]; do chmod u+w "$u"; u=$(dirname "$u"); done
      %s]]):format(path, number, line))
    assert.equal(0, result.code, result.stderr)
  end

  local function get_states()
    local result = here.run("status", "--json")
    local states = {}
    for _, target in ipairs(syslua.lib.fromJSON(result.stdout).targets) do
      states[target.target] = target.state
    end
    return states, result.code
  end

  local function must_be_as_applied()
    local states, code = get_states()
    assert.equal(0, code)
    for target, state in pairs(states) do
      assert.equal("ok", state, target)
    end
    assert.equal(0, here.run("verify").code)
    local again = here.must("apply", "init.lua")
    contains(again.stdout, "Nothing changed")
    assert.equal("same\n", here.read("home/.one"))
    assert.equal("same\n", here.read("home/.two"))
    assert.equal("beta\n", here.read("home/.each/sub/b"))
    local difference = here.shell("diff -r tree ~/.tree && diff -r tree ~/.again")
    assert.equal(0, difference.code, difference.stdout)
  end

  local function read_kept()
    return here.shell('cat $(find "$SYSLUA_ROOT/backups/displaced" -type f)').stdout
  end

  local function change_at_random()
    local draw = random.new(77)
    local names, names_below = list_names(changes), list_names(changes_below)
    for number = 1, rounds do
      -- Now and then without the memory: then all bytes are compared.
      if draw(4) == 1 then
        here.shell('rm -f "$SYSLUA_ROOT/store/metadata/objects"')
      end
      local changed, texts = {}, {}
      for part = 1, draw(3) do
        local id = number * 10 + part
        if draw(3) == 1 then
          local name = names_below[draw(#names_below)]
          change(changes_below[name], "~/.tree", id)
          changed["~/.tree"] = name
          texts[#texts + 1] = name:find("^added$") and ("added " .. id) or nil
        else
          local target = files[draw(#files)]
          local name = names[draw(#names)]
          if here.shell("[ -f " .. target[1] .. " ]").code == 0 then
            change(changes[name], target[1], id)
            changed[get_managed(target[1])] = name
          end
        end
      end
      local states, code = get_states()
      local what = table.concat(list_names(changed), " ")
      for target, name in pairs(changed) do
        assert.not_equal("ok", states[target], ("round %d: %s at %s"):format(number, name, target))
      end
      assert.equal(3, code, what)
      here.must("apply", "init.lua")
      for _, text in ipairs(texts) do
        contains(read_kept(), text)
      end
      must_be_as_applied()
    end
  end

  it("are seen, kept and repaired, whatever was changed", change_at_random)
  it("are seen, kept and repaired, whatever was changed, in a root of root #root", change_at_random)

  for name, line in pairs(changes) do
    it(("are repaired: %s"):format(name), function()
      for number, target in ipairs(files) do
        change(line, target[1], number)
        local states, code = get_states()
        local place = get_managed(target[1])
        assert.equal(3, code)
        assert.not_equal("ok", states[place], target[1])
        local bytes = here.shell("cat " .. target[1]).stdout
        assert.equal(3, here.run("verify").code)
        local result = here.must("apply", "init.lua")
        contains(result.stdout, place)
        if name == "symlink" then
          local links = here.shell('find "$SYSLUA_ROOT/backups/displaced" -lname "*/mine-*"').stdout
          assert.equal(number, select(2, links:gsub("\n", "")))
        elseif bytes ~= "" then
          contains(read_kept(), bytes)
        end
        must_be_as_applied()
      end
    end)
  end

  for name, line in pairs(changes_below) do
    it(("are repaired below a linked directory: %s"):format(name), function()
      change(line, "~/.tree", 7)
      local states, code = get_states()
      assert.equal(3, code)
      assert.equal("changed", states["~/.tree"])
      here.must("apply", "init.lua")
      if name:find("added") then
        contains(read_kept(), "7")
      end
      must_be_as_applied()
    end)
  end

  it("are restored by verify too, which keeps what was written", function()
    change(changes.append, "~/.one", 5)
    assert.equal(3, here.run("status").code)
    here.must("verify", "--repair")
    contains(read_kept(), "more 5")
    must_be_as_applied()
  end)

  it("are no drift when only modes and times changed", function()
    change('chmod 644 "$f"; touch "$f"', "~/.one", 1)
    change('touch "$f"', "~/.tree/sub/b", 1)
    assert.equal(0, here.run("status").code)
    here.must("apply", "init.lua")
    must_be_as_applied()
    local mode = here.shell('stat -c "%a %Y" "$(readlink ~/.one)" ~/.tree/sub/b').stdout
    assert.equal("444 1\n444 1\n", mode)
  end)

  it("are not suspect when a file gets another name, or loses one", function()
    -- What is suspect is written again, so that the file is another one.
    local function get_memory()
      return here.shell('stat -c "%i %Y" "$SYSLUA_ROOT/store/metadata/objects"').stdout
    end
    here.apply(config .. '\n  file { path = "~/.three", content = "same\\n" }')
    local memory = get_memory()
    here.must("apply", "init.lua")
    assert.equal(memory, get_memory())
    here.apply(config)
    here.must("gc", "--keep", "1")
    memory = get_memory()
    here.must("apply", "init.lua")
    assert.equal(memory, get_memory())
    must_be_as_applied()
  end)

  it("are kept when a rollback or a destroy leaves them", function()
    here.apply('file { path = "~/.one", content = "next\\n" }')
    change(changes.append, "~/.one", 5)
    here.must("rollback", "--yes")
    contains(read_kept(), "next\nmore 5")
    change(changes.append, "~/.other", 6)
    here.must("destroy", "--yes")
    contains(read_kept(), "other\nmore 6")
  end)
end)
