--- Trees beside GNU Stow: a recursive tree of each package shows the same file at each path as
--- `stow` does, and a home that Stow linked is taken over and given back. `SYSLUA_SWEEP=all` tries
--- 200 sets of packages, `SYSLUA_SEED=7` one.

local contains = require("spec.support.text_checks").contains
local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local random_numbers = require("spec.support.random")

local is_once = interpreter.version == "5.4" and not interpreter.is_jit and process.has("stow")
local it_once = is_once and it or pending

local packages = { "one", "two", "thr ee" }
-- Few, so that packages share directories, and odd ones. Stow leaves out README, LICENSE and names
-- such as "x~".
local names = {
  ".config",
  ".vim",
  "app",
  "lua",
  "rc",
  "App",
  "sp ace",
  "it's",
  "-dash",
  "\195\164",
  "\255x",
  "a\nb",
  "..x",
}

local quote = process.quote

-- Returns a script that makes packages below `dotfiles`.
local function furnish(random)
  local lines = { "set -e; umask 022; mkdir -p dotfiles; cd dotfiles" }
  local function add(line, ...)
    lines[#lines + 1] = line:format(...)
  end
  -- What stands at a path of the home: "directory", or "file" for whatever is none.
  local taken, files = {}, {}
  local function is_free(path)
    for above in path:gmatch("()/") do
      if taken[path:sub(1, above - 1)] == "file" then
        return false
      end
    end
    return taken[path] == nil
  end
  local function take(path, kind)
    for above in path:gmatch("()/") do
      taken[path:sub(1, above - 1)] = "directory"
    end
    taken[path] = kind
  end
  local function get_up(path)
    return ("../"):rep(select(2, path:gsub("/", "")))
  end
  for index = 1, random(3) do
    local package = packages[index]
    add("mkdir -p %s", quote(package))
    for number = 1, random(8) do
      local path = names[random(#names)]
      for _ = 1, random(4) - 1 do
        path = path .. "/" .. names[random(#names)]
      end
      local place, kind = quote(package .. "/" .. path), random(12)
      if not is_free(path) then
        kind = 0
      else
        add('mkdir -p "$(dirname -- %s.)"', quote("./" .. package .. "/" .. path))
      end
      if kind == 0 then
        add(": taken")
      elseif kind == 1 then
        add("mkdir -- %s", place)
        take(path, "directory")
      elseif kind == 2 and files[1] then
        -- To a file of this package or another one.
        local other = files[random(#files)]
        add("ln -s -- %s %s", quote(get_up(path) .. "../" .. other), place)
        take(path, "file")
      elseif kind == 3 then
        add("ln -s -- %s %s", quote("nowhere" .. number), place)
        take(path, "file")
      else
        add("echo %s >%s", quote(package .. number), place)
        if kind < 7 then
          add("chmod 755 -- %s", place)
        end
        take(path, "file")
        files[#files + 1] = package .. "/" .. path
      end
    end
    -- A package without a file is no tree.
    local last = "last" .. index
    add("echo last >%s", quote(package .. "/" .. last))
  end
  return table.concat(lines, "\n")
end

describe("a recursive tree #once", function()
  local here = machine.for_each_test()

  local function must(line)
    local result = here.shell(line)
    assert(result.code == 0, ("%s\n%s%s"):format(line, result.stdout, result.stderr))
    return result.stdout
  end

  -- What is reached by each path: content, whether it can be run; and links that lead nowhere.
  local function get_view(directory)
    return must(([[cd %s
      LC_ALL=C; export LC_ALL
      find -L . -type f -exec sha256sum {} + | sort
      find -L . -type f -perm -100 -print0 | sort -z | tr '\0' '|'
      find -L . -type l -print0 | sort -z | tr '\0' '|']]):format(quote(directory)))
  end

  local function list_packages()
    local list = {}
    for _, package in ipairs(packages) do
      if here.exists("dotfiles/" .. package) then
        list[#list + 1] = package
      end
    end
    return list
  end

  local function stow(target, list, options)
    local words =
      { ("mkdir -p %s; stow -d dotfiles -t %s %s"):format(target, target, options or "") }
    for _, package in ipairs(list) do
      words[#words + 1] = quote(package)
    end
    must(table.concat(words, " "))
  end

  local function write_config(list, more)
    local lines = {}
    for _, package in ipairs(list) do
      lines[#lines + 1] = ('file { path = "~", source = %q, recursive = true%s }'):format(
        package,
        more
      )
    end
    here.write_config(table.concat(lines, "\n"), "dotfiles/init.lua")
  end

  local function check(seed)
    local random = random_numbers.new(seed)
    must(furnish(random))
    local list = list_packages()
    stow("folded", list)
    stow("unfolded", list, "--no-folding")
    local expected = get_view("folded")
    assert.are.equal(expected, get_view("unfolded"))
    write_config(list, random(2) == 1 and ", mutable = true" or "")
    -- A config in a package's directory is no part of one.
    here.must("apply", "dotfiles")
    assert.are.equal(expected, get_view("home"), "in an empty home")
    here.must("destroy", "--yes")
    assert.are.equal("", here.list("home"):gsub("^d %d+ %. *\n", ""))

    -- A home that Stow linked, in which a program wrote: what is in a folded directory is in the
    -- package.
    stow("home", list, random(3) == 1 and "--no-folding" or "")
    must([[cd home; find . -mindepth 1 -type l -exec sh -c '
      for link; do
        if [ -d "$link" ] && [ -w "$link" ]; then echo state >"$link/state"; fi
      done' sh {} +]])
    local before, with_state = here.list("home"), get_view("home")
    local sources = here.list("dotfiles")
    here.must("apply", "dotfiles")
    assert.are.equal(sources, here.list("dotfiles"), "the dotfiles changed")
    assert.are.equal(with_state, get_view("home"), "in a stowed home")
    contains(here.must("apply", "dotfiles").stdout, "Nothing changed")
    -- A program writes into what was folded, and is a directory now.
    must([[cd home; find . -mindepth 1 -type d -exec sh -c '
      for directory; do echo later >"$directory/later"; done' sh {} +]])
    here.must("destroy", "--yes")
    assert.are.equal(sources, here.list("dotfiles"), "the dotfiles changed")
    must("find home -type f -name later -delete")
    assert.are.equal(before, here.list("home"), "after destroy")
  end

  local one, count =
    tonumber(os.getenv("SYSLUA_SEED") or ""), os.getenv("SYSLUA_SWEEP") == "all" and 200 or 4
  it_once("shows what GNU Stow shows, takes its links over, and gives them back", function()
    for seed = one or 1, one or count do
      local succeeded, problem = pcall(check, seed)
      assert(
        succeeded,
        ("seed %d: %s"):format(
          seed,
          type(problem) == "table" and problem.message or tostring(problem)
        )
      )
      here.renew()
    end
  end)
end)
