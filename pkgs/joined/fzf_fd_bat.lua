-- fzf with fd and bat: fd lists what git does not ignore, and bat shows the file that is chosen.

---@class syslua.joined.fzf_fd_bat.Options: syslua.joined.Options
---@field fd string? the program fd: Debian calls it `fdfind`
---@field bat string? the program bat: Debian calls it `batcat`
---@field shells syslua.ShellName[]? which shells have the keys of fzf

---@class syslua.joined.FzfFdBat: syslua.ConfigModule
---@field setup fun(opts: syslua.joined.fzf_fd_bat.Options?)

local fzf = require("modules.programs.fzf")
local joined = require("modules.support.joined")

local module = syslua.module({
  name = "fzf_fd_bat",
  options = {
    installed = false,
    tools = {
      ["junegunn/fzf"] = "latest",
      ["sharkdp/fd"] = "latest",
      ["sharkdp/bat"] = "latest",
    },
    fd = "fd",
    bat = "bat",
    shells = { "bash", "zsh", "fish" },
  },
  uses = { fzf },
  config = function(options)
    joined.install(options)
    local list = options.fd .. " --hidden --exclude .git --strip-cwd-prefix"
    fzf.setup({
      command = list .. " --type f",
      file_command = list,
      directory_command = list .. " --type d",
      arguments = { ("--preview=%s --color=always --line-range=:200 {}"):format(options.bat) },
      shells = options.shells,
    })
  end,
})

---@cast module syslua.joined.FzfFdBat
return module
