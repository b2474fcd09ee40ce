--- The table of shells and what they do, in docs/reference/config.md: what can be tried by a script
-- is tried here, in each shell that is installed; other cells name the spec that tries them in a
-- terminal. A cell that says otherwise is a failure.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local tree = require("spec.support.tree")

-- How each shell is started with a script, how that reads another one and runs a program, and how
-- it sets a variable for programs.
local shells = {
  sh = { "sh", ". '%s'", "%s", "export %s='%s'" },
  bash = { "bash --norc", ". '%s'", "%s", "export %s='%s'" },
  zsh = { "zsh -f", ". '%s'", "%s", "export %s='%s'" },
  fish = { "fish -N", "source '%s'", "%s", "set -gx %s '%s'" },
  Elvish = { "elvish -norc", "eval (slurp < '%s')", "%s", "set-env %s '%s'" },
  Nushell = { "nu -n", "source '%s'", "^%s", "$env.%s = '%s'" },
}
local files = { fish = "env.fish", Elvish = "env.elv", Nushell = "env.nu" }

local function find(program)
  local line = "PATH=$PATH:/var/cache/syslua-tools/bin; command -v " .. program:match("^%S+")
  local found = process.run_line(line).stdout:gsub("\n$", "")
  return found ~= "" and found or nil
end

-- Reads the table: what stands in a cell, by row and column.
local function read_table()
  local cells, columns
  for _, line in ipairs(tree.lines(tree.read("docs/reference/config.md"))) do
    local row = {}
    for cell in line:gmatch("|%s*([^|]-)%s*%f[|]") do
      row[#row + 1] = cell
    end
    if line:find("^| | sh | bash |") then
      cells, columns = {}, row
    elseif cells and not line:find("^|") then
      return cells, columns
    elseif cells and row[1] and not line:find("^|%-") then
      local by_shell = {}
      for index = 2, #columns do
        by_shell[columns[index]] = row[index]
      end
      cells[row[1]] = by_shell
    end
  end
  return assert(cells, "config.md has no table of shells"), columns
end

describe("the table of shells #once", function()
  local here = machine.for_each_test(function(here)
    here.shell("mkdir -p ~/.local/share/fish/generated_completions")
  end)

  -- What programs get after each script that a shell reads: `READ`, lines, `SHOW`.
  local function run(name, steps, variables)
    local how = shells[name]
    local lines, count = {}, 0
    here.write("show", 'exec /usr/bin/env -0 >"$1"\n')
    for _, step in ipairs(steps) do
      if step == "SHOW" then
        count = count + 1
        local words = ("/bin/sh '%s/show' '%s/out%d'"):format(here.directory, here.directory, count)
        lines[#lines + 1] = how[3]:format(words)
      elseif step:find("^READ ") then
        lines[#lines + 1] = how[2]:format(step:sub(6))
      else
        local variable, value = step:match("^SET (%S+) (.*)$")
        lines[#lines + 1] = how[4]:format(variable, value)
      end
    end
    here.write("main", table.concat(lines, "\n") .. "\n")
    local environment = { TERM = "dumb", PATH = "/usr/bin:/bin" }
    for key, value in pairs(variables or {}) do
      environment[key] = value
    end
    local program = find(how[1])
    local command = program .. how[1]:match("^%S+(.*)$") .. " main"
    local result = here.shell(command, environment)
    assert.equal(0, result.code, name .. ": " .. result.stderr)
    local shown = {}
    for index = 1, count do
      shown[index] = {}
      for entry in here.read("out" .. index):gmatch("([^%z]+)%z") do
        local key, value = entry:match("^([^=]+)=(.*)$")
        if key then
          shown[index][key] = value
        end
      end
    end
    return shown
  end

  -- Applies a config; returns the step that reads its script.
  local function apply(name, lines)
    here.apply(lines)
    local file = files[name] or "env.sh"
    local copy = here.directory .. "/copy" .. tostring(#here.shell("ls").stdout) .. file
    here.write(copy, here.read("root/" .. file))
    return "READ " .. copy
  end

  -- Each property: whether a shell has it, tried in that shell.
  local properties = {
    ["values arrive byte for byte"] = function(name)
      local value = 'it\'s "q" $HOME `x` \\ %d ! * ~\n\t ü '
      local first = apply(name, ("env({ VALUE = %q })"):format(value):gsub("\\\n", "\\n"))
      return run(name, { first, "SHOW" })[1].VALUE == value
    end,
    ["order of `PATH`"] = function(name)
      local first = apply(name, [[env({ PATH = { "/b", "/a c" } })]])
      return run(name, { first, "SHOW" })[1].PATH == "/b:/a c:/usr/bin:/bin"
    end,
    ["reading twice changes nothing"] = function(name)
      local first = apply(name, [[env({ PATH = { "/b" }, XDG_DATA_DIRS = "/x", EDITOR = "vi" })]])
      local shown = run(name, { first, "SHOW", first, "SHOW" })
      return shown[1].PATH == shown[2].PATH
        and shown[1].XDG_DATA_DIRS == shown[2].XDG_DATA_DIRS
        and shown[2].EDITOR == "vi"
    end,
    ["what is gone is unset, entries taken back"] = function(name)
      local first = apply(name, [[env({ PATH = { "/b" }, EDITOR = "vi" })]])
      local second = apply(name, "env({ OTHER = 1 })")
      local shown = run(name, { first, second, "SHOW" })[1]
      return shown.PATH == "/usr/bin:/bin" and shown.EDITOR == nil and shown.OTHER == "1"
    end,
    ["the earlier value comes back"] = function(name)
      local first = apply(name, [[env({ EDITOR = "vi" })]])
      local second = apply(name, "env({ OTHER = 1 })")
      return run(name, { "SET EDITOR mine", first, second, "SHOW" })[1].EDITOR == "mine"
    end,
    ["defaults of list variables"] = function(name)
      local first = apply(name, [[env({ XDG_DATA_DIRS = "/x", MANPATH = "/m", LUA_PATH = "/l" })]])
      local shown = run(name, { first, "SHOW" }, { LUA_PATH = "" })[1]
      return shown.XDG_DATA_DIRS == "/x:/usr/local/share:/usr/share"
        and shown.MANPATH == "/m:"
        and shown.LUA_PATH == "/l;;"
    end,
    ["a shell inside a shell, of any kind"] = function(name)
      local first = apply(name, [[env({ PATH = { "/b" }, EDITOR = "vi" })]])
      for outer in pairs(shells) do
        if find(shells[outer][1]) then
          local file = "READ " .. here.directory .. "/root/" .. (files[outer] or "env.sh")
          local given = run(outer, { file, "SHOW" })[1]
          given.PATH, given.EDITOR = "/usr/bin:/bin", "mine"
          local shown = run(name, { first, "SHOW" }, given)[1]
          if shown.PATH ~= "/b:/usr/bin:/bin" or shown.EDITOR ~= "mine" then
            return false
          end
        end
      end
      return true
    end,
    ["scripts; a missing one does not matter"] = function(name)
      local set = shells[name][4]:format("SOURCED", "yes")
      local script = here.write("home/sourced", set .. "\n")
      local lines = [[
        activate({ config = function(_, ctx)
          ctx.source_in_shell("/no/such", { shells = { %q } })
          ctx.source_in_shell(%q, { shells = { %q } })
        end })
      ]]
      local own = name:lower()
      local first = apply(name, lines:format(own, script, own))
      return run(name, { first, "SHOW" })[1].SOURCED == "yes"
    end,
    -- Only root has them.
    ["scripts of each user"] = function(name)
      if here.shell("[ $(id -u) = 0 ] && id -u syslua-test").code ~= 0 then
        return nil
      end
      apply(
        name,
        [[
        env({ EDITOR = "general", PATH = { "/general" } })
        user({ name = "syslua-test", setup = function()
          env({ EDITOR = "own", PATH = { "/own" } })
        end })
      ]]
      )
      local script = here.root .. "/users/syslua-test/" .. (files[name] or "env.sh")
      local shown = run(name, { "READ " .. script, "SHOW" })[1]
      return shown.EDITOR == "own" and shown.PATH == "/own:/general:/usr/bin:/bin"
    end,
  }

  -- Rows that specs try in a terminal: the spec, a part of its title, and how it names the shells.
  local elsewhere = {
    ["aliases, functions"] = {
      {
        "spec/commands/alias_spec.lua",
        '"are there in " .. name',
        "fish",
        "Elvish",
        "Nushell",
        "bash",
        "zsh",
      },
      { "spec/commands/alias_spec.lua", '"are there in sh"', "sh" },
    },
    ["the hook: snapshots, projects"] = {
      {
        "spec/commands/hook_spec.lua",
        'name .. " enters and leaves projects',
        "bash",
        "zsh",
        "fish",
      },
      { "spec/commands/hook_nushell_spec.lua", "Nushell enters and leaves projects", "Nushell" },
    },
    ["the hook: directories with an entry file"] = {
      {
        "spec/commands/project_spec.lua",
        'name .. " enters and leaves by its hook"',
        "bash",
        "zsh",
        "fish",
      },
      {
        "spec/commands/hook_nushell_spec.lua",
        "Nushell enters and leaves directories with an entry file",
        "Nushell",
      },
    },
    ["an open shell, and a login shell after it"] = {
      {
        "spec/commands/live_shells_spec.lua",
        "have what is applied at the next prompt",
        "bash",
        "zsh",
        "fish",
        "Nushell",
      },
    },
    ["completions of packages"] = {
      { "spec/commands/environment_spec.lua", '"are found by " .. name', "bash", "zsh" },
      { "spec/commands/environment_spec.lua", '"are found by fish"', "fish" },
    },
    ["completion of `sys`"] = {
      { "spec/commands/completions_spec.lua", '"work in " .. name', "bash", "zsh" },
      { "spec/commands/completions_spec.lua", '"work in fish"', "fish" },
      { "spec/commands/completions_spec.lua", '"work in Nushell"', "Nushell" },
    },
    ["layers of roots, projects and directories"] = {
      { "spec/commands/layers_spec.lua", "are as the model says: ", "bash", "zsh", "fish" },
    },
    ["links to projects"] = {
      {
        "spec/commands/hook_beside_spec.lua",
        '" sees projects through links"',
        "bash",
        "zsh",
        "fish",
      },
    },
    ["the hook beside direnv"] = {
      {
        "spec/commands/hook_beside_spec.lua",
        '" before" or " after") .. " direnv"',
        "bash",
        "zsh",
        "fish",
      },
    },
    ["the root is destroyed"] = {
      {
        "spec/commands/hook_beside_spec.lua",
        '" takes all back when the root is destroyed"',
        "bash",
        "zsh",
        "fish",
      },
    },
    ["options, hooks and aliases of any kind around"] = {
      {
        "spec/hostile/shell_surroundings_spec.lua",
        "the hook in surroundings of any kind",
        "bash",
        "zsh",
        "fish",
        "Nushell",
      },
    },
  }

  -- Rows that tests of the engine try; cmd by Wine, when that is asked for.
  local in_engine = {
    ["values arrive byte for byte"] = { cmd = "but line breaks and empty ones" },
    ["order of `PATH`"] = { cmd = "yes" },
    ["reading twice changes nothing"] = { cmd = "yes" },
    ["what is gone is unset, entries taken back"] = { cmd = "yes" },
    ["the earlier value comes back"] = { cmd = "yes" },
  }

  local cells, columns = read_table()

  for name in pairs(shells) do
    local it_there = find(shells[name][1]) and it or pending
    for property, check in pairs(properties) do
      it_there(("says of %s: %s"):format(name, property), function()
        assert.is_table(cells[property], "there is no row: " .. property)
        local has_it = check(name)
        if has_it == nil then
          pending("only root can try it")
          return
        end
        assert.equal(cells[property][name], has_it and "yes" or "no")
      end)
    end
  end

  it("has no cell without a test", function()
    assert.same(
      { "", "sh", "bash", "zsh", "fish", "Elvish", "Nushell", "PowerShell", "cmd" },
      columns
    )
    for property, row in pairs(cells) do
      for index = 2, #columns do
        local shell, cell = columns[index], row[columns[index]]
        local is_tried = properties[property] and shells[shell]
        local expected = in_engine[property] and in_engine[property][shell]
        for _, spec in ipairs(elsewhere[property] or {}) do
          for place = 3, #spec do
            if spec[place] == shell then
              expected = "yes"
              contains(tree.read(spec[1]), spec[2])
            end
          end
        end
        if expected then
          assert.equal(expected, cell, property .. ", " .. shell)
        elseif not is_tried then
          local is_honest = cell == "no" or cell == "not exercised" or cell == "grammar only"
          assert.is_true(is_honest, ("%s, %s: %s"):format(property, shell, tostring(cell)))
        end
      end
    end
  end)

  it("names each shell of the engine", function()
    local known = {}
    for _, name in ipairs(columns) do
      known[name:lower()] = true
    end
    for _, name in ipairs(require("syslua.bindings").call("shell_names")) do
      assert.is_true(known[name], name)
    end
  end)
end)
