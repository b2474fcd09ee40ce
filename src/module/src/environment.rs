//! What the Lua side reads of environments: which variables are lists, which shells there are.

use std::path::PathBuf;

use mlua::prelude::*;
use syslua_engine::activation::DeclaredAction;
use syslua_engine::environment::shells::{
    HookPlaces, Identity, Places, SHELLS, ScriptPath, Shell, Step, get,
};
use syslua_engine::environment::{self, Environment, lists, literal_reference, persistent};
use syslua_engine::failure::FailureKind;
use syslua_engine::names::SnapshotId;
use syslua_engine::platform;
use syslua_engine::settings::Settings;
use syslua_engine::store::Store;

use crate::error::{Answer, OrFail};
use crate::options::Options;
use crate::register::register as register_function;

/// Returns the directory that a variable names, when it is absolute.
fn directory_of(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Returns a shell for the Lua side: its name, its script in the root, the file that it reads at
/// its start, and the line in it. For root, also the line that earlier versions put there.
fn describe(lua: &Lua, shell: &dyn Shell, settings: &Settings) -> LuaResult<LuaTable> {
    let home = &settings.home;
    let config = directory_of("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
    let zsh = directory_of("ZDOTDIR").unwrap_or_else(|| home.clone());
    let places = Places { home, config: &config, zsh: &zsh, os: &settings.system.os };
    let script = settings.root.join(shell.file());
    let table = lua.create_table()?;
    table.raw_set("name", shell.name())?;
    table.raw_set("script", lua.create_string(platform::bytes_of_path(&script))?)?;
    let profile =
        shell.profile(&places).map(|profile| lua.create_string(platform::bytes_of_path(&profile)));
    table.raw_set("profile", profile.transpose()?)?;
    let common = ScriptPath::new(&script, home);
    if crate::machine::is_root() {
        // What root declares for itself is in a script of its own, which only root may read.
        let own = settings.root.join("users/root").join(shell.file());
        table.raw_set("earlier_line", shell.source_line(std::slice::from_ref(&common)))?;
        table.raw_set("line", shell.source_line(&[ScriptPath::new(&own, home), common]))?;
    } else {
        table.raw_set("line", shell.source_line(&[common]))?;
    }
    Ok(table)
}

/// Returns the hook of a shell, or nil where it has none. It reads the script of all, or that of a
/// user. `step` is Lua code that prints how directories with an entry file are entered and left.
fn hook(
    lua: &Lua,
    name: &str,
    user: Option<&str>,
    step: &LuaString,
    options: Option<&LuaTable>,
) -> Answer<Option<String>> {
    let settings = Options::read(lua, options)?.settings;
    let Some(shell) = get(name) else { return Ok(None) };
    let store = Store::new(&settings.root);
    let identity = Identity { root: store.root(), user, project: None, snapshot: SnapshotId(0) };
    let directory =
        user.map_or_else(|| settings.root.clone(), |user| settings.root.join("users").join(user));
    let script = directory.join(shell.file());
    let (current, snapshots) = (store.current(), store.snapshots());
    let memory = identity.memory();
    let interpreter = std::env::current_exe()
        .or_fail_with(FailureKind::Io, "the path of the interpreter is not known")?;
    let words = [platform::bytes_of_path(&interpreter), b"-e".to_vec(), step.as_bytes().to_vec()];
    let variables = module_paths(lua)?;
    let step = Step { variables: &variables, words: &words };
    Ok(shell.hook(&HookPlaces {
        script: &script,
        current: &current,
        snapshots: &snapshots,
        memory: &memory,
        step,
    }))
}

/// Returns the variables with which another interpreter of the same version finds the same modules:
/// in absolute places only, since a hook runs in directories of others.
fn module_paths(lua: &Lua) -> LuaResult<Vec<(String, Vec<u8>)>> {
    let package: LuaTable = lua.globals().get("package")?;
    let version: String = lua.globals().get("_VERSION")?;
    let suffix = version.rsplit(' ').next().unwrap_or_default().replace('.', "_");
    let suffix = if suffix == "5_1" { String::new() } else { format!("_{suffix}") };
    let mut variables = vec![(format!("LUA_INIT{suffix}"), Vec::new())];
    for (field, name) in [("path", "LUA_PATH"), ("cpath", "LUA_CPATH")] {
        let templates: LuaString = package.get(field)?;
        let templates = templates.as_bytes();
        let absolute = templates.split(|byte| *byte == b';').filter(|template| {
            !template.is_empty() && platform::path_from_bytes(template).is_absolute()
        });
        variables.push((format!("{name}{suffix}"), absolute.collect::<Vec<_>>().join(&b';')));
    }
    Ok(variables)
}

fn shells(lua: &Lua, options: Option<&LuaTable>) -> Answer<LuaTable> {
    let settings = Options::read(lua, options)?.settings;
    let tables: LuaResult<Vec<_>> =
        SHELLS.iter().map(|shell| describe(lua, *shell, &settings)).collect();
    Ok(tables.and_then(|tables| lua.create_sequence_from(tables))?)
}

/// Returns the scripts that give variables to whole sessions of Windows.
fn registry_scripts(lua: &Lua, environment: &Environment) -> Answer<LuaTable> {
    let table = lua.create_table()?;
    match persistent::registry(environment) {
        Ok(scripts) => {
            table.raw_set("set", scripts.set)?;
            table.raw_set("unset", scripts.unset)?;
        }
        Err(refused) => {
            table.raw_set("name", refused.name)?;
            table.raw_set("why", refused.why)?;
        }
    }
    Ok(table)
}

/// Returns what gives variables to the sessions of an operating system.
fn session(
    lua: &Lua,
    actions: &[LuaTable],
    os: &str,
    positions: Vec<Vec<String>>,
) -> Answer<LuaTable> {
    let read = |(table, positions): (&LuaTable, Vec<String>)| {
        Ok(DeclaredAction::new(crate::records::action(lua, table)?, positions))
    };
    let activations = actions.iter().zip(positions).map(read).collect::<Answer<Vec<_>>>()?;
    // What no shell could have, no session can.
    crate::manifests::check_activations(&activations, environment::Target { os, places: None })?;
    let environment = Environment::of_session(&activations);
    if os == "windows" {
        return registry_scripts(lua, &environment);
    }
    let text = match os {
        "darwin" => persistent::launch_agent(&environment, persistent::LABEL),
        _ => persistent::environment_d(&environment),
    };
    let table = lua.create_table()?;
    let set = |key: &str, value: &[u8]| table.raw_set(key, lua.create_string(value)?);
    let set = match text {
        Ok(text) => set("text", &text),
        Err(refused) => {
            set("name", refused.name.as_bytes()).and_then(|()| set("why", refused.why.as_bytes()))
        }
    };
    set?;
    Ok(table)
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
        Ok(tables.and_then(|tables| lua.create_sequence_from(tables))?)
    })?;
    register_function(lua, native, "shell_names", |lua, ()| {
        Ok(lua.create_sequence_from(SHELLS.iter().map(|shell| shell.name()))?)
    })?;
    register_function(lua, native, "shells", |lua, options: Option<LuaTable>| {
        shells(lua, options.as_ref())
    })?;
    register_function(
        lua,
        native,
        "hook",
        |lua, (name, user, step, options): (String, Option<String>, LuaString, Option<LuaTable>)| {
            hook(lua, &name, user.as_deref(), &step, options.as_ref())
        },
    )?;
    // The file that gives variables to the sessions of an operating system (on Windows the scripts
    // that do), or why a variable cannot be set there. `positions` are those of each action.
    register_function(
        lua,
        native,
        "persistent",
        |lua, (actions, os, positions): (Vec<LuaTable>, String, Vec<Vec<String>>)| {
            session(lua, &actions, &os, positions)
        },
    )?;
    // The name of the variable that a literal value looks as if it referred to, or nil.
    register_function(lua, native, "literal_reference", |_, text: LuaString| {
        Ok(literal_reference(&text.as_bytes()))
    })
}
