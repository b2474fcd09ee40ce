//! What the Lua side reads of environments: which variables are lists, which shells there are.

use std::path::PathBuf;

use mlua::prelude::*;
use syslua_engine::environment::shells::{HookPlaces, Identity, Places, SHELLS, ScriptPath, Shell, find};
use syslua_engine::environment::{lists, literal_reference};
use syslua_engine::names::SnapshotId;
use syslua_engine::platform;
use syslua_engine::settings::Settings;
use syslua_engine::store::Store;

use crate::error::{Answer, lua_failure, register as register_function};
use crate::options::Options;

/// Returns the directory that a variable names, when it is absolute.
fn directory_of(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Returns a shell for the Lua side: its name, its script in the root, the file that it reads at its start, and the line in
/// it.
fn describe(lua: &Lua, shell: &dyn Shell, settings: &Settings) -> LuaResult<LuaTable> {
    let home = &settings.home;
    let config = directory_of("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
    let zsh = directory_of("ZDOTDIR").unwrap_or_else(|| home.clone());
    let places = Places { home, config: &config, zsh: &zsh, os: &settings.system.os };
    let script = settings.root.join(shell.file());
    let table = lua.create_table()?;
    table.raw_set("name", shell.name())?;
    table.raw_set("script", lua.create_string(platform::bytes_of_path(&script))?)?;
    let profile = shell.profile(&places).map(|profile| lua.create_string(platform::bytes_of_path(&profile)));
    table.raw_set("profile", profile.transpose()?)?;
    table.raw_set("line", shell.source_line(&ScriptPath::new(&script, home)))?;
    Ok(table)
}

/// Returns the hook of a shell, or nil where it has none. It reads the script of all, or that of a user.
fn hook(lua: &Lua, name: &str, user: Option<&str>, options: Option<&LuaTable>) -> Answer<Option<String>> {
    let settings = Options::read(lua, options)?.settings;
    let Some(shell) = find(name) else { return Ok(None) };
    let store = Store::new(&settings.root);
    let identity = Identity { root: store.root(), user, project: None, snapshot: SnapshotId(0) };
    let directory = user.map_or_else(|| settings.root.clone(), |user| settings.root.join("users").join(user));
    let script = directory.join(shell.file());
    let (current, snapshots) = (store.current(), store.snapshots());
    let memory = identity.memory();
    Ok(shell.hook(&HookPlaces { script: &script, current: &current, snapshots: &snapshots, memory: &memory }))
}

fn shells(lua: &Lua, options: Option<&LuaTable>) -> Answer<LuaTable> {
    let settings = Options::read(lua, options)?.settings;
    let tables: LuaResult<Vec<_>> = SHELLS.iter().map(|shell| describe(lua, *shell, &settings)).collect();
    tables.and_then(|tables| lua.create_sequence_from(tables)).map_err(lua_failure)
}

/// Registers the functions.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    // The variables that are lists: `name`, `separator` on Unix, `default`.
    register_function(lua, native, "lists", |lua, ()| {
        let to_table = |list: &lists::List| {
            let table = lua.create_table()?;
            table.raw_set("name", list.name)?;
            table.raw_set("separator", list.separator)?;
            table.raw_set("default", list.default)?;
            Ok(table)
        };
        let tables: LuaResult<Vec<_>> = lists::LISTS.iter().map(to_table).collect();
        tables.and_then(|tables| lua.create_sequence_from(tables)).map_err(lua_failure)
    })?;
    register_function(lua, native, "shell_names", |lua, ()| {
        lua.create_sequence_from(SHELLS.iter().map(|shell| shell.name())).map_err(lua_failure)
    })?;
    register_function(lua, native, "shells", |lua, options: Option<LuaTable>| shells(lua, options.as_ref()))?;
    register_function(
        lua,
        native,
        "hook",
        |lua, (name, user, options): (String, Option<String>, Option<LuaTable>)| {
            hook(lua, &name, user.as_deref(), options.as_ref())
        },
    )?;
    // The name of the variable that a literal value looks as if it referred to, or nil.
    register_function(lua, native, "literal_reference", |_, text: LuaString| Ok(literal_reference(&text.as_bytes())))
}
