//! Evaluations: collecting what a config declares into a manifest.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use mlua::prelude::*;
use syslua_engine::action::Action;
use syslua_engine::activation::{Activation, Overridden, Project};
use syslua_engine::derivation::{Derivation, FileContent, Recipe};
use syslua_engine::environment;
use syslua_engine::failure::FailureKind;
use syslua_engine::generations;
use syslua_engine::hash::Hash;
use syslua_engine::manifest::Manifest;
use syslua_engine::platform;
use syslua_engine::settings::System;
use syslua_engine::store::Store;
use syslua_engine::store::sources::SourceMemory;
use syslua_engine::value::{Positions, Text};
use syslua_lua_source::Chunk;

use crate::convert::{ConfigFiles, Place, to_value};
use crate::error::{Answer, Error, OrFail, register as register_function, register_pure};
use crate::inputs;
use crate::options::{self, Options};
use crate::state::{self, Evaluation};

/// The field by which a table stands for a manifest that stays with the engine.
const RAW: &str = "raw_manifest";

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

/// Refuses an environment with which shells or programs would fail. `places` are the home and the
/// root of this machine.
fn check_environment(
    manifest: &Manifest,
    system: &System,
    places: Option<&(PathBuf, PathBuf)>,
) -> Answer<()> {
    let is_here = system.os == System::current().os;
    let places = places.filter(|_| is_here).map(|(home, root)| (home.as_path(), root.as_path()));
    let target = environment::Target { os: &system.os, places };
    check_activations(&manifest.activations, target)
}

/// Does the same for declarations of one target.
///
/// # Errors
/// What is refused, and where it was declared.
pub fn check_activations(
    activations: &[Activation],
    target: environment::Target<'_>,
) -> Answer<()> {
    environment::check(activations, target).map_err(|refusal| {
        let failure =
            Error::new(FailureKind::Config, refusal.message).at(refusal.positions.first().cloned());
        match refusal.hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    })
}

/// Returns what was declared in the order of its declaration: what is collected is handed over
/// last.
fn in_order<T>(mut declared: Vec<(usize, T)>) -> Vec<T> {
    declared.sort_by_key(|(order, _)| *order);
    declared.into_iter().map(|(_, one)| one).collect()
}

/// Adds what was declared before the evaluation began, before what needs it.
fn with_dependencies(lua: &Lua, declared: Vec<Arc<Derivation>>) -> Vec<Arc<Derivation>> {
    let mut seen: HashSet<Hash> = HashSet::new();
    let mut all = Vec::with_capacity(declared.len());
    for derivation in declared {
        if derivation.dependencies.iter().any(|dependency| !seen.contains(dependency)) {
            let needed = state::closure(lua, [derivation.hash]);
            all.extend(needed.into_iter().filter(|needed| seen.insert(needed.hash)));
        } else if seen.insert(derivation.hash) {
            all.push(derivation);
        }
    }
    all
}

/// Reads an action that the Lua side recorded.
///
/// # Errors
/// When the engine knows no such action.
pub fn action(lua: &Lua, table: &LuaTable) -> Answer<Action> {
    let value = to_value(lua, &LuaValue::Table(table.clone()), &Place::top("action"))?;
    serde_json::from_value(value.to_json()).map_err(|error| {
        Error::new(
            FailureKind::Internal,
            format!("an action that the engine does not know: {error}"),
        )
    })
}

/// Records an action that the Lua side describes. `explained` are the number by which it won, and
/// over which others.
fn record(
    lua: &Lua,
    table: &LuaTable,
    positions: Positions,
    explained: Option<&LuaTable>,
) -> Answer<bool> {
    let mut activation = Activation::new(action(lua, table)?, positions);
    if let Some(explained) = explained {
        Explained::read(explained)?.note(&mut activation);
    }
    record_in_scope(lua, activation, None).map(|()| true)
}

/// By which number a declaration won, and over which others.
#[derive(Clone, Debug, Default)]
pub struct Explained {
    priority: Option<i64>,
    overridden: Vec<Overridden>,
}

impl Explained {
    /// Reads the fields `priority` and `overridden` of a table.
    ///
    /// # Errors
    /// When the table is not as the Lua side makes it.
    pub fn read(table: &LuaTable) -> LuaResult<Explained> {
        let loser = |loser: LuaTable| {
            Ok(Overridden {
                value: Text(loser.raw_get::<LuaString>("value")?.as_bytes().to_vec()),
                priority: loser.raw_get("priority")?,
                positions: loser.raw_get::<Vec<String>>("positions")?.into(),
            })
        };
        let overridden: Option<Vec<LuaTable>> = table.raw_get("overridden")?;
        let overridden = overridden.into_iter().flatten().map(loser).collect::<LuaResult<_>>()?;
        Ok(Explained { priority: table.raw_get("priority")?, overridden })
    }

    /// Notes it in the action.
    pub fn note(self, activation: &mut Activation) {
        activation.priority = self.priority;
        activation.overridden = self.overridden;
    }
}

/// Records an action in the scope that is set: at the end, or at a place in the order of
/// declaration.
///
/// # Errors
/// When no evaluation is under way, or the scope takes no such action.
pub fn record_in_scope(lua: &Lua, activation: Activation, order: Option<usize>) -> Answer<()> {
    let recorded = state::change(lua, |state| match state.evaluations.last_mut() {
        Some(evaluation) => evaluation.record(activation, order),
        None => Err(Error::new(
            FailureKind::Config,
            "activate{} works only while a config is evaluated",
        )
        .with_hint("call it in setup()")),
    });
    recorded.unwrap_or_else(|| Err(Error::in_use()))
}

fn set_scope(
    lua: &Lua,
    user: Option<String>,
    home: &LuaString,
    project: Option<&LuaTable>,
) -> Answer<bool> {
    let user = user.map(|name| (name, platform::path_from_bytes(&home.as_bytes())));
    let project = project.map(|project| -> Answer<Project> {
        let path = project.raw_get::<Option<LuaString>>("path")?;
        Ok(Project {
            name: project.raw_get("name")?,
            path: path.map(|path| Text(path.as_bytes().to_vec())),
        })
    });
    let project = project.transpose()?;
    state::change(lua, |state| {
        if let Some(evaluation) = state.evaluations.last_mut() {
            evaluation.user = user;
            evaluation.project = project;
        }
    });
    Ok(true)
}

/// Returns the manifest that a value of Lua is.
///
/// # Errors
/// When it is not one.
pub fn manifest_of(lua: &Lua, value: &LuaValue) -> Answer<Arc<Manifest>> {
    if let LuaValue::Table(table) = value {
        let Some(number) = table.raw_get::<Option<usize>>(RAW)? else {
            return manifest_from_table(lua, table).map(Arc::new);
        };
        if let Some(manifest) =
            state::read(lua, |state| state.manifests.get(number.wrapping_sub(1)).cloned())
        {
            return Ok(manifest);
        }
    }
    Err(Error::new(
        FailureKind::Config,
        format!("expected a manifest, got a {}", value.type_name()),
    )
    .with_hint("syslua.evaluate(\"init.lua\") returns one"))
}

/// Reads a manifest back from the table that `evaluate` gave. Its derivations are found by hash.
fn manifest_from_table(lua: &Lua, table: &LuaTable) -> Answer<Manifest> {
    let field = |key: &str| table.raw_get::<Option<LuaTable>>(key);
    let (Some(derivations), Some(activations)) = (field("derivations")?, field("activations")?)
    else {
        return Err(Error::new(
            FailureKind::Config,
            "this table is not a manifest: it has no `derivations` and `activations`",
        )
        .with_hint("syslua.evaluate(\"init.lua\") returns one"));
    };
    let mut declared = Vec::new();
    for derivation in derivations.sequence_values::<LuaTable>() {
        let hash: LuaValue = derivation.and_then(|derivation| derivation.raw_get("hash"))?;
        declared.push(crate::derive::derivation_of(lua, &hash)?);
    }
    let value = to_value(lua, &LuaValue::Table(activations), &Place::top("activations"))?;
    let json = match value.to_json() {
        serde_json::Value::Object(empty) if empty.is_empty() => serde_json::json!([]),
        json => json,
    };
    let activations: Vec<Activation> = serde_json::from_value(unescape(json)).map_err(|error| {
        Error::new(
            FailureKind::Config,
            format!("`activations` was changed after syslua.evaluate: {error}"),
        )
    })?;
    let config_path: Option<PathBuf> = table
        .raw_get::<Option<LuaString>>("config_path")?
        .map(|path| platform::path_from_bytes(&path.as_bytes()));
    let manifest = Manifest {
        derivations: with_dependencies(lua, declared),
        activations,
        config_path,
        ..Manifest::default()
    };
    check_environment(&manifest, &System::current(), None)?;
    Ok(manifest)
}

/// Returns what tests of configs need to know of a manifest's derivations besides their JSON: the
/// placeholders of outputs, and of files their content or where their source is.
fn details(lua: &Lua, manifest: &Manifest) -> LuaResult<Vec<LuaTable>> {
    let detail = |derivation: &Arc<Derivation>| {
        let table = lua.create_table()?;
        let paths = lua.create_table()?;
        for output in &derivation.spec.outputs {
            paths.raw_set(output.as_str(), derivation.placeholder(output).to_string())?;
        }
        table.raw_set("paths", paths)?;
        if let Recipe::File(file) = &derivation.spec.recipe {
            table.raw_set("executable", file.executable)?;
            match &file.content {
                FileContent::Text(text) => table.raw_set("content", lua.create_string(text)?)?,
                FileContent::Source(source) => {
                    table.raw_set(
                        "source",
                        lua.create_string(platform::bytes_of_path(&source.path))?,
                    )?;
                }
                FileContent::Named(name, text) => {
                    table.raw_set("below", name.as_str())?;
                    table.raw_set("content", lua.create_string(text)?)?;
                }
                FileContent::Built(_) => {}
            }
        }
        Ok(table)
    };
    manifest.derivations.iter().map(detail).collect()
}

/// Returns a manifest's JSON as a table in which texts that are not UTF-8 are strings too.
fn with_bytes(lua: &Lua, json: &serde_json::Value) -> LuaResult<LuaValue> {
    use serde::Deserialize;
    use serde_json::Value as Json;
    match json {
        Json::Null => Ok(LuaValue::Nil),
        Json::Array(items) => {
            let items = items.iter().map(|item| with_bytes(lua, item));
            Ok(LuaValue::Table(lua.create_sequence_from(items.collect::<LuaResult<Vec<_>>>()?)?))
        }
        Json::Object(map) => {
            if map.len() == 1 && map.contains_key("$bytes") {
                let text = Text::deserialize(json).map_err(LuaError::external)?;
                return Ok(LuaValue::String(lua.create_string(&text.0)?));
            }
            let table = lua.create_table_with_capacity(0, map.len())?;
            for (key, item) in map {
                table.raw_set(key.as_str(), with_bytes(lua, item)?)?;
            }
            Ok(LuaValue::Table(table))
        }
        other => lua.to_value(other),
    }
}

/// `{"$bytes": ...}` came out of JSON and was escaped as if it were a key of the user.
fn unescape(json: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match json {
        Json::Array(items) => items.into_iter().map(unescape).collect(),
        Json::Object(map) => {
            let entry = |(key, value): (String, Json)| {
                (
                    key.strip_prefix("$$").map(|key| format!("${key}")).unwrap_or(key),
                    unescape(value),
                )
            };
            Json::Object(map.into_iter().map(entry).collect())
        }
        other => other,
    }
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
        let home = options::home_of(&name);
        Ok(home.map(|home| lua.create_string(platform::bytes_of_path(&home))).transpose()?)
    })?;
    register_function(lua, native, "read_link", |lua, path: LuaString| {
        let target = platform::read_link(&platform::path_from_bytes(&path.as_bytes())).ok();
        let target = target.map(|target| lua.create_string(platform::bytes_of_path(&target)));
        Ok(target.transpose()?)
    })?;
    register_function(lua, native, "absolute", |lua, path: LuaString| {
        let path = platform::path_from_bytes(&path.as_bytes());
        let absolute = std::path::absolute(&path).map_err(|error| {
            Error::new(
                FailureKind::Usage,
                format!("the path {} is unusable: {error}", path.display()),
            )
        })?;
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
