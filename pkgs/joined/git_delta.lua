-- git with delta: differences are coloured by the syntax of the file, also in `git add -p`.

---@class syslua.joined.git_delta.Options: syslua.joined.Options
---@field delta table<string, string|number|boolean>? the section `delta` of git's configuration

---@class syslua.joined.GitDelta: syslua.ConfigModule
---@field setup fun(opts: syslua.joined.git_delta.Options?)

local git = require("modules.programs.git")
local joined = require("modules.support.joined")

local module = syslua.module({
  name = "git_delta",
  options = {
    installed = false,
    tools = { ["dandavison/delta"] = "latest" },
    delta = { navigate = true },
  },
  uses = { git },
  config = function(options)
    joined.install(options)
    git.setup({
      pager = "delta",
      settings = {
        interactive = { diffFilter = "delta --color-only" },
        merge = { conflictStyle = "diff3" },
        delta = options.delta,
      },
    })
  end,
})

---@cast module syslua.joined.GitDelta
return module
