-- bat as the pager of man pages, with a theme and its own configuration.

---@class syslua.joined.bat_man.Options: syslua.joined.Options
---@field bat string? the program: Debian calls it `batcat`
---@field arguments string[]? arguments of each call: `~/.config/bat/config`

---@class syslua.joined.BatMan: syslua.ConfigModule
---@field setup fun(opts: syslua.joined.bat_man.Options?)

local joined = require("modules.support.joined")
local words = require("modules.support.shell_words")

local module = syslua.module({
  name = "bat_man",
  options = {
    installed = false,
    tools = { ["sharkdp/bat"] = "latest" },
    bat = "bat",
    arguments = { "--style=plain", "--theme=ansi" },
  },
  config = function(options)
    joined.install(options)
    local lines = {}
    for index, argument in ipairs(options.arguments) do
      local is_plain = argument:find("^[%w%%+,./:=@_-]+$")
      lines[index] = is_plain and argument or words.quote(argument)
    end
    file({ path = "~/.config/bat/config", content = table.concat(lines, "\n") .. "\n" })
    env({
      -- man marks bold letters by overstriking: `col` takes that out.
      MANPAGER = ("sh -c 'col -bx | %s --language man --plain'"):format(options.bat),
      MANROFFOPT = "-c",
    })
  end,
})

---@cast module syslua.joined.BatMan
return module
