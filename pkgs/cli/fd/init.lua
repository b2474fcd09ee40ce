-- Simple, fast and user-friendly alternative to find

local here = ...

return syslua.package({
  name = "fd",
  description = "Simple, fast and user-friendly alternative to find",
  homepage = "https://github.com/sharkdp/fd",
  license = "MIT OR Apache-2.0",
  versions = { "10.4.2", "10.3.0", "10.2.0" },
  load_release = function(file)
    return require(here .. "." .. file)
  end,
})
