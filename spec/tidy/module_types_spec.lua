--- The options of modules that come with sys.lua have types: the checker of the project refuses
-- wrong ones, and takes right ones. #once

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local tree = require("spec.support.tree")

local checker =
  process.run_line("ls /var/cache/syslua-tools/emmylua_check-*/bin/emmylua_check").stdout

-- A wrong option, and right ones, by module.
local options = {}
options.programs = {
  bash = {
    'keymap = "nano"',
    'keymap = "vi", shopt = { globstar = true }, history = { size = 5 }',
  },
  direnv = { "shells = 3", 'shells = { "bash" }, stdlib = { "x" }' },
  fish = { "paths = 3", 'paths = { "~/bin" }, colors = { command = { "red" } }' },
  fzf = { "arguments = 3", 'arguments = { "--height=40%" }, shells = { "zsh" }' },
  git = { "user_name = 3", 'user_name = "a", settings = { pull = { rebase = true } }' },
  neovim = { "keymaps = { { key = 1 } }", 'keymaps = { { key = "a", action = "b" } }' },
  ssh = { "hosts = 3", 'hosts = { web = { Port = 22 } }, extra = { "x" }' },
  starship = { "shells = 3", "settings = { add_newline = false }" },
  tmux = { 'key_mode = "nano"', 'key_mode = "vi", binds = { r = { "a", "b" } }' },
  vim = { 'keymaps = { { key = 1, action = "b" } }', 'keymaps = { { key = "a", action = "b" } }' },
  zsh = { 'setopt = "X"', 'setopt = { "X" }, styles = { [":x"] = { menu = "select" } }' },
}
options.services = {
  nginx = {
    "workers = {}",
    'workers = 2, servers = { a = { listen = 80, location = { ["/"] = { deny = "all" } } } }',
  },
  postgresql = { "access = { 3 }", 'settings = { port = 5433 }, access = { { "local", "all" } }' },
  sshd = { "matches = { 3 }", "settings = { Port = { 22, 23 }, UsePAM = true }" },
  syncthing = {
    "folders = { a = { path = 3 } }",
    'devices = { b = "X" }, folders = { a = { path = "~/a", devices = { "b" } } }',
  },
}

describe("the options of modules #once", function()
  local it_checked = checker ~= "" and it or pending

  it_checked("have types that the checker knows", function()
    local here = machine.new()
    local top = process.run_line("pwd").stdout:gsub("\n$", "")
    local lines, wrong = {}, {}
    for kind, modules in pairs(options) do
      for name, own in pairs(modules) do
        for index, text in ipairs(own) do
          lines[#lines + 1] = ('require("modules.%s.%s").setup({ %s })'):format(kind, name, text)
          wrong[#lines] = index == 1
        end
      end
    end
    here.write("check/conf.lua", table.concat(lines, "\n") .. "\n")
    local settings = [[{
      "runtime": { "version": "Lua5.4", "requirePattern": ["?.lua", "?/init.lua"] },
      "workspace": { "workspaceRoots": [".", "TOP/lua", "TOP/lua/syslua"],
        "library": ["TOP/types"] }
    }]]
    here.write("check/.emmyrc.json", (settings:gsub("TOP", top)))
    local result = here.shell("cd check && " .. checker:match("[^\n]*") .. " . 2>&1")
    local found = {}
    for line in result.stdout:gmatch("%-%-> conf%.lua:(%d+):") do
      found[tonumber(line)] = true
    end
    for number, line in ipairs(lines) do
      assert.equal(wrong[number], found[number] or false, line)
    end
    here.remove()
  end)

  it("are tried for each module", function()
    for kind, modules in pairs(options) do
      for _, path in ipairs(tree.list({ "lua/syslua/modules/" .. kind }, ".lua")) do
        local name = path:match("([^/]+)%.lua$")
        assert.is_table(modules[name], name)
      end
    end
  end)
end)
