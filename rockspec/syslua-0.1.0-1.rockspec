rockspec_format = "3.0"
package = "syslua"
version = "0.1.0-1"

-- The rock is made from a checkout: `luarocks make`.
source = { url = "git+file://." }

description = {
  summary = "A declarative system and environment manager",
  detailed = [[
    sys.lua makes a machine match a Lua file: files, packages, environment variables and services. Its engine is
    a module for the system's own Lua, loaded with require("syslua"); its command line is `lua -l syslua`, or `sys`.
  ]],
  license = "MIT",
}

supported_platforms = { "unix" }

dependencies = {
  "lua >= 5.1, < 5.5",
  "argparse >= 0.7",
}

-- Plain cargo: building needs Rust and nothing from LuaRocks.
build = {
  type = "command",
  build_command = [[.ci/rock build "$(LUA)"]],
  install_command = [[.ci/rock install "$(LUA)" "$(PREFIX)" "$(LUADIR)" "$(LIBDIR)" "$(BINDIR)"]],
}

-- `sys` comes with the paths of its tree in it.
deploy = { wrap_bin_scripts = false }
