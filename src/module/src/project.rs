//! `native.projects`, `enter` and `become_program`: shells and commands in the environment of a project.

use std::ffi::OsString;
use std::io::ErrorKind;

use mlua::prelude::*;
use syslua_engine::engine::Entered;
use syslua_engine::environment::Variables;
use syslua_engine::environment::shells::{self, Shell};
use syslua_engine::failure::Failure;
use syslua_engine::platform;
use syslua_engine::store::Access;

use crate::error::{Answer, lua_failure, register as register_function, register_verb};
use crate::evaluation::manifest_of;
use crate::options::Options;
use crate::task::LuaTasks;

fn bytes(text: &OsString) -> Vec<u8> {
    platform::bytes_of_path(std::path::Path::new(text))
}

fn text(bytes: &[u8]) -> OsString {
    platform::path_from_bytes(bytes).into_os_string()
}

/// Returns the projects that a manifest declares: `name`, `path`.
fn projects(lua: &Lua, manifest: &LuaValue) -> Answer<Vec<LuaTable>> {
    let manifest = manifest_of(lua, manifest)?;
    let mut seen = std::collections::BTreeSet::new();
    let own = manifest.activations.iter().filter(|activation| activation.user.is_none());
    let projects =
        own.filter_map(|activation| activation.project.as_ref()).filter(|project| seen.insert((*project).clone()));
    let to_table = |project: &syslua_engine::activation::Project| {
        let table = lua.create_table()?;
        table.raw_set("name", project.name.as_str())?;
        table.raw_set("path", project.path.as_ref().map(|path| lua.create_string(&path.0)).transpose()?)?;
        Ok(table)
    };
    projects.map(to_table).collect::<LuaResult<_>>().map_err(lua_failure)
}

/// Builds the environment of a project. Returns `variables`, all that a program in it gets; and when `shell` names one that can be
/// started in it, `arguments`, `script`, and the `files` that it reads in the directory that the variable `directory` names.
fn enter(
    lua: &Lua,
    manifest: &LuaValue,
    project: &str,
    shell: Option<&str>,
    options: Option<&LuaTable>,
) -> Answer<LuaTable> {
    let options = Options::read(lua, options)?;
    let manifest = manifest_of(lua, manifest)?;
    let engine = options.engine(Access::Work)?;
    let entered = engine
        .enter(&manifest, project, &mut LuaTasks::new(lua), &mut options.on_event(lua))
        .map_err(|error| error.to_failure())?;
    let mut variables: Variables = std::env::vars_os().map(|(name, value)| (bytes(&name), bytes(&value))).collect();
    entered.environment.apply_to(&mut variables, &entered.identity());
    variables.insert(b"SYSLUA_PROJECT".to_vec(), project.as_bytes().to_vec());
    to_table(lua, &entered, &variables, shell.and_then(shells::find)).map_err(lua_failure)
}

fn to_table(
    lua: &Lua,
    entered: &Entered,
    variables: &Variables,
    shell: Option<&'static dyn Shell>,
) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    let all = lua.create_table()?;
    for (name, value) in variables {
        all.raw_set(lua.create_string(name)?, lua.create_string(value)?)?;
    }
    if let Some((shell, started)) = shell.and_then(|shell| Some((shell, shell.subshell(platform::SCRIPT)?))) {
        for (name, value) in &started.variables {
            all.raw_set(name.as_str(), value.as_str())?;
        }
        table.raw_set("arguments", started.arguments.clone())?;
        table.raw_set("script", lua.create_string(entered.script(shell))?)?;
        if let Some((variable, files)) = started.files {
            table.raw_set("directory", variable)?;
            table.raw_set("files", lua.create_table_from(files.iter().copied())?)?;
        }
    }
    table.raw_set("variables", all)?;
    Ok(table)
}

/// Becomes a program; returns only when it cannot be started. Windows has no such call: there it runs, and its exit code is
/// returned.
fn become_program(
    lua: &Lua,
    words: &[LuaString],
    variables: &LuaTable,
    script: Option<&LuaString>,
    options: Option<&LuaTable>,
) -> Answer<i32> {
    let root = Options::read(lua, options)?.settings.root;
    let words: Vec<OsString> = words.iter().map(|word| text(&word.as_bytes())).collect();
    let mut all = Vec::new();
    for pair in variables.pairs::<LuaString, LuaString>() {
        let (name, value) = pair.map_err(lua_failure)?;
        all.push((text(&name.as_bytes()), text(&value.as_bytes())));
    }
    let directory = root.join("cache");
    let script = script.map(|script| script.as_bytes().to_vec());
    let script = script.as_deref().map(|script| (script, directory.as_path()));
    platform::become_program(&words, &all, script).map_err(|error| {
        let program = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
        let kind = if error.kind() == ErrorKind::NotFound { "not_found" } else { "not_started" };
        Failure::new(kind, format!("cannot start {program}: {error}"))
    })
}

/// Registers the functions.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_function(lua, native, "projects", |lua, manifest: LuaValue| projects(lua, &manifest))?;
    register_verb(
        lua,
        native,
        "enter",
        |lua, (manifest, project, shell, options): (LuaValue, String, Option<String>, Option<LuaTable>)| {
            enter(lua, &manifest, &project, shell.as_deref(), options.as_ref())
        },
    )?;
    register_function(
        lua,
        native,
        "become_program",
        |lua, (words, variables, script, options): (Vec<LuaString>, LuaTable, Option<LuaString>, Option<LuaTable>)| {
            become_program(lua, &words, &variables, script.as_ref(), options.as_ref())
        },
    )
}
