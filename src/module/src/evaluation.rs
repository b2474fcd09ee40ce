//! Evaluations: collecting what a config declares into a manifest.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use mlua::prelude::*;
use syslua_engine::failure::FailureKind;
use syslua_engine::manifest::Manifest;
use syslua_engine::settings::System;
use syslua_engine::store::Store;
use syslua_engine::store::source_cache::SourceMemory;
use syslua_engine::value::Text;
use syslua_engine::{generations, platform};
use syslua_lua_source::Chunk;

use crate::config_files::ConfigFiles;
use crate::console::{loops, signals};
use crate::error::{Answer, Error, OrFail, absolute_path};
use crate::manifests::{
    RAW, check_environment, details, manifest_of, with_bytes, with_dependencies,
};
use crate::options::Options;
use crate::records::{record, set_scope};
use crate::register::{register as register_function, register_pure};
use crate::state::{self, Evaluation};
use crate::{inputs, machine};

/// The platform, options, the config's directory, and where its files are when they are restored
/// from a copy.
type BeginArguments = (Option<LuaTable>, Option<LuaTable>, Option<LuaString>, Option<LuaTable>);

fn begin(
    lua: &Lua,
    system: Option<&LuaTable>,
    options: Option<&LuaTable>,
    directory: Option<&LuaString>,
    places: Option<&LuaTable>,
) -> Answer<()> {
    let settings = Options::read(lua, options)?.settings;
    let system = match system {
        Some(table) => {
            let text = |key: &str| table.get::<String>(key);
            System { platform: text("platform")?, os: text("os")?, arch: text("arch")? }
        }
        None => System::current(),
    };
    let config_files = directory.and_then(|directory| {
        let (home, root) =
            (platform::bytes_of_path(&settings.home), platform::bytes_of_path(&settings.root));
        ConfigFiles::new(&directory.as_bytes(), &[&home, &root]).map(Rc::new)
    });
    let mut restored = BTreeMap::new();
    for pair in places.into_iter().flat_map(|places| places.pairs::<LuaString, LuaString>()) {
        let (path, place) = pair?;
        restored.insert(
            platform::path_from_bytes(&path.as_bytes()),
            platform::path_from_bytes(&place.as_bytes()),
        );
    }
    let evaluation = Evaluation {
        config_files,
        places: restored,
        system: Arc::new(system),
        places_of_machine: Some((settings.home.clone(), settings.root.clone())),
        ..Evaluation::default()
    };
    let store = Store::new(&settings.root).stopped_by(&settings.interrupt);
    let is_for_verb = match options {
        Some(options) => options.raw_get::<Option<bool>>("ahead")? == Some(true),
        None => false,
    };
    let ahead = if is_for_verb { generations::read_ahead(&store) } else { None };
    state::change(lua, |state| {
        state.ahead = ahead;
        state.sources = SourceMemory::load(&store).telling(&state.context.seen_trees);
        state.begin(evaluation);
    });
    Ok(())
}

fn end(lua: &Lua) -> Answer<Evaluation> {
    let evaluation = state::change(lua, state::State::end).flatten();
    evaluation.ok_or_else(|| Error::new(FailureKind::Internal, "no evaluation is under way"))
}

fn finish(
    lua: &Lua,
    config_path: Option<&LuaString>,
    files: Option<&LuaTable>,
) -> Answer<LuaTable> {
    let mut evaluation = end(lua)?;
    let lock = evaluation.lock.take();
    let mut manifest = Manifest {
        derivations: with_dependencies(lua, in_order(evaluation.derivations)),
        activations: in_order(evaluation.activations),
        config_path: config_path.map(|path| platform::path_from_bytes(&path.as_bytes())),
        files: Vec::new(),
        also_read: evaluation.also_read,
    };
    for pair in files.into_iter().flat_map(|files| files.pairs::<LuaString, LuaString>()) {
        let (name, text) = pair?;
        manifest.files.push((Text(name.as_bytes().to_vec()), text.as_bytes().to_vec()));
    }
    if let (Some(session), Some(config)) = (lock, &manifest.config_path) {
        manifest.files.extend(inputs::finish(lua, session, config)?);
    }
    manifest.files.sort();
    check_environment(&manifest, &evaluation.system, evaluation.places_of_machine.as_ref())?;
    let number = state::change(lua, |state| {
        state.manifests.push(Arc::new(manifest));
        state.manifests.len()
    });
    let table = lua.create_table()?;
    table.raw_set(RAW, number)?;
    Ok(table)
}

/// Returns what was declared in the order of its declaration: what is collected is handed over
/// last.
fn in_order<T>(mut declared: Vec<(usize, T)>) -> Vec<T> {
    declared.sort_by_key(|(order, _)| *order);
    declared.into_iter().map(|(_, one)| one).collect()
}

/// Says why a file is not read, without its name, and what to do.
fn unreadable(error: &std::io::Error) -> Error {
    let mut failure = Error::new(FailureKind::Config, platform::reason(error));
    failure.hint = platform::remedy(error).map(str::to_owned);
    failure
}

/// Writes a file of a config's directory, and makes the directories above it.
fn write_file(path: &Path, text: &[u8]) -> Answer<()> {
    let parent = path.parent().map_or(Ok(Vec::new()), platform::create_user_directories);
    let written = parent.and_then(|_| platform::write_user_file_atomically(path, text));
    written.or_fail(FailureKind::Io)
}

/// Registers the functions that evaluate a config.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_function(
        lua,
        native,
        "begin_evaluation",
        |lua, (system, options, directory, places): BeginArguments| {
            begin(lua, system.as_ref(), options.as_ref(), directory.as_ref(), places.as_ref())
                .map(|()| true)
        },
    )?;
    register_function(lua, native, "run_interruptibly", |lua, function: LuaFunction| {
        signals::while_working(|| -> Answer<bool> {
            match loops::run(lua, &function) {
                Ok(false) => Ok(true),
                Ok(true) => Err(Error::interrupted()),
                Err(error) => Err(error.into()),
            }
        })
    })?;
    register_function(lua, native, "abandon_evaluation", |lua, ()| end(lua).map(|_| true))?;
    register_function(
        lua,
        native,
        "finish_evaluation",
        |lua, (path, files): (Option<LuaString>, Option<LuaTable>)| {
            finish(lua, path.as_ref(), files.as_ref())
        },
    )?;
    register_function(
        lua,
        native,
        "record",
        |lua, (action, positions, explained): (LuaTable, Vec<String>, Option<LuaTable>)| {
            record(lua, &action, positions.into(), explained.as_ref())
        },
    )?;
    register_function(
        lua,
        native,
        "set_scope",
        |lua, (user, home, project): (Option<String>, LuaString, Option<LuaTable>)| {
            set_scope(lua, user, &home, project.as_ref())
        },
    )?;
    register_function(lua, native, "add_read", |lua, path: LuaString| {
        let path = std::path::absolute(platform::path_from_bytes(&path.as_bytes()));
        let path = path.or_fail(FailureKind::Config)?;
        state::change(lua, |state| {
            if let Some(evaluation) = state.evaluations.last_mut() {
                evaluation.also_read.push(path);
            }
        });
        Ok(true)
    })?;
    register_function(lua, native, "add_chunk", |lua, (name, text): (LuaString, LuaString)| {
        let name = name.to_string_lossy();
        let chunk = Rc::new(Chunk::new(text.as_bytes().to_vec()));
        state::change(lua, |state| state.add_evaluated_chunk(name, chunk));
        Ok(true)
    })?;
    register_function(lua, native, "exists", |lua, path: LuaString| {
        Ok(platform::leads_somewhere(&state::locate(
            lua,
            platform::path_from_bytes(&path.as_bytes()),
        )))
    })?;
    register_pure(lua, native, "read_file", |lua, path: LuaString| {
        let path = platform::path_from_bytes(&path.as_bytes());
        let content = platform::read_file(&path).map_err(|error| unreadable(&error.cause))?;
        Ok(lua.create_string(content)?)
    })?;
    register_pure(lua, native, "can_read", |_, path: LuaString| {
        let path = platform::path_from_bytes(&path.as_bytes());
        platform::open_regular(&path).map(|_| true).map_err(|error| unreadable(&error))
    })?;
    register_function(lua, native, "write_file", |_, (path, text): (LuaString, LuaString)| {
        write_file(&platform::path_from_bytes(&path.as_bytes()), &text.as_bytes()).map(|()| true)
    })?;
    register_function(lua, native, "user_home", |lua, name: String| {
        let home = machine::home_of(&name);
        Ok(home.map(|home| lua.create_string(platform::bytes_of_path(&home))).transpose()?)
    })?;
    register_function(lua, native, "read_link", |lua, path: LuaString| {
        let target = platform::read_link(&platform::path_from_bytes(&path.as_bytes())).ok();
        let target = target.map(|target| lua.create_string(platform::bytes_of_path(&target)));
        Ok(target.transpose()?)
    })?;
    register_function(lua, native, "absolute", |lua, path: LuaString| {
        let path = platform::path_from_bytes(&path.as_bytes());
        let absolute = absolute_path(&path, format_args!("the path {}", path.display()))?;
        Ok(lua.create_string(platform::bytes_of_path(&absolute))?)
    })?;
    register_function(lua, native, "manifest_table", |lua, parts: (LuaValue, Option<bool>)| {
        let (manifest, has_bytes) = parts;
        let manifest = manifest_of(lua, &manifest)?;
        let options =
            LuaSerializeOptions::new().serialize_none_to_null(false).serialize_unit_to_null(false);
        let table = if has_bytes == Some(true) {
            with_bytes(lua, &manifest.to_json())
        } else {
            lua.to_value_with(&manifest.to_json(), options)
        };
        let table = table?;
        if let (LuaValue::Table(table), Some(path)) = (&table, &manifest.config_path) {
            let path = lua.create_string(platform::bytes_of_path(path))?;
            table.set("config_path", path)?;
        }
        Ok(table)
    })?;
    register_function(lua, native, "manifest_details", |lua, manifest: LuaValue| {
        Ok(details(lua, &*manifest_of(lua, &manifest)?)?)
    })?;
    register_function(lua, native, "manifest_json", |lua, manifest: LuaValue| {
        let text = manifest_of(lua, &manifest)?.to_text();
        Ok(lua.create_string(text)?)
    })
}
