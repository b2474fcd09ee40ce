//! Derivations and sources as Lua sees them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mlua::prelude::*;
use syslua_engine::derivation::{Derivation, Recipe, Spec};
use syslua_engine::failure::FailureKind;
use syslua_engine::hash::Hash;
use syslua_engine::names::{Name, OutputName, Version};
use syslua_engine::platform::{self, FileKind};
use syslua_engine::settings::System;
use syslua_engine::value::{Positions, Value};

use crate::error::{Answer, Error, OrFail};
use crate::register::{register as register_function, register_pure};
use crate::values::convert::{FieldPath, check_paths, to_value};
use crate::values::handles::{
    DEPENDENCY, SOURCE, handle, handle_of, new_handle, set_kinds, source_of,
};
use crate::{capture, input_paths, state};

/// Returns the platform that derivations are declared for right now.
pub fn system(lua: &Lua) -> Arc<System> {
    state::read(lua, |state| {
        state.evaluations.last().map(|evaluation| Arc::clone(&evaluation.system))
    })
    .unwrap_or_else(|| Arc::new(System::current()))
}

fn opts_of(lua: &Lua, given: &LuaValue) -> Answer<Value> {
    let opts = input_paths::join_all(lua, to_value(lua, given, &FieldPath::top("opts"))?);
    match state::read(lua, state::State::config_files) {
        Some(files) => check_paths(&opts, &files, &FieldPath::top("opts")).map(|()| opts),
        None => Ok(opts),
    }
}

fn derive(lua: &Lua, spec: &LuaTable) -> Answer<LuaTable> {
    let text = |key: &str| spec.raw_get::<Option<String>>(key);
    let name = Name::parse(&text("name")?.unwrap_or_default()).or_fail(FailureKind::Config)?;
    let version = text("version")?.map(|version| Version::parse(&version)).transpose();
    let version = version.or_fail(FailureKind::Config)?;
    let mut outputs = Vec::new();
    for output in spec.raw_get::<Option<Vec<String>>>("outputs")?.unwrap_or_default() {
        let output = OutputName::parse(&output).or_fail(FailureKind::Config)?;
        if outputs.contains(&output) {
            return Err(Error::new(
                FailureKind::Config,
                format!("the output `{output}` is named twice"),
            ));
        }
        outputs.push(output);
    }
    if outputs.is_empty() {
        outputs.push(OutputName::main());
    }
    let output_hash =
        text("output_sha256")?.map(|hash| Hash::parse(&hash)).transpose().map_err(|error| {
            Error::new(FailureKind::Config, format!("`output_sha256`: {error}"))
                .with_hint("begin with 64 zeros: the build reports the hash")
        })?;
    if output_hash.is_some() && (outputs.len() > 1 || !outputs[0].is_main()) {
        let message = "`output_sha256` is the hash of the output `out`, \
                       so the derivation cannot have other outputs";
        return Err(Error::new(FailureKind::Config, message));
    }
    let positions = spec.raw_get::<Vec<String>>("positions")?.into();
    let config: LuaFunction = spec.raw_get("config")?;
    let opts: LuaValue = spec.raw_get("opts")?;
    let spec = Spec {
        name,
        version,
        outputs,
        system: system(lua),
        recipe: Recipe::Function {
            opts: opts_of(lua, &opts)?,
            config: capture::capture(lua, &config)?.into(),
        },
        output_hash,
    };
    let derivation = declare(lua, spec, Some(&config), positions, None)?;
    Ok(handle(lua, &derivation)?)
}

/// Remembers a derivation as part of the evaluation, with its function when it has one: as the last
/// one, or at a place in the order of declaration.
///
/// # Errors
/// When it names a derivation that was not declared here.
pub fn declare(
    lua: &Lua,
    spec: Spec,
    config: Option<&LuaFunction>,
    positions: Positions,
    order: Option<usize>,
) -> Answer<Arc<Derivation>> {
    let derivation = state::read(lua, |state| {
        Derivation::new(spec, |placeholder| state.owners.get(&placeholder).cloned())
    });
    let derivation = Arc::new(derivation.or_fail(FailureKind::Config)?.declared_at(positions));
    state::add(lua, &derivation, config, order)?;
    Ok(derivation)
}

/// Follows a link that is named as a source and notes that, or returns `None` if it is dangling.
pub fn follow(lua: &Lua, link: &Path) -> Option<PathBuf> {
    let end = platform::end_of(link).ok()?;
    state::change(lua, |state| {
        if let Some(evaluation) = state.evaluations.last_mut() {
            evaluation.also_read.push(link.to_owned());
        }
    });
    Some(end)
}

fn source(
    lua: &Lua,
    path: &LuaString,
    excluded: Option<Vec<LuaString>>,
    is_input: bool,
) -> Answer<LuaTable> {
    let named = platform::path_from_bytes(&path.as_bytes());
    let mut place = state::locate(lua, named.clone());
    // The copies of sources that a snapshot keeps are private, whatever the sources are.
    let is_original = place == named;
    if matches!(platform::kind_of(&place), Ok(Some(FileKind::Symlink))) {
        place = follow(lua, &place).unwrap_or(place);
    }
    let excluded = excluded.unwrap_or_default();
    let left_out =
        excluded.iter().map(|inner| platform::path_from_bytes(&inner.as_bytes())).collect();
    let nar = state::change(lua, |state| state.sources.hash(&place, &left_out));
    let nar = nar.ok_or_else(Error::in_use)?;
    let nar = nar?;
    if is_input && is_original && platform::is_system_user() && is_private(lua, &place, &left_out) {
        return Err(Error::new(
            FailureKind::Config,
            format!(
                "only its owner can read the source {}, or a part of it, and all users can read \
                 the store of root",
                place.display()
            ),
        )
        .with_hint("chmod o+r says that it is not secret; `filter` leaves a part out"));
    }
    let fields = lua.create_table()?;
    fields.raw_set("path", lua.create_string(platform::bytes_of_path(&place))?)?;
    fields.raw_set("sha256", nar.to_hex())?;
    if !excluded.is_empty() {
        fields.raw_set("excluded", lua.create_sequence_from(excluded)?)?;
    }
    Ok(new_handle(lua, SOURCE, &fields)?)
}

/// Returns whether others cannot read a part of a source.
fn is_private(lua: &Lua, place: &Path, excluded: &BTreeSet<PathBuf>) -> bool {
    let known = state::change(lua, |state| state.sources.observe_without(place, excluded));
    matches!(known, Some(Ok(Some(known))) if known.is_private)
}

/// Returns everything below a directory: pairs of relative path and kind, each directory before
/// what is in it. A file has nothing below it.
fn list_tree(lua: &Lua, path: &LuaString) -> Answer<Vec<LuaTable>> {
    let top = state::locate(lua, platform::path_from_bytes(&path.as_bytes()));
    let entries = entries_below(&top, &BTreeSet::new())?;
    let entry = |(inner, kind): &(PathBuf, FileKind)| {
        let entry = lua.create_table()?;
        entry.raw_set("path", lua.create_string(platform::bytes_of_path(inner))?)?;
        let kind = match kind {
            FileKind::File => "file",
            FileKind::Directory => "directory",
            FileKind::Symlink => "symlink",
            FileKind::Special => "special",
        };
        entry.raw_set("kind", kind)?;
        Ok(entry)
    };
    Ok(entries.iter().map(entry).collect::<LuaResult<_>>()?)
}

/// Returns the names in a directory; with `is_deep` the relative paths of everything below it.
/// `nil` if there is no directory; links above it and at it are followed.
fn list_directory(lua: &Lua, path: &LuaString, is_deep: bool) -> Answer<Option<Vec<LuaString>>> {
    let place = state::locate(lua, platform::path_from_bytes(&path.as_bytes()));
    let top = platform::canonical(&place);
    let kind = platform::kind_of(&top).or_fail(FailureKind::Config)?;
    if kind != Some(FileKind::Directory) {
        return Ok(None);
    }
    let names: Vec<PathBuf> = if is_deep {
        entries_below(&top, &BTreeSet::new())?.into_iter().map(|(inner, _)| inner).collect()
    } else {
        let entries = platform::list_directory(&top).or_fail(FailureKind::Config)?;
        entries.into_iter().map(|(name, _)| PathBuf::from(name)).collect()
    };
    let names = names.iter().map(|name| lua.create_string(platform::bytes_of_path(name)));
    Ok(names.collect::<LuaResult<_>>().map(Some)?)
}

/// Returns whether a path, or the target of a link there, exists.
fn exists(lua: &Lua, path: &LuaString) -> bool {
    let place = state::locate(lua, platform::path_from_bytes(&path.as_bytes()));
    platform::exists(&platform::canonical(&place))
}

/// Returns everything below a directory by its path relative to that, each directory before what is
/// in it, without what is left out.
///
/// # Errors
/// When a directory cannot be read.
pub fn entries_below(top: &Path, left_out: &BTreeSet<PathBuf>) -> Answer<Vec<(PathBuf, FileKind)>> {
    let mut entries = Vec::new();
    if platform::kind_of(top).or_fail(FailureKind::Config)? != Some(FileKind::Directory) {
        return Ok(entries);
    }
    let mut pending = vec![PathBuf::new()];
    while let Some(directory) = pending.pop() {
        for (name, kind) in
            platform::list_directory(&top.join(&directory)).or_fail(FailureKind::Config)?
        {
            let inner = directory.join(name);
            if left_out.contains(&inner) {
                continue;
            }
            if kind == FileKind::Directory {
                pending.push(inner.clone());
            }
            entries.push((inner, kind));
        }
    }
    Ok(entries)
}

/// Returns the derivation that a handle or a hash names.
///
/// # Errors
/// When it is neither.
pub fn derivation_of(lua: &Lua, value: &LuaValue) -> Answer<Arc<Derivation>> {
    let hash = match value {
        LuaValue::Table(table) => handle_of(lua, table, &|| "derivation".to_owned())?,
        LuaValue::String(text) => {
            Some(Hash::parse(&text.to_string_lossy()).or_fail(FailureKind::Config)?)
        }
        _ => None,
    };
    if let Some(hash) = hash {
        let known = state::read(lua, |state| state.derivation(&hash).cloned());
        return known.ok_or_else(|| {
            Error::new(
                FailureKind::Config,
                format!("no derivation with the hash {hash} was declared here"),
            )
        });
    }
    Err(Error::new(
        FailureKind::Config,
        format!("expected a derivation, got a {}", value.type_name()),
    ))
}

/// Returns whether a value stands for a path: a handle, a source, or a dependency as a build sees
/// it.
fn is_reference(lua: &Lua, value: &LuaValue) -> Answer<bool> {
    let LuaValue::Table(table) = value else { return Ok(false) };
    let name = || "this".to_owned();
    let is_dependency = || -> LuaResult<bool> {
        let dependency = lua.named_registry_value::<Option<LuaTable>>(DEPENDENCY)?;
        Ok(dependency.is_some() && dependency == table.metatable())
    };
    Ok(is_dependency()?
        || handle_of(lua, table, &name)?.is_some()
        || source_of(lua, table, &name)?.is_some())
}

/// Registers `derive` and `source`.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    capture::install(lua)?;
    register_function(
        lua,
        native,
        "set_kinds",
        |lua, (fields, metatables): (LuaTable, LuaTable)| Ok(set_kinds(lua, &fields, &metatables)?),
    )?;
    native.set("guarded", lua.create_sequence_from(capture::GUARDED)?)?;
    native.set("originals", capture::originals(lua)?)?;
    register_function(lua, native, "set_fixed", |lua, functions: LuaTable| {
        Ok(capture::set_fixed(lua, &functions).map(|()| true)?)
    })?;
    register_function(lua, native, "derive", |lua, spec: LuaTable| derive(lua, &spec))?;
    register_function(lua, native, "add_environment", |lua, environment: LuaTable| {
        Ok(capture::add_environment(lua, &environment).map(|()| true)?)
    })?;
    register_function(
        lua,
        native,
        "close_environment",
        |lua, (environment, module): (LuaTable, LuaTable)| {
            Ok(capture::close_environment(lua, &environment, &module).map(|()| true)?)
        },
    )?;
    register_function(
        lua,
        native,
        "source",
        |lua, (path, excluded, is_input): (LuaString, Option<Vec<LuaString>>, Option<bool>)| {
            source(lua, &path, excluded, is_input.unwrap_or(false))
        },
    )?;
    register_pure(lua, native, "is_reference", |lua, value: LuaValue| is_reference(lua, &value))?;
    register_function(
        lua,
        native,
        "list_directory",
        |lua, (path, is_deep): (LuaString, Option<bool>)| {
            list_directory(lua, &path, is_deep.unwrap_or(false))
        },
    )?;
    register_function(lua, native, "stands", |lua, path: LuaString| Ok(exists(lua, &path)))?;
    register_function(lua, native, "is_private", |_, path: LuaString| {
        let path = platform::canonical(&platform::path_from_bytes(&path.as_bytes()));
        Ok(platform::facts_of(&path).is_ok_and(|facts| facts.is_private()))
    })?;
    register_function(lua, native, "list_tree", |lua, path: LuaString| list_tree(lua, &path))
}
