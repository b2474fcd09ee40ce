-- Recursively search directories for a regex pattern

local here = ...

return syslua.package({
  name = "ripgrep",
  description = "Recursively search directories for a regex pattern",
  homepage = "https://github.com/BurntSushi/ripgrep",
  license = "Unlicense OR MIT",
  versions = { "15.2.0", "15.1.0", "14.1.1" },
  load_release = function(file)
    return require(here .. "." .. file)
  end,
})
