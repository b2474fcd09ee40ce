-- bash with the prompt of starship and the keys of fzf.

---@class syslua.joined.bash_starship_fzf.Options: syslua.joined.Options
---@field prompt table<string, any>? of `starship.toml`
---@field fzf string[]? arguments of each call of fzf

---@class syslua.joined.BashStarshipFzf: syslua.ConfigModule
---@field setup fun(opts: syslua.joined.bash_starship_fzf.Options?)

local bash = require("modules.programs.bash")
local fzf = require("modules.programs.fzf")
local joined = require("modules.support.joined")
local starship = require("modules.programs.starship")

local module = syslua.module({
  name = "bash_starship_fzf",
  options = {
    installed = false,
    tools = { ["starship/starship"] = "latest", ["junegunn/fzf"] = "latest" },
    prompt = { add_newline = false },
    fzf = { "--height=40%", "--layout=reverse" },
  },
  uses = { bash, starship, fzf },
  config = function(options)
    joined.install(options)
    bash.setup()
    starship.setup({ settings = options.prompt, shells = { "bash" } })
    fzf.setup({ arguments = options.fzf, shells = { "bash" } })
  end,
})

---@cast module syslua.joined.BashStarshipFzf
return module
