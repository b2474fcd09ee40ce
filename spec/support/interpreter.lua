--- The Lua that runs the specs, and the others on this machine.

local process = require("spec.support.process")

local interpreter = {}

-- What comes first on our own command line: busted is a script of it.
local function get_own_name()
  local index = 0
  while arg and arg[index - 1] do
    index = index - 1
  end
  return index < 0 and arg[index] or "lua"
end

--- The program that runs this spec.
interpreter.name = os.getenv("SYSLUA_TEST_LUA") or get_own_name()

--- Whether it is LuaJIT.
interpreter.is_jit = rawget(_G, "jit") ~= nil

--- The version of the language: "5.1" for LuaJIT too.
interpreter.version = _VERSION:match("%d+%.%d+")

-- The module of another version lies beside that of this one.
local function get_native_path(version)
  local path = os.getenv("LUA_CPATH") or package.cpath
  return (path:gsub("/%d%.%d/%?%.so", "/" .. version .. "/?.so"))
end

--- Returns the variables with which an interpreter finds the module.
---@param version string? of the language; that of this interpreter unless given
---@return table<string, string>
function interpreter.get_environment(version)
  return {
    LUA_PATH = os.getenv("LUA_PATH") or package.path,
    LUA_CPATH = get_native_path(version or interpreter.version),
  }
end

--- Returns the other interpreters that are installed and have a module built.
---@return { name: string, version: string }[]
function interpreter.list_others()
  local others = {}
  for name, version in pairs({
    ["lua5.1"] = "5.1",
    ["lua5.2"] = "5.2",
    ["lua5.3"] = "5.3",
    ["lua5.4"] = "5.4",
    luajit = "5.1",
  }) do
    local words = { name, "-e", 'require("syslua")' }
    local result = process.run(words, { environment = interpreter.get_environment(version) })
    if name ~= interpreter.name and result.code == 0 then
      others[#others + 1] = { name = name, version = version }
    end
  end
  return others
end

return interpreter
