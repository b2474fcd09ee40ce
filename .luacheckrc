-- One source runs on 5.1 to 5.4 and LuaJIT: the standard library is the union of theirs.
std = "max"
max_line_length = 100

-- What exists while a config is evaluated.
local config_globals = {
  "derive",
  "activate",
  "file",
  "directory",
  "env",
  "alias",
  "service",
  "user",
  "project",
  "source",
  "sops",
  "age",
  "tools",
  "packages",
  "syslua",
}

files["examples"] = { read_globals = config_globals }
files["pkgs"] = { read_globals = config_globals }
files["lua/syslua/modules"] = { read_globals = config_globals }
files["spec"] = { std = "max+busted", read_globals = config_globals }
files["examples/**/*_spec.lua"] = { std = "max+busted" }

-- Stubs declare what others define.
exclude_files = { "types" }
