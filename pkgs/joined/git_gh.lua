-- git with gh: the command line of GitHub answers for passwords of github.com.

---@class syslua.joined.git_gh.Options: syslua.joined.Options
---@field hosts string[]? the servers that it answers for

---@class syslua.joined.GitGh: syslua.ConfigModule
---@field setup fun(opts: syslua.joined.git_gh.Options?)

local git = require("modules.programs.git")
local joined = require("modules.support.joined")

local module = syslua.module({
  name = "git_gh",
  options = {
    installed = false,
    tools = { ["cli/cli"] = "latest" },
    hosts = { "https://github.com", "https://gist.github.com" },
  },
  uses = { git },
  config = function(options)
    joined.install(options)
    local credential = {}
    for _, host in ipairs(options.hosts) do
      -- An empty helper forgets those of other files.
      credential[host] = { helper = { "", "!gh auth git-credential" } }
    end
    git.setup({ settings = { credential = credential } })
  end,
})

---@cast module syslua.joined.GitGh
return module
