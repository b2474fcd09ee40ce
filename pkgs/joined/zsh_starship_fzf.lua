-- zsh with the prompt of starship and the keys of fzf.

---@class syslua.joined.zsh_starship_fzf.Options: syslua.joined.Options
---@field prompt table<string, any>? of `starship.toml`
---@field fzf string[]? arguments of each call of fzf

---@class syslua.joined.ZshStarshipFzf: syslua.ConfigModule
---@field setup fun(opts: syslua.joined.zsh_starship_fzf.Options?)

local fzf = require("modules.programs.fzf")
local joined = require("modules.support.joined")
local starship = require("modules.programs.starship")
local zsh = require("modules.programs.zsh")

local module = syslua.module({
  name = "zsh_starship_fzf",
  options = {
    installed = false,
    tools = { ["starship/starship"] = "latest", ["junegunn/fzf"] = "latest" },
    prompt = { add_newline = false },
    fzf = { "--height=40%", "--layout=reverse" },
  },
  uses = { zsh, starship, fzf },
  config = function(options)
    joined.install(options)
    zsh.setup()
    starship.setup({ settings = options.prompt, shells = { "zsh" } })
    fzf.setup({ arguments = options.fzf, shells = { "zsh" } })
  end,
})

---@cast module syslua.joined.ZshStarshipFzf
return module
