--- Environments that lie on one another: those of two roots, of a project of the config, and of a
-- directory. Each event of a random order happens at the prompt of an interactive shell, and a
-- small model says what the variables are after it.

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local projects = require("spec.support.projects")
local random = require("spec.support.random")

-- What each config declares: variables of all, those of its project, and entries of the list L.
local configs = {
  one = {
    { V = "1a", W = "1b", L = "/1" },
    { V = "1c", L = "/both" },
    { W = "1d" },
    {},
    project = {
      { V = "pa", L = "/p" },
      { V = "pb", W = "pc" },
      {},
      { W = "pd", L = "/both" },
    },
  },
  two = { { V = "2a", L = "/both" }, {}, { V = "2b", W = "2c", L = "/2" } },
  directory = { V = "da", L = "/d" },
}

-- From the lowest layer to the highest.
local order = { "one", "two", "project", "directory" }

local function get_rank(layer)
  for rank, name in ipairs(order) do
    if name == layer then
      return rank
    end
  end
end

-- The model of one shell. Each variable is a pile of values, the user's at its bottom.
local model = {}

function model.new()
  local piles = {}
  for _, name in ipairs({ "V", "W" }) do
    piles[name] = { { value = "orig" .. name } }
  end
  return { piles = piles, entries = {}, declared = {}, seen = {} }
end

local function copy(value)
  if type(value) ~= "table" then
    return value
  end
  local result = {}
  for key, inner in pairs(value) do
    result[key] = copy(inner)
  end
  return result
end

-- Gives a layer what it declares now; nil leaves it as a project is left.
function model.change(self, layer, declared)
  local before = self.declared[layer] or {}
  for name, pile in pairs(self.piles) do
    local at, value = nil, (declared or {})[name]
    for index, one in ipairs(pile) do
      at = one.layer == layer and index or at
    end
    if value and at then
      pile[at].value = value
    elseif value then
      local place = #pile + 1
      while pile[place - 1].layer and get_rank(pile[place - 1].layer) > get_rank(layer) do
        place = place - 1
      end
      table.insert(pile, place, { layer = layer, value = value })
    elseif at and not declared and pile[at].value ~= before[name] then
      -- The user changed it: it stays, over what the layer would give back.
      pile[at - 1].value = table.remove(pile, at).value
    elseif at then
      table.remove(pile, at)
    end
  end
  self.declared[layer] = declared
end

-- What happens at a prompt.
function model.see(self, now)
  for _, root in ipairs({ "one", "two" }) do
    if self.seen[root] ~= now[root] then
      model.change(self, root, configs[root][now[root]])
    end
  end
  local project = now.place ~= "~" and now.one or nil
  if self.project ~= project then
    if self.declared.project then
      model.change(self, "project", nil)
    end
    if project then
      model.change(self, "project", configs.one.project[project])
    end
    self.project = project
  end
  if now.place == "~/w/in" and not self.declared.directory then
    model.change(self, "directory", configs.directory)
  elseif now.place ~= "~/w/in" and self.declared.directory then
    model.change(self, "directory", nil)
  end
  self.seen = { one = now.one, two = now.two }
end

function model.show(self)
  local entries, seen = { "/mine" }, {}
  for _, declared in pairs(self.declared) do
    if declared.L and not seen[declared.L] then
      seen[declared.L] = true
      entries[#entries + 1] = declared.L
    end
  end
  table.sort(entries)
  local piles = self.piles
  return ("%s|%s|%s"):format(
    piles.V[#piles.V].value,
    piles.W[#piles.W].value,
    table.concat(entries, ":")
  )
end

-- How each sets a variable, and how a shell in it runs a line.
local shells = {
  bash = { "export %s=%s", "bash --norc -ic" },
  zsh = { "export %s=%s", "zsh -fic" },
  fish = { "set -gx %s %s", "fish -Nic" },
}

describe("layers of environments #once", function()
  local here

  local function declare(one)
    local parts = {}
    for name, value in pairs(one) do
      parts[#parts + 1] = name == "L" and ("L = { %q }"):format(value)
        or ("%s = %q"):format(name, value)
    end
    return ('syslua.lib.env.defineMergeable("L") env({ %s })'):format(table.concat(parts, ", "))
  end

  before_each(function()
    here = machine.new()
    here.shell("mkdir -p ~/.local/share/fish/generated_completions ~/w/in")
    for index, one in ipairs(configs.one) do
      local project = ('project({ name = "w", path = "~/w", setup = function() %s end })'):format(
        declare(configs.one.project[index])
      )
      here.write_config(declare(one) .. "\n" .. project, ("one%d.lua"):format(index))
    end
    for index, two in ipairs(configs.two) do
      here.write_config(declare(two), ("two%d.lua"):format(index))
    end
    projects.write(here, "home/w/in", declare(configs.directory))
    projects.trust(here, "home/w/in")
  end)

  after_each(function()
    here.remove()
  end)

  for name, shell in pairs(shells) do
    local it_there = process.has(name) and process.has("script") and it or pending

    it_there("are as the model says: " .. name, function()
      here.must("apply", "one1.lua")
      here.must("apply", "--root", here.directory .. "/root2", "two1.lua")
      local calls, hooks = {}, {}
      for index, root in ipairs({ here.root, here.directory .. "/root2" }) do
        hooks[index] = here.must("env", "--root", root, "--shell", name, "--hook").stdout
        calls[index] =
          hooks[index]:match(name == "fish" and "__syslua_at_prompt_%x+" or "__syslua_hook_%x+")
      end
      here.write("hook", table.concat(hooks, "\n") .. "\n" .. table.concat(calls, "\n") .. "\n")
      local apply = {
        one = "$LUA -l syslua apply %s/one%d.lua >/dev/null 2>&1",
        two = "$LUA -l syslua apply --root %s/root2 %s/two%d.lua >/dev/null 2>&1",
      }
      local function get_apply(root, number)
        if root == "one" then
          return apply.one:format(here.directory, number)
        end
        return apply.two:format(here.directory, here.directory, number)
      end
      local state, now = model.new(), { one = 1, two = 1, place = "~" }
      local expected, lines, events = {}, {}, {}
      local choose = random.new(#name * 31 + name:byte())
      local places = { "~", "~/w", "~/w/in" }
      local show = 'echo "<$V|$W|$L>"'
      model.see(state, now)
      for count = 1, 16 do
        local kind = choose(10)
        local root = ({ "one", "two" })[choose(2)]
        local line
        if kind <= 4 then
          now.place = places[choose(3)]
          line = "cd " .. now.place
        elseif kind <= 7 then
          now[root] = choose(#configs[root])
          line = get_apply(root, now[root])
        elseif kind == 8 then
          local changed = ({ "V", "W" })[choose(2)]
          local pile = state.piles[changed]
          pile[#pile].value = "mine" .. count
          line = shell[1]:format(changed, "mine" .. count)
        else
          -- A shell in the shell sees another apply first.
          now[root] = choose(#configs[root])
          local inner = copy(state)
          model.see(inner, now)
          expected[#expected + 1] = model.show(inner)
          local read = name == "fish" and "source " or ". "
          line = ("sh -c '%s'; %s '%s %s/hook; %s'"):format(
            get_apply(root, now[root]),
            shell[2],
            read,
            here.directory,
            show
          )
        end
        model.see(state, now)
        expected[#expected + 1] = model.show(state)
        lines[#lines + 1], lines[#lines + 2] = line, show
        events[#events + 1] = line
      end
      local all = projects.run_started(here, name, table.concat(hooks, "\n"), lines, {
        V = "origV",
        W = "origW",
        L = "/mine",
      })
      local shown = {}
      for _, text in ipairs(all) do
        local values, list = text:match("^([^|]*|[^|]*|)([^|]*)$")
        -- The terminal shows lines too.
        if values then
          local entries = {}
          for entry in list:gmatch("[^:]+") do
            entries[#entries + 1] = entry
          end
          table.sort(entries)
          shown[#shown + 1] = values .. table.concat(entries, ":")
        end
      end
      assert.same(expected, shown, table.concat(events, "\n"))
    end)
  end
end)
