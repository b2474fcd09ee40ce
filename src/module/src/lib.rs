//! The border between Lua and the engine, and nothing else.
//!
//! `require("syslua")` gives a table with facts about the machine, `native` (the functions below,
//! which answer `true, result` or `false, failure`), and everything in `lua/syslua/`, loaded on
//! first use. The Lua side raises failures, so that they reach a `pcall` as tables.
#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::allow_attributes,
        reason = "tests make files as they like"
    )
)]

mod adopt;
mod apply;
mod arguments;
mod bars;
mod build;
mod capture;
mod closure;
mod collected;
mod convert;
mod declared_secrets;
mod derive;
mod environment;
mod error;
mod evaluation;
mod file;
mod given;
mod input_paths;
mod inputs;
mod inspect;
mod loops;
mod network;
mod options;
mod packages;
mod pins;
mod position;
mod project;
mod render;
mod repository;
mod secrets;
mod services;
mod signals;
mod snapshots;
mod state;
mod task;
mod template;
mod tools;
mod tree;
mod ui;
mod watch;

use mlua::prelude::*;
use syslua_engine::platform;
use syslua_engine::settings::System;

/// The name of the registry entry that holds the module's table, so that all parts see one.
const MODULE: &str = "syslua";
/// The entry of `package.loaded` with the directory of sys.lua's Lua files.
const DIRECTORY: &str = "syslua.directory";

/// Starts the command line. In Lua, because not every `lua` can print an error of Rust.
const START: &str = r#"
local found, cli = pcall(require, "syslua.cli")
if not found then
  io.stderr:write("error: the Lua files of sys.lua cannot be loaded: are they on LUA_PATH?\n")
  io.stderr:write(tostring(cli), "\n")
  os.exit(1)
end
cli.start(...)
"#;

/// Looks a field up that is not there yet. In Lua for the same reason; during a build, which has no
/// `package`, the guard is loaded.
const INDEX: &str = r#"
local load_field, is_building = ...
local loaded = package.loaded
return function(module, name)
  if is_building() then
    loaded["syslua.guard"].refuse_field(name)
  end
  return load_field(module, name)
end
"#;

/// Makes the module's table; called by `require("syslua")`.
///
/// # Errors
/// When Lua is out of memory, or the command line was asked for and cannot be loaded.
#[cfg_attr(feature = "module", mlua::lua_module)]
pub fn syslua(lua: &Lua) -> LuaResult<LuaTable> {
    syslua_engine::platform::open_standard_descriptors();
    let module = lua.create_table()?;
    set_facts(lua, &module)?;
    state::install(lua)?;
    let native = lua.create_table()?;
    apply::register(lua, &native)?;
    bars::register(lua, &native)?;
    build::register(lua, &native)?;
    adopt::register(lua, &native)?;
    closure::register(lua, &native)?;
    collected::register(lua, &native)?;
    render::register(lua, &native)?;
    declared_secrets::register(lua, &native)?;
    derive::register(lua, &native)?;
    environment::register(lua, &native)?;
    evaluation::register(lua, &native)?;
    file::register(lua, &native)?;
    inputs::register(lua, &native)?;
    repository::register(lua, &native)?;
    pins::register(lua, &native)?;
    tools::register(lua, &native)?;
    loops::register(lua, &native)?;
    inspect::register(lua, &native)?;
    position::register(lua, &native)?;
    project::register(lua, &native)?;
    secrets::register(lua, &native)?;
    services::register(lua, &native)?;
    packages::register_all(lua, &native)?;
    snapshots::register(lua, &native)?;
    template::register(lua, &native)?;
    ui::register(lua, &native)?;
    watch::register(lua, &native)?;
    lua.set_named_registry_value(capture::NATIVE, &native)?;
    module.set("native", native)?;
    let metatable = lua.create_table()?;
    let is_building =
        lua.create_function(|lua, ()| Ok(state::read(lua, |state| state.is_building)))?;
    let load_field = lua.create_function(load_field)?;
    let index: LuaFunction =
        lua.load(INDEX).set_name("=[syslua]").call((load_field, is_building))?;
    metatable.set("__index", index)?;
    module.set_metatable(Some(metatable))?;
    // The command line requires the module that is being loaded.
    let loaded: LuaTable = lua.globals().raw_get::<LuaTable>("package")?.get("loaded")?;
    loaded.set(MODULE, &module)?;
    if let Some(words) = arguments::command(lua)? {
        lua.load(START).set_name("=[syslua]").call::<()>(words)?;
    }
    Ok(module)
}

fn set_facts(lua: &Lua, module: &LuaTable) -> LuaResult<()> {
    let system = System::current();
    module.set("version", env!("CARGO_PKG_VERSION"))?;
    module.set("platform", system.platform)?;
    module.set("is_linux", system.os == "linux")?;
    module.set("is_darwin", system.os == "darwin")?;
    module.set("is_windows", system.os == "windows")?;
    module.set("os", system.os)?;
    module.set("arch", system.arch)?;
    module.set("hostname", lua.create_string(options::hostname())?)?;
    module.set("username", lua.create_string(options::username())?)
}

/// Loads `syslua.<name>` or `syslua.helpers.<name>` when a field is asked for that is not there
/// yet; `nil` when there is none.
fn load_field(lua: &Lua, (module, name): (LuaTable, LuaValue)) -> LuaResult<LuaValue> {
    let LuaValue::String(name) = name else { return Ok(LuaNil) };
    let package: LuaTable = lua.globals().raw_get("package")?;
    let loaded: LuaTable = package.get("loaded")?;
    // The stub `syslua.lua` passes this: the only directory of sys.lua's files.
    let Some(directory) = loaded.get::<Option<LuaString>>(DIRECTORY)? else { return Ok(LuaNil) };
    let directory = platform::path_from_bytes(&directory.as_bytes());
    let short = name.to_string_lossy();
    if !short.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(LuaNil);
    }
    for (prefix, folder) in [("syslua.", ""), ("syslua.helpers.", "helpers")] {
        let full = format!("{prefix}{short}");
        let mut value: LuaValue = loaded.get(full.as_str())?;
        if value.is_nil() && platform::is_file(&directory.join(folder).join(format!("{short}.lua")))
        {
            value = lua.globals().raw_get::<LuaFunction>("require")?.call(full)?;
        }
        if !value.is_nil() {
            module.raw_set(name, &value)?;
            return Ok(value);
        }
    }
    Ok(LuaNil)
}
