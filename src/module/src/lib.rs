//! The bindings of the engine to Lua, and nothing else.
//!
//! `require("syslua")` gives a table with facts about the machine, `bindings` (the functions below,
//! which answer `true, result` or `false, failure`), and everything in `lua/syslua/`, loaded on
//! first use. The Lua side raises failures, so that they reach a `pcall` as tables.
//!
//! Each floor uses only the floors above it in this list, and within a floor a room uses only rooms
//! listed before it:
//!
//! - **F0** [`error`], [`machine`], [`network`], [`identities`], [`lua_command_line`], [`locks`],
//!   [`config_files`], [`call_stack`], [`collection`], [`listeners`], [`console`]: errors, this
//!   machine, the terminal, data of evaluations
//! - **F1** [`state`], [`register`], [`options`]: what one Lua state knows; how functions are
//!   registered; the options of a call
//! - **F2** [`values`], [`input_paths`], [`capture`], [`derive`], [`manifests`], [`records`],
//!   [`position`]: values, and what is made of them
//! - **F3** [`given`], [`tools`], [`pins`], [`inputs`], [`tree`], [`collected`], [`recipes`],
//!   [`declared_secrets`], [`file_helper`], [`environment`], [`template`], [`packages`]: what a
//!   config declares and gets
//! - **F4** [`evaluation`], [`task`]: evaluations and builds
//! - **F5** [`apply`], [`adopt`], [`build`], [`closure`], [`inspect`], [`project`], [`repository`],
//!   [`secrets`], [`services`], [`snapshots`], [`watch`]: the functions behind commands
#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::allow_attributes,
        reason = "tests make files as they like"
    )
)]

mod call_stack;
mod collection;
mod config_files;
mod console;
mod error;
mod identities;
mod listeners;
mod locks;
mod lua_command_line;
mod machine;
mod network;

mod options;
mod register;
mod state;

mod capture;
mod derive;
mod input_paths;
mod manifests;
mod position;
mod records;
mod values;

mod collected;
mod declared_secrets;
mod environment;
mod file_helper;
mod given;
mod inputs;
mod packages;
mod pins;
mod recipes;
mod template;
mod tools;
mod tree;

mod evaluation;
mod task;

mod adopt;
mod apply;
mod build;
mod closure;
mod inspect;
mod project;
mod repository;
mod secrets;
mod services;
mod snapshots;
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
    state::install(lua, options::usual_root())?;
    let native = lua.create_table()?;
    apply::register(lua, &native)?;
    console::progress::register(lua, &native)?;
    build::register(lua, &native)?;
    adopt::register(lua, &native)?;
    closure::register(lua, &native)?;
    collected::register(lua, &native)?;
    values::render::register(lua, &native)?;
    declared_secrets::register(lua, &native)?;
    derive::register(lua, &native)?;
    environment::register(lua, &native)?;
    evaluation::register(lua, &native)?;
    file_helper::register(lua, &native)?;
    inputs::register(lua, &native)?;
    repository::register(lua, &native)?;
    pins::register(lua, &native)?;
    tools::register(lua, &native)?;
    console::loops::register(lua, &native)?;
    inspect::register(lua, &native)?;
    position::register(lua, &native)?;
    project::register(lua, &native)?;
    secrets::register(lua, &native)?;
    services::register(lua, &native)?;
    packages::register_all(lua, &native)?;
    snapshots::register(lua, &native)?;
    template::register(lua, &native)?;
    console::terminal::register(lua, &native)?;
    watch::register(lua, &native)?;
    lua.set_named_registry_value(capture::NATIVE, &native)?;
    module.set("bindings", native)?;
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
    if let Some(words) = lua_command_line::command(lua)? {
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
    module.set("hostname", lua.create_string(machine::hostname())?)?;
    module.set("username", lua.create_string(machine::username())?)
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
